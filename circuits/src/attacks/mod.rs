//! Provers that lie, consistently.
//!
//! Each test takes a setup whose honest proof is accepted, tells one lie, and makes everything else fit it as far as anything
//! can: multiplicities are counted again, later layers are computed from the lie, messages are solved for. A run of the verifier
//! that goes on after a failed claim ([`audit`]) then finds exactly one claim violated, the one that [`caught`] names, and
//! the verifier rejects with it: without that one check the proof would have been accepted.

use std::collections::HashMap;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, PrimeField};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::Cpu;

use crate::channel::ClearProver;
use crate::circuit::{Layout, Leaves};
use crate::column::Column;
use crate::commitment::Blinds;
use crate::key::ProvingKey;
use crate::model::{Activation, Layer, Model, Requantise, Tensor};
use crate::prover::Prover;
use crate::statement::{Input, Output, Padding, Proof, Statement};
use crate::tables::Table;
use crate::witness::{LayerWitness, Witness, infer};
use crate::{Limbs, Params, VerifyingKey, Visibility, Weights, setup, verify};

mod audit;
mod encoding;
mod lookups;
mod naive;
mod opening;
mod oracle;
mod outputs;
mod rounds;
mod splices;
mod tamper;
mod transcript;

use audit::{audit, caught, honest};
use tamper::{Message, Places, Tamper, scalars};

/// The name of the verifier's claim on one level of the fraction tree; of its root's denominator; of its leaves.
const LEVEL: &str = "level of the lookup sum";
const ROOT: &str = "root of the lookup sum";
const ZERO_ROOT: &str = "denominator of the lookup sum";
const DENOMINATORS: &str = "denominators of the lookups";
const NUMERATORS: &str = "numerators of the lookups";
/// Of the matrix products; of the opening's sumcheck and its row.
const PRODUCTS: &str = "matrix products";
const CLAIMS: &str = "batched claims on committed vectors";
const ROW: &str = "value of the opened row";
/// Not a claim on the channel but the multi-scalar multiplication.
const COMMITMENTS: &str = "commitments";

fn fr(x: i128) -> Fr {
    Fr::from(x)
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(11)
}

/// The integer of magnitude below 2^60 that a field element stands for.
fn small(x: Fr) -> Option<i128> {
    let magnitude = |x: Fr| {
        let limbs = x.into_bigint().0;
        (limbs[1..] == [0; 3] && limbs[0] < 1 << 60).then_some(limbs[0] as i128)
    };
    magnitude(x).or_else(|| magnitude(-x).map(|x| -x))
}

fn layer(k: usize, m: usize, weights: &[i8], bias: &[i32], requantise: Option<Requantise>) -> Layer {
    Layer { weights: Tensor::new(k, m, weights.to_vec()).unwrap(), bias: bias.to_vec(), requantise }
}

/// A requantisation with a table of 2^9 rows.
fn requantise(multiplier: u16, activation: Activation) -> Option<Requantise> {
    Some(Requantise::new(multiplier, activation).unwrap().with_table_bits(9).unwrap())
}

/// `3 -> 5 -> 2 -> 3`, ReLU, then clamp, then accumulators. No width but one is a power of two.
fn network() -> Model {
    let weights = |n: usize| (0..n).map(|i| (i * 37 % 41) as i8 - 20).collect::<Vec<_>>();
    Model::new(vec![
        layer(3, 5, &weights(15), &[-150, -50, 50, 150, 250], requantise(1 << 12, Activation::Relu)),
        layer(5, 2, &weights(10), &[-150, 300], requantise(1 << 12, Activation::Clamp)),
        layer(2, 3, &weights(6), &[-150, -50, 50], None),
    ])
    .unwrap()
}

/// `2 -> 2 -> 2`: the shortest with an activation output.
fn activations() -> Model {
    Model::new(vec![
        layer(2, 2, &[3, -5, 7, 11], &[10, -20], requantise(1 << 14, Activation::Relu)),
        layer(2, 2, &[-9, 8, 13, 6], &[5, 6], requantise(1 << 13, Activation::Clamp)),
    ])
    .unwrap()
}

const SMALL: Params = Params { log_row: 3, limbs: Limbs::Bytes };

/// A key and an input.
struct Case {
    model: Model,
    key: ProvingKey<Cpu>,
    inputs: Tensor<i8>,
    visibility: Visibility,
}

impl Case {
    fn new(model: Model, params: Params, inputs: Tensor<i8>, visibility: Visibility) -> Self {
        let key = setup(&Cpu::new(), &model, params, Weights::Public, &mut rng()).unwrap();
        Self { model, key, inputs, visibility }
    }

    /// [`network`] with a batch of three.
    fn standard(visibility: Visibility) -> Self {
        let inputs = Tensor::new(3, 3, vec![1, -2, 3, 40, 5, -60, 7, 127, -128]).unwrap();
        Self::new(network(), SMALL, inputs, visibility)
    }

    fn with_inputs(self, rows: usize, inputs: &[i8]) -> Self {
        let inputs = Tensor::new(rows, self.model.inputs(), inputs.to_vec()).unwrap();
        Self { inputs, ..self }
    }

    fn verifying(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// What there is to lie about, still true. Asserts that its proof is accepted.
    fn truth(&self) -> Lie {
        let public = self.visibility == Visibility::Public;
        let layout = self.verifying().circuit().layout(self.inputs.rows(), public).unwrap();
        let inferred = infer(&Cpu::new(), &self.key, &layout, &self.inputs).unwrap();
        let input = if public { Input::Public(self.inputs.clone()) } else { Input::Committed };
        let statement = Statement { input, output: inferred.output, context: b"attack".to_vec() };
        let witness = &inferred.witness;
        let cells = |layer: &LayerWitness<Cpu>| Cells {
            y_prime: field(&layer.y_prime),
            limbs: layer.limbs.iter().map(field).collect(),
            y: field(&layer.y),
        };
        let truth = Lie {
            layout,
            statement,
            padding: inferred.padding,
            input: field(&witness.input),
            layers: witness.layers.iter().map(|layer| layer.as_ref().map(cells)).collect(),
            counts: witness.counts.iter().map(field).collect(),
        };
        honest(self, &truth.statement, &self.prove(&truth));
        truth
    }

    /// The prover's proof of a lie.
    fn prove(&self, lie: &Lie) -> Vec<u8> {
        self.prove_tampered(lie, |_, _| {})
    }

    /// The same with messages altered before they are sent.
    fn prove_tampered(&self, lie: &Lie, edit: impl FnMut(usize, Message<'_>)) -> Vec<u8> {
        let witness = lie.witness();
        let blinds = lie.blinds();
        let prover =
            Prover { backend: &Cpu::new(), key: &self.key, layout: &lie.layout, witness: &witness, blinds };
        let mut channel = Tamper::new(ClearProver::new(&lie.statement.context), edit);
        prover.run(&mut channel, &lie.statement, &lie.padding, &mut |_| {}).unwrap();
        Proof { padding: lie.padding.clone(), messages: channel.finish() }.to_bytes()
    }

    fn verify(&self, statement: &Statement, proof: &[u8]) -> Result<(), crate::VerifyError> {
        verify(&Cpu::new(), self.verifying(), statement, proof)
    }
}

fn field(column: &Column<Cpu>) -> Vec<Fr> {
    fn map<T: Copy + Into<Fr>>(values: &[T]) -> Vec<Fr> {
        values.iter().map(|value| (*value).into()).collect()
    }
    match column {
        Column::I8(values) => map(values),
        Column::I16(values) => map(values),
        Column::I32(values) => map(values),
        Column::U8(values) => map(values),
        Column::U16(values) => map(values),
        Column::U32(values) => map(values),
        Column::Field(values) => values.clone(),
    }
}

/// One requantised layer's values, padded.
#[derive(Clone, PartialEq, Debug)]
struct Cells {
    y_prime: Vec<Fr>,
    limbs: Vec<Vec<Fr>>,
    y: Vec<Fr>,
}

/// A statement, a layout and all columns, any of which may be false. A cell `i` of a layer is row `i / M`, column `i % M`, padded.
#[derive(Clone)]
struct Lie {
    layout: Layout,
    statement: Statement,
    padding: Padding,
    input: Vec<Fr>,
    layers: Vec<Option<Cells>>,
    counts: Vec<Vec<Fr>>,
}

impl Lie {
    fn cells(&mut self, layer: usize) -> &mut Cells {
        self.layers[layer].as_mut().unwrap()
    }

    /// The position among the counts of a table.
    fn table(&self, table: Table) -> usize {
        self.layout.tables.iter().position(|known| known.table == table).unwrap()
    }

    fn blinds(&self) -> Vec<Blinds> {
        let mut rng = rng();
        self.layout.witness_polys().map(|poly| Blinds::random(self.layout.rows(poly), &mut rng)).collect()
    }

    fn witness(&self) -> Witness<Cpu> {
        let column = |values: &Vec<Fr>| Column::Field(values.clone());
        let layer = |cells: &Cells| LayerWitness {
            y_prime: column(&cells.y_prime),
            limbs: cells.limbs.iter().map(column).collect(),
            y: column(&cells.y),
        };
        let raised = || Column::Field(self.input.iter().map(|x| *x + fr(128)).collect());
        Witness {
            input: column(&self.input),
            raised_input: self.layout.input.map(|_| raised()),
            layers: self.layers.iter().map(|cells| cells.as_ref().map(layer)).collect(),
            counts: self.counts.iter().map(column).collect(),
        }
    }

    /// Counts all lookups again. What is in no table is not counted: there is nowhere to count it.
    fn recount(&mut self) {
        for (index, table) in self.layout.tables.iter().enumerate() {
            let rows: HashMap<(Fr, Fr), usize> = rows(table.table).into_iter().zip(0..).collect();
            self.counts[index].fill(Fr::ZERO);
            for segment in self.layout.segments.iter().filter(|segment| segment.table == index) {
                for row in self.looked_up(segment.leaves) {
                    if let Some(&row) = rows.get(&row) {
                        self.counts[index][row] += Fr::ONE;
                    }
                }
            }
        }
    }

    fn looked_up(&self, leaves: Leaves) -> Vec<(Fr, Fr)> {
        let single = |values: &[Fr]| values.iter().map(|value| (*value, Fr::ZERO)).collect();
        let cells = |layer: usize| self.layers[layer].as_ref().unwrap();
        match leaves {
            Leaves::Table => Vec::new(),
            Leaves::Input => self.input.iter().map(|x| (*x + fr(128), Fr::ZERO)).collect(),
            Leaves::Limb { layer, limb } => single(&cells(layer).limbs[limb]),
            Leaves::Activation { layer } => {
                cells(layer).y_prime.iter().copied().zip(cells(layer).y.iter().copied()).collect()
            }
        }
    }

    /// A layer's accumulators on the input it claims to have.
    fn accumulators(&self, model: &Model, layer: usize) -> Vec<Fr> {
        let layers = model.padded();
        let layer_ = &layers.layers()[layer];
        let x = match layer.checked_sub(1) {
            None => &self.input,
            Some(previous) => &self.layers[previous].as_ref().unwrap().y,
        };
        let (k, m) = (layer_.weights.rows(), layer_.weights.cols());
        let entry = |row: &[Fr], col: usize| -> Fr {
            let sum: Fr = (0..k).map(|i| row[i] * Fr::from(layer_.weights.data()[i * m + col])).sum();
            sum + Fr::from(layer_.bias[col])
        };
        x.chunks_exact(k).flat_map(|row| (0..m).map(move |col| entry(row, col))).collect()
    }

    /// Makes the relation `m Acc + 2^15 = 2^16 Y' + rem` hold in the field for the layers from `first` on, over the integers where `Acc`
    /// is one, and the answers follow. `Y` is computed from `Y'` where that is an integer.
    fn rerun(&mut self, model: &Model, first: usize) {
        for index in first..self.layers.len() {
            let acc = self.accumulators(model, index);
            match model.layers()[index].requantise {
                None => self.answer(acc),
                Some(requantise) => {
                    let limbs = self.cells(index).limbs.len();
                    let round = |acc: &Fr| round(&requantise, *acc, limbs);
                    for (at, (y_prime, rem, y)) in acc.iter().map(round).enumerate() {
                        let cells = self.cells(index);
                        cells.y_prime[at] = y_prime;
                        rem.into_iter().enumerate().for_each(|(limb, value)| cells.limbs[limb][at] = value);
                        cells.y[at] = y;
                    }
                    if index + 1 == self.layers.len() {
                        self.answer(self.layers[index].as_ref().unwrap().y.clone());
                    }
                }
            }
        }
        self.recount();
    }

    /// Puts a padded output into the statement.
    fn answer(&mut self, values: Vec<Fr>) {
        let (batch, cols) = (self.statement.batch(), self.outputs());
        let padded = values.len() >> self.layout.log_batch;
        let mut real: Vec<i128> =
            values.chunks_exact(padded).flat_map(|row| &row[..cols]).map(|x| small(*x).unwrap()).collect();
        let beyond = real.split_off(batch * cols);
        fn narrow<T: TryFrom<i128, Error: std::fmt::Debug>>(values: &[i128]) -> Vec<T> {
            values.iter().map(|x| T::try_from(*x).unwrap()).collect()
        }
        match &mut self.statement.output {
            Output::Accumulators(output) => {
                *output = Tensor::new(batch, cols, narrow(&real)).unwrap();
                self.padding = Padding::Accumulators(narrow(&beyond));
            }
            Output::Activations(output) => {
                *output = Tensor::new(batch, cols, narrow(&real)).unwrap();
                self.padding = Padding::Activations(narrow(&beyond));
            }
        }
    }

    fn outputs(&self) -> usize {
        match &self.statement.output {
            Output::Accumulators(output) => output.cols(),
            Output::Activations(output) => output.cols(),
        }
    }
}

/// `(Y', limbs of rem, Y)` of an accumulator; for a proper fraction `rem = 0`, `Y'` the field's quotient and `Y = 0`.
fn round(requantise: &Requantise, acc: Fr, limbs: usize) -> (Fr, Vec<Fr>, Fr) {
    let scaled = acc * Fr::from(requantise.multiplier()) + fr(1 << 15);
    let bits = 16 / limbs;
    match small(acc).and(small(scaled)) {
        Some(scaled) => {
            let (y_prime, rem) = (scaled >> 16, scaled & 0xffff);
            let limb = |i| fr(rem >> (bits * i) & ((1 << bits) - 1));
            let y = requantise.activation().apply(y_prime.clamp(-1 << 20, 1 << 20) as i32);
            (fr(y_prime), (0..limbs).map(limb).collect(), Fr::from(y))
        }
        None => (scaled / fr(1 << 16), vec![Fr::ZERO; limbs], Fr::ZERO),
    }
}

/// A table's rows, as its documentation defines them.
fn rows(table: Table) -> Vec<(Fr, Fr)> {
    match table {
        Table::Range { bits } => (0..1 << bits).map(|j| (fr(j), Fr::ZERO)).collect(),
        Table::Activation { activation, bits } => {
            let half = 1i32 << (bits - 1);
            (-half..half).map(|y| (Fr::from(y), Fr::from(activation.apply(y)))).collect()
        }
    }
}
