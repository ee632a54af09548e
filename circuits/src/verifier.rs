//! The verifier, written once against [`Channel`].
//!
//! The order of messages is the order of this file's [`run`]. Everything is absorbed before the challenges that follow it:
//! statement; commitments; *gamma, alpha*; the tree's root and levels, each with its *lambda*, round *challenges* and *tau*;
//! *the last layer's point*; the columns' and biases' values; *eta*; product rounds with *challenges*; the inputs' and weights'
//! values; *rho*; opening rounds with *challenges*; the folded rows' values; *mu*; the opened row.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zkmill::Backend;

use crate::channel::{Channel, ClearVerifier, Lin};
use crate::circuit::{Claim, Layout, Leaves};
use crate::error::{Rejection, VerifyError};
use crate::key::VerifyingKey;
use crate::protocol::tree::LeafClaims;
use crate::protocol::{eq, matmul, opening, tree};
use crate::prover::layer_points;
use crate::statement::{Input, Padding, Proof, Statement, absorb, evaluate_input, evaluate_output};

/// Checks a proof of `statement` under `key`.
///
/// Never panics, whatever the bytes. The only group operation is one multi-scalar multiplication on `backend`, of the
/// row length plus the number of row commitments.
///
/// # Errors
/// [`VerifyError::Rejected`] says why the proof is not one of this statement under this key; [`VerifyError::Kernel`] that the backend
/// failed.
pub fn verify<B: Backend>(
    backend: &B,
    key: &VerifyingKey,
    statement: &Statement,
    proof: &[u8],
) -> Result<(), VerifyError> {
    statement.check(key.circuit())?;
    let layout = key.circuit().layout(statement.batch(), statement.input_public());
    let layout = layout.map_err(|_| Rejection::Statement { what: "size of the batch" })?;
    let proof = Proof::from_bytes(proof, key.circuit(), statement.batch()).map_err(Rejection::from)?;
    let mut channel = ClearVerifier::new(&statement.context, &proof.messages);
    run(backend, &mut channel, key, &layout, statement, &proof.padding)?;
    Ok(channel.finish()?)
}

impl From<Rejection> for Box<VerifyError> {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.into())
    }
}

/// The columns' values at the tree's point, as received.
struct Columns<V> {
    input: Option<V>,
    layers: Vec<Option<LayerValues<V>>>,
    counts: Vec<V>,
    biases: Vec<V>,
}

struct LayerValues<V> {
    y_prime: V,
    limbs: Vec<V>,
    y: Option<V>,
}

/// Reads a proof on any channel.
pub(crate) fn run<B: Backend, C: Channel>(
    backend: &B,
    channel: &mut C,
    key: &VerifyingKey,
    layout: &Layout,
    statement: &Statement,
    padding: &Padding,
) -> Result<(), VerifyError> {
    absorb(|label, bytes| channel.public(label, bytes), key.digest(), statement, padding);
    let rows = layout.witness_polys().map(|poly| layout.rows(poly)).sum();
    let mut received = channel.rows(rows)?.into_iter();
    let mut commitments = key.commitments().to_vec();
    commitments
        .extend(layout.witness_polys().map(|poly| received.by_ref().take(layout.rows(poly)).collect()));

    // Lookups.
    let mut fingerprint = (Fr::ZERO, Fr::ZERO);
    let leaves = if layout.segments.is_empty() {
        LeafClaims { point: Vec::new(), p: Lin::constant(Fr::ZERO), q: Lin::constant(Fr::ONE) }
    } else {
        fingerprint = (channel.challenge(), channel.challenge());
        tree::verify(channel, layout.log_leaves)?
    };
    let mut points = layer_points(layout, &leaves.point);
    let last = layout.layers.len() - 1;
    let accumulator_output = layout.layers[last].requantised.is_none();
    if accumulator_output {
        points[last] = channel.challenges((layout.log_batch + layout.layers[last].log_outputs) as usize);
    }
    let output = evaluate_output(layout, statement, padding, &points[last]);
    let output = output.ok_or(Rejection::Statement { what: "kind of output" })?;
    let columns = receive_columns(channel, layout)?;
    check_leaves(channel, layout, &leaves, fingerprint, &columns, output)?;

    // Claims on committed vectors, in the prover's order.
    let mut claims = looked_up_claims(layout, &leaves.point, &columns);
    let mut products = Vec::with_capacity(layout.layers.len());
    for (index, layer) in layout.layers.iter().enumerate() {
        let (_, cols) = layout.split_point(&points[index]);
        let accumulator = columns.accumulator(layout, index).unwrap_or(Lin::constant(output));
        products.push(accumulator - Lin::from(columns.biases[index]));
        let value = Lin::from(columns.biases[index]);
        claims.push(Claim { poly: layer.bias, point: cols.to_vec(), value });
    }

    // Matrix products.
    let reduced = matmul::verify(channel, layout, products)?;
    let committed_inputs = (0..=last).filter(|&layer| layout.input_of(layer).is_some()).count();
    let mut values = channel.receive(committed_inputs + layout.layers.len())?.into_iter().map(Lin::from);
    let mut pairs = Vec::with_capacity(layout.layers.len());
    for (index, layer) in layout.layers.iter().enumerate() {
        let (rows, cols) = layout.split_point(&points[index]);
        let at = layout.suffix(&reduced.point, layer.log_inputs);
        let missing = || Lin::constant(Fr::ZERO);
        let x = match (layout.input_of(index), &statement.input) {
            (Some(poly), _) => {
                let value = values.next().unwrap_or_else(missing);
                claims.push(Claim { poly, point: [rows, at].concat(), value: value.clone() });
                value
            }
            (None, Input::Public(input)) => Lin::constant(evaluate_input(input, rows, at)),
            (None, Input::Committed) => return Err(Rejection::Statement { what: "kind of input" }.into()),
        };
        let w = values.next().unwrap_or_else(missing);
        claims.push(Claim { poly: layer.weights, point: [at, cols].concat(), value: w.clone() });
        pairs.push((x * reduced.powers[index], w));
    }
    channel.products("matrix products", pairs, reduced.sum)?;

    opening::verify(backend, channel, key.bases(), claims, &commitments)
}

/// Reads the columns' values, then the biases'.
fn receive_columns<C: Channel>(channel: &mut C, layout: &Layout) -> Result<Columns<C::Var>, VerifyError> {
    let requantised = layout.layers.iter().filter_map(|layer| layer.requantised.as_ref());
    let per_layer = requantised.map(|r| 1 + r.limbs.len() + usize::from(r.output.is_some()));
    let count = usize::from(layout.input.is_some())
        + per_layer.sum::<usize>()
        + layout.tables.len()
        + layout.layers.len();
    let values = channel.receive(count)?;
    let mut rest = values.as_slice();
    // The counts add up to what was asked for.
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head.to_vec()
    };
    Ok(Columns {
        input: layout.input.map(|_| take(1)[0]),
        layers: layout
            .layers
            .iter()
            .map(|layer| {
                layer.requantised.as_ref().map(|r| LayerValues {
                    y_prime: take(1)[0],
                    limbs: take(r.limbs.len()),
                    y: r.output.map(|_| take(1)[0]),
                })
            })
            .collect(),
        counts: take(layout.tables.len()),
        biases: take(layout.layers.len()),
    })
}

/// The tree's claims on its leaves against the columns: with `e_g` the weight of segment `g` at the point,
/// `q = sum_g e_g (alpha - f_g) + 1 - sum_g e_g` and `p = sum_lookups e_g - sum_tables e_g count_g`.
fn check_leaves<C: Channel>(
    channel: &mut C,
    layout: &Layout,
    leaves: &LeafClaims<C::Var>,
    (gamma, alpha): (Fr, Fr),
    columns: &Columns<C::Var>,
    output: Fr,
) -> Result<(), VerifyError> {
    if layout.segments.is_empty() {
        return Ok(());
    }
    let mut p = Lin::constant(Fr::ZERO);
    let mut q = Lin::constant(Fr::ONE);
    for segment in &layout.segments {
        let (prefix, suffix) = leaves.point.split_at(leaves.point.len() - segment.log_len as usize);
        let number = segment.offset >> segment.log_len;
        let bits = (0..prefix.len()).map(|i| Fr::from((number >> (prefix.len() - 1 - i) & 1) as u64));
        let weight = eq(&bits.collect::<Vec<_>>(), prefix);
        let table = &layout.tables[segment.table];
        let zero = || Lin::constant(Fr::ZERO);
        let (numerator, a, b) = match segment.leaves {
            Leaves::Table => {
                let (a, b) = table.table.evaluate(suffix);
                (Lin::term(-Fr::ONE, columns.counts[segment.table]), Lin::constant(a), Lin::constant(b))
            }
            Leaves::Input => {
                let raised = columns.input.map_or_else(zero, Lin::from) + Lin::constant(Fr::from(128u64));
                (Lin::constant(Fr::ONE), raised, zero())
            }
            Leaves::Limb { layer, limb } => {
                let value =
                    columns.layers[layer].as_ref().map_or_else(zero, |layer| layer.limbs[limb].into());
                (Lin::constant(Fr::ONE), value, zero())
            }
            Leaves::Activation { layer } => {
                let values = columns.layers[layer].as_ref();
                let y_prime = values.map_or_else(zero, |layer| layer.y_prime.into());
                let y = values.and_then(|layer| layer.y).map_or(Lin::constant(output), Lin::from);
                (Lin::constant(Fr::ONE), y_prime, y)
            }
        };
        let constant = alpha - Fr::from(table.tag) - Fr::ONE;
        q = q + (Lin::constant(constant) - a * gamma - b * gamma.square()) * weight;
        p = p + numerator * weight;
    }
    channel.zero("denominators of the lookups", q - leaves.q.clone())?;
    Ok(channel.zero("numerators of the lookups", p - leaves.p.clone())?)
}

/// The claims that the tree's point gives, on every committed column.
fn looked_up_claims<V: Copy>(layout: &Layout, point: &[Fr], columns: &Columns<V>) -> Vec<Claim<Lin<V>>> {
    let mut claims = Vec::new();
    let mut claim = |poly, log_len, value: V| {
        claims.push(Claim { poly, point: layout.suffix(point, log_len).to_vec(), value: Lin::from(value) });
    };
    if let (Some(poly), Some(value)) = (layout.input, columns.input) {
        claim(poly, layout.polys[poly.index()], value);
    }
    for (layer, values) in layout.layers.iter().zip(&columns.layers) {
        let (Some(requantised), Some(values)) = (&layer.requantised, values) else { continue };
        let log_len = layout.log_batch + layer.log_outputs;
        requantised.limbs.iter().zip(&values.limbs).for_each(|(poly, value)| claim(*poly, log_len, *value));
        if let (Some(poly), Some(value)) = (requantised.output, values.y) {
            claim(poly, log_len, value);
        }
    }
    for (table, value) in layout.tables.iter().zip(&columns.counts) {
        claim(table.counts, table.table.log_len(), *value);
    }
    claims
}

impl<V: Copy> Columns<V> {
    /// `Acc = (2^16 Y' + rem - 2^15) / m`, an identity over the integers because all its values are bounded.
    fn accumulator(&self, layout: &Layout, layer: usize) -> Option<Lin<V>> {
        let (values, requantised) =
            (self.layers[layer].as_ref()?, layout.layers[layer].requantised.as_ref()?);
        let bits = 16 / values.limbs.len();
        let rem = values.limbs.iter().enumerate().map(|(i, limb)| (Fr::from(1u64 << (bits * i)), *limb));
        let scaled = Lin::term(Fr::from(1u64 << 16), values.y_prime) + rem.collect()
            - Lin::constant(Fr::from(1u64 << 15));
        Some(scaled * Fr::from(requantised.requantise.multiplier()).inverse()?)
    }
}
