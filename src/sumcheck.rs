//! The sumcheck prover's kernels.
//!
//! A table of `2^n` values is the multilinear polynomial `t(x_1, .., x_n)` that takes them on the cube, `x_1` being the
//! *most* significant bit of the index. A [`Form`] combines tables into the summand
//!
//! ```text
//! g(x) = eq(point, x) * sum_k coefficient_k * prod_j tables[factors_k[j]](x)
//! ```
//!
//! (without the first factor if no point is given), and the prover must send, for each variable in turn, the round
//! polynomial `s_i(X) = sum over x_{i+1}, .., x_n of g(r_1, .., r_{i-1}, X, x_{i+1}, .., x_n)`. The verifier checks
//! `s_i(0) + s_i(1)` against the running claim and answers with the challenge `r_i`.

pub(crate) mod samples;

use ark_ff::PrimeField;

use crate::backend::Memory;
use crate::element::{Element, Fr, Scalar};
use crate::error::{Error, Result, check};

/// One product of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term<F = Fr> {
    /// The factor in front.
    pub coefficient: F,
    /// Which tables are multiplied; an index may repeat, and an empty product is 1.
    pub factors: Vec<usize>,
}

/// A summand, and how much of it has been summed: its terms, the weight `eq(point, .)`, the variables bound so far and
/// the running claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<F = Fr> {
    terms: Vec<Term<F>>,
    point: Option<Vec<F>>,
    variables: usize,
    bound: usize,
    scale: F,
    claim: Option<F>,
    last: Vec<F>,
    /// `1 / degree!`, once it has been needed: an inversion a round would outweigh the short rounds themselves.
    inverse_factorial: Option<F>,
}

impl<F: PrimeField> Form<F> {
    /// The sum of `terms` over tables of `2^variables` values.
    pub fn new(variables: usize, terms: Vec<Term<F>>) -> Self {
        Self {
            terms,
            point: None,
            variables,
            bound: 0,
            scale: F::ONE,
            claim: None,
            last: Vec::new(),
            inverse_factorial: None,
        }
    }

    /// The same form weighted by `eq(point, .)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the point has one coordinate a variable.
    pub fn weighted(mut self, point: Vec<F>) -> Result<Self> {
        check("sumcheck", "coordinates of the point", self.variables, point.len())?;
        self.point = Some(point);
        Ok(self)
    }

    /// The same form with its sum known. A backend may derive `s(1)` as `claim - s(0)`, which saves work; a wrong claim
    /// therefore gives round polynomials that agree with it and with nothing else.
    pub fn claiming(mut self, claim: F) -> Self {
        self.claim = Some(claim);
        self
    }

    /// The terms.
    pub fn terms(&self) -> &[Term<F>] {
        &self.terms
    }

    /// The degree of the round polynomials.
    pub fn degree(&self) -> usize {
        let product = self.terms.iter().map(|term| term.factors.len()).max().unwrap_or(0);
        product + usize::from(self.point.is_some())
    }

    /// How many variables are not yet bound; the live part of each table is its first `2^remaining` values.
    pub fn remaining(&self) -> usize {
        self.variables - self.bound
    }

    /// The coordinates of the weight's point that belong to unbound variables.
    pub fn open_point(&self) -> Option<&[F]> {
        self.point.as_ref().map(|point| &point[self.bound..])
    }

    /// `eq` of the weight's point and the challenges so far, over the bound variables.
    pub fn scale(&self) -> F {
        self.scale
    }

    /// The value `s(0) + s(1)` of the coming round polynomial, where known.
    pub fn claim(&self) -> Option<F> {
        self.claim
    }

    /// For backends: the checks of [`Sumcheck::sumcheck_round`].
    ///
    /// # Errors
    /// [`Error::Shape`] for a table shorter than the live part, a factor without a table, a bind before the first round
    /// or a round when no variable is left.
    pub fn check(&self, tables: impl ExactSizeIterator<Item = usize>, bind: bool) -> Result<()> {
        const OP: &str = "sumcheck_round";
        let factors = self.terms.iter().flat_map(|term| &term.factors);
        let needed = factors.max().map_or(0, |most| most + 1);
        if tables.len() < needed {
            return Err(Error::Shape {
                op: OP,
                what: "tables at least",
                expected: needed,
                got: tables.len(),
            });
        }
        if bind == self.last.is_empty() {
            let (expected, got) = (usize::from(!bind), usize::from(bind));
            return Err(Error::Shape { op: OP, what: "challenges given", expected, got });
        }
        let after = self.remaining().saturating_sub(usize::from(bind));
        if after == 0 {
            return Err(Error::Shape { op: OP, what: "unbound variables at least", expected: 1, got: 0 });
        }
        let live = 1usize.checked_shl(self.remaining() as u32).unwrap_or(usize::MAX);
        for got in tables {
            if got < live {
                return Err(Error::Shape { op: OP, what: "table length at least", expected: live, got });
            }
        }
        Ok(())
    }

    /// For backends, and for the last variable, which no further round binds: records the challenge `r`.
    pub fn bind(&mut self, r: F) {
        if let Some(point) = &self.point {
            let z = point[self.bound];
            self.scale *= z * r + (F::ONE - z) * (F::ONE - r);
        }
        self.bound += 1;
        self.claim = None;
        if let Some(degree) = self.last.len().checked_sub(1) {
            let inverse_factorial = *self.inverse_factorial.get_or_insert_with(|| inverse_factorial(degree));
            self.claim = Some(interpolate_with(&self.last, r, inverse_factorial));
        }
        self.last.clear();
    }

    /// For backends: records the round polynomial's values at `0, 1, .., degree`.
    pub fn record(&mut self, evaluations: &[F]) {
        self.last = evaluations.to_vec();
    }
}

/// The value at `x` of the polynomial of degree `n - 1` whose values at `0, .., n - 1` are given: Lagrange's formula with
/// `n` divisions folded into one. Zero for no values.
pub fn interpolate<F: PrimeField>(values: &[F], x: F) -> F {
    interpolate_with(values, x, inverse_factorial(values.len().saturating_sub(1)))
}

/// [`interpolate`] with `1 / (n - 1)!` given.
fn interpolate_with<F: PrimeField>(values: &[F], x: F, inverse_factorial: F) -> F {
    let n = values.len();
    // sum_i values[i] prod_{j != i} (x - j) / (i - j), prefix and suffix products giving the numerators; the
    // denominators are 1 / (i! (n - 1 - i)!) = binomial(n - 1, i) / (n - 1)! up to sign.
    let mut suffix = vec![F::ONE; n + 1];
    for i in (0..n).rev() {
        suffix[i] = suffix[i + 1] * (x - F::from(i as u64));
    }
    let binomials = pascal::<F>(n);
    let mut prefix = F::ONE;
    let mut sum = F::ZERO;
    for i in 0..n {
        let term = values[i] * prefix * suffix[i + 1] * binomials[i];
        if (n - 1 - i).is_multiple_of(2) {
            sum += term
        } else {
            sum -= term
        }
        prefix *= x - F::from(i as u64);
    }
    sum * inverse_factorial
}

/// `1 / n!`
fn inverse_factorial<F: PrimeField>(n: usize) -> F {
    let factorial: F = (1..=n as u64).map(F::from).product();
    factorial.inverse().unwrap_or(F::ZERO)
}

/// The `n` numbers of a row of Pascal's triangle.
fn pascal<F: PrimeField>(n: usize) -> Vec<F> {
    let mut row = Vec::with_capacity(n);
    for _ in 0..n {
        for i in (1..row.len()).rev() {
            let left: F = row[i - 1];
            row[i] += left;
        }
        row.push(F::ONE);
    }
    row
}

/// Sumcheck over `F`.
pub trait Sumcheck<F: PrimeField + Element + Scalar<F> = Fr>: Memory {
    /// Binds the first open variable of every table to `bind` (`None` in the first round, a challenge in all others),
    /// then returns the round polynomial of the next variable at `0, 1, .., degree`. *Waits.*
    ///
    /// The tables are folded in place: `t[i] += bind * (t[i + half] - t[i])`, and only their first
    /// [`2^remaining`](Form::remaining) values keep a meaning. One pass over the tables a round; `eq` is never
    /// materialised (Gruen, ePrint 2024/108; Dao and Thaler, ePrint 2024/1210).
    ///
    /// The variable of the last round is bound by [`bind`](Sumcheck::bind) and [`Form::bind`].
    ///
    /// # Errors
    /// [`Error::Shape`], see [`Form::check`].
    fn sumcheck_round(
        &self,
        form: &mut Form<F>,
        tables: &mut [Self::ViewMut<'_, F>],
        bind: Option<F>,
    ) -> Result<Vec<F>>;

    /// `out[x] = scale * eq(point, x) = scale * prod_i (point_i x_i + (1 - point_i) (1 - x_i))` for all `x` of the cube.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `out.len() = 2^point.len()`.
    fn eq_table(&self, point: &[F], scale: F, out: &mut Self::ViewMut<'_, F>) -> Result<()>;

    /// Binds the first variable of a table of `2^n` values, `n > 0`: its first half becomes `t(r, .)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the length is a power of two above 1.
    fn bind(&self, table: &mut Self::ViewMut<'_, F>, r: F) -> Result<()>;

    /// The multilinear polynomial's value at `point`. Narrow integers cost less than field elements. *Waits.*
    ///
    /// # Errors
    /// [`Error::Shape`] unless `table.len() = 2^point.len()`.
    fn evaluate<T: Scalar<F>>(&self, table: Self::View<'_, T>, point: &[F]) -> Result<F>;
}

/// The check of lengths against numbers of variables, for backends.
pub fn check_cube(op: &'static str, variables: usize, len: usize) -> Result<()> {
    match u32::try_from(variables).ok().and_then(|shift| 1usize.checked_shl(shift)) {
        Some(expected) => check(op, "table length", expected, len),
        None => Err(Error::Shape { op, what: "number of variables at most", expected: 63, got: variables }),
    }
}

/// The check of [`Sumcheck::bind`], for backends.
pub fn check_halving(op: &'static str, len: usize) -> Result<()> {
    if len < 2 || !len.is_power_of_two() {
        let expected = len.max(2).next_power_of_two();
        return Err(Error::Shape { op, what: "table length", expected, got: len });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_recovers_a_polynomial() {
        // 3 x^3 - x + 5
        let f = |x: Fr| Fr::from(3u64) * x * x * x - x + Fr::from(5u64);
        let values: Vec<Fr> = (0..4u64).map(|x| f(Fr::from(x))).collect();
        for x in [0u64, 1, 3, 4, 1 << 60] {
            assert_eq!(interpolate(&values, Fr::from(x)), f(Fr::from(x)));
        }
        assert_eq!(interpolate(&[Fr::from(7u64)], Fr::from(9u64)), Fr::from(7u64));
        assert_eq!(interpolate(&[], Fr::from(9u64)), Fr::from(0u64));
    }
}
