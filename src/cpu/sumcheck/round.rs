//! One round: fold and evaluate in one sweep.
//!
//! With `m + 1` variables open after the fold, the round polynomial is `s(X) = sum_y w(X, y) g(X, y)` over the `2^m`
//! pairs `y`, where `g` is the sum of products of the tables and `w` the weight. Each table's pair is read once,
//! folded at the previous challenge, written back, and the line `t(X, y)` through it is followed over the samples of `X`.
//!
//! - *Weight.* `eq(point, (X, y)) = scale * l(X) * eq(rest, y)` with `l(X) = (1 - z) (1 - X) + z X`: the sweep sums
//!   `eq(rest, y) g(X, y)`, a polynomial of one degree less, and `scale * l(X)` is multiplied in at the end (Gruen,
//!   ePrint 2024/108, section 3). `eq(rest, .)` is the outer product of two short tables.
//! - *Samples.* Degree `e` needs `e + 1` of them: `0, 1, .., e - 1` and the leading coefficient, which is the product of
//!   the lines' slopes. A known claim replaces the sample at 1.
//! - *Delayed reduction.* Terms with equal coefficients form a group. Within a row only the last multiplication of each
//!   term is done wide, all terms of a group are reduced once, and the product with `eq` is wide again. Without a
//!   weight, sums over all rows are reduced once.
//!
//! A row of a group with `n` terms of two factors costs `n / 2 + 1` multiplications a sample with a weight and `n / 2`
//! without, plus two a table for the fold. Rows are worked on in blocks, so that interpreting the form costs little.

use ark_ff::PrimeField;
use rayon::prelude::*;

use super::SERIAL;
use super::eq::SplitEq;
use crate::cpu::field::has_mulx;
use crate::cpu::field::prepared::Prepared;
use crate::cpu::field::wide::{Montgomery, Sum};
use crate::sumcheck::Form;
use crate::sumcheck::samples::{AtOne, Samples, times_line};

/// Rows whose lines are held at once; a few tables' worth stays in the first-level cache.
const BLOCK: usize = 16;

/// Rows from which an inversion is cheaper than one more sample a row.
const CLAIM_PAYS: usize = 1 << 8;

/// The round polynomial's values at `0, 1, .., degree`, after folding `tables` at `bind`. All tables have the same
/// length, `2^(m + 1)`, or `2^(m + 2)` with a challenge to bind; the form has already bound it.
pub(super) fn round<F: Montgomery>(form: &Form<F>, tables: Vec<&mut [F]>, bind: Option<F>) -> Vec<F> {
    round_by(form, |plan, samples, rest, pairs| {
        sweep(plan, samples, rest.map(SplitEq::new).as_ref(), pairs, tables, bind)
    })
}

/// [`round`] by a given sweep: it takes the plan, the samples, the point of the weight over the variables that stay open and the
/// number of pairs, and returns the sum of each group at each sample.
pub(super) fn round_by<F: PrimeField>(
    form: &Form<F>,
    sweep: impl FnOnce(&Plan<F>, Samples, Option<&[F]>, usize) -> Vec<F>,
) -> Vec<F> {
    let plan = Plan::new(form);
    let pairs = 1 << (form.remaining() - 1);
    let weight = form.open_point().map(|point| Weight::new(form.scale(), point));
    let known = form.claim().filter(|_| pairs >= CLAIM_PAYS).and_then(|claim| match &weight {
        Some(weight) => weight.at_one(claim),
        None => Some(AtOne::unweighted(claim)),
    });
    let samples = Samples { degree: plan.degree, skip_one: known.is_some() };
    let sums = sweep(&plan, samples, weight.as_ref().map(|weight| weight.rest), pairs);
    // The constant terms, summed over all pairs; the weights of all pairs add up to one.
    let constant = if weight.is_some() { plan.constant } else { plan.constant * F::from(pairs as u64) };
    let mut values = samples.complete(&plan.combine(&sums), constant, known);
    if let Some(weight) = weight {
        times_line(&mut values, weight.line);
    }
    values
}

/// The terms of a form, ordered for evaluation.
pub(super) struct Plan<'a, F> {
    pub(super) groups: Vec<Group<'a, F>>,
    /// The sum of the terms without factors.
    constant: F,
    /// The largest number of factors.
    degree: usize,
}

/// Terms with the same coefficient.
pub(super) struct Group<'a, F> {
    coefficient: F,
    pub(super) terms: Vec<&'a [usize]>,
    /// Those with the largest number of factors of the form.
    pub(super) leading: Vec<&'a [usize]>,
}

impl<'a, F: PrimeField> Plan<'a, F> {
    fn new(form: &'a Form<F>) -> Self {
        let degree = form.terms().iter().map(|term| term.factors.len()).max().unwrap_or(0);
        let mut plan = Self { groups: Vec::<Group<F>>::new(), constant: F::ZERO, degree };
        for term in form.terms() {
            let (coefficient, factors) = (term.coefficient, &term.factors[..]);
            if factors.is_empty() {
                plan.constant += coefficient;
                continue;
            }
            let leading = (factors.len() == degree).then_some(factors);
            match plan.groups.iter_mut().find(|group| group.coefficient == coefficient) {
                Some(group) => {
                    group.terms.push(factors);
                    group.leading.extend(leading);
                }
                None => {
                    let leading = leading.into_iter().collect();
                    plan.groups.push(Group { coefficient, terms: vec![factors], leading });
                }
            }
        }
        plan
    }

    /// One value a sample from one sum a sample and group.
    fn combine(&self, sums: &[F]) -> Vec<F> {
        let combine =
            |sums: &[F]| self.groups.iter().zip(sums).map(|(group, sum)| group.coefficient * sum).sum();
        sums.chunks(self.groups.len().max(1)).map(combine).collect()
    }
}

/// The weight of a round.
struct Weight<'a, F> {
    /// `scale * l(0)` and `scale * l(1)`.
    line: [F; 2],
    /// The point's coordinates of the variables that stay open.
    rest: &'a [F],
}

impl<'a, F: PrimeField> Weight<'a, F> {
    fn new(scale: F, point: &'a [F]) -> Self {
        let at_one = scale * point[0];
        Self { line: [scale - at_one, at_one], rest: &point[1..] }
    }

    /// From `claim = line[0] g(0) + line[1] g(1)`; nothing if the weight vanishes at 1.
    fn at_one(&self, claim: F) -> Option<AtOne<F>> {
        AtOne::weighted(claim, self.line)
    }
}

/// A run of pairs of one table: `t(0, y)` and `t(1, y)`, and what is to be folded onto them.
pub(super) struct Piece<'a, F, R> {
    pub(super) low: &'a mut [F],
    pub(super) high: &'a mut [F],
    pub(super) fold: Option<Fold<'a, F, R>>,
}

/// The halves that fold onto a run, and the challenge as a prepared factor.
pub(super) struct Fold<'a, F, R> {
    pub(super) low: &'a [F],
    pub(super) high: &'a [F],
    pub(super) r: R,
}

/// Cuts all tables into runs of `length` pairs; a run has a piece of each table.
pub(super) fn runs<F, R: Copy>(
    tables: Vec<&mut [F]>,
    pairs: usize,
    length: usize,
    bind: Option<R>,
) -> Vec<Vec<Piece<'_, F, R>>> {
    let mut runs = Vec::new();
    runs.resize_with(pairs / length, || Vec::with_capacity(tables.len()));
    for table in tables {
        let (low, high) = table.split_at_mut(pairs);
        let (high, folded) = high.split_at_mut(pairs);
        let mut folds = bind.map(|r| {
            let (low, high) = folded.split_at(pairs);
            low.chunks(length).zip(high.chunks(length)).map(move |(low, high)| Fold { low, high, r })
        });
        let chunks = low.chunks_mut(length).zip(high.chunks_mut(length));
        for (run, (low, high)) in runs.iter_mut().zip(chunks) {
            run.push(Piece { low, high, fold: folds.as_mut().and_then(Iterator::next) });
        }
    }
    runs
}

/// Folds all tables, and sums each group at each sample over all pairs: group by group, sample by sample.
fn sweep<F: Montgomery>(
    plan: &Plan<F>,
    samples: Samples,
    weight: Option<&SplitEq<F>>,
    pairs: usize,
    tables: Vec<&mut [F]>,
    bind: Option<F>,
) -> Vec<F> {
    // A job is a whole number of rows of the weight's outer product.
    let cols = weight.map_or(BLOCK.min(pairs), |weight| weight.cols.len());
    let parallel = pairs * tables.len() >= SERIAL && rayon::current_num_threads() > 1;
    let jobs = if parallel { (4 * rayon::current_num_threads()).next_power_of_two() } else { 1 };
    let length = (pairs / jobs).max(cols);

    let runs = runs(tables, pairs, length, bind.map(F::prepare));
    let zero = || vec![Sum::ZERO; samples.len() * plan.groups.len()];
    let job = |(index, run): (usize, Vec<Piece<F, Prepared>>)| {
        Job { plan, samples, weight, cols, first: index * (length / cols), rows: length / cols }.run(run)
    };
    let add = |mut a: Vec<Sum<F>>, b: Vec<Sum<F>>| {
        a.iter_mut().zip(&b).for_each(|(a, b)| a.add(b));
        a
    };
    let total = if parallel {
        runs.into_par_iter().enumerate().map(job).reduce(zero, add)
    } else {
        runs.into_iter().enumerate().map(job).fold(zero(), add)
    };
    total.iter().map(Sum::reduce).collect()
}

/// What is to be done with a run of pairs.
struct Job<'a, F> {
    plan: &'a Plan<'a, F>,
    samples: Samples,
    weight: Option<&'a SplitEq<F>>,
    /// Pairs in a row of the weight's outer product, or as many as suit.
    cols: usize,
    /// The run's first row.
    first: usize,
    /// How many rows it has.
    rows: usize,
}

impl<F: Montgomery> Job<'_, F> {
    /// The sums of the run. The compilation with `mulx` is faster.
    fn run(&self, run: Vec<Piece<F, Prepared>>) -> Vec<Sum<F>> {
        #[cfg(target_arch = "x86_64")]
        if has_mulx() {
            // SAFETY: the processor has the instructions.
            return unsafe { self.run_mulx(run) };
        }
        self.run_anywhere(run)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2,adx")]
    fn run_mulx(&self, run: Vec<Piece<F, Prepared>>) -> Vec<Sum<F>> {
        self.run_anywhere(run)
    }

    #[inline(always)]
    fn run_anywhere(&self, mut run: Vec<Piece<F, Prepared>>) -> Vec<Sum<F>> {
        let mut lines = Lines::new(run.len());
        let mut total = vec![Sum::ZERO; self.samples.len() * self.plan.groups.len()];
        let mut inner = total.clone();
        for row in 0..self.rows {
            inner.fill(Sum::ZERO);
            for col in (0..self.cols).step_by(BLOCK) {
                let count = BLOCK.min(self.cols - col);
                lines.load(&mut run, row * self.cols + col, count);
                let eq = self.weight.map(|weight| &weight.cols[col..col + count]);
                lines.add_to(&mut inner, self.plan, self.samples, eq, count);
            }
            for (total, inner) in total.iter_mut().zip(&inner) {
                match self.weight {
                    Some(weight) => total.add_product(weight.rows[self.first + row], inner.reduce()),
                    None => total.add(inner),
                }
            }
        }
        total
    }
}

/// A block of rows of all tables: where each line is and how it rises.
struct Lines<F> {
    at: Vec<[F; BLOCK]>,
    slope: Vec<[F; BLOCK]>,
}

impl<F: Montgomery> Lines<F> {
    fn new(tables: usize) -> Self {
        Self { at: vec![[F::ZERO; BLOCK]; tables], slope: vec![[F::ZERO; BLOCK]; tables] }
    }

    /// Folds `count` pairs from pair `from` on and puts the lines at `X = 0`.
    #[inline(always)]
    fn load(&mut self, run: &mut [Piece<F, Prepared>], from: usize, count: usize) {
        let rows = from..from + count;
        for ((piece, at), slope) in run.iter_mut().zip(&mut self.at).zip(&mut self.slope) {
            let (low, high) = (&mut piece.low[rows.clone()], &mut piece.high[rows.clone()]);
            if let Some(fold) = &piece.fold {
                let upper = fold.low[rows.clone()].iter().zip(&fold.high[rows.clone()]);
                for ((low, high), upper) in low.iter_mut().zip(&mut *high).zip(upper) {
                    *low = F::fold(*low, *upper.0, &fold.r);
                    *high = F::fold(*high, *upper.1, &fold.r);
                }
            }
            for (((at, slope), low), high) in at.iter_mut().zip(slope).zip(low).zip(high) {
                *at = *low;
                *slope = high.minus(*low);
            }
        }
    }

    /// Adds the block's rows to `sums`, weighted by `eq` where given.
    #[inline(always)]
    fn add_to(
        &mut self,
        sums: &mut [Sum<F>],
        plan: &Plan<F>,
        samples: Samples,
        eq: Option<&[F]>,
        count: usize,
    ) {
        if plan.groups.is_empty() {
            return;
        }
        let mut sums = sums.chunks_mut(plan.groups.len());
        let mut position = 0;
        for point in 0..samples.finite() {
            if point == 1 && samples.skip_one {
                continue;
            }
            while position < point {
                for (at, slope) in self.at.iter_mut().zip(&self.slope) {
                    for (at, slope) in at[..count].iter_mut().zip(slope) {
                        *at = at.plus(*slope);
                    }
                }
                position += 1;
            }
            for (group, sum) in plan.groups.iter().zip(sums.next().into_iter().flatten()) {
                add_group(sum, &group.terms, &self.at, eq, count);
            }
        }
        // The leading coefficient, for which only terms of full degree count.
        for (group, sum) in plan.groups.iter().zip(sums.next().into_iter().flatten()) {
            add_group(sum, &group.leading, &self.slope, eq, count);
        }
    }
}

// The loops below are loops, not closures, so that all of them become part of the compilation with `mulx`.

/// Adds the sum over the rows of a group of terms, weighted by `eq` where given.
#[inline(always)]
fn add_group<F: Montgomery>(
    sum: &mut Sum<F>,
    terms: &[&[usize]],
    values: &[[F; BLOCK]],
    eq: Option<&[F]>,
    count: usize,
) {
    let Some(eq) = eq else {
        for factors in terms {
            add_term::<F, 0>(std::slice::from_mut(sum), factors, values, count);
        }
        return;
    };
    // The shapes of `eq * (a b - c)` and of the fraction tree's layers keep their rows in registers.
    match *terms {
        [] => {}
        [&[a]] => add_products::<F, 0>(std::slice::from_mut(sum), &values[a], eq),
        [&[a, b]] => add_weighted(sum, eq, [[&values[a], &values[b]]]),
        [&[a, b], &[c, d]] => {
            add_weighted(sum, eq, [[&values[a], &values[b]], [&values[c], &values[d]]]);
        }
        _ => {
            let mut rows = [Sum::ZERO; BLOCK];
            for factors in terms {
                add_term::<F, 1>(&mut rows, factors, values, count);
            }
            for (eq, row) in eq.iter().zip(&rows) {
                sum.add_product(*eq, row.reduce());
            }
        }
    }
}

/// `sum += sum_i eq[i] * sum_k products[k][0][i] * products[k][1][i]`, with at most [`BLOCK`] rows.
#[inline(always)]
fn add_weighted<F: Montgomery, const N: usize>(sum: &mut Sum<F>, eq: &[F], products: [[&[F; BLOCK]; 2]; N]) {
    let mut total = *sum;
    for (i, &eq) in eq.iter().enumerate().take(BLOCK) {
        let mut row = Sum::ZERO;
        for [a, b] in products {
            row.add_product(a[i], b[i]);
        }
        total.add_product(eq, row.reduce());
    }
    *sum = total;
}

/// Adds a product of tables in row `i` to `sums[i * STRIDE]`.
#[inline(always)]
fn add_term<F: Montgomery, const STRIDE: usize>(
    sums: &mut [Sum<F>],
    factors: &[usize],
    values: &[[F; BLOCK]],
    count: usize,
) {
    match *factors {
        [] => {}
        [a] => {
            for (i, value) in values[a][..count].iter().enumerate() {
                sums[i * STRIDE].add_value(*value);
            }
        }
        [a, b] => add_products::<F, STRIDE>(sums, &values[a][..count], &values[b]),
        [a, ref middle @ .., b] => {
            let mut product = values[a];
            for &factor in middle {
                for (product, value) in product[..count].iter_mut().zip(&values[factor]) {
                    *product = product.times(*value);
                }
            }
            add_products::<F, STRIDE>(sums, &product[..count], &values[b]);
        }
    }
}

/// Adds `a[i] * b[i]` to `sums[i * STRIDE]`.
#[inline(always)]
fn add_products<F: Montgomery, const STRIDE: usize>(sums: &mut [Sum<F>], a: &[F], b: &[F]) {
    if STRIDE == 0 {
        let mut total = sums[0];
        for (a, b) in a.iter().zip(b) {
            total.add_product(*a, *b);
        }
        sums[0] = total;
    } else {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            sum.add_product(*a, *b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use crate::sumcheck::Term;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn term(coefficient: Fr, factors: &[usize]) -> Term {
        Term { coefficient, factors: factors.to_vec() }
    }

    /// The form's sum over the cube of multilinear tables, of which `tables[0]` is the weight if there is one.
    fn sum_by_definition(form: &Form, weight: Option<&[Fr]>, tables: &[Vec<Fr>]) -> Fr {
        let row = |i: usize| -> Fr {
            let product = |term: &Term| term.factors.iter().map(|&t| tables[t][i]).product::<Fr>();
            let sum: Fr = form.terms().iter().map(|term| term.coefficient * product(term)).sum();
            sum * weight.map_or(Fr::ONE, |weight| weight[i])
        };
        (0..tables[0].len()).map(row).sum()
    }

    /// The table with its first variable set to `x`.
    fn at(table: &[Fr], x: Fr) -> Vec<Fr> {
        let (low, high) = table.split_at(table.len() / 2);
        low.iter().zip(high).map(|(low, high)| (Fr::ONE - x) * low + x * high).collect()
    }

    /// Runs all rounds, each checked against the definition at every sample point.
    fn all_rounds(variables: usize, terms: &[Term], weighted: bool, claim: bool, rng: &mut ChaCha20Rng) {
        let count = 1 + terms.iter().flat_map(|term| &term.factors).max().copied().unwrap_or(0);
        let mut point: Vec<Fr> = (0..variables).map(|_| Fr::rand(rng)).collect();
        // Coordinates at which the weight vanishes on one side.
        if variables > 3 {
            (point[1], point[2]) = (Fr::ZERO, Fr::ONE);
        }
        let mut plain: Vec<Vec<Fr>> = vec![Vec::new(); count];
        for table in &mut plain {
            table.extend((0..1 << variables).map(|i| if i % 7 == 3 { -Fr::ONE } else { Fr::rand(rng) }));
        }
        let mut weight = weighted.then(|| {
            let mut table = vec![Fr::ZERO; 1 << variables];
            crate::cpu::sumcheck::eq::eq_table(&point, Fr::ONE, &mut table);
            table
        });
        let mut form = Form::new(variables, terms.to_vec());
        if weighted {
            form = form.weighted(point).unwrap();
        }
        let mut running = sum_by_definition(&form, weight.as_deref(), &plain);
        if claim {
            form = form.claiming(running);
        }
        let mut tables = plain.clone();
        let mut bind = None;
        for _ in 0..variables {
            if let Some(r) = bind {
                form.bind(r);
            }
            let live = plain[0].len() << usize::from(bind.is_some());
            let mut again = tables.clone();
            let live_tables = tables.iter_mut().map(|table| &mut table[..live]).collect();
            let values = round(&form, live_tables, bind);
            #[cfg(target_arch = "x86_64")]
            if let Some(token) = crate::cpu::field::ifma::Ifma::new() {
                let live_tables = again.iter_mut().map(|table| &mut table[..live]).collect();
                let same = crate::cpu::sumcheck::ifma::round(token, &form, live_tables, bind);
                assert_eq!(same, values, "the tiers' round polynomials, {terms:?}");
                assert!(again == tables, "the tiers' tables");
            }
            form.record(&values);
            assert_eq!(values.len(), form.degree() + 1);
            for (table, plain) in tables.iter().zip(&plain) {
                assert_eq!(table[..plain.len()], plain[..]);
            }
            for (x, &value) in values.iter().enumerate() {
                let x = Fr::from(x as u64);
                let fixed: Vec<Vec<Fr>> = plain.iter().map(|table| at(table, x)).collect();
                let weight = weight.as_ref().map(|weight| at(weight, x));
                assert_eq!(value, sum_by_definition(&form, weight.as_deref(), &fixed));
            }
            if let [zero, one, ..] = values[..] {
                assert_eq!(zero + one, running);
            }
            let r = Fr::rand(rng);
            running = crate::sumcheck::interpolate(&values, r);
            plain.iter_mut().chain(&mut weight).for_each(|table| *table = at(table, r));
            bind = Some(r);
        }
    }

    #[test]
    fn rounds_are_the_definition() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (one, lambda) = (Fr::ONE, Fr::rand(&mut rng));
        let forms: Vec<Vec<Term>> = vec![
            vec![term(lambda, &[0])],
            vec![term(one, &[0, 1])],
            vec![term(one, &[0, 3]), term(one, &[1, 2]), term(lambda, &[2, 3])],
            vec![term(one, &[0, 1]), term(-one, &[2])],
            vec![term(lambda, &[0, 0, 0]), term(one, &[1]), term(lambda, &[])],
            vec![term(lambda, &[0, 1, 2, 1]), term(one, &[2, 0, 1]), term(lambda, &[2])],
            vec![term(one, &[0, 1, 2, 3, 4, 5, 6, 7]), term(lambda, &[])],
            // More terms of one coefficient than are summed at once.
            (0..40).map(|k| term(one, &[k % 3, k / 3 % 3])).collect(),
            vec![term(lambda, &[])],
            vec![],
        ];
        for terms in &forms {
            for variables in [1, 2, 3, 5, 6, 10] {
                for (weighted, claim) in [(false, false), (false, true), (true, false), (true, true)] {
                    all_rounds(variables, terms, weighted, claim, &mut rng);
                }
            }
        }
    }

    #[test]
    fn every_number_of_threads_gives_the_same() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut rng = ChaCha20Rng::seed_from_u64(3);
                let terms = [term(Fr::ONE, &[0, 1]), term(-Fr::ONE, &[2])];
                all_rounds(13, &terms, true, true, &mut rng);
                all_rounds(13, &terms, false, false, &mut rng);
            });
        }
    }
}
