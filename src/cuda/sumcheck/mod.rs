//! Sumcheck on the device.
//!
//! A round is one launch over all tables, in place, from the first to the last: it folds, evaluates and sums, and makes the
//! values of `eq` itself from the point's coordinates, which travel with the launch like the form. Challenges come from
//! the host's transcript, so rounds cannot share a launch. Up to [`DIRECT_ROWS`] blocks leave their sums to the host,
//! which must wait anyway: then the launch and one copy of a few hundred bytes are all there is to a round, which is what
//! counts in the last ones. More blocks' sums are added by a second launch.

mod program;

use std::any::TypeId;

use ark_ff::{AdditiveGroup, BigInt, Field};

use super::matrix::{Integer, integers};
use super::{Buffer, Cuda, Grid, Kernel, Module, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::element::{Fr, Scalar};
use crate::error::Result;
use crate::sumcheck::samples::{AtOne, Samples, times_line};
use crate::sumcheck::{Form, Sumcheck, check_cube, check_halving};
use program::{Plan, Point, Round, Run, Split, THREADS};

const fn kernel(name: &'static str) -> Kernel {
    Kernel { module: Module::Sumcheck, name }
}

/// By number of samples, from one on.
const ROUND: [Kernel; 5] = [
    kernel("sumcheck_round_1"),
    kernel("sumcheck_round_2"),
    kernel("sumcheck_round_3"),
    kernel("sumcheck_round_4"),
    kernel("sumcheck_round_5"),
];
const SUMS: Kernel = kernel("sumcheck_sums");
const BIND: Kernel = kernel("sumcheck_bind");
const EQ: Kernel = kernel("sumcheck_eq");

/// Rows of partial sums that the host adds itself.
const DIRECT_ROWS: usize = 32;

/// Variables from which a sample less is worth an inversion.
const CLAIM_PAYS: usize = 8;

/// Variables from which integers are evaluated as a matrix: below, launches cost more than multiplications.
const MATRIX_PAYS: usize = 14;

impl Sumcheck for Cuda {
    fn sumcheck_round(
        &self,
        form: &mut Form,
        tables: &mut [ViewMut<'_, Fr>],
        bind: Option<Fr>,
    ) -> Result<Vec<Fr>> {
        form.check(tables.iter().map(Len::len), bind.is_some())?;
        for table in tables.iter() {
            self.own("sumcheck_round", table)?;
        }
        // The form changes only if the round succeeds.
        let mut after = form.clone();
        if let Some(r) = bind {
            after.bind(r);
        }
        let evaluations = self.round(&after, tables, bind)?;
        after.record(&evaluations);
        *form = after;
        Ok(evaluations)
    }

    fn eq_table(&self, point: &[Fr], scale: Fr, out: &mut ViewMut<'_, Fr>) -> Result<()> {
        check_cube("eq_table", point.len(), out.len())?;
        self.own("eq_table", out)?;
        let split = Split::new(point.len() as u32);
        self.launch(EQ, Grid::new(split.grid(), THREADS), &[&Point::new(point, scale, split), &*out])
    }

    fn bind(&self, table: &mut ViewMut<'_, Fr>, r: Fr) -> Result<()> {
        check_halving("bind", table.len())?;
        self.own("bind", table)?;
        self.fold(table, table.len() / 2, r)
    }

    /// Integers as a matrix whose columns are bound, then its rows: a few wide multiply-adds an entry instead of a
    /// multiplication.
    fn evaluate<T: Scalar>(&self, table: View<'_, T>, point: &[Fr]) -> Result<Fr> {
        check_cube("evaluate", point.len(), table.len())?;
        self.own("evaluate", &table)?;
        let values = Values::of::<T>()?;
        let Values::Integers(kind) = values else {
            return self.evaluate_by(values, table, point);
        };
        if point.len() < MATRIX_PAYS {
            return self.evaluate_by(values, table, point);
        }
        let (rows, cols) = point.split_at(point.len() / 2);
        let mut weight = self.scratch::<Fr>("evaluate: weights", 1 << cols.len())?;
        let mut bound = self.scratch::<Fr>("evaluate: rows", 1 << rows.len())?;
        self.eq_table(cols, Fr::ONE, &mut Self::view_mut(&mut weight))?;
        self.bind_cols_by(kind, table, Self::view(&weight), &mut Self::view_mut(&mut bound))?;
        self.evaluate(Self::view(&bound), rows)
    }
}

impl Cuda {
    /// The round polynomial of a form that has bound the challenge already, over tables that have not.
    fn round(&self, form: &Form, tables: &mut [ViewMut<'_, Fr>], bind: Option<Fr>) -> Result<Vec<Fr>> {
        let plan = Plan::new(form.terms());
        let variables = form.remaining() - 1;
        let point = form.open_point();
        // The weight's factor of the variable in turn, at 0 and 1.
        let line = point.map(|point| {
            let at_one = form.scale() * point[0];
            [form.scale() - at_one, at_one]
        });
        let claim =
            form.claim().filter(|_| variables >= CLAIM_PAYS && line.is_none_or(|line| line[1] != Fr::ZERO));
        let samples = Samples { degree: plan.degree, skip_one: claim.is_some() && plan.degree > 0 };
        let sums = if plan.is_constant() {
            if let Some(r) = bind {
                for table in tables {
                    self.fold(table, 2 << variables, r)?;
                }
            }
            Vec::new()
        } else {
            self.start_round(&plan, samples, variables as u32, point.map(|point| &point[1..]), tables, bind)?
        };
        // An inversion, while the device works.
        let known = claim.and_then(|claim| match line {
            Some(line) => AtOne::weighted(claim, line),
            None => Some(AtOne::unweighted(claim)),
        });
        let mut sampled = Vec::with_capacity(samples.len());
        for sums in sums {
            sampled.extend(self.finish(sums)?.iter().map(|sum| plan.factor() * sum));
        }
        sampled.resize(samples.len(), Fr::ZERO);
        // The weights of all pairs add up to one.
        let pairs = if line.is_some() { Fr::ONE } else { Fr::from(2u64).pow([variables as u64]) };
        let mut values = samples.complete(&sampled, plan.constant * pairs, known);
        if let Some(line) = line {
            times_line(&mut values, line);
        }
        Ok(values)
    }

    /// Enqueues the kernels of a round over `2^variables` pairs; the first of them folds.
    fn start_round(
        &self,
        plan: &Plan<'_>,
        samples: Samples,
        variables: u32,
        point: Option<&[Fr]>,
        tables: &mut [ViewMut<'_, Fr>],
        bind: Option<Fr>,
    ) -> Result<Vec<Sums>> {
        let split = Split::new(variables);
        let addresses: Vec<u64> = tables.iter().map(|table| table.pointer()).collect();
        let mut started = Vec::new();
        for run in Run::all(samples, ROUND.len()) {
            let challenge = bind.filter(|_| started.is_empty());
            let program = plan.program(&addresses, challenge.is_some());
            let elsewhere = if program.fits() {
                None
            } else {
                let operations = self.upload_scratch("sumcheck_round: operations", &program.words())?;
                let coefficients =
                    self.upload_scratch("sumcheck_round: coefficients", &program.coefficients)?;
                Some((operations, coefficients))
            };
            let addresses = elsewhere
                .as_ref()
                .map(|(operations, coefficients)| [operations.pointer(), coefficients.pointer()]);
            let round = Round::new(&program, addresses, variables, point, challenge, run);
            let rows = split.grid() as usize;
            let partials = self.scratch("sumcheck_round: partial sums", rows * run.len)?;
            self.launch(ROUND[run.len - 1], Grid::new(split.grid(), THREADS), &[&round, &partials])?;
            started.push(self.fewer(Sums { partials, rows })?);
        }
        Ok(started)
    }

    /// Adds rows of partial sums up until few are left.
    fn fewer(&self, sums: Sums) -> Result<Sums> {
        if sums.rows <= DIRECT_ROWS {
            return Ok(sums);
        }
        let cols = sums.partials.len() / sums.rows;
        let partials = self.scratch("partial sums", DIRECT_ROWS * cols)?;
        let grid = Grid::new(DIRECT_ROWS as u32, THREADS).rows(cols as u32);
        self.launch(SUMS, grid, &[&sums.partials, &sums.rows, &partials])?;
        Ok(Sums { partials, rows: DIRECT_ROWS })
    }

    /// The sum of all rows. *Waits.*
    fn finish(&self, sums: Sums) -> Result<Vec<Fr>> {
        let cols = sums.partials.len() / sums.rows;
        let partials = self.to_vec(Self::view(&sums.partials))?;
        let mut totals = vec![Fr::ZERO; cols];
        for row in partials.chunks(cols) {
            totals.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        }
        Ok(totals)
    }

    /// `table[i] += r (table[i + half] - table[i])` for `i < half`.
    fn fold(&self, table: &mut ViewMut<'_, Fr>, half: usize, r: Fr) -> Result<()> {
        self.launch(BIND, Grid::covering(half, THREADS), &[&*table, &half, &r])
    }

    /// The sum of all entries, each weighted by a product of its own.
    fn evaluate_by<T: Scalar>(&self, values: Values, table: View<'_, T>, point: &[Fr]) -> Result<Fr> {
        let split = Split::new(point.len() as u32);
        let rows = split.grid() as usize;
        let partials = self.scratch::<Fr>("evaluate: partial sums", rows)?;
        let parameter = Point::new(point, Fr::ONE, split);
        self.launch(values.kernel(), Grid::new(split.grid(), THREADS), &[&parameter, &table, &partials])?;
        let sum = self.finish(self.fewer(Sums { partials, rows })?)?[0];
        Ok(match values {
            Values::Field => sum,
            // The limbs are the integer itself.
            Values::Integers(_) | Values::Big => sum.0.to_field(),
        })
    }
}

/// Rows of partial sums, `partials.len() / rows` to a row.
struct Sums {
    partials: Buffer<Fr>,
    rows: usize,
}

/// What the entries of a table are.
#[derive(Clone, Copy)]
enum Values {
    Integers(Integer),
    Field,
    Big,
}

impl Values {
    fn of<T: Scalar>() -> Result<Self> {
        if TypeId::of::<T>() == TypeId::of::<Fr>() {
            Ok(Self::Field)
        } else if TypeId::of::<T>() == TypeId::of::<BigInt<4>>() {
            Ok(Self::Big)
        } else {
            Integer::of::<T>("evaluate").map(Self::Integers)
        }
    }

    fn kernel(self) -> Kernel {
        const INTEGERS: [Kernel; 8] = integers!(Module::Sumcheck, "sumcheck_evaluate_");
        match self {
            Self::Integers(kind) => INTEGERS[kind.index()],
            Self::Field => kernel("sumcheck_evaluate_fr"),
            Self::Big => kernel("sumcheck_evaluate_big"),
        }
    }
}
