//! A second prover, from the definitions: the oracle of the first.
//!
//! Every message is computed on plain vectors over the field: extensions as sums over the cube, round polynomials as sums over what
//! is left of it, commitments as sums of multiples of the bases. It shares with the other prover the channel, the statement's
//! absorption and the bases, and derives the rest, layout included, on its own. Costs `O(n)` additions and
//! multiplications a round for tables of `2^n` entries, where the other costs a half, a quarter, ..
//!
//! Vectors are passed as often as they are used, so that a liar can use different ones.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field};

use super::rows;
use crate::bases::CommitmentKey;
use crate::channel::{ClearProver, ProverChannel};
use crate::model::{Model, Output as Answers, Tensor};
use crate::statement::{Input, Output, Padding, Proof, Statement, absorb};
use crate::tables::Table;
use crate::{Limbs, Params};

/// `eq(point, index)`, `point[0]` belonging to the top bit.
fn eq_at(point: &[Fr], index: usize) -> Fr {
    let n = point.len();
    let factor = |i: usize| if index >> (n - 1 - i) & 1 == 1 { point[i] } else { Fr::ONE - point[i] };
    (0..n).map(factor).product()
}

/// The extension with its first variables bound to `point`: what is left, as a table.
fn bound(table: &[Fr], point: &[Fr]) -> Vec<Fr> {
    let rest = table.len() >> point.len();
    // eq(point, x) = eq(first half, x / 2^n) eq(second half, x mod 2^n), each a product of its own.
    let (high, low) = point.split_at(point.len() / 2);
    let all = |point: &[Fr]| (0..1 << point.len()).map(|x| eq_at(point, x)).collect::<Vec<_>>();
    let (high, low) = (all(high), all(low));
    let weights: Vec<Fr> = high.iter().flat_map(|h| low.iter().map(move |l| *h * l)).collect();
    (0..rest).map(|x| weights.iter().enumerate().map(|(b, w)| *w * table[b * rest + x]).sum()).collect()
}

/// The multilinear extension of `table` at `point`.
pub(super) fn extension(table: &[Fr], point: &[Fr]) -> Fr {
    assert_eq!(table.len(), 1 << point.len());
    bound(table, point)[0]
}

/// The rounds of a sumcheck over `summand` of `tables`; returns the point.
fn sumcheck(
    channel: &mut impl ProverChannel,
    tables: &[Vec<Fr>],
    degree: u64,
    summand: impl Fn(&[Fr]) -> Fr,
) -> Vec<Fr> {
    let mut point = Vec::new();
    for _ in 0..tables[0].len().ilog2() {
        let at = |x: u64| -> Fr {
            let prefix = [&point[..], &[Fr::from(x)]].concat();
            let rests: Vec<Vec<Fr>> = tables.iter().map(|table| bound(table, &prefix)).collect();
            let values = |i: usize| rests.iter().map(|rest| rest[i]).collect::<Vec<_>>();
            (0..rests[0].len()).map(|i| summand(&values(i))).sum()
        };
        let sent: Vec<Fr> = [0].into_iter().chain(2..=degree).map(at).collect();
        channel.send(&sent);
        point.push(channel.challenge());
    }
    point
}

/// The fraction tree over leaves `p / q`; returns the point. Does not mind a zero denominator.
pub(super) fn tree(channel: &mut impl ProverChannel, p: Vec<Fr>, q: Vec<Fr>) -> Vec<Fr> {
    let mut levels = vec![(p, q)];
    while levels[levels.len() - 1].1.len() > 1 {
        let (p, q) = &levels[levels.len() - 1];
        let half = q.len() / 2;
        let sum = (0..half).map(|x| p[x] * q[x + half] + p[x + half] * q[x]).collect();
        let product = (0..half).map(|x| q[x] * q[x + half]).collect();
        levels.push((sum, product));
    }
    channel.send(&levels[levels.len() - 1].1);
    let mut point = Vec::new();
    for k in 0..levels.len() - 1 {
        let (p, q) = &levels[levels.len() - 2 - k];
        let (p0, p1) = p.split_at(1 << k);
        let (q0, q1) = q.split_at(1 << k);
        let lambda = if k == 0 { Fr::ZERO } else { channel.challenge() };
        let eq = (0..1 << k).map(|x| eq_at(&point, x)).collect();
        let tables = [eq, p0.to_vec(), p1.to_vec(), q0.to_vec(), q1.to_vec()];
        let sum = |t: &[Fr]| t[0] * (t[1] * t[4] + t[2] * t[3] + lambda * t[3] * t[4]);
        let rest = sumcheck(channel, &tables, 3, sum);
        let values: Vec<Fr> = tables[1..].iter().map(|table| extension(table, &rest)).collect();
        channel.send(&values);
        point = [vec![channel.challenge()], rest].concat();
    }
    point
}

/// A layer's values.
#[derive(Clone)]
pub(super) struct Values {
    pub y_prime: Vec<Fr>,
    pub limbs: Vec<Vec<Fr>>,
    pub y: Vec<Fr>,
}

/// A layer's committed integers.
#[derive(Clone)]
struct Matrix {
    weights: Vec<Fr>,
    bias: Vec<Fr>,
    inputs: usize,
    outputs: usize,
}

/// A claim, with the vector that the prover says it is about.
struct Claim {
    poly: usize,
    point: Vec<Fr>,
    vector: Vec<Fr>,
}

/// A proof to be made.
#[derive(Clone)]
pub(super) struct Naive<'a> {
    digest: [u8; 32],
    params: Params,
    bases: &'a CommitmentKey,
    requantised: Vec<Option<(u16, Table)>>,
    matrices: Vec<Matrix>,
    pub statement: Statement,
    pub padding: Padding,
    batch: usize,
    pub input: Vec<Fr>,
    pub layers: Vec<Option<Values>>,
    /// The layers' inputs as multiplied. A liar's may not be what is committed.
    pub multiplied: Vec<Vec<Fr>>,
    /// Whether to open what the claims are about rather than what was committed to.
    pub open_claimed: bool,
    /// Two claims to change places in the opening.
    pub swapped: Option<(usize, usize)>,
    /// More entries of one committed vector than any claim is about.
    pub tail: Option<(usize, Vec<Fr>)>,
}

fn field<T: Copy + Into<Fr>>(values: &[T]) -> Vec<Fr> {
    values.iter().map(|value| (*value).into()).collect()
}

impl<'a> Naive<'a> {
    /// The honest proof's vectors, by integer inference.
    pub fn new(
        (digest, params, bases): ([u8; 32], Params, &'a CommitmentKey),
        model: &Model,
        inputs: &Tensor<i8>,
        public: bool,
        context: &[u8],
    ) -> Self {
        let padded = model.padded();
        let trace = padded.infer(&inputs.padded()).unwrap();
        let real = model.infer(inputs).unwrap();
        let (rows, outputs) = (inputs.rows(), model.outputs());
        fn beyond<T: Copy>(all: &[T], from: usize, width: usize, cols: usize) -> Vec<T> {
            all.chunks_exact(width).skip(from).flat_map(|row| &row[..cols]).copied().collect()
        }
        let width = padded.outputs();
        let (output, padding) = match (real.output(), trace.output()) {
            (Answers::Accumulators(real), Answers::Accumulators(all)) => (
                Output::Accumulators(Tensor::new(rows, outputs, real.to_vec()).unwrap()),
                Padding::Accumulators(beyond(all, rows, width, outputs)),
            ),
            (Answers::Activations(real), Answers::Activations(all)) => (
                Output::Activations(Tensor::new(rows, outputs, real.to_vec()).unwrap()),
                Padding::Activations(beyond(all, rows, width, outputs)),
            ),
            _ => unreachable!("one model has one kind of output"),
        };
        let input = if public { Input::Public(inputs.clone()) } else { Input::Committed };
        let limbs = |rem: &[u16]| match params.limbs {
            Limbs::Word => vec![field(rem)],
            Limbs::Bytes => vec![
                rem.iter().map(|rem| Fr::from(rem % 256)).collect(),
                rem.iter().map(|rem| Fr::from(rem / 256)).collect(),
            ],
        };
        let layers: Vec<Option<Values>> = trace
            .layers
            .iter()
            .map(|layer| {
                layer.requantised.as_ref().map(|values| Values {
                    y_prime: field(&values.y_prime),
                    limbs: limbs(&values.rem),
                    y: field(&values.y),
                })
            })
            .collect();
        let padded_input = field(inputs.padded().data());
        let later = layers[..layers.len() - 1].iter().flatten().map(|values| values.y.clone());
        Self {
            digest,
            params,
            bases,
            requantised: padded
                .layers()
                .iter()
                .map(|layer| {
                    layer.requantise.map(|r| {
                        (
                            r.multiplier(),
                            Table::Activation { activation: r.activation(), bits: r.table_bits() },
                        )
                    })
                })
                .collect(),
            matrices: padded
                .layers()
                .iter()
                .map(|layer| Matrix {
                    weights: field(layer.weights.data()),
                    bias: field(&layer.bias),
                    inputs: layer.weights.rows(),
                    outputs: layer.weights.cols(),
                })
                .collect(),
            statement: Statement { input, output, context: context.to_vec() },
            padding,
            batch: rows.next_power_of_two(),
            multiplied: std::iter::once(padded_input.clone()).chain(later).collect(),
            input: padded_input,
            layers,
            open_claimed: false,
            swapped: None,
            tail: None,
        }
    }

    /// All tables of the key, the limbs' first, then bytes, then activations, each once.
    fn tables(&self) -> Vec<Table> {
        let bits = if self.params.limbs == Limbs::Bytes { 8 } else { 16 };
        let mut tables = vec![Table::Range { bits }];
        let activations = self.requantised.iter().flatten().map(|(_, table)| *table);
        for table in [Table::Range { bits: 8 }].into_iter().chain(activations) {
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }

    /// The proof's bytes. `blinds` are those of the committed vectors, the key's first.
    pub fn prove(&self, blinds: &[Vec<Fr>]) -> Vec<u8> {
        let public = matches!(self.statement.input, Input::Public(_));
        let last = self.layers.len() - 1;

        // Lookups: the table's place among the key's, the rows.
        let tables = self.tables();
        let place = |table: Table| tables.iter().position(|known| *known == table).unwrap();
        let range = place(Table::Range { bits: if self.params.limbs == Limbs::Bytes { 8 } else { 16 } });
        let single = |values: &[Fr]| values.iter().map(|x| (*x, Fr::ZERO)).collect::<Vec<_>>();
        let mut lookups: Vec<(usize, Vec<(Fr, Fr)>)> = Vec::new();
        if !public {
            let raised: Vec<Fr> = self.input.iter().map(|x| *x + Fr::from(128u64)).collect();
            lookups.push((place(Table::Range { bits: 8 }), single(&raised)));
        }
        for (values, requantised) in self.layers.iter().zip(&self.requantised) {
            if let (Some(values), Some((_, table))) = (values, requantised) {
                let pairs = values.y_prime.iter().copied().zip(values.y.iter().copied()).collect();
                lookups.push((place(*table), pairs));
                lookups.extend(values.limbs.iter().map(|limb| (range, single(limb))));
            }
        }
        let used: Vec<usize> =
            (0..tables.len()).filter(|table| lookups.iter().any(|(used, _)| used == table)).collect();
        let counts: Vec<Vec<Fr>> = used
            .iter()
            .map(|&table| {
                let looked: Vec<&(Fr, Fr)> =
                    lookups.iter().filter(|(used, _)| *used == table).flat_map(|(_, rows)| rows).collect();
                let count = |row: &(Fr, Fr)| looked.iter().filter(|looked| **looked == row).count();
                rows(tables[table]).iter().map(|row| Fr::from(count(row) as u64)).collect()
            })
            .collect();

        // Committed vectors, the key's first.
        let mut polys: Vec<Vec<Fr>> =
            self.matrices.iter().flat_map(|m| [m.weights.clone(), m.bias.clone()]).collect();
        let key_polys = polys.len();
        let mut commit = |vector: &[Fr]| {
            polys.push(vector.to_vec());
            polys.len() - 1
        };
        let input_poly = (!public).then(|| commit(&self.input));
        let layer_polys: Vec<(Vec<usize>, Option<usize>)> = self
            .layers
            .iter()
            .enumerate()
            .map(|(index, values)| match values {
                None => (Vec::new(), None),
                Some(values) => (
                    values.limbs.iter().map(|limb| commit(limb)).collect(),
                    (index < last).then(|| commit(&values.y)),
                ),
            })
            .collect();
        let count_polys: Vec<usize> = counts.iter().map(|counts| commit(counts)).collect();

        if let Some((poly, tail)) = &self.tail {
            polys[*poly].extend(tail);
        }

        let mut channel = ClearProver::new(&self.statement.context);
        absorb(|label, bytes| channel.public(label, bytes), &self.digest, &self.statement, &self.padding);
        let commitments = polys.iter().zip(blinds).skip(key_polys);
        let commitments: Vec<G1Affine> = commitments.flat_map(|(v, blinds)| self.commit(v, blinds)).collect();
        channel.send_rows(&commitments);

        // The tree.
        let mut point = Vec::new();
        if !lookups.is_empty() {
            let (gamma, alpha) = (channel.challenge(), channel.challenge());
            let mut segments: Vec<(usize, Vec<(Fr, Fr)>, Vec<Fr>)> = lookups
                .iter()
                .map(|(table, rows)| (*table, rows.clone(), vec![Fr::ONE; rows.len()]))
                .collect();
            for (&table, counts) in used.iter().zip(&counts) {
                segments.push((table, rows(tables[table]), counts.iter().map(|count| -*count).collect()));
            }
            segments.sort_by_key(|(_, rows, _)| usize::MAX - rows.len());
            let (mut p, mut q) = (Vec::new(), Vec::new());
            for (table, rows, numerators) in segments {
                let tag = Fr::from(table as u64 + 1);
                q.extend(rows.iter().map(|(a, b)| alpha - (tag + gamma * a + gamma * gamma * b)));
                p.extend(numerators);
            }
            p.resize(p.len().next_power_of_two(), Fr::ZERO);
            q.resize(q.len().next_power_of_two(), Fr::ONE);
            point = tree(&mut channel, p, q);
        }

        // The columns at its point, and what the accumulators must be.
        let suffix = |len: usize| point[point.len() - len.ilog2() as usize..].to_vec();
        let mut claims = Vec::new();
        let mut sent = Vec::new();
        let mut look = |vector: &[Fr], poly: Option<usize>| {
            let at = suffix(vector.len());
            let value = extension(vector, &at);
            sent.push(value);
            claims.extend(poly.map(|poly| Claim { poly, point: at, vector: vector.to_vec() }));
            value
        };
        if let Some(poly) = input_poly {
            look(&self.input, Some(poly));
        }
        let mut accumulators = Vec::new();
        let mut points = Vec::new();
        for (index, values) in self.layers.iter().enumerate() {
            if let (Some(values), Some((multiplier, _))) = (values, &self.requantised[index]) {
                let mut scaled = look(&values.y_prime, None) * Fr::from(1u64 << 16) - Fr::from(1u64 << 15);
                for (i, (limb, &poly)) in values.limbs.iter().zip(&layer_polys[index].0).enumerate() {
                    let shift = i * 16 / values.limbs.len();
                    scaled += look(limb, Some(poly)) * Fr::from(1u64 << shift);
                }
                if let Some(poly) = layer_polys[index].1 {
                    look(&values.y, Some(poly));
                }
                accumulators.push(scaled / Fr::from(*multiplier));
                points.push(suffix(values.y.len()));
            }
        }
        for (counts, &poly) in counts.iter().zip(&count_polys) {
            look(counts, Some(poly));
        }
        if let Output::Accumulators(output) = &self.statement.output {
            let width = self.matrices[last].outputs;
            let mut all = vec![Fr::ZERO; self.batch * width];
            let Padding::Accumulators(padding) = &self.padding else { panic!("another kind of padding") };
            for (at, value) in output.data().iter().chain(padding).enumerate() {
                all[at / output.cols() * width + at % output.cols()] = Fr::from(*value);
            }
            points.push((0..all.len().ilog2()).map(|_| channel.challenge()).collect());
            accumulators.push(extension(&all, &points[last]));
        }

        // Matrix products.
        let log_batch = self.batch.ilog2() as usize;
        let mut differences = Vec::new();
        let mut factors = Vec::new();
        for (index, matrix) in self.matrices.iter().enumerate() {
            let (row_point, col_point) = points[index].split_at(log_batch);
            let bias = extension(&matrix.bias, col_point);
            sent.push(bias);
            let (poly, point, vector) = (2 * index + 1, col_point.to_vec(), matrix.bias.clone());
            claims.push(Claim { poly, point, vector });
            differences.push(accumulators[index] - bias);
            let columns = matrix.weights.chunks_exact(matrix.outputs);
            factors.push(bound(&self.multiplied[index], row_point));
            factors.push(columns.map(|row| extension(row, col_point)).collect());
        }
        channel.send(&sent);
        let eta = channel.challenge();
        let longest = factors.iter().map(Vec::len).max().unwrap();
        let repeated: Vec<Vec<Fr>> =
            factors.iter().map(|factor| (0..longest).map(|x| factor[x % factor.len()]).collect()).collect();
        let sum = |t: &[Fr]| -> Fr {
            t.chunks_exact(2).enumerate().map(|(l, t)| eta.pow([l as u64]) * t[0] * t[1]).sum()
        };
        let s = sumcheck(&mut channel, &repeated, 2, sum);
        let mut values = Vec::new();
        for (index, matrix) in self.matrices.iter().enumerate() {
            let at = &s[s.len() - matrix.inputs.ilog2() as usize..];
            let (row_point, col_point) = points[index].split_at(log_batch);
            let poly = if index == 0 { input_poly } else { layer_polys[index - 1].1 };
            if let Some(poly) = poly {
                let (point, vector) = ([row_point, at].concat(), self.multiplied[index].clone());
                values.push(extension(&vector, &point));
                claims.push(Claim { poly, point, vector });
            }
            let (poly, point, vector) = (2 * index, [at, col_point].concat(), matrix.weights.clone());
            values.push(extension(&vector, &point));
            claims.push(Claim { poly, point, vector });
        }
        channel.send(&values);

        self.open(&mut channel, claims, &polys, blinds);
        Proof { padding: self.padding.clone(), messages: channel.finish() }.to_bytes()
    }

    fn open(
        &self,
        channel: &mut impl ProverChannel,
        mut claims: Vec<Claim>,
        polys: &[Vec<Fr>],
        blinds: &[Vec<Fr>],
    ) {
        if let Some((i, j)) = self.swapped {
            claims.swap(i, j);
        }
        let rho = channel.challenge();
        let b = self.params.log_row as usize;
        let (mut tables, mut folded_blinds) = (Vec::new(), Vec::new());
        for claim in &claims {
            let (row_point, entries) = claim.point.split_at(claim.point.len().saturating_sub(b));
            let entries = [vec![Fr::ZERO; b - entries.len()], entries.to_vec()].concat();
            let vector = if self.open_claimed { &claim.vector } else { &polys[claim.poly] };
            let mut row = bound(vector, row_point);
            row.resize(1 << b, Fr::ZERO);
            tables.push((0..1 << b).map(|y| eq_at(&entries, y)).collect());
            tables.push(row);
            let blinds = blinds[claim.poly].iter().enumerate();
            folded_blinds.push(blinds.map(|(j, blind)| *blind * eq_at(row_point, j)).sum::<Fr>());
        }
        let sum = |t: &[Fr]| -> Fr {
            t.chunks_exact(2).enumerate().map(|(i, t)| rho.pow([i as u64]) * t[0] * t[1]).sum()
        };
        let y = sumcheck(channel, &tables, 2, sum);
        let folded: Vec<&Vec<Fr>> = tables.iter().skip(1).step_by(2).collect();
        let at_y: Vec<Fr> = folded.iter().map(|row| extension(row, &y)).collect();
        channel.send(&at_y);
        let mu = channel.challenge();
        let mus: Vec<Fr> = (0..claims.len()).map(|i| mu.pow([i as u64])).collect();
        let entry = |x: usize| mus.iter().zip(&folded).map(|(mu, row)| *mu * row[x]).sum();
        let opened: Vec<Fr> = (0..1 << b).map(entry).collect();
        let blind = mus.iter().zip(folded_blinds).map(|(mu, blind)| *mu * blind).sum();
        channel.send_row(&opened, blind);
    }

    /// Row by row, `sum_i v_i R_i + o H`.
    fn commit(&self, vector: &[Fr], blinds: &[Fr]) -> Vec<G1Affine> {
        let rows = vector.chunks(1 << self.params.log_row).zip(blinds);
        rows.map(|(row, blind)| {
            let terms = row.iter().zip(self.bases.row()).map(|(v, base)| *base * v);
            (terms.sum::<G1Projective>() + self.bases.blinding() * blind).into_affine()
        })
        .collect()
    }
}
