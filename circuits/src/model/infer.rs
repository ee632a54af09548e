//! Exact integer inference.

use rayon::prelude::*;

use super::tensor::check_shape;
use super::{Model, ModelError, Requantise, Tensor};

/// Every value of an inference. All matrices are flat and row-major: one row per input of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The number of inputs.
    pub batch: usize,
    /// One entry per layer. The input of layer `l > 0` is the `y` of layer `l - 1`.
    pub layers: Vec<LayerTrace>,
}

/// One layer's values, each a `batch x M` matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTrace {
    /// `Acc = X W + 1 (x) bias`.
    pub acc: Vec<i32>,
    /// What follows from `Acc`; `None` in a last layer that outputs its accumulators.
    pub requantised: Option<Requantised>,
}

/// The requantisation of a layer's accumulators, each field a `batch x M` matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requantised {
    /// `Y'`, in the table's range, at most 16 bits.
    pub y_prime: Vec<i16>,
    /// `rem = m Acc + 2^15 - 2^16 Y'`.
    pub rem: Vec<u16>,
    /// `Y = act(Y')`.
    pub y: Vec<i8>,
}

/// A network's output, a `batch x M` matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// The last layer's accumulators: logits.
    Accumulators(&'a [i32]),
    /// The last layer's activations, where it is requantised.
    Activations(&'a [i8]),
}

impl Trace {
    /// What the network says: the last layer's activations if it has any, else its accumulators.
    pub fn output(&self) -> Output<'_> {
        // A model has at least one layer, and a trace is only made from a model.
        match self.layers.last() {
            Some(LayerTrace { requantised: Some(last), .. }) => Output::Activations(&last.y),
            Some(LayerTrace { acc, requantised: None }) => Output::Accumulators(acc),
            None => Output::Accumulators(&[]),
        }
    }

    /// For each input of the batch, the column of its largest output, the first of equals.
    ///
    /// In a [padded](Model::padded) network the columns beyond the original's take part, with the value 0 or
    /// `act(0)`.
    pub fn predictions(&self) -> Vec<usize> {
        fn largest<T: Copy + Ord>(output: &[T], batch: usize) -> Vec<usize> {
            // Of equal keys `max_by_key` takes the last it sees: from the right, the first column.
            let first_largest =
                |row: &[T]| (0..row.len()).rev().max_by_key(|&column| row[column]).unwrap_or(0);
            output.chunks_exact((output.len() / batch.max(1)).max(1)).map(first_largest).collect()
        }
        match self.output() {
            Output::Accumulators(output) => largest(output, self.batch),
            Output::Activations(output) => largest(output, self.batch),
        }
    }
}

impl Model {
    /// Evaluates the network on every row of `inputs` (`batch x K`) and keeps all values.
    ///
    /// # Errors
    ///
    /// [`ModelError::InputColumns`] if an input does not have [`inputs`](Self::inputs) values;
    /// [`ModelError::TensorTooLarge`] if the batch is too large for one of the layers;
    /// [`ModelError::OutsideTable`] for the first `Y'`, in the order of layers, rows and columns, that its
    /// activation's table does not contain.
    pub fn infer(&self, inputs: &Tensor<i8>) -> Result<Trace, ModelError> {
        self.infer_with(inputs, |width| width, |layer, x| Ok(product(&self.layers()[layer].weights, x)))
    }

    /// [`infer`](Self::infer) of the [padded](Self::padded) network, which need not exist: the matrix products `X W` are
    /// computed elsewhere. `product` gets the number of a layer and its padded input.
    pub(crate) fn infer_padded_with<E: From<ModelError>>(
        &self,
        inputs: &Tensor<i8>,
        product: impl FnMut(usize, &[i8]) -> Result<Vec<i32>, E>,
    ) -> Result<Trace, E> {
        self.infer_with(inputs, usize::next_power_of_two, product)
    }

    /// The network with `width` of its numbers of columns, new ones being zero, and products computed by `product`.
    fn infer_with<E: From<ModelError>>(
        &self,
        inputs: &Tensor<i8>,
        width: impl Fn(usize) -> usize,
        mut product: impl FnMut(usize, &[i8]) -> Result<Vec<i32>, E>,
    ) -> Result<Trace, E> {
        let expected = width(self.inputs());
        if inputs.cols() != expected {
            return Err(ModelError::InputColumns { expected, actual: inputs.cols() }.into());
        }
        let batch = inputs.rows();
        for layer in self.layers() {
            check_shape(batch, width(layer.weights.cols()))?;
        }
        let mut layers: Vec<LayerTrace> = Vec::with_capacity(self.layers().len());
        for (index, layer) in self.layers().iter().enumerate() {
            let x = match layers.last() {
                Some(LayerTrace { requantised: Some(previous), .. }) => &previous.y,
                _ => inputs.data(),
            };
            let mut acc = product(index, x)?;
            let cols = width(layer.weights.cols());
            add_bias(&mut acc, cols, &layer.bias);
            let requantised =
                layer.requantise.map(|requantise| requantise.apply(&acc, index, cols)).transpose()?;
            layers.push(LayerTrace { acc, requantised });
        }
        Ok(Trace { batch, layers })
    }
}

/// `X W`.
///
/// Every partial sum, the bias included, is within `K 2^14 + max|bias| <= 2^31 - 1`, which [`Model::new`] has checked.
fn product(weights: &Tensor<i8>, x: &[i8]) -> Vec<i32> {
    let (k, m) = (weights.rows(), weights.cols());
    let mut acc = vec![0; x.len() / k * m];
    acc.par_chunks_exact_mut(m).zip(x.par_chunks_exact(k)).for_each(|(acc, x)| {
        for (&x, weights) in x.iter().zip(weights.iter_rows()) {
            for (acc, &weight) in acc.iter_mut().zip(weights) {
                *acc += i32::from(x) * i32::from(weight);
            }
        }
    });
    acc
}

/// `1 (x) bias`, padded by zeros, added to every row of `cols` entries.
fn add_bias(acc: &mut [i32], cols: usize, bias: &[i32]) {
    for row in acc.chunks_exact_mut(cols) {
        row.iter_mut().zip(bias).for_each(|(acc, bias)| *acc += bias);
    }
}

impl Requantise {
    /// `Y'`, `rem` and `Y` for all accumulators of layer number `layer`, of `cols` columns.
    fn apply(&self, acc: &[i32], layer: usize, cols: usize) -> Result<Requantised, ModelError> {
        let range = self.table_range();
        if let Some(at) = acc.par_iter().position_first(|&acc| !range.contains(&self.round(acc).0)) {
            return Err(ModelError::OutsideTable {
                layer,
                row: at / cols,
                column: at % cols,
                value: self.round(acc[at]).0,
                table_bits: self.table_bits(),
            });
        }
        let (y_prime, (rem, y)) = acc
            .par_iter()
            .map(|&acc| {
                let (y_prime, rem) = self.round(acc);
                // In the table, so 16 bits at most.
                (y_prime as i16, (rem, self.activation().apply(y_prime)))
            })
            .unzip();
        Ok(Requantised { y_prime, rem, y })
    }
}
