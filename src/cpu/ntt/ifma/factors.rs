//! The factors of a transform that are not the roots of its passes.

use ark_ff::{FftField, Field};

use crate::cpu::field::ifma::*;
use crate::ntt::{Direction, Transform};

/// A product of a value below this multiple of `p` with a factor is below `3 p`.
pub(super) const TWISTED: usize = 78;

/// What the results of a first pass are multiplied by, lanes in `LANE_ORDER`.
#[allow(clippy::large_enum_variant, reason = "a task has two of them")]
pub(super) enum Twist<'a, F> {
    /// Known, by `i1`.
    Table(&'a [Columns]),
    /// To be computed.
    Powers(Powers<F>),
}

impl<F: Modulus + FftField> Twist<'_, F> {
    /// The factors are below this multiple of `p`.
    pub(super) const BOUND: usize = 2;

    /// Multiplies the values at `i1 = 8 tile + LANE_ORDER[0], 8 tile + LANE_ORDER[1], ..`, unreduced columns. Tiles in order.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(super) fn apply(&mut self, tile: usize, values: &mut [Columns; 8]) {
        for pair in (0..8).step_by(2) {
            let [i, k] = [LANE_ORDER[pair], LANE_ORDER[pair + 1]];
            let [v, w] = match self {
                Self::Table(factors) => [factors[8 * tile + i], factors[8 * tile + k]],
                Self::Powers(powers) => [powers.next(i % CHAINS), powers.next(k % CHAINS)],
            };
            let [a, b] = [&values[pair], &values[pair + 1]];
            let [a, b] = [carry_unmasked(a), carry_unmasked(b)];
            let (a, b) = (Factor::<F, TWISTED>::from_limbs(a), Factor::<F, TWISTED>::from_limbs(b));
            let (v, w) = (Factor::<F, 2>::from_limbs(v), Factor::<F, 2>::from_limbs(w));
            let (a, b) = mul_pair::<F, _, _, 3>(&a, &v, &b, &w);
            [values[pair], values[pair + 1]] = [a.into_columns(), b.into_columns()];
        }
    }
}

/// Powers `start base^i1`: four chains of every fourth, for one alone would wait for each of its products.
pub(super) struct Powers<F> {
    /// The next one of each chain.
    next: [Factor<F, 2>; CHAINS],
    /// From one power of a chain to its next.
    step: PreparedLanes<F>,
}

impl<F: Modulus + FftField> Powers<F> {
    /// `scale.start[k2] (w^k2 scale.ratio)^i1` for the eight `k2` whose `w^k2` are given.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(super) fn new(base: &[F; 8], k2: usize, scale: &Scale<F>) -> Self {
        let factor = |elements: &[F; 8]| -> Lazy<F, 2> {
            let one = Lazy::<F, 1>::splat(const { &relimb(power_of_two::<F>(260)) });
            Factor::<F, 16>::from_elements(&load(elements)).mul(&one)
        };
        let base = match scale.ratio {
            Some(ratio) => factor(base).mul(&factor(&[ratio; 8])),
            None => factor(base),
        };
        let start = match &scale.start {
            Start::Same(value) => factor(&[*value; 8]),
            Start::Each(values) => factor(&std::array::from_fn(|lane| values[k2 + lane])),
        };
        let square: Lazy<F, 2> = base.square();
        let second: Lazy<F, 2> = start.mul(&base);
        let next = [start, second, start.mul(&square), second.mul(&square)];
        let step = PreparedLanes::new(&square.square());
        Self { next: next.map(|power| power.wide().factor()), step }
    }

    /// The next power of a chain.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    pub(super) fn next(&mut self, chain: usize) -> Columns {
        let power = self.next[chain];
        self.next[chain] = self.step.mul(&power);
        *power.limbs()
    }
}

/// The scaling by `1/n` and by a coset's powers, split by where it is applied.
pub(super) struct Scale<F> {
    /// By the index of a first pass's inputs.
    pub(super) inputs: Option<Vec<Prepared<F>>>,
    /// By `k2`.
    start: Start<F>,
    /// To the power of `i1`.
    ratio: Option<F>,
    /// By the index of the last pass's outputs.
    pub(super) outputs: Option<Vec<Prepared<F>>>,
}

enum Start<F> {
    Same(F),
    Each(Vec<F>),
}

impl<F: FftField + Modulus> Scale<F> {
    /// For `n = n1 n2`, `n2 = 2^log2`; `log2 = 0` for a transform in one pass.
    pub(super) fn new(transform: &Transform<F>, log_n: u32, log2: u32) -> Self {
        let (n1, n2) = (1usize << (log_n - log2), 1usize << log2);
        let prepared = |first, ratio, count| {
            Some(powers(first, ratio, count).into_iter().map(Prepared::new).collect::<Vec<_>>())
        };
        let none = Self { inputs: None, start: Start::Same(F::ONE), ratio: None, outputs: None };
        match (transform.direction, transform.coset) {
            (Direction::Forward, None) => none,
            (Direction::Forward, Some(g)) => Self {
                inputs: prepared(F::ONE, g.pow([n2 as u64]), n1),
                start: Start::Each(powers(F::ONE, g, n2)),
                ..none
            },
            (Direction::Inverse, coset) => {
                let n_inverse = F::from(1u64 << log_n).inverse().unwrap_or_else(F::zero);
                let g = coset.map(|g| g.inverse().unwrap_or_else(F::zero));
                if log2 == 0 {
                    return Self { outputs: prepared(n_inverse, g.unwrap_or(F::ONE), n1), ..none };
                }
                let outputs = g.and_then(|g| prepared(F::ONE, g.pow([n1 as u64]), n2));
                Self { start: Start::Same(n_inverse), ratio: g, outputs, ..none }
            }
        }
    }
}

/// `first ratio^i` for `i < count`.
pub(super) fn powers<F: Field>(first: F, ratio: F, count: usize) -> Vec<F> {
    std::iter::successors(Some(first), |power| Some(*power * ratio)).take(count).collect()
}
