//! What can be wrong with a model, an input or a file.

use std::path::PathBuf;

use super::{MAX_ELEMENTS, MAX_LAYERS, Requantise};

/// A model, a tensor or an input that is not valid. Layers, rows and columns are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A tensor without rows or columns.
    #[error("a tensor of {rows} x {cols} has no elements")]
    EmptyTensor {
        /// The number of rows.
        rows: usize,
        /// The number of columns.
        cols: usize,
    },
    /// A tensor, or a layer's values for the whole batch, of more than [`MAX_ELEMENTS`] elements.
    #[error("{rows} x {cols}, rounded up to powers of two, is more than {MAX_ELEMENTS} elements")]
    TensorTooLarge {
        /// The number of rows.
        rows: usize,
        /// The number of columns.
        cols: usize,
    },
    /// A tensor's data do not have its shape.
    #[error("{length} elements given for a tensor of {rows} x {cols}")]
    TensorLength {
        /// The number of rows.
        rows: usize,
        /// The number of columns.
        cols: usize,
        /// The number of elements given.
        length: usize,
    },
    /// A range of rows that is empty or not contained in a tensor.
    #[error("rows {start}..{end} of a tensor that has {rows}")]
    RowRange {
        /// The first row.
        start: usize,
        /// One beyond the last row.
        end: usize,
        /// The tensor's number of rows.
        rows: usize,
    },
    /// No layer, or more than [`MAX_LAYERS`].
    #[error("a model has 1 to {MAX_LAYERS} layers, not {count}")]
    LayerCount {
        /// The number of layers.
        count: usize,
    },
    /// A bias whose length is not the layer's number of outputs.
    #[error("layer {layer} has {outputs} outputs and a bias of {length}")]
    BiasLength {
        /// The layer.
        layer: usize,
        /// Its number of outputs.
        outputs: usize,
        /// The length of its bias.
        length: usize,
    },
    /// A layer that does not take what the one before it gives.
    #[error("layer {layer} has {inputs} inputs, but the layer before it has {available} outputs")]
    LayerInputs {
        /// The layer.
        layer: usize,
        /// Its number of inputs.
        inputs: usize,
        /// The number of outputs of the layer before it.
        available: usize,
    },
    /// A layer that outputs accumulators but is not the last.
    #[error("layer {layer} is not the last and must be requantised")]
    NotRequantised {
        /// The layer.
        layer: usize,
    },
    /// A layer whose accumulators could leave `i32` for some input.
    #[error("accumulators of layer {layer} may reach {bound}, beyond 2^31 - 1")]
    AccumulatorOverflow {
        /// The layer.
        layer: usize,
        /// `K 2^14 + max|bias|`, with `K` rounded up to a power of two.
        bound: u64,
    },
    /// A multiplier of zero.
    #[error("a requantisation's multiplier must not be zero")]
    ZeroMultiplier,
    /// An activation table whose size is not in [`Requantise::TABLE_BITS`].
    #[error(
        "an activation table has 2^{} to 2^{} rows, not 2^{table_bits}",
        Requantise::TABLE_BITS.start(),
        Requantise::TABLE_BITS.end()
    )]
    TableBits {
        /// The binary logarithm of the number of rows.
        table_bits: u32,
    },
    /// Inputs of the wrong width.
    #[error("the model takes inputs of {expected} values, not {actual}")]
    InputColumns {
        /// The model's number of inputs.
        expected: usize,
        /// The number of columns given.
        actual: usize,
    },
    /// A rounded value that has no row in its layer's activation table.
    #[error(
        "layer {layer}, row {row}, column {column}: Y' = {value} is outside the table of 2^{table_bits} rows"
    )]
    OutsideTable {
        /// The layer.
        layer: usize,
        /// The row: the input's number in the batch.
        row: usize,
        /// The column: the output's number in the layer.
        column: usize,
        /// `Y'`.
        value: i32,
        /// The binary logarithm of the table's number of rows.
        table_bits: u32,
    },
    /// A part of a data set that does not have one row per image.
    #[error("a data set of {images} images has {length} {part}")]
    DatasetLength {
        /// The part's name.
        part: &'static str,
        /// The number of images.
        images: usize,
        /// The part's number of rows.
        length: usize,
    },
    /// A label or prediction that is not a class.
    #[error("image {image}: class {class} is not one of {classes}")]
    DatasetClass {
        /// The image.
        image: usize,
        /// The label or prediction.
        class: u8,
        /// The number of classes.
        classes: usize,
    },
}

/// A file that cannot be read, is not what `MODEL_FORMAT.md` describes, or holds an invalid model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Reading or writing failed.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Not a well-formed safetensors file.
    #[error("not a valid safetensors file")]
    Container(#[from] safetensors::SafeTensorError),
    /// The header's `__metadata__` does not consist of the one entry `zkmill`.
    #[error("the header's metadata must have the entry `zkmill` and no other")]
    MetadataKeys,
    /// The entry `zkmill` is not the expected JSON.
    #[error("invalid metadata")]
    Metadata(#[from] serde_json::Error),
    /// Another kind of file, or another version of the format.
    #[error("a file of kind `{kind}`, version {version}, where `{expected}`, version 1, is expected")]
    Kind {
        /// The kind expected.
        expected: &'static str,
        /// The kind found.
        kind: String,
        /// The version found.
        version: u64,
    },
    /// A tensor is missing.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor that the format does not have.
    #[error("tensor `{name}` does not belong here")]
    UnknownTensor {
        /// Its name.
        name: String,
    },
    /// A tensor's type or number of dimensions is not the format's.
    #[error("tensor `{name}` is {dtype} with {dimensions} dimensions, not {expected}")]
    TensorType {
        /// Its name.
        name: String,
        /// The element type found.
        dtype: String,
        /// The number of dimensions found.
        dimensions: usize,
        /// What it should be.
        expected: String,
    },
    /// The contents do not make a valid model or data set.
    #[error(transparent)]
    Invalid(#[from] ModelError),
}
