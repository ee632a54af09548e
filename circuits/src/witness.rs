//! The witness: every value of the padded inference, on the backend, and how often each table row is looked up.

use zkmill::{Backend, Lookup};

use crate::circuit::{Layout, Leaves, Limbs};
use crate::column::Column;
use crate::error::Error;
use crate::key::{PreparedTable, ProvingKey, Rows};
use crate::model::{self, Tensor};
use crate::statement::{Output, Padding};

/// A requantised layer's columns.
pub(crate) struct LayerWitness<B: Backend> {
    pub y_prime: Column<B>,
    pub limbs: Vec<Column<B>>,
    pub y: Column<B>,
}

/// All columns of a proof.
pub(crate) struct Witness<B: Backend> {
    /// The padded input.
    pub input: Column<B>,
    /// The input raised by 128, where it is committed.
    pub raised_input: Option<Column<B>>,
    /// One entry a layer; `None` where the accumulators are the output.
    pub layers: Vec<Option<LayerWitness<B>>>,
    /// One column a table in use.
    pub counts: Vec<Column<B>>,
}

/// The witness of a batch, and the network's answers.
pub(crate) struct Inferred<B: Backend> {
    pub witness: Witness<B>,
    pub output: Output,
    pub padding: Padding,
}

/// Runs the padded network on the backend: matrix products there, the element-wise rest on the host.
pub(crate) fn infer<B: Backend>(
    backend: &B,
    key: &ProvingKey<B>,
    layout: &Layout,
    inputs: &Tensor<i8>,
) -> Result<Inferred<B>, Error> {
    // Of the network itself: the padded one would take a few columns more.
    let (expected, actual) = (key.model.inputs(), inputs.cols());
    if expected != actual {
        return Err(model::ModelError::InputColumns { expected, actual }.into());
    }
    let padded = inputs.padded();
    let trace = key.model.infer_padded_with(&padded, |layer, x| -> Result<Vec<i32>, Error> {
        let Column::I8(weights) = &key.columns[2 * layer] else {
            return Err(Error::Params { what: "weights that are not i8" });
        };
        let shape = &layout.layers[layer];
        let x = backend.upload("activations", x)?;
        let mut acc = backend.alloc("accumulators", 1 << (layout.log_batch + shape.log_outputs))?;
        backend.gemm(1 << shape.log_inputs, B::view(&x), B::view(weights), &mut B::view_mut(&mut acc))?;
        Ok(backend.to_vec(B::view(&acc))?)
    })?;

    let limbs = if key.verifying.circuit().params().limbs == Limbs::Bytes { 2 } else { 1 };
    let mut layers = Vec::with_capacity(trace.layers.len());
    for layer in &trace.layers {
        let Some(values) = &layer.requantised else {
            layers.push(None);
            continue;
        };
        let limbs = if limbs == 2 {
            let low: Vec<u8> = values.rem.iter().map(|rem| *rem as u8).collect();
            let high: Vec<u8> = values.rem.iter().map(|rem| (*rem >> 8) as u8).collect();
            vec![
                Column::U8(backend.upload("low limbs", &low)?),
                Column::U8(backend.upload("high limbs", &high)?),
            ]
        } else {
            vec![Column::U16(backend.upload("remainders", &values.rem)?)]
        };
        layers.push(Some(LayerWitness {
            y_prime: Column::I16(backend.upload("rounded accumulators", &values.y_prime)?),
            limbs,
            y: Column::I8(backend.upload("activations", &values.y)?),
        }));
    }
    let raised_input = match layout.input {
        None => None,
        Some(_) => {
            let raised: Vec<u8> = padded.data().iter().map(|x| x.wrapping_sub(i8::MIN) as u8).collect();
            Some(Column::U8(backend.upload("raised input", &raised)?))
        }
    };
    let input = Column::I8(backend.upload("input", padded.data())?);
    let mut witness = Witness { input, raised_input, layers, counts: Vec::new() };
    witness.counts = count(backend, key, layout, &witness)?;
    let (output, padding) = outputs(&trace, layout.batch, key.model.outputs())?;
    Ok(Inferred { witness, output, padding })
}

/// Multiplicities, table by table.
fn count<B: Backend>(
    backend: &B,
    key: &ProvingKey<B>,
    layout: &Layout,
    witness: &Witness<B>,
) -> Result<Vec<Column<B>>, Error> {
    let mut all = Vec::with_capacity(layout.tables.len());
    for (index, table) in layout.tables.iter().enumerate() {
        let prepared = key.table(table.table);
        let lookups: Vec<&Column<B>> = layout
            .segments
            .iter()
            .filter(|segment| segment.table == index && segment.leaves != Leaves::Table)
            .filter_map(|segment| witness.looked_up(segment.leaves))
            .collect();
        let mut counts = backend.alloc("multiplicities", prepared.a.len())?;
        let mut out = B::view_mut(&mut counts);
        macro_rules! find {
            ($rows:expr, $variant:ident) => {{
                let views: Vec<_> = lookups
                    .iter()
                    .filter_map(|column| match column {
                        Column::$variant(buffer) => Some(B::view(buffer)),
                        _ => None,
                    })
                    .collect();
                Lookup::<zkmill::Fr>::multiplicities(backend, $rows, &views, &mut out)?;
            }};
        }
        match &prepared.rows {
            Rows::Byte(rows) => find!(rows, U8),
            Rows::Word(rows) => find!(rows, U16),
            Rows::Signed(rows) => find!(rows, I16),
        }
        drop(out);
        all.push(Column::U32(counts));
    }
    Ok(all)
}

impl<B: Backend> ProvingKey<B> {
    /// The prepared table; every table in use is among the key's.
    pub(crate) fn table(&self, table: crate::tables::Table) -> &PreparedTable<B> {
        let found = self.tables.iter().find(|prepared| prepared.table == table);
        found.unwrap_or(&self.tables[0])
    }
}

impl<B: Backend> Witness<B> {
    /// The first column of a segment's looked-up rows.
    pub fn looked_up(&self, leaves: Leaves) -> Option<&Column<B>> {
        match leaves {
            Leaves::Table => None,
            Leaves::Input => self.raised_input.as_ref(),
            Leaves::Activation { layer } => self.layers[layer].as_ref().map(|witness| &witness.y_prime),
            Leaves::Limb { layer, limb } => self.layers[layer].as_ref().map(|witness| &witness.limbs[limb]),
        }
    }

    /// A layer's input.
    pub fn input_of(&self, layer: usize) -> &Column<B> {
        let previous = layer.checked_sub(1).and_then(|previous| self.layers[previous].as_ref());
        previous.map_or(&self.input, |previous| &previous.y)
    }

    /// The committed columns, in the order of [`Layout::witness_polys`].
    pub fn committed(&self, layout: &Layout) -> Vec<&Column<B>> {
        let mut columns = Vec::new();
        columns.extend(layout.input.map(|_| &self.input));
        for (layer, witness) in layout.layers.iter().zip(&self.layers) {
            if let (Some(layout), Some(witness)) = (&layer.requantised, witness) {
                columns.extend(&witness.limbs);
                columns.extend(layout.output.map(|_| &witness.y));
            }
        }
        columns.extend(&self.counts);
        columns
    }
}

/// Cuts the padded network's answers into those asked for and those beyond the batch.
fn outputs(trace: &model::Trace, batch: usize, cols: usize) -> Result<(Output, Padding), Error> {
    fn cut<T: Copy>(values: &[T], rows: usize, cols: usize) -> Vec<T> {
        let padded = values.len() / rows;
        values.chunks_exact(padded).flat_map(|row| &row[..cols]).copied().collect()
    }
    let rows = trace.batch;
    Ok(match trace.output() {
        model::Output::Accumulators(values) => {
            let mut real = cut(values, rows, cols);
            let beyond = real.split_off(batch * cols);
            (Output::Accumulators(Tensor::new(batch, cols, real)?), Padding::Accumulators(beyond))
        }
        model::Output::Activations(values) => {
            let mut real = cut(values, rows, cols);
            let beyond = real.split_off(batch * cols);
            (Output::Activations(Tensor::new(batch, cols, real)?), Padding::Activations(beyond))
        }
    })
}
