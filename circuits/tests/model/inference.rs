//! Inference against a second, wider and slower formulation, and at the ends of every range.

use proptest::prelude::*;
use zkmill_circuits::model::{Activation, Model, ModelError, Output, Tensor};

use super::{any_model, layer, requantise};

/// One layer's `(Acc, Y', rem, Y)` for each row and column, or the place of the first `Y'` outside the table,
/// by the definitions, with one dot product per value in `i128`.
type Values = Vec<(i128, Option<(i128, i128, i128)>)>;

fn by_definition(model: &Model, inputs: &Tensor<i8>) -> Result<Vec<Values>, ModelError> {
    let mut x: Vec<Vec<i128>> =
        inputs.iter_rows().map(|row| row.iter().map(|&x| x.into()).collect()).collect();
    let mut layers = Vec::new();
    for (index, layer) in model.layers().iter().enumerate() {
        let (mut values, mut next) = (Values::new(), Vec::new());
        for (row, x) in x.iter().enumerate() {
            let mut outputs = Vec::new();
            for column in 0..layer.weights.cols() {
                let products = x
                    .iter()
                    .enumerate()
                    .map(|(k, x)| x * i128::from(layer.weights.data()[k * layer.weights.cols() + column]));
                let acc = products.sum::<i128>() + i128::from(layer.bias[column]);
                let requantised = match layer.requantise {
                    None => None,
                    Some(requantise) => {
                        let scaled = i128::from(requantise.multiplier()) * acc + 32768;
                        let (y_prime, rem) = (scaled.div_euclid(65536), scaled.rem_euclid(65536));
                        let half = 1 << (requantise.table_bits() - 1);
                        if y_prime < -half || y_prime >= half {
                            let (value, table_bits) = (y_prime as i32, requantise.table_bits());
                            return Err(ModelError::OutsideTable {
                                layer: index,
                                row,
                                column,
                                value,
                                table_bits,
                            });
                        }
                        let lowest = if requantise.activation() == Activation::Relu { 0 } else { -128 };
                        let y = y_prime.max(lowest).min(127);
                        outputs.push(y);
                        Some((y_prime, rem, y))
                    }
                };
                values.push((acc, requantised));
            }
            next.push(outputs);
        }
        layers.push(values);
        x = next;
    }
    Ok(layers)
}

/// A model's inference in the form of [`by_definition`].
fn infer(model: &Model, inputs: &Tensor<i8>) -> Result<Vec<Values>, ModelError> {
    let trace = model.infer(inputs)?;
    assert_eq!(trace.batch, inputs.rows());
    let layers = trace.layers.iter().map(|layer| {
        let requantised: Vec<_> = match &layer.requantised {
            None => vec![None; layer.acc.len()],
            Some(r) => {
                let lengths = [r.y_prime.len(), r.rem.len(), r.y.len()];
                assert_eq!(lengths, [layer.acc.len(); 3]);
                let values = r.y_prime.iter().zip(&r.rem).zip(&r.y);
                values.map(|((&y_prime, &rem), &y)| Some((y_prime.into(), rem.into(), y.into()))).collect()
            }
        };
        layer.acc.iter().map(|&acc| acc.into()).zip(requantised).collect()
    });
    Ok(layers.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn inference_meets_its_definition((model, inputs) in any_model()) {
        prop_assert_eq!(infer(&model, &inputs), by_definition(&model, &inputs));
    }

    #[test]
    fn padding_changes_no_value((model, inputs) in any_model()) {
        let (padded_model, padded_inputs) = (model.padded(), inputs.padded());
        let (plain, padded) = (model.infer(&inputs), padded_model.infer(&padded_inputs));
        if let (Ok(plain), Ok(padded)) = (&plain, &padded) {
            prop_assert_eq!(padded.batch, inputs.rows().next_power_of_two());
            for (l, (plain, padded)) in plain.layers.iter().zip(&padded.layers).enumerate() {
                let cols = model.layers()[l].weights.cols();
                let place = |i: usize| i / cols * cols.next_power_of_two() + i % cols;
                for i in 0..plain.acc.len() {
                    prop_assert_eq!(plain.acc[i], padded.acc[place(i)]);
                    if let (Some(plain), Some(padded)) = (&plain.requantised, &padded.requantised) {
                        prop_assert_eq!(plain.y_prime[i], padded.y_prime[place(i)]);
                        prop_assert_eq!(plain.rem[i], padded.rem[place(i)]);
                        prop_assert_eq!(plain.y[i], padded.y[place(i)]);
                    }
                }
            }
        }
        // Padding may add an error, since padded rows are honest inferences of zero, but removes none.
        prop_assert!(plain.is_ok() || padded.is_err());
        // The padding itself is honest inference.
        prop_assert_eq!(infer(&padded_model, &padded_inputs), by_definition(&padded_model, &padded_inputs));
    }
}

#[test]
fn size_one_everywhere() {
    let model = Model::new(vec![layer((1, 1, vec![-3]), vec![5], None)]).unwrap();
    let trace = model.infer(&Tensor::new(1, 1, vec![7]).unwrap()).unwrap();
    assert_eq!(trace.output(), Output::Accumulators(&[-16]));
    assert_eq!(trace.predictions(), [0]);
}

#[test]
fn all_minus_128_reaches_the_largest_accumulator() {
    let k = 1 << 16;
    let inputs = Tensor::new(2, k, vec![-128; 2 * k]).unwrap();
    let bias = (1 << 30) - 1;
    let weights = [[-128, 127]; 1 << 16].concat();
    let model = Model::new(vec![layer((k, 2, weights.clone()), vec![bias, -bias], None)]).unwrap();
    let (largest, smallest) = (i32::MAX, -128 * 127 * 65536 - bias);
    let trace = model.infer(&inputs).unwrap();
    assert_eq!(trace.output(), Output::Accumulators(&[largest, smallest, largest, smallest]));

    // Even the smallest multiplier takes 2^31 - 1 to 2^15, one beyond the largest table.
    let clamp = Some(requantise(1, Activation::Clamp, 16));
    let model = Model::new(vec![layer((k, 2, weights.clone()), vec![bias, -bias], clamp)]).unwrap();
    let error = ModelError::OutsideTable { layer: 0, row: 0, column: 0, value: 1 << 15, table_bits: 16 };
    assert_eq!(model.infer(&inputs), Err(error));

    let model = Model::new(vec![layer((k, 2, weights), vec![bias - (1 << 15), -bias], clamp)]).unwrap();
    let trace = model.infer(&inputs).unwrap();
    let requantised = trace.layers[0].requantised.as_ref().unwrap();
    assert_eq!(requantised.y_prime[0], i16::MAX);
    assert_eq!(trace.output(), Output::Activations(&[127, -128, 127, -128]));
}

#[test]
fn the_table_ends_where_it_says() {
    for t in 9..=16 {
        let half = 1i32 << (t - 1);
        for activation in [Activation::Relu, Activation::Clamp] {
            // With m = 2^15, Y' = ceil(acc / 2).
            let infer = |acc: i32| {
                let model = vec![layer((1, 1, vec![0]), vec![acc], Some(requantise(1 << 15, activation, t)))];
                let trace = Model::new(model).unwrap().infer(&Tensor::new(1, 1, vec![0]).unwrap());
                trace.map(|trace| trace.layers[0].requantised.as_ref().unwrap().y_prime[0])
            };
            let outside =
                |value| Err(ModelError::OutsideTable { layer: 0, row: 0, column: 0, value, table_bits: t });
            assert_eq!(infer(2 * half - 2), Ok((half - 1) as i16));
            assert_eq!(infer(2 * half - 1), outside(half));
            assert_eq!(infer(-2 * half - 1), Ok(-half as i16));
            assert_eq!(infer(-2 * half - 2), outside(-half - 1));
        }
    }
}

#[test]
fn the_error_names_the_first_place_of_several() {
    // Layer 0 passes its input on; layer 1 multiplies it by 16 in column 1 and by 64 in column 2.
    let identity = layer((1, 1, vec![2]), vec![0], Some(requantise(1 << 15, Activation::Clamp, 12)));
    let factors =
        layer((1, 3, vec![1, 16, 64]), vec![0; 3], Some(requantise(u16::MAX, Activation::Clamp, 12)));
    let model = Model::new(vec![identity, factors]).unwrap();
    let error = |inputs: Vec<i8>| model.infer(&Tensor::new(inputs.len(), 1, inputs).unwrap()).unwrap_err();
    let outside =
        |row, column, value| ModelError::OutsideTable { layer: 1, row, column, value, table_bits: 12 };
    assert_eq!(error(vec![1, 2, 40, 127]), outside(2, 2, 2560));
    assert_eq!(error(vec![1, 127, 40, -128]), outside(1, 2, 8128));
    assert_eq!(error(vec![-33, 127]), outside(0, 2, -2112));
    assert_eq!(
        error(vec![-33]).to_string(),
        "layer 1, row 0, column 2: Y' = -2112 is outside the table of 2^12 rows"
    );
    assert!(model.infer(&Tensor::new(2, 1, vec![31, -32]).unwrap()).is_ok());
}

#[test]
fn padding_is_honest_inference_not_zeros() {
    let relu = Some(requantise(1 << 15, Activation::Relu, 12));
    let model = Model::new(vec![layer((1, 3, vec![1, 2, 3]), vec![10, 20, 30], relu)]).unwrap();
    let trace = model.padded().infer(&Tensor::new(3, 1, vec![2, 4, 6]).unwrap().padded()).unwrap();
    assert_eq!(trace.layers[0].acc, [12, 24, 36, 0, 14, 28, 42, 0, 16, 32, 48, 0, 10, 20, 30, 0]);
    let requantised = trace.layers[0].requantised.as_ref().unwrap();
    assert_eq!(requantised.y[12..], [5, 10, 15, 0]);
    assert_eq!(requantised.rem, [1 << 15; 16]);
}

#[test]
fn predictions_take_the_first_of_the_largest() {
    let logits = |weights: Vec<i8>, requantise| {
        let m = weights.len();
        let model = Model::new(vec![layer((1, m, weights), vec![0; m], requantise)]).unwrap();
        model.infer(&Tensor::new(3, 1, vec![1, 0, -1]).unwrap()).unwrap().predictions()
    };
    assert_eq!(logits(vec![-5, 7, 3, 7], None), [1, 0, 0]);
    assert_eq!(logits(vec![9, -7, 3, -7], None), [0, 0, 1]);
    // ReLU: the negative ones are all 0.
    assert_eq!(logits(vec![-100, 100, 0, 0], Some(requantise(u16::MAX, Activation::Relu, 12))), [1, 0, 0]);
}

#[test]
fn inputs_that_do_not_fit_are_rejected() {
    let model = Model::new(vec![layer((2, 512, vec![0; 1024]), vec![0; 512], None)]).unwrap();
    for cols in [1, 3] {
        let inputs = Tensor::new(2, cols, vec![0; 2 * cols]).unwrap();
        assert_eq!(model.infer(&inputs), Err(ModelError::InputColumns { expected: 2, actual: cols }));
    }
    // The batch itself is small enough, its accumulators are not.
    let rows = (1 << 19) + 1;
    let inputs = Tensor::new(rows, 2, vec![0; 2 * rows]).unwrap();
    assert_eq!(model.infer(&inputs), Err(ModelError::TensorTooLarge { rows, cols: 512 }));
}
