//! Round polynomials from few samples, for backends.
//!
//! A weight `eq(point, (X, y)) = scale * l(X) * eq(rest, y)` with `l(X) = (1 - z) (1 - X) + z X` leaves an inner polynomial of
//! one degree less to be summed, `g(X) = sum_y eq(rest, y) g(X, y)`; `scale * l(X)` is multiplied in at the end (Gruen, ePrint
//! 2024/108, section 3). A polynomial of degree `e` is known from its values at `0, 1, .., e - 1` and its leading
//! coefficient; a known claim gives the value at 1 from that at 0.

use ark_ff::PrimeField;

/// What turns the inner polynomial's value at 0 into that at 1: `claim - times_zero * value`.
#[derive(Clone, Copy)]
pub(crate) struct AtOne<F> {
    claim: F,
    times_zero: F,
}

impl<F: PrimeField> AtOne<F> {
    /// From `claim = g(0) + g(1)`.
    pub(crate) fn unweighted(claim: F) -> Self {
        Self { claim, times_zero: F::ONE }
    }

    /// From `claim = line[0] g(0) + line[1] g(1)`; nothing if the weight vanishes at 1.
    pub(crate) fn weighted(claim: F, line: [F; 2]) -> Option<Self> {
        let inverse = line[1].inverse()?;
        Some(Self { claim: claim * inverse, times_zero: line[0] * inverse })
    }
}

/// Where the inner polynomial of degree `degree` is sampled: `0`, `1` unless skipped, `2, .., degree - 1` and, from
/// degree 2 on, infinity (the leading coefficient).
#[derive(Clone, Copy)]
pub(crate) struct Samples {
    /// The inner polynomial's degree.
    pub(crate) degree: usize,
    /// Whether the value at 1 follows from a claim.
    pub(crate) skip_one: bool,
}

impl Samples {
    /// The number of finite points `0, 1, ..` including one that is skipped.
    pub(crate) fn finite(self) -> usize {
        if self.degree == 1 { 2 } else { self.degree }
    }

    /// Whether the last sample is the leading coefficient.
    pub(crate) fn has_leading(self) -> bool {
        self.degree >= 2
    }

    /// The number of samples.
    pub(crate) fn len(self) -> usize {
        self.finite() + usize::from(self.has_leading()) - usize::from(self.skip_one && self.degree >= 1)
    }

    /// The values at `0, 1, .., degree` from the samples.
    pub(crate) fn complete<F: PrimeField>(
        self,
        sampled: &[F],
        constant: F,
        known: Option<AtOne<F>>,
    ) -> Vec<F> {
        if self.degree == 0 {
            return vec![constant];
        }
        let mut sampled = sampled.iter().copied();
        let mut values = Vec::with_capacity(self.degree + 2);
        for point in 0..self.finite() {
            let value = match known {
                Some(known) if point == 1 => Some(known.claim - known.times_zero * values[0]),
                _ => sampled.next().map(|value| value + constant),
            };
            values.extend(value);
        }
        if let Some(leading) = sampled.next() {
            // The difference of order e of a polynomial of degree e is e! times its leading coefficient.
            let factorial: F = (1..=self.degree as u64).map(F::from).product();
            values.push(next_value(&values) + factorial * leading);
        }
        values
    }
}

/// From the values of a polynomial of degree `n - 1` at `0, .., n - 1` those of its product with the line through `line[0]` at
/// 0 and `line[1]` at 1, at `0, .., n`.
pub(crate) fn times_line<F: PrimeField>(values: &mut Vec<F>, line: [F; 2]) {
    values.push(next_value(values));
    let mut at = line[0];
    for value in values {
        *value *= at;
        at += line[1] - line[0];
    }
}

/// The value at `n` of the polynomial of degree `n - 1` with the given values at `0, .., n - 1`: as its difference of
/// order `n` vanishes, the sum of the last differences of all lower orders.
fn next_value<F: PrimeField>(values: &[F]) -> F {
    let mut differences = values.to_vec();
    let mut next = F::ZERO;
    while let Some(&last) = differences.last() {
        next += last;
        differences = differences.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;

    #[test]
    fn extrapolation_is_exact() {
        let f = |x: u64| Fr::from(x * x * x) - Fr::from(7u64) * Fr::from(x);
        let values: Vec<Fr> = (0..4).map(f).collect();
        assert_eq!(next_value(&values), f(4));
        assert_eq!(next_value(&values[..1]), values[0]);
        // (x^3 - 7 x) (3 + 2 x)
        let mut product = values.clone();
        times_line(&mut product, [3, 5].map(Fr::from));
        let expected: Vec<Fr> = (0..5).map(|x| f(x) * Fr::from(3 + 2 * x)).collect();
        assert_eq!(product, expected);
    }
}
