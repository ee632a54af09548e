//! Fractions: logUp's helper columns and the layers of the fraction tree.

use ark_ff::MontConfig;
use rayon::prelude::*;

use super::SERIAL;
use crate::cpu::field::prepared::Field;
use crate::cpu::field::wide::{Montgomery, Sum};
use crate::cpu::vector::batch_inverse;

/// Denominators that share an inversion.
const SHARED: usize = 1 << 12;

/// `out[i] = numerator[i] / (alpha - column[i])`, 0 at a pole; no numerator means ones.
pub(super) fn logup<C: MontConfig<4>>(
    alpha: Field<C>,
    column: &[Field<C>],
    numerator: Option<&[Field<C>]>,
    out: &mut [Field<C>],
) {
    let chunk = out.len().div_ceil(rayon::current_num_threads()).clamp(SERIAL, SHARED);
    out.par_chunks_mut(chunk).zip(column.par_chunks(chunk)).enumerate().for_each(|(k, (out, column))| {
        out.iter_mut().zip(column).for_each(|(out, value)| *out = alpha.minus(*value));
        batch_inverse(out);
        if let Some(numerator) = numerator {
            out.iter_mut().zip(&numerator[k * chunk..]).for_each(|(out, value)| *out = out.times(*value));
        }
    });
}

/// `(out_p, out_q)[i] = (p0 q1 + p1 q0, q0 q1)` of the fractions `i` and `i + n`; no numerator means ones.
pub(super) fn add_fractions<F: Montgomery>(p: Option<&[F]>, q: &[F], out_p: &mut [F], out_q: &mut [F]) {
    let n = out_q.len();
    let (q0, q1) = q.split_at(n);
    let out = out_p.par_iter_mut().zip(out_q).with_min_len(SERIAL);
    let q = q0.par_iter().zip(q1);
    match p.map(|p| p.split_at(n)) {
        None => out.zip(q).for_each(|((out_p, out_q), (&q0, &q1))| {
            *out_p = q0.plus(q1);
            *out_q = q0.times(q1);
        }),
        Some((p0, p1)) => {
            out.zip(q).zip(p0.par_iter().zip(p1)).for_each(|(((out_p, out_q), (&q0, &q1)), (&p0, &p1))| {
                let mut sum = Sum::ZERO;
                sum.add_product(p0, q1);
                sum.add_product(p1, q0);
                *out_p = sum.reduce();
                *out_q = q0.times(q1);
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn random(n: usize, seed: u64) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        (0..n).map(|i| if i % 11 == 5 { -Fr::ONE } else { Fr::rand(&mut rng) }).collect()
    }

    #[test]
    fn helper_columns_are_quotients() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for n in [0, 1, 2, 1023, 1025, SHARED, 2 * SHARED + 1] {
                let (mut column, numerator, alpha) = (random(n, 8), random(n, 9), Fr::from(42u64));
                // Poles at the ends and side by side.
                for pole in [0, 700, 701, n.saturating_sub(1)] {
                    column.get_mut(pole).into_iter().for_each(|value| *value = alpha);
                }
                for numerator in [None, Some(&numerator[..])] {
                    let mut out = vec![Fr::ONE; n];
                    pool.install(|| logup(alpha, &column, numerator, &mut out));
                    for i in 0..n {
                        let denominator = alpha - column[i];
                        let quotient = denominator.inverse().map_or(Fr::ZERO, |inverse| {
                            inverse * numerator.map_or(Fr::ONE, |numerator| numerator[i])
                        });
                        assert_eq!(out[i], quotient);
                    }
                }
            }
            // Nothing but poles.
            let mut out = [Fr::ONE; 3];
            pool.install(|| logup(Fr::ONE, &[Fr::ONE; 3], None, &mut out));
            assert_eq!(out, [Fr::ZERO; 3]);
        }
    }

    #[test]
    fn layers_keep_the_sum_of_fractions() {
        for n in [1usize, 2, 3, 1000, 5000] {
            let (p, q) = (random(2 * n, 10), random(2 * n, 11));
            for p in [None, Some(&p[..])] {
                let (mut out_p, mut out_q) = (vec![Fr::ZERO; n], vec![Fr::ZERO; n]);
                add_fractions(p, &q, &mut out_p, &mut out_q);
                for i in 0..n {
                    let [p0, p1] = [i, i + n].map(|i| p.map_or(Fr::ONE, |p| p[i]));
                    assert_eq!(out_p[i] / out_q[i], p0 / q[i] + p1 / q[i + n]);
                    assert_eq!(out_q[i], q[i] * q[i + n]);
                }
            }
        }
        add_fractions::<Fr>(None, &[], &mut [], &mut []);
        // Zero denominators are no special case.
        let (mut out_p, mut out_q) = ([Fr::ONE], [Fr::ONE]);
        add_fractions(Some(&[Fr::ONE; 2]), &[Fr::ZERO; 2], &mut out_p, &mut out_q);
        assert_eq!((out_p, out_q), ([Fr::ZERO], [Fr::ZERO]));
    }
}
