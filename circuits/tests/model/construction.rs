//! Tensors, requantisations and models: every rule and its error.

use proptest::prelude::*;
use zkmill_circuits::model::{
    Activation, Dataset, Layer, MAX_ELEMENTS, MAX_LAYERS, Model, ModelError, Requantise, Tensor,
};

use super::{layer, requantise};

#[test]
fn tensor_rejects_shapes_that_do_not_fit() {
    for (rows, cols) in [(0, 1), (1, 0), (0, 0), (0, usize::MAX)] {
        assert_eq!(Tensor::<i8>::new(rows, cols, vec![]), Err(ModelError::EmptyTensor { rows, cols }));
    }
    let too_large = [
        (usize::MAX, 1),
        (usize::MAX, usize::MAX),
        (1 << 63, 2),
        (1 << 32, 1 << 32),
        (MAX_ELEMENTS + 1, 1),
        // About 2^27 elements, but 2^29 when padded.
        ((1 << 14) + 1, (1 << 13) + 1),
    ];
    for (rows, cols) in too_large {
        assert_eq!(Tensor::<i8>::new(rows, cols, vec![]), Err(ModelError::TensorTooLarge { rows, cols }));
    }
    // Within the limit, so it is the data's length that is wrong.
    let (rows, cols) = ((1 << 14) + 1, 1 << 13);
    let length = ModelError::TensorLength { rows, cols, length: 0 };
    assert_eq!(Tensor::<i8>::new(rows, cols, vec![]), Err(length));
    for length in [0, 5, 7] {
        assert_eq!(
            Tensor::new(2, 3, vec![0i8; length]),
            Err(ModelError::TensorLength { rows: 2, cols: 3, length })
        );
    }
}

#[test]
fn tensor_rows_and_padding() {
    let tensor = Tensor::new(3, 3, (1..=9).collect::<Vec<i32>>()).unwrap();
    assert_eq!(tensor.iter_rows().collect::<Vec<_>>(), [[1, 2, 3], [4, 5, 6], [7, 8, 9]]);
    assert_eq!(tensor.slice_rows(1..3).unwrap(), Tensor::new(2, 3, vec![4, 5, 6, 7, 8, 9]).unwrap());
    assert_eq!(tensor.slice_rows(0..3).unwrap(), tensor);
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..0, 3..3, 2..1, 0..4, 3..4, 5..usize::MAX] {
        let error = ModelError::RowRange { start: range.start, end: range.end, rows: 3 };
        assert_eq!(tensor.slice_rows(range), Err(error));
    }
    let padded = Tensor::new(4, 4, vec![1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(tensor.padded(), padded);
    assert_eq!(padded.padded(), padded);
}

#[test]
fn requantise_rejects_zero_multiplier_and_odd_tables() {
    assert_eq!(Requantise::new(0, Activation::Relu), Err(ModelError::ZeroMultiplier));
    let valid = Requantise::new(u16::MAX, Activation::Relu).unwrap();
    assert_eq!(valid.table_bits(), 12);
    for table_bits in [0, 8, 17, 31, 32, u32::MAX] {
        assert_eq!(valid.with_table_bits(table_bits), Err(ModelError::TableBits { table_bits }));
    }
    for table_bits in 9..=16 {
        assert_eq!(valid.with_table_bits(table_bits).unwrap().table_bits(), table_bits);
    }
}

#[test]
fn tables_hold_the_activation_in_offset_order() {
    for t in 9..=16 {
        let half = 1i32 << (t - 1);
        let relu = requantise(1, Activation::Relu, t).table();
        let clamp = requantise(1, Activation::Clamp, t).table();
        assert_eq!((relu.len(), clamp.len()), (1 << t, 1 << t));
        assert_eq!(requantise(1, Activation::Relu, t).table_range(), -half..=half - 1);
        for (j, (relu, clamp)) in relu.into_iter().zip(clamp).enumerate() {
            let y_prime = j as i32 - half;
            assert_eq!(i32::from(relu), if y_prime < 0 { 0 } else { y_prime.min(127) });
            assert_eq!(i32::from(clamp), if y_prime < 0 { y_prime.max(-128) } else { y_prime.min(127) });
        }
    }
}

#[test]
fn rounding_is_half_up() {
    let half = Requantise::new(1 << 15, Activation::Relu).unwrap();
    // m / 2^16 = 1/2.
    for (acc, y_prime, rem) in
        [(0, 0, 1 << 15), (1, 1, 0), (-1, 0, 0), (3, 2, 0), (-3, -1, 0), (-2, -1, 1 << 15)]
    {
        assert_eq!(half.round(acc), (y_prime, rem), "{acc}");
    }
}

proptest! {
    #[test]
    fn rounding_meets_its_definition(
        m in prop_oneof![Just(1), Just(u16::MAX), 1..=u16::MAX],
        acc in prop_oneof![Just(i32::MIN), Just(i32::MAX), any::<i32>()],
    ) {
        let (y_prime, rem) = Requantise::new(m, Activation::Clamp).unwrap().round(acc);
        let left = i128::from(m) * i128::from(acc) + (1 << 15);
        prop_assert_eq!(left, (i128::from(y_prime) << 16) + i128::from(rem));
    }
}

#[test]
fn model_rejects_each_broken_rule() {
    let relu = Some(requantise(1, Activation::Relu, 12));
    let ones = |k: usize, m: usize| (k, m, vec![1; k * m]);

    assert_eq!(Model::new(vec![]), Err(ModelError::LayerCount { count: 0 }));
    let count = MAX_LAYERS + 1;
    let many: Vec<Layer> = vec![layer(ones(1, 1), vec![0], relu); count];
    assert_eq!(Model::new(many.clone()), Err(ModelError::LayerCount { count }));
    assert!(Model::new(many[1..].to_vec()).is_ok());

    for length in [0, 1, 3] {
        let layers = vec![layer(ones(1, 3), vec![0; 3], relu), layer(ones(3, 2), vec![0; length], None)];
        assert_eq!(Model::new(layers), Err(ModelError::BiasLength { layer: 1, outputs: 2, length }));
    }
    let layers = vec![layer(ones(2, 3), vec![0; 3], relu), layer(ones(4, 2), vec![0; 2], None)];
    assert_eq!(Model::new(layers), Err(ModelError::LayerInputs { layer: 1, inputs: 4, available: 3 }));

    let layers = vec![layer(ones(2, 3), vec![0; 3], None), layer(ones(3, 2), vec![0; 2], None)];
    assert_eq!(Model::new(layers), Err(ModelError::NotRequantised { layer: 0 }));

    let layers = vec![layer(ones(2, 3), vec![0; 3], relu), layer(ones(3, 2), vec![0; 2], relu)];
    assert!(Model::new(layers).is_ok(), "the last layer may be requantised");
}

#[test]
fn accumulator_bound_is_sharp_and_counts_padded_inputs() {
    let model = |k: usize, bias: i32| Model::new(vec![layer((k, 1, vec![0; k]), vec![bias], None)]);
    let error = |bound| Err(ModelError::AccumulatorOverflow { layer: 0, bound });

    let largest = i32::MAX - (1 << 14);
    assert!(model(1, largest).is_ok() && model(1, -largest).is_ok());
    assert_eq!(model(1, largest + 1), error(1 << 31));
    assert_eq!(model(1, -largest - 1), error(1 << 31));
    assert_eq!(model(1, i32::MIN), error((1 << 31) + (1 << 14)));

    assert!(model(3, i32::MAX - (4 << 14)).is_ok());
    assert_eq!(model(3, i32::MAX - (4 << 14) + 1), error(1 << 31));

    assert!(model(1 << 16, (1 << 30) - 1).is_ok());
    assert_eq!(model(1 << 16, 1 << 30), error(1 << 31));
    assert_eq!(model((1 << 16) + 1, 0), error(1 << 31));
}

#[test]
fn padded_models_are_valid_models() {
    let relu = Some(requantise(7, Activation::Relu, 9));
    let layers = vec![
        layer((3, 5, (0..15).collect()), vec![1, 2, 3, 4, 5], relu),
        layer((5, 1, vec![-1, 2, -3, 4, -5]), vec![6], None),
    ];
    let padded = Model::new(layers).unwrap().padded();
    assert_eq!(Model::new(padded.layers().to_vec()).as_ref(), Ok(&padded));
    assert_eq!((padded.inputs(), padded.outputs()), (4, 1));
    assert_eq!(padded.layers()[0].weights.cols(), 8);
    assert_eq!(padded.layers()[0].bias, [1, 2, 3, 4, 5, 0, 0, 0]);
    assert_eq!(padded.layers()[0].weights.data()[..8], [0, 1, 2, 3, 4, 0, 0, 0]);
    assert_eq!(padded.layers()[0].weights.data()[24..], [0; 8]);
    assert_eq!(padded.layers()[1].weights.data(), [-1, 2, -3, 4, -5, 0, 0, 0]);
    assert_eq!(padded.padded(), padded);
}

#[test]
fn dataset_rejects_parts_that_do_not_fit() {
    let dataset = |labels: &[u8], floats: &[u8], logits: usize| {
        let images = Tensor::new(2, 3, vec![0; 6]).unwrap();
        Dataset::new(
            images,
            labels.into(),
            floats.into(),
            Tensor::new(logits, 4, vec![0; 4 * logits]).unwrap(),
        )
    };
    let error = |part, length| Err(ModelError::DatasetLength { part, images: 2, length });
    assert!(dataset(&[0, 3], &[3, 0], 2).is_ok());
    assert_eq!(dataset(&[0], &[0, 0], 2), error("labels", 1));
    assert_eq!(dataset(&[0, 0], &[0, 0, 0], 2), error("float predictions", 3));
    assert_eq!(dataset(&[0, 0], &[0, 0], 1), error("rows of logits", 1));
    assert_eq!(
        dataset(&[0, 4], &[0, 0], 2),
        Err(ModelError::DatasetClass { image: 1, class: 4, classes: 4 })
    );
    assert_eq!(
        dataset(&[0, 0], &[255, 0], 2),
        Err(ModelError::DatasetClass { image: 0, class: 255, classes: 4 })
    );
}

#[test]
fn dataset_accuracy_counts_right_predictions() {
    let images = Tensor::new(4, 1, vec![1, 2, 3, 4]).unwrap();
    let logits = Tensor::new(4, 2, (0..8).collect()).unwrap();
    let dataset = Dataset::new(images, vec![0, 1, 0, 1], vec![0, 1, 1, 1], logits).unwrap();
    assert_eq!(dataset.float_accuracy(), 0.75);
    assert_eq!(dataset.accuracy(&[1, 1, 1, 1]), 0.5);
    assert_eq!(dataset.accuracy(&[0]), 0.25);
    assert_eq!(dataset.accuracy(&[]), 0.0);
    let part = dataset.slice(2..4).unwrap();
    assert_eq!((part.images().data(), part.labels()), (&[3, 4][..], &[0, 1][..]));
    assert_eq!((part.float_predictions(), part.logits().data()), (&[1, 1][..], &[4, 5, 6, 7][..]));
    assert_eq!(dataset.slice(2..5), Err(ModelError::RowRange { start: 2, end: 5, rows: 4 }));
    assert_eq!(dataset.slice(1..1), Err(ModelError::RowRange { start: 1, end: 1, rows: 4 }));
}
