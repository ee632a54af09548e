//! Labelled images with known answers.

use std::ops::Range;

use super::{ModelError, Tensor};

/// Images as a network's inputs, with their classes and what two networks say of them: the float one by its
/// predictions, the quantised one by its logits, as computed when it was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    images: Tensor<i8>,
    labels: Vec<u8>,
    float_predictions: Vec<u8>,
    logits: Tensor<i32>,
}

impl Dataset {
    /// One row of `images` and `logits`, one label and one prediction per image; a class per column of
    /// `logits`.
    ///
    /// # Errors
    ///
    /// [`ModelError::DatasetLength`] if the parts' lengths differ, [`ModelError::DatasetClass`] for a label
    /// or prediction that is not a class.
    pub fn new(
        images: Tensor<i8>,
        labels: Vec<u8>,
        float_predictions: Vec<u8>,
        logits: Tensor<i32>,
    ) -> Result<Self, ModelError> {
        for (part, length) in [
            ("labels", labels.len()),
            ("float predictions", float_predictions.len()),
            ("rows of logits", logits.rows()),
        ] {
            if length != images.rows() {
                return Err(ModelError::DatasetLength { part, images: images.rows(), length });
            }
        }
        let classes = logits.cols();
        for part in [&labels, &float_predictions] {
            if let Some(image) = part.iter().position(|&class| usize::from(class) >= classes) {
                return Err(ModelError::DatasetClass { image, class: part[image], classes });
            }
        }
        Ok(Self { images, labels, float_predictions, logits })
    }

    /// The images, one per row.
    pub fn images(&self) -> &Tensor<i8> {
        &self.images
    }

    /// The images' classes.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The classes that the float network predicts.
    pub fn float_predictions(&self) -> &[u8] {
        &self.float_predictions
    }

    /// The quantised network's logits, `images x classes`.
    pub fn logits(&self) -> &Tensor<i32> {
        &self.logits
    }

    /// The images of `range` and all that belongs to them.
    ///
    /// # Errors
    ///
    /// [`ModelError::RowRange`] if the range is empty or reaches beyond the last image.
    pub fn slice(&self, range: Range<usize>) -> Result<Self, ModelError> {
        Ok(Self {
            images: self.images.slice_rows(range.clone())?,
            logits: self.logits.slice_rows(range.clone())?,
            labels: self.labels[range.clone()].to_vec(),
            float_predictions: self.float_predictions[range].to_vec(),
        })
    }

    /// The share of images, in `0.0..=1.0`, whose prediction is their label. An image without a prediction
    /// counts as wrong.
    pub fn accuracy(&self, predictions: &[usize]) -> f64 {
        let right = |&(&label, &prediction): &(&u8, &usize)| usize::from(label) == prediction;
        self.labels.iter().zip(predictions).filter(right).count() as f64 / self.labels.len() as f64
    }

    /// The [`accuracy`](Self::accuracy) of the float network.
    pub fn float_accuracy(&self) -> f64 {
        let predictions: Vec<usize> = self.float_predictions.iter().map(|&class| class.into()).collect();
        self.accuracy(&predictions)
    }
}
