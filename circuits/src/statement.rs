//! What a proof is about, and the proof's bytes.

use ark_bn254::Fr;

use crate::circuit::{Circuit, Layout};
use crate::encoding::{Reader, Writer};
use crate::error::{EncodingError, Rejection};
use crate::model::{Activation, Tensor};
use crate::protocol::evaluate_matrix;

/// The input, as the verifier knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// One input a row.
    Public(Tensor<i8>),
    /// Known to the prover, who proves that it consists of `i8` values, padding included. What that padding holds is the prover's
    /// own affair: rows beyond the batch are not part of the answer, columns beyond the network's meet zero weights.
    Committed,
}

/// The network's answers, one row an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The last layer's accumulators: logits.
    Accumulators(Tensor<i32>),
    /// The last layer's activations, where it is requantised.
    Activations(Tensor<i8>),
}

impl Output {
    /// For each input, the column of its largest value, the first of equals.
    pub fn predictions(&self) -> Vec<usize> {
        fn largest<T: Copy + Ord>(tensor: &Tensor<T>) -> Vec<usize> {
            let first_largest =
                |row: &[T]| (0..row.len()).rev().max_by_key(|&column| row[column]).unwrap_or(0);
            tensor.iter_rows().map(first_largest).collect()
        }
        match self {
            Self::Accumulators(tensor) => largest(tensor),
            Self::Activations(tensor) => largest(tensor),
        }
    }

    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Accumulators(tensor) => (tensor.rows(), tensor.cols()),
            Self::Activations(tensor) => (tensor.rows(), tensor.cols()),
        }
    }
}

/// "On these inputs the committed network gives these outputs."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The inputs.
    pub input: Input,
    /// The answers to all of them.
    pub output: Output,
    /// Where the proof is meant to count: a proof is valid in its own context only.
    pub context: Vec<u8>,
}

impl Statement {
    /// The number of inputs.
    pub fn batch(&self) -> usize {
        self.output.shape().0
    }

    pub(crate) fn input_public(&self) -> bool {
        matches!(self.input, Input::Public(_))
    }

    /// Whether the tensors have the circuit's shapes.
    pub(crate) fn check(&self, circuit: &Circuit) -> Result<(), Rejection> {
        let fail = |what| Err(Rejection::Statement { what });
        if self.output.shape().1 != circuit.outputs() {
            return fail("number of outputs");
        }
        if matches!(self.output, Output::Activations(_)) != circuit.last().requantise.is_some() {
            return fail("kind of output");
        }
        if let Input::Public(input) = &self.input {
            if input.cols() != circuit.inputs() {
                return fail("number of inputs");
            }
            if input.rows() != self.batch() {
                return fail("as many outputs as inputs");
            }
        }
        Ok(())
    }
}

/// What the padded network answers to the zero rows beyond the batch, as the prover says; real columns only. The columns beyond the
/// network's are known: zero accumulators, or `act(0)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    Accumulators(Vec<i32>),
    Activations(Vec<i8>),
}

impl Padding {
    /// How many values there are.
    fn count(circuit: &Circuit, batch: usize) -> usize {
        (batch.next_power_of_two() - batch) * circuit.outputs()
    }
}

/// A proof. Its bytes are versioned and canonical: one proof has one encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub(crate) padding: Padding,
    /// What went over the channel.
    pub(crate) messages: Vec<u8>,
}

const MAGIC: &str = "zkmill proof";
const VERSION: u16 = 1;

impl Proof {
    /// The proof's bytes: magic, version, the outputs of rows beyond the batch, the channel's messages.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(MAGIC, VERSION);
        match &self.padding {
            Padding::Accumulators(values) => {
                values.iter().for_each(|value| writer.bytes(&value.to_le_bytes()))
            }
            Padding::Activations(values) => {
                values.iter().for_each(|value| writer.bytes(&value.to_le_bytes()))
            }
        }
        writer.bytes(&self.messages);
        writer.finish()
    }

    /// Reads a proof of a statement's shape. The messages are not looked at before verification.
    ///
    /// # Errors
    /// [`EncodingError`] if the bytes are something else or too short.
    pub(crate) fn from_bytes(bytes: &[u8], circuit: &Circuit, batch: usize) -> Result<Self, EncodingError> {
        let mut reader = Reader::new(bytes, MAGIC, VERSION)?;
        let count = Padding::count(circuit, batch);
        let padding = match circuit.last().requantise {
            None => Padding::Accumulators(reader.values(count, i32::from_le_bytes)?),
            Some(_) => Padding::Activations(reader.values(count, i8::from_le_bytes)?),
        };
        Ok(Self { padding, messages: reader.rest().to_vec() })
    }
}

/// Absorbs everything the statement says, in this order: key digest, shape, context, input, output, output beyond the batch. The
/// protocol's label and version, and the context once more, went in when the channel was made.
pub(crate) fn absorb(
    mut public: impl FnMut(&'static str, &[u8]),
    digest: &[u8; 32],
    statement: &Statement,
    padding: &Padding,
) {
    fn bytes<T: Copy, const N: usize>(values: &[T], encode: fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|value| encode(*value)).collect()
    }
    public("key", digest);
    public("batch", &(statement.batch() as u64).to_le_bytes());
    public("context", &statement.context);
    match &statement.input {
        Input::Public(input) => public("public input", &bytes(input.data(), i8::to_le_bytes)),
        Input::Committed => public("committed input", &[]),
    }
    match &statement.output {
        Output::Accumulators(output) => public("accumulators", &bytes(output.data(), i32::to_le_bytes)),
        Output::Activations(output) => public("activations", &bytes(output.data(), i8::to_le_bytes)),
    }
    match padding {
        Padding::Accumulators(values) => public("padding", &bytes(values, i32::to_le_bytes)),
        Padding::Activations(values) => public("padding", &bytes(values, i8::to_le_bytes)),
    }
}

/// The extension of the whole padded output at a point of the last layer.
pub(crate) fn evaluate_output(
    layout: &Layout,
    statement: &Statement,
    padding: &Padding,
    point: &[Fr],
) -> Option<Fr> {
    let (rows, cols) = layout.split_point(point);
    match (&statement.output, padding) {
        (Output::Accumulators(output), Padding::Accumulators(padding)) => {
            Some(evaluate_matrix(&[output.data(), padding].concat(), output.cols(), 0, rows, cols))
        }
        (Output::Activations(output), Padding::Activations(padding)) => {
            let activation = layout.layers.last()?.requantised.as_ref()?.requantise.activation();
            let fill = Activation::apply(activation, 0).into();
            Some(evaluate_matrix(&[output.data(), padding].concat(), output.cols(), fill, rows, cols))
        }
        _ => None,
    }
}

/// The extension of the zero-padded public input at a point of the first layer's matrix.
pub(crate) fn evaluate_input(input: &Tensor<i8>, rows: &[Fr], cols: &[Fr]) -> Fr {
    evaluate_matrix(input.data(), input.cols(), 0, rows, cols)
}
