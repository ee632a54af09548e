//! The prover.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_std::rand::{CryptoRng, RngCore};
use zkmill::Backend;

use crate::channel::{ClearProver, ProverChannel};
use crate::circuit::{Claim, Layout, Leaves, Segment};
use crate::column::Column;
use crate::commitment::Blinds;
use crate::error::Error;
use crate::key::ProvingKey;
use crate::model::Tensor;
use crate::protocol::eq_table;
use crate::protocol::matmul::{self, Factors};
use crate::protocol::opening::{self, Committed};
use crate::protocol::tree::{self, Level};
use crate::statement::{Input, Padding, Proof, Statement, absorb, evaluate_output};
use crate::witness::{Witness, infer};

/// Whether the verifier sees the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// The input is part of the statement.
    Public,
    /// The input is committed to.
    Committed,
}

/// What the prover is doing, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Running the network.
    Infer,
    /// Committing to its values.
    Commit,
    /// Building the fraction tree and proving the lookups.
    Lookups,
    /// Proving the matrix products.
    Products,
    /// Opening the commitments.
    Open,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 5] = [Self::Infer, Self::Commit, Self::Lookups, Self::Products, Self::Open];
}

/// Runs the network on `inputs`, one a row, and proves the answers. Returns the statement and its proof.
///
/// `context` names where the proof is meant to count. Blinds are drawn from `rng`, fresh ones for every proof.
///
/// # Errors
/// [`Error::Model`] if the inputs do not fit the network or a value lies outside an activation's table;
/// [`Error::Params`] for a batch too large; [`Error::Kernel`]; [`Error::Pole`].
pub fn prove<B: Backend>(
    backend: &B,
    key: &ProvingKey<B>,
    inputs: &Tensor<i8>,
    visibility: Visibility,
    context: &[u8],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Statement, Proof), Error> {
    prove_with(backend, key, inputs, visibility, context, rng, &mut |_| {})
}

/// [`prove`], calling `progress` when a phase begins.
///
/// # Errors
/// As [`prove`].
pub fn prove_with<B: Backend>(
    backend: &B,
    key: &ProvingKey<B>,
    inputs: &Tensor<i8>,
    visibility: Visibility,
    context: &[u8],
    rng: &mut (impl RngCore + CryptoRng),
    progress: &mut dyn FnMut(Phase),
) -> Result<(Statement, Proof), Error> {
    progress(Phase::Infer);
    let public = visibility == Visibility::Public;
    let layout = key.verifying.circuit().layout(inputs.rows(), public)?;
    let inferred = infer(backend, key, &layout, inputs)?;
    let input = if public { Input::Public(inputs.clone()) } else { Input::Committed };
    let statement = Statement { input, output: inferred.output, context: context.to_vec() };
    let blinds = layout.witness_polys().map(|poly| Blinds::random(layout.rows(poly), rng)).collect();
    let prover = Prover { backend, key, layout: &layout, witness: &inferred.witness, blinds };
    let mut channel = ClearProver::new(context);
    prover.run(&mut channel, &statement, &inferred.padding, progress)?;
    Ok((statement, Proof { padding: inferred.padding, messages: channel.finish() }))
}

/// A proof in the making.
pub(crate) struct Prover<'a, B: Backend> {
    pub backend: &'a B,
    pub key: &'a ProvingKey<B>,
    pub layout: &'a Layout,
    pub witness: &'a Witness<B>,
    /// Of the witness's committed vectors.
    pub blinds: Vec<Blinds>,
}

/// The claims that the tree leaves: its point and the columns' values there.
struct Looked {
    point: Vec<Fr>,
    /// One value a segment's first column, or a table's counts, in the order of the segments.
    claims: Vec<Claim<Fr>>,
    /// Accumulators at each layer's point, as the looked-up values imply them.
    accumulators: Vec<Option<Fr>>,
    /// The values to send, in the verifier's order.
    sent: Vec<Fr>,
}

impl<B: Backend> Prover<'_, B> {
    /// All messages of the proof, in the order of `verifier::run`.
    pub fn run(
        &self,
        channel: &mut impl ProverChannel,
        statement: &Statement,
        padding: &Padding,
        progress: &mut dyn FnMut(Phase),
    ) -> Result<(), Error> {
        progress(Phase::Commit);
        let layout = self.layout;
        absorb(|label, bytes| channel.public(label, bytes), self.key.verifying.digest(), statement, padding);
        let columns = self.witness.committed(layout);
        let blinds: Vec<&Blinds> = self.blinds.iter().collect();
        let commitments = self.key.committer.commit(self.backend, &columns, &blinds)?;
        channel.send_rows(&commitments.concat());

        progress(Phase::Lookups);
        let looked = self.lookups(channel)?;

        progress(Phase::Products);
        let claims = self.products(channel, statement, padding, looked)?;

        progress(Phase::Open);
        let key_polys = layout.key_polys;
        opening::prove(self.backend, channel, layout.log_row, &claims, |claim| {
            match claim.poly.index().checked_sub(key_polys) {
                None => Committed {
                    column: &self.key.columns[claim.poly.index()],
                    blinds: &self.key.blinds[claim.poly.index()],
                },
                Some(index) => Committed { column: columns[index], blinds: &self.blinds[index] },
            }
        })?;
        Ok(())
    }

    /// The fraction tree, and the columns at its point.
    fn lookups(&self, channel: &mut impl ProverChannel) -> Result<Looked, Error> {
        let layout = self.layout;
        let layers = layout.layers.len();
        let mut looked = Looked {
            point: Vec::new(),
            claims: Vec::new(),
            accumulators: vec![None; layers],
            sent: Vec::new(),
        };
        if layout.segments.is_empty() {
            return Ok(looked);
        }
        let (gamma, alpha) = (channel.challenge(), channel.challenge());
        let leaves = self.leaves(gamma, alpha)?;
        looked.point = tree::prove(self.backend, channel, leaves, layout.log_leaves)?;

        let point = looked.point.clone();
        let mut send = |column: &Column<B>, poly: Option<_>, log_len: u32| -> Result<Fr, Error> {
            let at = layout.suffix(&point, log_len);
            let value = column.evaluate(self.backend, at)?;
            looked.sent.push(value);
            looked.claims.extend(poly.map(|poly| Claim { poly, point: at.to_vec(), value }));
            Ok(value)
        };
        if let Some(poly) = layout.input {
            send(&self.witness.input, Some(poly), layout.polys[poly.index()])?;
        }
        for (index, layer) in layout.layers.iter().enumerate() {
            let (Some(requantised), Some(witness)) = (&layer.requantised, &self.witness.layers[index]) else {
                continue;
            };
            let log_len = layout.log_batch + layer.log_outputs;
            let y_prime = send(&witness.y_prime, None, log_len)?;
            let mut limbs = Vec::with_capacity(witness.limbs.len());
            for (limb, poly) in witness.limbs.iter().zip(&requantised.limbs) {
                limbs.push(send(limb, Some(*poly), log_len)?);
            }
            if let Some(poly) = requantised.output {
                send(&witness.y, Some(poly), log_len)?;
            }
            let bits = 16 / limbs.len();
            let rem: Fr =
                limbs.iter().enumerate().map(|(i, limb)| *limb * Fr::from(1u64 << (bits * i))).sum();
            looked.accumulators[index] = Some(accumulator(requantised.requantise.multiplier(), y_prime, rem));
        }
        for (table, counts) in layout.tables.iter().zip(&self.witness.counts) {
            send(counts, Some(table.counts), table.table.log_len())?;
        }
        Ok(looked)
    }

    /// The tree's leaves: `p = 1` and `q = alpha - f` for lookups, `p = -count` for tables, `0 / 1` beyond.
    fn leaves(&self, gamma: Fr, alpha: Fr) -> Result<Level<B>, Error> {
        let backend = self.backend;
        let len = 1usize << self.layout.log_leaves;
        let mut level =
            Level { p: backend.alloc("tree numerators", len)?, q: backend.alloc("tree denominators", len)? };
        let mut p_rest = B::view_mut(&mut level.p);
        let mut q_rest = B::view_mut(&mut level.q);
        for segment in &self.layout.segments {
            let (mut p, p_tail) = B::split_mut(p_rest, 1 << segment.log_len)?;
            let (mut q, q_tail) = B::split_mut(q_rest, 1 << segment.log_len)?;
            let (a, b) = self.rows_of(segment);
            backend.fill(alpha - Fr::from(self.layout.tables[segment.table].tag), &mut q)?;
            if let Some(a) = a {
                a.add_scaled(backend, -gamma, &mut q)?;
            }
            if let Some(b) = b {
                b.add_scaled(backend, -gamma.square(), &mut q)?;
            }
            match segment.leaves {
                Leaves::Table => self.witness.counts[segment.table].add_scaled(backend, -Fr::ONE, &mut p)?,
                _ => backend.fill(Fr::ONE, &mut p)?,
            }
            (p_rest, q_rest) = (p_tail, q_tail);
        }
        backend.fill(Fr::ONE, &mut q_rest)?;
        drop((p_rest, q_rest));
        Ok(level)
    }

    /// Both columns of a segment's rows.
    fn rows_of(&self, segment: &Segment) -> (Option<&Column<B>>, Option<&Column<B>>) {
        match segment.leaves {
            Leaves::Table => {
                let table = self.key.table(self.layout.tables[segment.table].table);
                (Some(&table.a), table.b.as_ref())
            }
            Leaves::Activation { layer } => {
                let witness = self.witness.layers[layer].as_ref();
                (witness.map(|witness| &witness.y_prime), witness.map(|witness| &witness.y))
            }
            leaves => (self.witness.looked_up(leaves), None),
        }
    }

    /// The batched matrix product; returns all claims to be opened, in the verifier's order.
    fn products(
        &self,
        channel: &mut impl ProverChannel,
        statement: &Statement,
        padding: &Padding,
        looked: Looked,
    ) -> Result<Vec<Claim<Fr>>, Error> {
        let (backend, layout) = (self.backend, self.layout);
        let Looked { point, mut claims, mut accumulators, mut sent } = looked;
        let mut points = layer_points(layout, &point);
        let last = layout.layers.len() - 1;
        if layout.layers[last].requantised.is_none() {
            let log_len = layout.log_batch + layout.layers[last].log_outputs;
            points[last] = (0..log_len).map(|_| channel.challenge()).collect();
            accumulators[last] = evaluate_output(layout, statement, padding, &points[last]);
        }
        let mut factors = Vec::with_capacity(layout.layers.len());
        for (index, layer) in layout.layers.iter().enumerate() {
            let (rows, cols) = layout.split_point(&points[index]);
            let bias = self.key.columns[layer.bias.index()].evaluate(backend, cols)?;
            sent.push(bias);
            claims.push(Claim { poly: layer.bias, point: cols.to_vec(), value: bias });
            let mut input = backend.alloc("bound input", 1 << layer.log_inputs)?;
            self.witness.input_of(index).bind_rows(backend, &eq_table(rows), &mut B::view_mut(&mut input))?;
            let mut weights = backend.alloc("bound weights", 1 << layer.log_inputs)?;
            self.key.columns[layer.weights.index()].bind_cols(
                backend,
                &eq_table(cols),
                &mut B::view_mut(&mut weights),
            )?;
            let claim = accumulators[index].unwrap_or(Fr::ZERO) - bias;
            factors.push(Factors { input, weights, claim });
        }
        channel.send(&sent);

        let s = matmul::prove(backend, channel, layout, &factors)?;
        let mut values = Vec::new();
        for (index, layer) in layout.layers.iter().enumerate() {
            let (rows, cols) = layout.split_point(&points[index]);
            let at = layout.suffix(&s, layer.log_inputs);
            if let Some(poly) = layout.input_of(index) {
                let value = backend.evaluate(B::view(&factors[index].input), at)?;
                values.push(value);
                claims.push(Claim { poly, point: [rows, at].concat(), value });
            }
            let value = backend.evaluate(B::view(&factors[index].weights), at)?;
            values.push(value);
            claims.push(Claim { poly: layer.weights, point: [at, cols].concat(), value });
        }
        channel.send(&values);
        Ok(claims)
    }
}

/// The point of each layer's accumulators: the tail of the tree's point for a requantised layer.
pub(crate) fn layer_points(layout: &Layout, tree_point: &[Fr]) -> Vec<Vec<Fr>> {
    let point = |layer: &crate::circuit::LayerLayout| match layer.requantised {
        Some(_) => layout.suffix(tree_point, layout.log_batch + layer.log_outputs).to_vec(),
        None => Vec::new(),
    };
    layout.layers.iter().map(point).collect()
}

/// `Acc = (2^16 Y' + rem - 2^15) / m`.
fn accumulator(multiplier: u16, y_prime: Fr, rem: Fr) -> Fr {
    let scaled = y_prime * Fr::from(1u64 << 16) + rem - Fr::from(1u64 << 15);
    // The multiplier is at least 1.
    scaled * Fr::from(multiplier).inverse().unwrap_or(Fr::ZERO)
}
