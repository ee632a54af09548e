//! The digits network of `data/` against the logits that its training script computed.

use zkmill_circuits::model::{Activation, Dataset, Model, Output};

pub(super) const MODEL: &[u8] = include_bytes!("../../data/digits-model.safetensors");
pub(super) const TEST: &[u8] = include_bytes!("../../data/digits-test.safetensors");

fn load() -> (Model, Dataset) {
    (Model::from_bytes(MODEL).unwrap(), Dataset::from_bytes(TEST).unwrap())
}

#[test]
fn it_is_the_network_it_says() {
    let (model, test) = load();
    let shapes: Vec<_> = model.layers().iter().map(|l| (l.weights.rows(), l.weights.cols())).collect();
    assert_eq!(shapes, [(64, 128), (128, 64), (64, 10)]);
    let steps: Vec<_> =
        model.layers().iter().map(|l| l.requantise.map(|r| (r.activation(), r.table_bits()))).collect();
    assert_eq!(steps, [Some((Activation::Relu, 12)), Some((Activation::Relu, 12)), None]);
    assert_eq!((test.images().rows(), test.images().cols(), test.logits().cols()), (360, 64, 10));
    assert!(test.images().data().iter().all(|pixel| (0..=16).contains(pixel)));
    // Stratified: each digit is held out about as often.
    for digit in 0..10 {
        let count = test.labels().iter().filter(|&&label| label == digit).count();
        assert!((30..=40).contains(&count), "digit {digit}: {count}");
    }
}

#[test]
fn inference_equals_the_scripts_logits_on_every_image() {
    let (model, test) = load();
    let trace = model.infer(test.images()).unwrap();
    assert_eq!(trace.output(), Output::Accumulators(test.logits().data()));
    // Image by image, too: rows of a batch do not influence each other.
    for i in 0..test.images().rows() {
        let one = test.slice(i..i + 1).unwrap();
        assert_eq!(model.infer(one.images()).unwrap().output(), Output::Accumulators(one.logits().data()));
    }
}

#[test]
fn quantisation_keeps_the_accuracy() {
    let (model, test) = load();
    let quantised = test.accuracy(&model.infer(test.images()).unwrap().predictions());
    let float = test.float_accuracy();
    assert!(quantised >= 0.96, "quantised accuracy {quantised}");
    assert!((float - quantised).abs() <= 0.015, "float {float}, quantised {quantised}");
    // As MODEL_FORMAT.md says.
    assert_eq!((float, quantised), (355.0 / 360.0, 355.0 / 360.0));
}

#[test]
fn rounded_values_keep_away_from_the_tables_ends() {
    let (model, test) = load();
    let trace = model.infer(test.images()).unwrap();
    let requantised: Vec<_> = trace.layers.iter().filter_map(|layer| layer.requantised.as_ref()).collect();
    assert_eq!(requantised.len(), 2);
    for requantised in requantised {
        assert!(requantised.y_prime.iter().all(|y_prime| y_prime.unsigned_abs() < 1 << 10));
        assert!(requantised.y.iter().any(|&y| y > 64), "the activation's range is used");
    }
}

#[test]
fn files_are_canonical() {
    let (model, test) = load();
    assert!(model.to_bytes().unwrap() == MODEL);
    assert!(test.to_bytes().unwrap() == TEST);
}
