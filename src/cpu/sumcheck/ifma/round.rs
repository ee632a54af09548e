//! One round on eight lanes: the sweep of the [portable round](crate::cpu::sumcheck::round), with the same samples and groups.
//!
//! A group is split into *bundles* of terms with equally many factors, since each product loses a factor of 16. The terms
//! of a bundle are added up as ten columns and reduced once; with a weight that is multiplied by `eq`'s column weight and added
//! to the row's columns, without, the terms go there directly. A row is reduced, and multiplied by its own weight, once.
//!
//! Cost of eight pairs of a bundle of `n` terms of two factors, in vector instructions: `50 n + 160` a sample with a
//! weight and `50 n` without; a fold is 300 a table, memory to memory.

use rayon::prelude::*;

use super::{between, eq_table, limbs, sum_of_lanes};
use crate::cpu::field::ifma::*;
use crate::cpu::field::wide::Montgomery;
use crate::cpu::sumcheck::round::{Piece, Plan, round as portable_round, round_by, runs};
use crate::sumcheck::Form;
use crate::sumcheck::samples::Samples;

/// Pairs from which on lanes pay.
const LEAST: usize = 16;
/// The longest row of the weight's outer product, as a power of two.
const LOG_ROW: usize = 8;
/// Vectors of pairs whose lines are held at once.
const BLOCK: usize = 4;
/// Terms of a bundle: with a row's `2^LOG_ROW / 16` products a term, no more than a sum takes.
const MOST_TERMS: usize = 16;
const _: () = assert!(MOST_TERMS << LOG_ROW <= 16 * MAX_PRODUCTS);
/// Pairs times tables from which threads pay.
const PARALLEL: usize = 1 << 12;

/// As the portable [`round`](portable_round).
pub(in crate::cpu::sumcheck) fn round<F: Modulus + Montgomery>(
    token: Ifma,
    form: &Form<F>,
    tables: Vec<&mut [F]>,
    bind: Option<F>,
) -> Vec<F> {
    if 1 << (form.remaining() - 1) < LEAST {
        return portable_round(form, tables, bind);
    }
    round_by(form, |plan, samples, rest, pairs| sweep(token, plan, samples, rest, pairs, tables, bind))
}

/// Terms of a group with equally many factors.
struct Bundle<'a> {
    group: usize,
    factors: usize,
    terms: Vec<&'a [usize]>,
}

impl<'a> Bundle<'a> {
    /// The bundles of each group's terms.
    fn all<'b>(groups: impl Iterator<Item = &'b Vec<&'a [usize]>>) -> Vec<Self>
    where
        'a: 'b,
    {
        let mut bundles = Vec::<Self>::new();
        for (group, terms) in groups.enumerate() {
            for &term in terms {
                let fits = |bundle: &&mut Self| {
                    bundle.group == group && bundle.factors == term.len() && bundle.terms.len() < MOST_TERMS
                };
                match bundles.iter_mut().find(fits) {
                    Some(bundle) => bundle.terms.push(term),
                    None => bundles.push(Self { group, factors: term.len(), terms: vec![term] }),
                }
            }
        }
        bundles
    }
}

/// The weight over the variables that stay open, as an outer product.
struct Weight<F> {
    rows: Vec<F>,
    cols: Vec<Lazy<F, 1>>,
}

impl<F: Modulus> Weight<F> {
    fn new(token: Ifma, point: &[F]) -> Self {
        let (rows, cols) = point.split_at(point.len() - point.len().min(LOG_ROW));
        let table = |point: &[F]| {
            let mut table = vec![F::zero(); 1 << point.len()];
            eq_table(token, point, F::one(), &mut table);
            table
        };
        // SAFETY: an `Ifma` proves the features.
        Self { rows: table(rows), cols: unsafe { limbs(&table(cols)) } }
    }
}

/// Folds all tables, and sums each group at each sample over all pairs: group by group, sample by sample.
fn sweep<F: Modulus>(
    token: Ifma,
    plan: &Plan<F>,
    samples: Samples,
    rest: Option<&[F]>,
    pairs: usize,
    tables: Vec<&mut [F]>,
    bind: Option<F>,
) -> Vec<F> {
    let bundles = [
        Bundle::all(plan.groups.iter().map(|group| &group.terms)),
        Bundle::all(plan.groups.iter().map(|group| &group.leading)),
    ];
    let weight = rest.map(|point| Weight::new(token, point));
    let row = pairs.min(1 << LOG_ROW);
    let parallel = pairs * tables.len() >= PARALLEL && rayon::current_num_threads() > 1;
    let jobs = if parallel { (4 * rayon::current_num_threads()).next_power_of_two() } else { 1 };
    let length = (pairs / jobs).max(row);

    let r = bind.map(Prepared::new);
    let runs = runs(tables, pairs, length, r.as_ref());
    let job = |(index, mut run): (usize, Vec<Piece<F, &Prepared<F>>>)| {
        let first = index * (length / row);
        let mut strips: Vec<Strip<F>> = run.drain(..).map(Strip::new).collect();
        let job = Job { bundles: &bundles, samples, weight: weight.as_ref(), row, first, rows: length / row };
        // SAFETY: an `Ifma` proves the features.
        unsafe { job.run(&mut strips) }
    };
    let sums = if parallel {
        let add = |mut a: Vec<F>, b: Vec<F>| {
            a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
            a
        };
        runs.into_par_iter().enumerate().map(job).reduce_with(add).unwrap_or_default()
    } else {
        runs.into_iter().enumerate().map(job).next().unwrap_or_default()
    };
    // Put back the powers of 16, and the bundles together.
    let mut total = vec![F::zero(); samples.len() * plan.groups.len()];
    for ((point, bundle), sum) in positions(&bundles, samples).zip(sums) {
        let lost = bundle.factors - 1 + if weight.is_some() { 2 } else { 0 };
        total[point * plan.groups.len() + bundle.group] += sum * F::from(16u64).pow([lost as u64]);
    }
    total
}

/// What is summed: the samples' numbers with the bundles that count there. At the last sample from degree 2 on, the
/// leading coefficient, only leading terms do.
fn positions<'b, 'a>(
    bundles: &'b [Vec<Bundle<'a>>; 2],
    samples: Samples,
) -> impl Iterator<Item = (usize, &'b Bundle<'a>)> {
    (0..samples.len()).flat_map(move |point| {
        let leading = usize::from(samples.has_leading() && point + 1 == samples.len());
        bundles[leading].iter().map(move |bundle| (point, bundle))
    })
}

/// What is to be done with a run of pairs.
struct Job<'a, F> {
    bundles: &'a [Vec<Bundle<'a>>; 2],
    samples: Samples,
    weight: Option<&'a Weight<F>>,
    /// Pairs in a row of the weight's outer product, or as many as suit.
    row: usize,
    /// The run's first row.
    first: usize,
    /// How many rows it has.
    rows: usize,
}

/// Values of a table at the pairs of a block.
type Block<F> = [Lazy<F, 2>; BLOCK];

impl<F: Modulus> Job<'_, F> {
    /// The sums of the run, one a position.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn run(&self, run: &mut [Strip<F>]) -> Vec<F> {
        let zero = Lazy::<F, 2>::splat(&[0; 5]);
        let mut at = vec![[zero; BLOCK]; run.len()];
        let mut slope = at.clone();
        let count = positions(self.bundles, self.samples).count();
        let mut total = vec![zero; count];
        let mut inner = vec![Sums::<F, 2>::new(); count];
        for row in 0..self.rows {
            inner.fill(Sums::new());
            for first in (0..self.row / 8).step_by(BLOCK) {
                let vectors = BLOCK.min(self.row / 8 - first);
                for ((strip, at), slope) in run.iter_mut().zip(&mut at).zip(&mut slope) {
                    strip.load_lines(row * self.row / 8 + first, vectors, at, slope);
                }
                let eq = self.weight.map(|weight| &weight.cols[first..first + vectors]);
                self.add_block(&mut inner, &mut at, &slope, eq, vectors);
            }
            for (total, inner) in total.iter_mut().zip(&inner) {
                // A term's products are 2 p by 2 p, 16 of them a row and a term; a weight's p by 32 p.
                let [a, b] = inner.reduce::<{ MOST_TERMS * 16 * 4 }, 14>();
                let sum = a.add::<0, 14, 0, 28>(b).reduce();
                let sum = match self.weight {
                    Some(weight) => {
                        let row = weight.rows[self.first + row];
                        mul(&Lazy::<F, 1>::from_words(&load(&[row; 8])), &sum)
                    }
                    None => sum.wide(),
                };
                *total = sum.plus::<2, 4>(*total).reduce();
            }
        }
        let mut sums = Vec::with_capacity(count);
        for total in total {
            sums.push(sum_of_lanes(total.canonical()));
        }
        sums
    }

    /// Adds the block's pairs to the rows' sums, weighted by `eq` where given.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn add_block(
        &self,
        inner: &mut [Sums<F, 2>],
        at: &mut [Block<F>],
        slope: &[Block<F>],
        eq: Option<&[Lazy<F, 1>]>,
        vectors: usize,
    ) {
        let mut inner = inner.iter_mut();
        for point in 0..self.samples.finite() {
            if point > 0 && !(point == 1 && self.samples.skip_one && self.samples.finite() == 2) {
                for (at, slope) in at.iter_mut().zip(slope) {
                    for (at, slope) in at.iter_mut().zip(slope).take(vectors) {
                        *at = at.add::<2, 4>(*slope).reduce();
                    }
                }
            }
            if point == 1 && self.samples.skip_one {
                continue;
            }
            for (bundle, inner) in self.bundles[0].iter().zip(&mut inner) {
                add_bundle(inner, bundle, at, eq, vectors);
            }
        }
        if self.samples.has_leading() {
            for (bundle, inner) in self.bundles[1].iter().zip(&mut inner) {
                add_bundle(inner, bundle, slope, eq, vectors);
            }
        }
    }
}

/// A [`Piece`] in vectors.
struct Strip<'a, F> {
    low: &'a mut [[F; 8]],
    high: &'a mut [[F; 8]],
    /// What is to be folded onto them.
    upper: [&'a [[F; 8]]; 2],
    fold: Option<&'a Prepared<F>>,
}

impl<'a, F: Modulus> Strip<'a, F> {
    fn new(piece: Piece<'a, F, &'a Prepared<F>>) -> Self {
        let Piece { low, high, fold } = piece;
        let (upper, fold) = match fold {
            Some(fold) => ([fold.low, fold.high], Some(fold.r)),
            None => ([&[][..]; 2], None),
        };
        Self {
            low: low.as_chunks_mut().0,
            high: high.as_chunks_mut().0,
            upper: [upper[0].as_chunks().0, upper[1].as_chunks().0],
            fold,
        }
    }

    /// Folds `vectors` times eight pairs from vector `from` on; puts the lines at `X = 0`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn load_lines(&mut self, from: usize, vectors: usize, at: &mut Block<F>, slope: &mut Block<F>) {
        const STEPS: usize = AHEAD / 8;
        for v in 0..vectors {
            let i = from + v;
            prefetch(self.low, i + STEPS);
            prefetch(self.high, i + STEPS);
            let ends = [load(&self.low[i]), load(&self.high[i])];
            let (low, high) = match self.fold {
                None => (Lazy::<F, 1>::from_words(&ends[0]), Lazy::<F, 1>::from_words(&ends[1])),
                Some(r) => {
                    prefetch(self.upper[0], i + STEPS);
                    prefetch(self.upper[1], i + STEPS);
                    let upper = [load(&self.upper[0][i]), load(&self.upper[1][i])];
                    let [low, high] = between(&ends, &upper, r);
                    store(&low.into_words(), &mut self.low[i]);
                    store(&high.into_words(), &mut self.high[i]);
                    (low, high)
                }
            };
            slope[v] = high.sub::<1>(low).carry();
            at[v] = low.widen();
        }
    }
}

/// Adds a bundle at the pairs of a block, whose number of vectors is even, to the row's sum.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn add_bundle<F: Modulus>(
    inner: &mut Sums<F, 2>,
    bundle: &Bundle,
    values: &[Block<F>],
    eq: Option<&[Lazy<F, 1>]>,
    vectors: usize,
) {
    for v in (0..vectors).step_by(2) {
        let Some(eq) = eq else {
            add_terms(inner, bundle, values, v);
            continue;
        };
        let eq = [&eq[v], &eq[v + 1]];
        let products = match *bundle.terms {
            [&[a]] => {
                inner.add(eq, [&values[a][v], &values[a][v + 1]]);
                continue;
            }
            // The shapes of `eq * (a b - c)` and of the fraction tree's levels keep their sums in registers.
            [&[a, b]] => {
                let mut sums = Sums::new();
                sums.add([&values[a][v], &values[a][v + 1]], [&values[b][v], &values[b][v + 1]]);
                sums
            }
            [&[a, b], &[c, d]] => {
                let mut sums = Sums::new();
                sums.add([&values[a][v], &values[a][v + 1]], [&values[b][v], &values[b][v + 1]]);
                sums.add([&values[c][v], &values[c][v + 1]], [&values[d][v], &values[d][v + 1]]);
                sums
            }
            _ => {
                let mut sums = Sums::new();
                add_terms(&mut sums, bundle, values, v);
                sums
            }
        };
        let [a, b] = products.reduce::<{ MOST_TERMS * 4 }, 2>();
        inner.add(eq, [&a.factor::<2>(), &b.factor::<2>()]);
    }
}

/// Adds the products of a bundle's terms at two vectors of pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn add_terms<F: Modulus>(sums: &mut Sums<F, 2>, bundle: &Bundle, values: &[Block<F>], v: usize) {
    for term in &bundle.terms {
        match **term {
            [] => {}
            [a] => {
                let one = Lazy::<F, 1>::splat(const { &relimb(power_of_two::<F>(260)) });
                sums.add([&values[a][v], &values[a][v + 1]], [&one, &one]);
            }
            [a, b] => {
                sums.add([&values[a][v], &values[a][v + 1]], [&values[b][v], &values[b][v + 1]]);
            }
            [a, ref middle @ .., b] => {
                let mut product = [values[a][v], values[a][v + 1]];
                for &factor in middle {
                    let [c, d] = [&values[factor][v], &values[factor][v + 1]];
                    let (low, high) = mul_pair::<F, _, _, 2>(&product[0], c, &product[1], d);
                    product = [low.carry(), high.carry()];
                }
                sums.add([&product[0], &product[1]], [&values[b][v], &values[b][v + 1]]);
            }
        }
    }
}
