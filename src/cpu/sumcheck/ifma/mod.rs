//! Sumcheck on eight lanes.
//!
//! Tables stay as they lie in memory, `x 2^256`. What is linear in them, folding and doubling, multiplies by prepared constants and
//! keeps the form. Products divide by `2^260`; the powers of 16 that go missing are put back where a sum leaves its kernel.

mod round;

use rayon::prelude::*;

use crate::cpu::field::ifma::*;
use crate::cpu::vector::ifma::read;
use crate::element::Scalar;

pub(super) use round::round;

/// Elements below which splitting work over threads costs more than it gains.
const SERIAL: usize = 1 << 12;

/// As the portable [`eq_table`](super::eq::eq_table).
pub(super) fn eq_table<F: Modulus>(_: Ifma, point: &[F], scale: F, out: &mut [F]) {
    out[0] = scale;
    for (k, &coordinate) in point.iter().rev().enumerate() {
        let (low, high) = out[..2 << k].split_at_mut(1 << k);
        if low.len() < 8 {
            for (low, high) in low.iter_mut().zip(high) {
                *high = *low * coordinate;
                *low -= *high;
            }
            continue;
        }
        let coordinate = Prepared::new(coordinate);
        let parts = low.par_chunks_mut(SERIAL).zip(high.par_chunks_mut(SERIAL));
        // SAFETY: an `Ifma` proves the features.
        parts.for_each(|(low, high)| unsafe { double(low, high, &coordinate) });
    }
}

/// `high[i] = factor low[i]`, and `low[i] -= high[i]`.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn double<F: Modulus>(low: &mut [F], high: &mut [F], factor: &Prepared<F>) {
    for i in (0..low.len()).step_by(8) {
        let value = Lazy::<F, 1>::from_words(&load_at(low, i, F::zero()));
        let upper = factor.mul(&value).canonical();
        store_at(&upper.into_words(), high, i);
        store_at(&value.sub::<1>(upper).canonical().into_words(), low, i);
    }
}

/// `t[i] += r (t[i + half] - t[i])` for the first half of the table.
pub(super) fn bind<F: Modulus>(_: Ifma, table: &mut [F], r: F) {
    let r = Prepared::new(r);
    let (low, high) = table.split_at_mut(table.len() / 2);
    low.par_chunks_mut(SERIAL).zip(high.par_chunks(SERIAL)).for_each(|(low, high)| {
        // SAFETY: an `Ifma` proves the features.
        unsafe { fold(low, high, &r) }
    });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn fold<F: Modulus>(low: &mut [F], high: &[F], r: &Prepared<F>) {
    for i in (0..low.len()).step_by(16) {
        let from = [load_at(low, i, F::zero()), load_at(low, i + 8, F::zero())];
        let to = [load_at(high, i, F::zero()), load_at(high, i + 8, F::zero())];
        let [a, b] = between(&from, &to, r);
        store_at(&a.into_words(), low, i);
        store_at(&b.into_words(), low, i + 8);
    }
}

/// `from + r (to - from)`, canonical.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn between<F: Modulus>(from: &[Words; 2], to: &[Words; 2], r: &Prepared<F>) -> [Lazy<F, 1>; 2] {
    let [a, b] = [Lazy::<F, 1>::from_words(&from[0]), Lazy::<F, 1>::from_words(&from[1])];
    let [c, d] = [Lazy::<F, 1>::from_words(&to[0]), Lazy::<F, 1>::from_words(&to[1])];
    let mut sums = PreparedSums::new(&[*a.limbs(), *b.limbs()]);
    let slopes = [c.sub::<1>(a).factor::<2>(), d.sub::<1>(b).factor::<2>()];
    sums.add(&[*slopes[0].limbs(), *slopes[1].limbs()], r);
    canonical_pair(sums.reduce::<1, 7>())
}

/// The longest rows of an inner product, so that none has more products than a [`Sums`] takes.
const LONGEST: usize = 16 * MAX_PRODUCTS;

/// As the portable [`evaluate`](super::evaluate::evaluate), for wide scalars and more than a few of them.
pub(super) fn evaluate<F: Modulus + Scalar<F>, T: Scalar<F>>(
    token: Ifma,
    table: &[T],
    point: &[F],
) -> Option<F> {
    if T::BITS <= 64 || table.len() < 64 {
        return None;
    }
    let log_cols = (point.len().div_ceil(2)).clamp(4, LONGEST.ilog2() as usize);
    let (rows, cols) = point.split_at(point.len() - log_cols);
    let [rows, cols] = [rows, cols].map(|point| {
        let mut table = vec![F::zero(); 1 << point.len()];
        eq_table(token, point, F::one(), &mut table);
        table
    });
    // SAFETY: an `Ifma` proves the features.
    let cols = unsafe { limbs(&cols) };
    let mut sums = vec![F::zero(); rows.len()];
    let row = 8 * cols.len();
    let chunks = sums.par_iter_mut().zip(table.par_chunks(row)).with_min_len((SERIAL / row).max(1));
    // SAFETY: as above.
    chunks.for_each(|(sum, values)| *sum = unsafe { inner_product(values, &cols) });
    let total: F = sums.iter().zip(&rows).map(|(sum, row)| *sum * row).sum();
    Some(total * F::from(16u64))
}

/// A multiple of eight elements, eight lanes each.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn limbs<F: Modulus>(elements: &[F]) -> Vec<Lazy<F, 1>> {
    let mut limbs = Vec::with_capacity(elements.len() / 8);
    for eight in elements.as_chunks::<8>().0 {
        limbs.push(Lazy::from_words(&load(eight)));
    }
    limbs
}

/// `sum_i values[i] weights[i] / 16`.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn inner_product<F: Modulus, T: Scalar<F>>(values: &[T], weights: &[Lazy<F, 1>]) -> F {
    let mut sums = Sums::<F, 2>::new();
    for (k, weights) in weights.as_chunks::<2>().0.iter().enumerate() {
        let a = Factor::<F, 1>::from_limbs(read::<F, T, 5>(values, 16 * k));
        let b = Factor::<F, 1>::from_limbs(read::<F, T, 5>(values, 16 * k + 8));
        sums.add([&a, &b], [&weights[0], &weights[1]]);
    }
    let [a, b] = sums.reduce::<MAX_PRODUCTS, 5>();
    sum_of_lanes(a.carry::<5>().add::<5, 10>(b.carry()).canonical())
}

/// The sum of the lanes, which are elements as they lie in memory.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn sum_of_lanes<F: Modulus>(lanes: Lazy<F, 1>) -> F {
    let mut elements = [F::zero(); 8];
    store(&lanes.into_words(), &mut elements);
    elements.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::sumcheck::{self, eq};
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn elements(n: usize, seed: u64) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let edges = [Fr::ZERO, Fr::from(1u64), -Fr::from(1u64)];
        (0..n).map(|i| if i % 5 == 1 { edges[i / 5 % 3] } else { Fr::rand(&mut rng) }).collect()
    }

    #[test]
    fn tables_binds_and_values_agree_with_the_portable_ones() {
        let Some(token) = Ifma::new() else { return eprintln!("SKIPPED: no AVX-512 IFMA") };
        for n in 0..=14 {
            let mut random = elements(n, 40 + n as u64);
            let edges = vec![-Fr::from(1u64); n];
            random.reverse();
            for point in [random, edges, vec![Fr::ZERO; n], vec![Fr::from(1u64); n]] {
                let factor = -Fr::from(3u64);
                let [mut expected, mut out] = [(); 2].map(|()| vec![Fr::ZERO; 1 << n]);
                eq::eq_table(&point, factor, &mut expected);
                eq_table(token, &point, factor, &mut out);
                assert!(out == expected, "eq table of {n} variables");

                let values = elements(1 << n, 9);
                let expected = sumcheck::evaluate::evaluate(&values, &point);
                let value = evaluate(token, &values, &point).unwrap_or(expected);
                assert_eq!(value, expected, "{n} variables");
                if let Some(&r) = point.last() {
                    let [mut expected, mut out] = [values.clone(), values];
                    sumcheck::bind(&mut expected, r);
                    bind(token, &mut out, r);
                    assert!(out == expected, "bind of 2^{n}");
                }
            }
        }
    }
}
