//! Models and data sets as safetensors files; `MODEL_FORMAT.md` is the specification.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView, View};
use safetensors::{SafeTensors, serialize};
use serde::{Deserialize, Serialize};

use super::{Activation, Dataset, FileError, Layer, MAX_LAYERS, Model, ModelError, Requantise, Tensor};

/// The one entry of the header's `__metadata__`: a single one, because safetensors defines no order for
/// several.
const METADATA_KEY: &str = "zkmill";
const VERSION: u64 = 1;

/// The part of the metadata that every file has, read first so that an unknown version is reported as such.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelMetadata<'a> {
    format: Cow<'a, str>,
    version: u64,
    layers: Vec<Option<LayerMetadata>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerMetadata {
    multiplier: u16,
    activation: Activation,
    table_bits: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetMetadata<'a> {
    format: Cow<'a, str>,
    version: u64,
}

fn weight_name(layer: usize) -> String {
    format!("layers.{layer}.weight")
}

fn bias_name(layer: usize) -> String {
    format!("layers.{layer}.bias")
}

impl Model {
    const FORMAT: &'static str = "model";

    /// Reads a model file's bytes.
    ///
    /// # Errors
    ///
    /// Every [`FileError`] but [`FileError::Io`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (metadata, mut tensors) = read(bytes, Self::FORMAT)?;
        let metadata: ModelMetadata<'_> = serde_json::from_str(&metadata)?;
        let count = metadata.layers.len();
        if count > MAX_LAYERS {
            return Err(ModelError::LayerCount { count }.into());
        }
        let mut layers = Vec::with_capacity(count);
        for (index, record) in metadata.layers.into_iter().enumerate() {
            let weights = tensors.matrix(&weight_name(index))?;
            let bias = tensors.vector(&bias_name(index))?;
            let requantise = record.map(LayerMetadata::into_requantise).transpose()?;
            layers.push(Layer { weights, bias, requantise });
        }
        tensors.finish()?;
        Ok(Self::new(layers)?)
    }

    /// The model file's bytes: the same for equal models, and what [`from_bytes`](Self::from_bytes) reads.
    ///
    /// # Errors
    ///
    /// [`FileError::Container`] if the header exceeds what safetensors allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        let mut fields = Vec::with_capacity(2 * self.layers().len());
        for (index, layer) in self.layers().iter().enumerate() {
            fields.push((weight_name(index), Field::matrix(&layer.weights)));
            fields.push((bias_name(index), Field::vector(&layer.bias)));
        }
        let layers = self.layers().iter().map(|layer| layer.requantise.map(LayerMetadata::from)).collect();
        write(fields, &ModelMetadata { format: Self::FORMAT.into(), version: VERSION, layers })
    }

    /// Reads a model file.
    ///
    /// # Errors
    ///
    /// Every [`FileError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::from_bytes(&read_file(path.as_ref())?)
    }

    /// Writes a model file.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`], and as [`to_bytes`](Self::to_bytes).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_file(path.as_ref(), &self.to_bytes()?)
    }
}

impl Dataset {
    const FORMAT: &'static str = "dataset";

    /// Reads a data set file's bytes.
    ///
    /// # Errors
    ///
    /// Every [`FileError`] but [`FileError::Io`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (metadata, mut tensors) = read(bytes, Self::FORMAT)?;
        // Nothing in it that `read` has not checked, and nothing else may be.
        let DatasetMetadata { .. } = serde_json::from_str(&metadata)?;
        let images = tensors.matrix("images")?;
        let labels = tensors.vector("labels")?;
        let float_predictions = tensors.vector("float_predictions")?;
        let logits = tensors.matrix("logits")?;
        tensors.finish()?;
        Ok(Self::new(images, labels, float_predictions, logits)?)
    }

    /// The data set file's bytes: the same for equal sets, and what [`from_bytes`](Self::from_bytes) reads.
    ///
    /// # Errors
    ///
    /// [`FileError::Container`] if the header exceeds what safetensors allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        let fields = vec![
            ("images", Field::matrix(self.images())),
            ("labels", Field::vector(self.labels())),
            ("float_predictions", Field::vector(self.float_predictions())),
            ("logits", Field::matrix(self.logits())),
        ];
        write(fields, &DatasetMetadata { format: Self::FORMAT.into(), version: VERSION })
    }

    /// Reads a data set file.
    ///
    /// # Errors
    ///
    /// Every [`FileError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        Self::from_bytes(&read_file(path.as_ref())?)
    }

    /// Writes a data set file.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`], and as [`to_bytes`](Self::to_bytes).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        write_file(path.as_ref(), &self.to_bytes()?)
    }
}

impl LayerMetadata {
    fn into_requantise(self) -> Result<Requantise, ModelError> {
        Requantise::new(self.multiplier, self.activation)?.with_table_bits(self.table_bits)
    }
}

impl From<Requantise> for LayerMetadata {
    fn from(requantise: Requantise) -> Self {
        Self {
            multiplier: requantise.multiplier(),
            activation: requantise.activation(),
            table_bits: requantise.table_bits(),
        }
    }
}

/// An integer type that tensors of a file may have.
trait Element: Sized {
    const DTYPE: Dtype;
    /// Little-endian, whatever the machine.
    fn to_bytes(values: &[Self]) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($($integer:ty, $dtype:ident);*) => {$(
        impl Element for $integer {
            const DTYPE: Dtype = Dtype::$dtype;

            fn to_bytes(values: &[Self]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }

            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|&value| Self::from_le_bytes(value)).collect()
            }
        }
    )*};
}

element!(i8, I8; u8, U8; i32, I32);

/// A tensor on its way into a file.
struct Field {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Field {
    fn vector<T: Element>(values: &[T]) -> Self {
        Self { dtype: T::DTYPE, shape: vec![values.len()], bytes: T::to_bytes(values) }
    }

    fn matrix<T: Element>(tensor: &Tensor<T>) -> Self {
        Self { shape: vec![tensor.rows(), tensor.cols()], ..Self::vector(tensor.data()) }
    }
}

impl View for Field {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes.as_slice().into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn write<N: Ord + AsRef<str> + std::fmt::Display>(
    fields: Vec<(N, Field)>,
    metadata: &impl Serialize,
) -> Result<Vec<u8>, FileError> {
    let entry = (METADATA_KEY.to_owned(), serde_json::to_string(metadata)?);
    Ok(serialize(fields, Some([entry].into_iter().collect()))?)
}

/// The metadata's JSON, its kind and version checked, and the tensors.
fn read<'a>(bytes: &'a [u8], expected: &'static str) -> Result<(String, Tensors<'a>), FileError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = match header.metadata() {
        Some(entries) if entries.len() == 1 => entries.get(METADATA_KEY),
        _ => None,
    };
    let metadata = metadata.ok_or(FileError::MetadataKeys)?.clone();
    let Kind { format, version } = serde_json::from_str(&metadata)?;
    if format != expected || version != VERSION {
        return Err(FileError::Kind { expected, kind: format, version });
    }
    let tensors = SafeTensors::deserialize(bytes)?.tensors().into_iter().collect();
    Ok((metadata, Tensors(tensors)))
}

/// The tensors of a file that have not been read yet.
struct Tensors<'a>(BTreeMap<String, TensorView<'a>>);

impl Tensors<'_> {
    /// Takes the tensor `name`, which must have `D` dimensions. The container has checked its length against
    /// its shape.
    fn take<T: Element, const D: usize>(&mut self, name: &str) -> Result<([usize; D], Vec<T>), FileError> {
        let tensor = self.0.remove(name).ok_or_else(|| FileError::MissingTensor { name: name.to_owned() })?;
        match <[usize; D]>::try_from(tensor.shape()) {
            Ok(shape) if tensor.dtype() == T::DTYPE => Ok((shape, T::from_bytes(tensor.data()))),
            _ => Err(FileError::TensorType {
                name: name.to_owned(),
                dtype: tensor.dtype().to_string(),
                dimensions: tensor.shape().len(),
                expected: format!("{} with {D}", T::DTYPE),
            }),
        }
    }

    fn vector<T: Element>(&mut self, name: &str) -> Result<Vec<T>, FileError> {
        self.take::<T, 1>(name).map(|(_, values)| values)
    }

    fn matrix<T: Element>(&mut self, name: &str) -> Result<Tensor<T>, FileError> {
        let ([rows, cols], values) = self.take(name)?;
        Ok(Tensor::new(rows, cols, values)?)
    }

    /// Nothing may be left over.
    fn finish(mut self) -> Result<(), FileError> {
        match self.0.pop_first() {
            Some((name, _)) => Err(FileError::UnknownTensor { name }),
            None => Ok(()),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    std::fs::write(path, bytes).map_err(|source| FileError::Io { path: path.to_owned(), source })
}
