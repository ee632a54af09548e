//! The quantised model: what it accepts, what it computes, and how it is read from and written to files.

mod construction;
mod digits;
mod files;
mod inference;

use proptest::prelude::*;
use zkmill_circuits::model::{Activation, Layer, Model, Requantise, Tensor};

/// A layer whose shape is that of its weights.
fn layer(weights: (usize, usize, Vec<i8>), bias: Vec<i32>, requantise: Option<Requantise>) -> Layer {
    let (rows, cols, data) = weights;
    Layer { weights: Tensor::new(rows, cols, data).unwrap(), bias, requantise }
}

/// `m`, ReLU or clamp, `t`.
fn requantise(multiplier: u16, activation: Activation, table_bits: u32) -> Requantise {
    Requantise::new(multiplier, activation).unwrap().with_table_bits(table_bits).unwrap()
}

fn any_requantise() -> impl Strategy<Value = Requantise> {
    let activation = prop_oneof![Just(Activation::Relu), Just(Activation::Clamp)];
    // Mostly small, so that most values meet the tables.
    let multiplier = prop_oneof![3 => 1..2000u16, 1 => 1..=u16::MAX];
    (multiplier, activation, Requantise::TABLE_BITS).prop_map(|(m, act, t)| requantise(m, act, t))
}

/// A model of one to four layers of widths one to nine, and a batch of one to five inputs.
fn any_model() -> impl Strategy<Value = (Model, Tensor<i8>)> {
    (prop::collection::vec(1..10usize, 2..6), 1..6usize, any::<bool>()).prop_flat_map(
        |(widths, batch, accumulators)| {
            let last = widths.len() - 2;
            let layers: Vec<_> = (0..=last)
                .map(|l| {
                    let (k, m) = (widths[l], widths[l + 1]);
                    let weights = prop::collection::vec(any::<i8>(), k * m);
                    let bias = prop::collection::vec(-20_000..20_000i32, m);
                    (weights, bias, any_requantise()).prop_map(move |(weights, bias, requantise)| {
                        layer((k, m, weights), bias, (l < last || !accumulators).then_some(requantise))
                    })
                })
                .collect();
            let inputs = prop::collection::vec(any::<i8>(), batch * widths[0])
                .prop_map(move |data| Tensor::new(batch, data.len() / batch, data).unwrap());
            (layers.prop_map(|layers| Model::new(layers).unwrap()), inputs)
        },
    )
}
