//! What is proven: the public shape of a network, and how a proof of it is laid out.
//!
//! Everything here follows from the verifying key, the batch size and whether the input is public, so prover and verifier
//! derive the same [`Layout`] and nothing about it is read from a proof.

use std::collections::BTreeMap;

use ark_bn254::Fr;
use zkmill::matrix::MAX_INNER;

use crate::bases::MAX_LOG_ROW;
use crate::error::Error;
use crate::model::{Activation, Model, Requantise};
use crate::tables::Table;

/// The most leaves of the fraction tree, as a logarithm: keeps every size within `usize` and every count within `u32`.
pub const MAX_LOG_LEAVES: u32 = 30;

/// How remainders, which have 16 bits, are range-checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limbs {
    /// Two limbs in a table of `2^8` rows: cheaper below some 65 000 remainders a proof.
    Bytes,
    /// One limb in a table of `2^16` rows.
    Word,
}

impl Limbs {
    /// Bits of one limb.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bytes => 8,
            Self::Word => 16,
        }
    }

    /// Limbs of one remainder, least significant first.
    pub const fn count(self) -> usize {
        16 / self.bits() as usize
    }
}

/// The choices a key fixes beside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// All commitments are to rows of `2^log_row` entries. A longer row is a longer proof but a cheaper verifier.
    pub log_row: u32,
    /// The remainders' limbs.
    pub limbs: Limbs,
}

impl Params {
    /// The row length that minimises the proof's size, `32 (2^b + witness rows)` bytes, for batches of `batch` inputs, under
    /// the condition that the verifier's one multi-scalar multiplication has at most `2^13` points; and the limbs
    /// that need fewer leaves.
    pub fn for_batch(model: &Model, batch: usize) -> Self {
        let batch = batch.clamp(1, crate::model::MAX_ELEMENTS).next_power_of_two();
        let requantised = |layer: &&crate::model::Layer| layer.requantise.is_some();
        // Beyond what a tree can hold no choice matters, and no sum overflows.
        let cells = |layer: &crate::model::Layer| {
            (batch * layer.bias.len().next_power_of_two()).min(1 << MAX_LOG_LEAVES)
        };
        let remainders: usize = model.layers().iter().filter(requantised).map(cells).sum();
        let limbs =
            if 2 * remainders + (1 << 8) <= remainders + (1 << 16) { Limbs::Bytes } else { Limbs::Word };
        let weights = model
            .layers()
            .iter()
            .map(|layer| layer.weights.rows().next_power_of_two() * layer.weights.cols().next_power_of_two());
        let weights: usize = weights.sum();
        let witness = remainders * (limbs.count() + 1) + (1 << 12);
        let cost = |b: &u32| (1usize << b) + (witness >> b);
        let affordable = |b: &u32| (1usize << b) + ((witness + weights) >> b) <= 1 << 13;
        let log_row = (4..=MAX_LOG_ROW).filter(affordable).min_by_key(cost).unwrap_or(MAX_LOG_ROW);
        Self { log_row, limbs }
    }
}

/// One layer's public facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Inputs `K`.
    pub inputs: usize,
    /// Outputs `M`.
    pub outputs: usize,
    /// The requantisation; `None` in a last layer that outputs its accumulators.
    pub requantise: Option<Requantise>,
}

/// The public shape of a network with the choices of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    params: Params,
    layers: Vec<LayerShape>,
}

impl Circuit {
    /// The shape of a network.
    ///
    /// # Errors
    /// [`Error::Params`] for a row length that has no bases.
    pub fn new(model: &Model, params: Params) -> Result<Self, Error> {
        let shape = |layer: &crate::model::Layer| LayerShape {
            inputs: layer.weights.rows(),
            outputs: layer.weights.cols(),
            requantise: layer.requantise,
        };
        Self::from_layers(model.layers().iter().map(shape).collect(), params)
    }

    /// The same from its parts, which may come from anywhere.
    pub(crate) fn from_layers(layers: Vec<LayerShape>, params: Params) -> Result<Self, Error> {
        let fail = |what| Err(Error::Params { what });
        if params.log_row > MAX_LOG_ROW {
            return fail("rows longer than there are bases");
        }
        if layers.is_empty() || layers.len() > crate::model::MAX_LAYERS {
            return fail("number of layers");
        }
        let padded = |n: usize| (1..=crate::model::MAX_ELEMENTS).contains(&n).then(|| n.next_power_of_two());
        for (index, layer) in layers.iter().enumerate() {
            let last = index + 1 == layers.len();
            let size = padded(layer.inputs).zip(padded(layer.outputs)).map(|(k, m)| (k, k * m));
            // As `Model::new` demands, whatever the biases: accumulators fit `i32`, so `m Acc` never wraps in the field.
            if !size.is_some_and(|(k, size)| k <= MAX_INNER && size <= crate::model::MAX_ELEMENTS) {
                return fail("layer size");
            }
            if !last && (layers[index + 1].inputs != layer.outputs || layer.requantise.is_none()) {
                return fail("layers that do not follow each other");
            }
        }
        Ok(Self { params, layers })
    }

    /// The key's choices.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The layers.
    pub fn layers(&self) -> &[LayerShape] {
        &self.layers
    }

    /// The number of values in an input.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// The number of values in an output.
    pub fn outputs(&self) -> usize {
        self.last().outputs
    }

    /// The last layer.
    pub(crate) fn last(&self) -> &LayerShape {
        &self.layers[self.layers.len() - 1]
    }

    /// Every table a proof may use, in the order of their tags: the limbs', the bytes' (if not the same), the activations'.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = vec![Table::Range { bits: self.params.limbs.bits() }];
        let activations =
            self.layers.iter().filter_map(|layer| layer.requantise.as_ref().map(activation_table));
        for table in [Table::Range { bits: 8 }].into_iter().chain(activations) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }

    /// The vectors the key commits to, weights and bias layer by layer: logarithms of their padded lengths.
    pub(crate) fn key_polys(&self) -> Vec<u32> {
        self.layers
            .iter()
            .flat_map(|layer| [log(layer.inputs) + log(layer.outputs), log(layer.outputs)])
            .collect()
    }

    /// Row commitments of a vector of `2^log_len` entries.
    pub(crate) fn rows_of(&self, log_len: u32) -> usize {
        1 << log_len.saturating_sub(self.params.log_row)
    }

    /// The layout of a proof for `batch` inputs.
    ///
    /// # Errors
    /// [`Error::Params`] for an empty batch or one whose proof would have more than `2^30` leaves.
    pub(crate) fn layout(&self, batch: usize, input_public: bool) -> Result<Layout, Error> {
        Layout::new(self, batch, input_public)
    }
}

/// The table of a layer's activation.
pub(crate) fn activation_table(requantise: &Requantise) -> Table {
    let activation: Activation = requantise.activation();
    Table::Activation { activation, bits: requantise.table_bits() }
}

/// The binary logarithm of `n` rounded up to a power of two.
pub(crate) fn log(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}

/// A committed vector. Which rows and blinds belong to it is known to the key and to the prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolyId(pub(crate) u32);

impl PolyId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A claim that a committed vector's multilinear extension takes a value at a point. Claims always carry their vector, so
/// that what two claims share is the same commitment by construction.
#[derive(Clone, Debug)]
pub struct Claim<V> {
    /// The vector.
    pub poly: PolyId,
    /// One coordinate a variable, the most significant index bit first.
    pub point: Vec<Fr>,
    /// The value: known, or received.
    pub value: V,
}

/// One layer in a proof.
#[derive(Clone, Debug)]
pub(crate) struct LayerLayout {
    pub log_inputs: u32,
    pub log_outputs: u32,
    pub weights: PolyId,
    pub bias: PolyId,
    /// What a requantised layer adds.
    pub requantised: Option<RequantisedLayout>,
}

#[derive(Clone, Debug)]
pub(crate) struct RequantisedLayout {
    pub requantise: Requantise,
    /// Index into [`Layout::tables`].
    pub table: usize,
    pub limbs: Vec<PolyId>,
    /// The committed activations; `None` if they are the public output.
    pub output: Option<PolyId>,
}

/// A table in a proof.
#[derive(Clone, Debug)]
pub(crate) struct TableLayout {
    pub table: Table,
    /// First coefficient of its fingerprints: non-zero and its own.
    pub tag: u64,
    pub counts: PolyId,
}

/// What the leaves of a segment stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// The rows of a table, numerators minus the counts.
    Table,
    /// The pairs `(Y', Y)` of a layer.
    Activation { layer: usize },
    /// A limb of a layer's remainders.
    Limb { layer: usize, limb: usize },
    /// The private input, raised by 128.
    Input,
}

/// An aligned part of the tree's leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub leaves: Leaves,
    /// Index into [`Layout::tables`] of the table it is looked up in, or is.
    pub table: usize,
    pub log_len: u32,
    pub offset: usize,
}

/// A proof's layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub batch: usize,
    pub log_batch: u32,
    pub log_row: u32,
    pub layers: Vec<LayerLayout>,
    /// The committed input; `None` if it is public.
    pub input: Option<PolyId>,
    pub tables: Vec<TableLayout>,
    /// By falling size; empty if nothing is looked up.
    pub segments: Vec<Segment>,
    pub log_leaves: u32,
    /// Logarithms of the padded lengths of all committed vectors, the key's first.
    pub polys: Vec<u32>,
    /// How many of them are the key's.
    pub key_polys: usize,
}

impl Layout {
    fn new(circuit: &Circuit, batch: usize, input_public: bool) -> Result<Self, Error> {
        if batch == 0 {
            return Err(Error::Params { what: "empty batch" });
        }
        let widest = circuit.layers.iter().map(|layer| layer.inputs.max(layer.outputs)).max().unwrap_or(1);
        if batch > crate::model::MAX_ELEMENTS || log(batch) + log(widest) > 28 {
            return Err(Error::Params { what: "batch too large" });
        }
        let log_batch = log(batch);
        let limbs = circuit.params.limbs;
        let mut polys = circuit.key_polys();
        let key_polys = polys.len();
        let mut committed = |log_len: u32| {
            polys.push(log_len);
            PolyId(polys.len() as u32 - 1)
        };

        let mut used = BTreeMap::new();
        let all_tables = circuit.tables();
        let mut lookup = |table: Table| {
            let position = all_tables.iter().position(|known| *known == table).unwrap_or(all_tables.len());
            used.insert(position, table);
            position
        };

        let input = (!input_public).then(|| committed(log_batch + log(circuit.inputs())));
        let mut segments = Vec::new();
        let mut segment =
            |leaves, table, log_len| segments.push(Segment { leaves, table, log_len, offset: 0 });
        if input.is_some() {
            segment(Leaves::Input, lookup(Table::Range { bits: 8 }), log_batch + log(circuit.inputs()));
        }
        let mut layers = Vec::with_capacity(circuit.layers.len());
        for (index, layer) in circuit.layers.iter().enumerate() {
            let (log_inputs, log_outputs) = (log(layer.inputs), log(layer.outputs));
            let log_len = log_batch + log_outputs;
            let last = index + 1 == circuit.layers.len();
            let requantised = layer.requantise.map(|requantise| {
                let table = lookup(activation_table(&requantise));
                segment(Leaves::Activation { layer: index }, table, log_len);
                let range = lookup(Table::Range { bits: limbs.bits() });
                for limb in 0..limbs.count() {
                    segment(Leaves::Limb { layer: index, limb }, range, log_len);
                }
                RequantisedLayout {
                    requantise,
                    table,
                    limbs: (0..limbs.count()).map(|_| committed(log_len)).collect(),
                    output: (!last).then(|| committed(log_len)),
                }
            });
            let (weights, bias) = (PolyId(2 * index as u32), PolyId(2 * index as u32 + 1));
            layers.push(LayerLayout { log_inputs, log_outputs, weights, bias, requantised });
        }

        // Positions among the key's tables become positions among those in use; tags stay the key's.
        let positions: Vec<usize> = used.keys().copied().collect();
        let in_use =
            |position: usize| positions.iter().position(|p| *p == position).unwrap_or(positions.len());
        segments.iter_mut().for_each(|segment| segment.table = in_use(segment.table));
        for requantised in layers.iter_mut().filter_map(|layer| layer.requantised.as_mut()) {
            requantised.table = in_use(requantised.table);
        }
        let tables: Vec<TableLayout> = used
            .iter()
            .map(|(position, &table)| TableLayout {
                table,
                tag: *position as u64 + 1,
                counts: committed(table.log_len()),
            })
            .collect();
        for (index, table) in tables.iter().enumerate() {
            let log_len = table.table.log_len();
            segments.push(Segment { leaves: Leaves::Table, table: index, log_len, offset: 0 });
        }

        // Falling sizes keep every segment aligned; the sort is stable, so ties stay in the order above.
        segments.sort_by_key(|segment| std::cmp::Reverse(segment.log_len));
        let mut total = 0;
        for segment in &mut segments {
            segment.offset = total;
            total += 1usize << segment.log_len;
        }
        let log_leaves = log(total.max(1));
        if log_leaves > MAX_LOG_LEAVES {
            return Err(Error::Params { what: "batch too large" });
        }
        let log_row = circuit.params.log_row;
        Ok(Self { batch, log_batch, log_row, layers, input, tables, segments, log_leaves, polys, key_polys })
    }

    /// Row commitments of a vector.
    pub fn rows(&self, poly: PolyId) -> usize {
        1 << self.polys[poly.index()].saturating_sub(self.log_row)
    }

    /// The committed vectors of the proof itself, those of the key left out, in the order of commitment.
    pub fn witness_polys(&self) -> impl Iterator<Item = PolyId> + '_ {
        (self.key_polys as u32..self.polys.len() as u32).map(PolyId)
    }

    /// The committed vector that is layer `layer`'s input; `None` if that is the public input.
    pub fn input_of(&self, layer: usize) -> Option<PolyId> {
        match layer.checked_sub(1) {
            None => self.input,
            Some(previous) => self.layers[previous].requantised.as_ref().and_then(|r| r.output),
        }
    }

    /// The coordinates of a leaf point that belong to a vector of `2^log_len` entries: the last ones.
    pub fn suffix<'r>(&self, point: &'r [Fr], log_len: u32) -> &'r [Fr] {
        &point[point.len() - log_len as usize..]
    }

    /// A point of layer `layer`'s accumulators, split into batch and column coordinates.
    pub fn split_point<'r>(&self, point: &'r [Fr]) -> (&'r [Fr], &'r [Fr]) {
        point.split_at(self.log_batch as usize)
    }
}
