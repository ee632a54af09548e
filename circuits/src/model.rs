//! Quantised networks: their integers, their exact inference, their files.
//!
//! A network is a chain of layers. With a batch `X` of inputs (`batch x K`, `i8`), weights `W` (`K x M`,
//! `i8`) and a bias (`M`, `i32`), layer by layer and in integers only,
//!
//! ```text
//! Acc = X W + 1 (x) bias                        i32, the bias added to every row
//! m Acc + 2^15 = 2^16 Y' + rem                  rem in [0, 2^16): Y' is m Acc / 2^16 rounded half up
//! Y = act(Y')                                   i8, the next layer's X
//! ```
//!
//! The multiplier `m` in `1..2^16` *defines* the scale of `Y`, so rounding it to an integer loses no
//! accuracy. The activation is a table over `Y'` in `[-2^(t-1), 2^(t-1))`; a `Y'` outside is an error that
//! says where, it never wraps. The last layer usually stops at `Acc`: its rows are the logits.
//!
//! [`Model::infer`] is plain integer code and the reference for what a proof states. It keeps every
//! intermediate value in a [`Trace`], from which the prover takes its witness. Files are described in
//! `MODEL_FORMAT.md`.
//!
//! ```
//! use zkmill_circuits::model::{Activation, Layer, Model, Output, Requantise, Tensor};
//!
//! let hidden = Layer {
//!     weights: Tensor::new(2, 3, vec![1, -2, 3, 4, 5, -6])?,
//!     bias: vec![10, 0, -10],
//!     requantise: Some(Requantise::new(1 << 15, Activation::Relu)?), // halves the accumulators
//! };
//! let last = Layer { weights: Tensor::new(3, 1, vec![1, 1, 1])?, bias: vec![0], requantise: None };
//! let model = Model::new(vec![hidden, last])?;
//!
//! // One input, (1, 2): Acc = (19, 8, -19), Y' = (10, 4, -9), Y = (10, 4, 0).
//! let trace = model.infer(&Tensor::new(1, 2, vec![1, 2])?)?;
//! assert_eq!(trace.layers[0].acc, [19, 8, -19]);
//! assert_eq!(trace.output(), Output::Accumulators(&[14]));
//! # Ok::<(), zkmill_circuits::model::ModelError>(())
//! ```

mod activation;
mod dataset;
mod error;
mod file;
mod infer;
mod tensor;

pub use activation::{Activation, Requantise};
pub use dataset::Dataset;
pub use error::{FileError, ModelError};
pub use infer::{LayerTrace, Output, Requantised, Trace};
pub use tensor::{MAX_ELEMENTS, Tensor};

/// The most layers a model may have.
pub const MAX_LAYERS: usize = 1024;

/// A fully connected layer: `Acc = X W + 1 (x) bias`, then, unless it is the last, requantised and activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `W`, `K x M`: one row per input, one column per output.
    pub weights: Tensor<i8>,
    /// `M` values, in units of the accumulators.
    pub bias: Vec<i32>,
    /// How accumulators become the next layer's `i8` inputs; `None` leaves them as the output, for the last
    /// layer only.
    pub requantise: Option<Requantise>,
}

/// A quantised network, validated when it is made: shapes chain and no accumulator can leave `i32`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    layers: Vec<Layer>,
}

impl Model {
    /// Checks the layers and takes them as a model.
    ///
    /// No accumulator can wrap, whatever the input: `K 2^14 + max|bias| <= 2^31 - 1`, with `K` rounded up to
    /// a power of two, so that the bound also holds for [`padded`](Self::padded) and needs no knowledge of
    /// which weights are padding.
    ///
    /// # Errors
    ///
    /// [`ModelError::LayerCount`], [`BiasLength`](ModelError::BiasLength),
    /// [`LayerInputs`](ModelError::LayerInputs), [`NotRequantised`](ModelError::NotRequantised) and
    /// [`AccumulatorOverflow`](ModelError::AccumulatorOverflow), the latter four naming the first layer at
    /// fault.
    pub fn new(layers: Vec<Layer>) -> Result<Self, ModelError> {
        if layers.is_empty() || layers.len() > MAX_LAYERS {
            return Err(ModelError::LayerCount { count: layers.len() });
        }
        for (index, layer) in layers.iter().enumerate() {
            let (inputs, outputs) = (layer.weights.rows(), layer.weights.cols());
            if layer.bias.len() != outputs {
                return Err(ModelError::BiasLength { layer: index, outputs, length: layer.bias.len() });
            }
            if let Some(previous) = index.checked_sub(1).map(|i| &layers[i]) {
                let available = previous.weights.cols();
                if inputs != available {
                    return Err(ModelError::LayerInputs { layer: index, inputs, available });
                }
                if previous.requantise.is_none() {
                    return Err(ModelError::NotRequantised { layer: index - 1 });
                }
            }
            let largest_bias = layer.bias.iter().map(|b| u64::from(b.unsigned_abs())).max().unwrap_or(0);
            let bound = ((inputs.next_power_of_two() as u64) << 14) + largest_bias;
            if bound > i32::MAX as u64 {
                return Err(ModelError::AccumulatorOverflow { layer: index, bound });
            }
        }
        Ok(Self { layers })
    }

    /// The layers, in the order of evaluation.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The number of values in an input: the first layer's `K`.
    pub fn inputs(&self) -> usize {
        self.layers[0].weights.rows()
    }

    /// The number of values in an output: the last layer's `M`.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].weights.cols()
    }

    /// The same network with every `K` and `M` rounded up to a power of two by zero weights and biases.
    ///
    /// It takes an input padded alike ([`Tensor::padded`]) and computes the same values where the original
    /// has any. The rest is honest inference too, and not all zero: an accumulator 0 has `rem = 2^15`, and
    /// rows beyond the batch still receive the bias; so [`infer`](Self::infer) may find a `Y'` outside its
    /// table in a row beyond the batch.
    pub fn padded(&self) -> Self {
        let pad = |layer: &Layer| {
            let weights = layer.weights.padded();
            let mut bias = layer.bias.clone();
            bias.resize(weights.cols(), 0);
            Layer { weights, bias, requantise: layer.requantise }
        };
        // Everything `new` checks survives: widths that were equal stay equal, and its bound is that of the
        // padded shapes.
        Self { layers: self.layers.iter().map(pad).collect() }
    }
}
