//! The file format: its bytes, round trips, each rejection, and hostile input.

use std::error::Error as _;

use proptest::prelude::*;
use zkmill_circuits::model::{Activation, Dataset, FileError, Model, ModelError, Tensor};

use super::digits::{MODEL, TEST};
use super::{any_model, layer, requantise};

/// A safetensors file of this header, padded as the format wants it, and data.
fn container(header: &str, data: &[u8]) -> Vec<u8> {
    let mut header = header.to_owned();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

const HEADER: &str = concat!(
    r#"{"__metadata__":{"zkmill":"{\"format\":\"model\",\"version\":1,\"layers\":"#,
    r#"[{\"multiplier\":300,\"activation\":\"clamp\",\"table_bits\":9},null]}"},"#,
    r#""layers.0.bias":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"#,
    r#""layers.1.bias":{"dtype":"I32","shape":[3],"data_offsets":[4,16]},"#,
    r#""layers.0.weight":{"dtype":"I8","shape":[2,1],"data_offsets":[16,18]},"#,
    r#""layers.1.weight":{"dtype":"I8","shape":[1,3],"data_offsets":[18,21]}}"#
);
#[rustfmt::skip]
const DATA: [u8; 21] = [
    0xfe, 0xff, 0xff, 0xff,
    1, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff,
    0x80, 0x7f,
    1, 2, 0xff,
];

const DATASET_HEADER: &str = concat!(
    r#"{"__metadata__":{"zkmill":"{\"format\":\"dataset\",\"version\":1}"},"#,
    r#""logits":{"dtype":"I32","shape":[1,2],"data_offsets":[0,8]},"#,
    r#""images":{"dtype":"I8","shape":[1,3],"data_offsets":[8,11]},"#,
    r#""float_predictions":{"dtype":"U8","shape":[1],"data_offsets":[11,12]},"#,
    r#""labels":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}}"#
);
const DATASET_DATA: [u8; 13] = [7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 16, 0x80, 3, 1, 0];

fn small_model() -> Model {
    let hidden = layer((2, 1, vec![-128, 127]), vec![-2], Some(requantise(300, Activation::Clamp, 9)));
    Model::new(vec![hidden, layer((1, 3, vec![1, 2, -1]), vec![1, 256, -1], None)]).unwrap()
}

fn small_dataset() -> Dataset {
    let (images, logits) =
        (Tensor::new(1, 3, vec![16, -128, 3]).unwrap(), Tensor::new(1, 2, vec![7, -1]).unwrap());
    Dataset::new(images, vec![0], vec![1], logits).unwrap()
}

/// Reads the small model's file with `from` replaced by `to` in the header.
fn model_with(from: &str, to: &str) -> Result<Model, FileError> {
    assert!(HEADER.contains(from), "{from}");
    Model::from_bytes(&container(&HEADER.replace(from, to), &DATA))
}

fn dataset_with(from: &str, to: &str) -> Result<Dataset, FileError> {
    assert!(DATASET_HEADER.contains(from), "{from}");
    Dataset::from_bytes(&container(&DATASET_HEADER.replace(from, to), &DATASET_DATA))
}

macro_rules! assert_error {
    ($result:expr, $($pattern:tt)+) => {
        match $result {
            Err($($pattern)+) => {}
            other => panic!("expected {}, got {other:?}", stringify!($($pattern)+)),
        }
    };
}

#[test]
fn bytes_are_those_of_the_specification() {
    let bytes = container(HEADER, &DATA);
    assert_eq!(String::from_utf8_lossy(&small_model().to_bytes().unwrap()), String::from_utf8_lossy(&bytes));
    assert_eq!(small_model().to_bytes().unwrap(), bytes);
    assert_eq!(Model::from_bytes(&bytes).unwrap(), small_model());

    let bytes = container(DATASET_HEADER, &DATASET_DATA);
    assert_eq!(
        String::from_utf8_lossy(&small_dataset().to_bytes().unwrap()),
        String::from_utf8_lossy(&bytes)
    );
    assert_eq!(small_dataset().to_bytes().unwrap(), bytes);
    assert_eq!(Dataset::from_bytes(&bytes).unwrap(), small_dataset());
}

proptest! {
    #[test]
    fn models_round_trip((model, _) in any_model()) {
        let bytes = model.to_bytes().unwrap();
        let read = Model::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&read, &model);
        prop_assert_eq!(read.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn random_bytes_are_rejected(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Model::from_bytes(&bytes).is_err());
        prop_assert!(Dataset::from_bytes(&bytes).is_err());
    }

    /// Random edits of valid files: an error or a valid model, never a panic.
    #[test]
    fn edited_files_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        insert in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        for original in [container(HEADER, &DATA), container(DATASET_HEADER, &DATASET_DATA)] {
            let mut bytes = original.clone();
            for (index, value) in &edits {
                let at = index.index(bytes.len());
                bytes[at] = *value;
            }
            let at = cut.index(bytes.len());
            bytes.splice(at..at, insert.iter().copied());
            exercise(&bytes);
        }
    }
}

/// Reads bytes as either kind of file and uses what is read.
fn exercise(bytes: &[u8]) -> (Option<Model>, Option<Dataset>) {
    let (model, dataset) = (Model::from_bytes(bytes), Dataset::from_bytes(bytes));
    for error in [model.as_ref().err(), dataset.as_ref().err()].into_iter().flatten() {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(model) = &model {
        let inputs = Tensor::new(1, model.inputs(), vec![-128; model.inputs()]).unwrap();
        let _ = model.padded().infer(&inputs.padded());
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).as_ref().ok(), Some(model));
    }
    (model.ok(), dataset.ok())
}

#[test]
fn files_are_saved_and_loaded() {
    let path = |name| std::env::temp_dir().join(format!("zkmill-{}-{name}.safetensors", std::process::id()));
    let (model, dataset) = (path("model"), path("dataset"));
    small_model().save(&model).unwrap();
    small_dataset().save(&dataset).unwrap();
    assert_eq!(Model::load(&model).unwrap(), small_model());
    assert_eq!(Dataset::load(&dataset).unwrap(), small_dataset());
    std::fs::remove_file(&model).unwrap();
    std::fs::remove_file(&dataset).unwrap();

    let error = Model::load(&model).unwrap_err();
    assert!(error.to_string().contains(model.to_str().unwrap()));
    assert!(error.source().is_some());
    assert_error!(Dataset::load(&dataset), FileError::Io { .. });
    assert_error!(small_model().save(std::env::temp_dir()), FileError::Io { .. });
    assert_error!(small_dataset().save(std::env::temp_dir()), FileError::Io { .. });
}

#[test]
fn metadata_is_checked() {
    assert_error!(model_with("\"zkmill\"", "\"other\""), FileError::MetadataKeys);
    assert_error!(model_with("\"zkmill\"", "\"a\":\"b\",\"zkmill\""), FileError::MetadataKeys);
    let start = HEADER.find("\"layers.0").unwrap();
    let without = container(&format!("{{{}", &HEADER[start..]), &DATA);
    assert_error!(Model::from_bytes(&without), FileError::MetadataKeys);
    assert_error!(model_with("__metadata__\":{", "__metadata__\":7,\"x\":{"), FileError::Container(_));

    assert_error!(model_with("version\\\":1", "version\\\":2"), FileError::Kind { version: 2, .. });
    // A later version may have other keys: still an unknown version, not bad JSON.
    assert_error!(
        model_with("version\\\":1", "version\\\":2,\\\"x\\\":[]"),
        FileError::Kind { version: 2, .. }
    );
    match model_with("\\\"model\\\"", "\\\"dataset\\\"") {
        Err(FileError::Kind { expected: "model", kind, version: 1 }) => assert_eq!(kind, "dataset"),
        other => panic!("{other:?}"),
    }
    assert_error!(
        Dataset::from_bytes(&container(HEADER, &DATA)),
        FileError::Kind { expected: "dataset", .. }
    );

    let invalid_json = [
        ("{\\\"format\\\"", "{{\\\"format\\\""),
        ("version\\\":1", "version\\\":-1"),
        ("version\\\":1", "version\\\":1.0"),
        ("version\\\":1", "version\\\":\\\"1\\\""),
        ("\\\"version\\\":1,", ""),
        ("version\\\":1", "version\\\":1,\\\"extra\\\":1"),
        ("version\\\":1", "version\\\":1,\\\"version\\\":1"),
        (",\\\"table_bits\\\":9", ""),
        (",\\\"table_bits\\\":9", ",\\\"table_bits\\\":9,\\\"extra\\\":9"),
        (":300", ":65536"),
        (":300", ":-1"),
        (":300", ":300.5"),
        (":300", ":null"),
        ("clamp", "tanh"),
        ("clamp", "Clamp"),
        ("null]", "null"),
        ("null]", "false]"),
        ("null]}", "null]}x"),
    ];
    for (from, to) in invalid_json {
        assert_error!(model_with(from, to), FileError::Metadata(_));
    }
    assert_error!(dataset_with("version\\\":1", "version\\\":1,\\\"extra\\\":1"), FileError::Metadata(_));
    assert_error!(dataset_with("version\\\":1", "version\\\":9"), FileError::Kind { version: 9, .. });

    assert_error!(model_with(":300", ":0"), FileError::Invalid(ModelError::ZeroMultiplier));
    for bits in [0, 8, 17] {
        let result = model_with("bits\\\":9", &format!("bits\\\":{bits}"));
        assert_error!(result, FileError::Invalid(ModelError::TableBits { .. }));
    }
    assert!(model_with("bits\\\":9", "bits\\\":16").is_ok());
    assert!(model_with(":300", ":65535").is_ok());
}

#[test]
fn tensors_are_checked() {
    for name in ["layers.0.weight", "layers.1.weight", "layers.0.bias", "layers.1.bias"] {
        match model_with(name, "other") {
            Err(FileError::MissingTensor { name: missing }) => assert_eq!(missing, name),
            other => panic!("{other:?}"),
        }
    }
    // One layer described, two given; three described, two given.
    let fewer =
        model_with("{\\\"multiplier\\\":300,\\\"activation\\\":\\\"clamp\\\",\\\"table_bits\\\":9},", "");
    assert_error!(fewer, FileError::UnknownTensor { .. });
    assert_error!(model_with("null", "null,null"), FileError::MissingTensor { .. });
    assert_error!(
        model_with(
            "[{\\\"multiplier\\\":300,\\\"activation\\\":\\\"clamp\\\",\\\"table_bits\\\":9},null]",
            "[]"
        ),
        FileError::UnknownTensor { .. }
    );

    for (from, to) in [
        ("\"I8\",\"shape\":[2,1]", "\"U8\",\"shape\":[2,1]"),
        ("\"I8\",\"shape\":[2,1]", "\"I16\",\"shape\":[1,1]"),
        ("\"I32\",\"shape\":[3]", "\"F32\",\"shape\":[3]"),
        ("\"I32\",\"shape\":[3]", "\"U32\",\"shape\":[3]"),
        ("\"I32\",\"shape\":[3]", "\"I8\",\"shape\":[12]"),
        ("\"shape\":[3]", "\"shape\":[3,1]"),
        ("\"shape\":[1],", "\"shape\":[],"),
        ("\"shape\":[2,1]", "\"shape\":[2]"),
        ("\"shape\":[2,1]", "\"shape\":[2,1,1]"),
    ] {
        assert_error!(model_with(from, to), FileError::TensorType { .. });
    }
    for (from, to) in [
        ("\"labels\":{\"dtype\":\"U8\"", "\"labels\":{\"dtype\":\"I8\""),
        ("\"I8\"", "\"U8\""),
        ("\"shape\":[1,3]", "\"shape\":[3]"),
    ] {
        assert_error!(dataset_with(from, to), FileError::TensorType { .. });
    }
    for name in ["images", "labels", "float_predictions", "logits"] {
        assert_error!(dataset_with(&format!("\"{name}\""), "\"x\""), FileError::MissingTensor { .. });
    }
    let extra = DATASET_HEADER
        .replace("[12,13]}}", "[12,13]},\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[13,13]}}");
    assert_error!(Dataset::from_bytes(&container(&extra, &DATASET_DATA)), FileError::UnknownTensor { .. });

    // Well-formed tensors that do not make a model or a data set.
    let swapped = model_with("\"shape\":[2,1]", "\"shape\":[1,2]");
    assert_error!(swapped, FileError::Invalid(ModelError::BiasLength { layer: 0, outputs: 2, length: 1 }));
    let transposed = model_with("\"shape\":[1,3]", "\"shape\":[3,1]");
    assert_error!(transposed, FileError::Invalid(ModelError::BiasLength { layer: 1, .. }));
    let not_last =
        model_with("{\\\"multiplier\\\":300,\\\"activation\\\":\\\"clamp\\\",\\\"table_bits\\\":9}", "null");
    assert_error!(not_last, FileError::Invalid(ModelError::NotRequantised { layer: 0 }));
    let mut data = DATA;
    data[4..8].copy_from_slice(&i32::MAX.to_le_bytes());
    let wraps = Model::from_bytes(&container(HEADER, &data));
    assert_error!(wraps, FileError::Invalid(ModelError::AccumulatorOverflow { layer: 1, .. }));
    let mut data = DATASET_DATA;
    data[12] = 2;
    let class = Dataset::from_bytes(&container(DATASET_HEADER, &data));
    assert_error!(class, FileError::Invalid(ModelError::DatasetClass { image: 0, class: 2, classes: 2 }));
}

#[test]
fn hostile_sizes_are_rejected() {
    // The header's length.
    for length in [0, 1, 7, HEADER.len() as u64 - 1, 100_000_000, 100_000_001, u64::MAX - 8, u64::MAX] {
        let mut bytes = container(HEADER, &DATA);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_error!(Model::from_bytes(&bytes), FileError::Container(_));
    }
    // Shapes and offsets that do not match, overflow, or reach outside.
    for (from, to) in [
        ("\"shape\":[2,1]", "\"shape\":[2,2]"),
        ("\"shape\":[2,1]", "\"shape\":[9223372036854775808,2]"),
        ("\"shape\":[2,1]", "\"shape\":[18446744073709551615,18446744073709551615]"),
        ("\"shape\":[2,1]", "\"shape\":[18446744073709551616,1]"),
        ("\"shape\":[2,1]", "\"shape\":[-2,-1]"),
        ("[18,21]", "[18,22]"),
        ("[18,21]", "[18,18446744073709551615]"),
        ("[18,21]", "[21,18]"),
        ("[18,21]", "[17,20]"),
        ("[16,18]", "[0,2]"),
    ] {
        assert_error!(model_with(from, to), FileError::Container(_));
    }
    // A tensor without elements may have a dimension of any size.
    let empty = HEADER.replace(
        "\"shape\":[1,3],\"data_offsets\":[18,21]",
        "\"shape\":[0,18446744073709551615],\"data_offsets\":[18,18]",
    );
    assert_error!(
        Model::from_bytes(&container(&empty, &DATA[..18])),
        FileError::Invalid(ModelError::EmptyTensor { rows: 0, cols: usize::MAX })
    );
    let layers = format!("[{}null]", "null,".repeat(1_000_000));
    let described = "[{\\\"multiplier\\\":300,\\\"activation\\\":\\\"clamp\\\",\\\"table_bits\\\":9},null]";
    assert_error!(
        model_with(described, &layers),
        FileError::Invalid(ModelError::LayerCount { count: 1_000_001 })
    );
    // JSON nested deeply enough to exhaust the stack of a recursive reader.
    assert_error!(model_with(described, &"[".repeat(1_000_000)), FileError::Metadata(_));
    assert_error!(Model::from_bytes(&container(&"[".repeat(1_000_000), &[])), FileError::Container(_));
}

#[test]
fn truncated_files_are_rejected() {
    for length in 0..MODEL.len() {
        assert!(Model::from_bytes(&MODEL[..length]).is_err(), "{length}");
    }
    for length in 0..TEST.len() {
        assert!(Dataset::from_bytes(&TEST[..length]).is_err(), "{length}");
    }
    assert!(Model::from_bytes(&[MODEL, &[0]].concat()).is_err());
    assert!(Dataset::from_bytes(&[TEST, &[0]].concat()).is_err());
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    for original in [container(HEADER, &DATA), container(DATASET_HEADER, &DATASET_DATA)] {
        let (model, dataset) = exercise(&original);
        assert!(model.is_some() != dataset.is_some());
        for bit in 0..8 * original.len() {
            let mut bytes = original.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (flipped_model, flipped_dataset) = exercise(&bytes);
            assert!(flipped_model.is_none() || flipped_model != model, "bit {bit}");
            assert!(flipped_dataset.is_none() || flipped_dataset != dataset, "bit {bit}");
        }
    }
}
