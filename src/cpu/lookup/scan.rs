//! Running products and sums.

use rayon::prelude::*;

use super::SERIAL;
use crate::cpu::field::wide::Montgomery;
use crate::lookup::Scan;

/// The running product of the values, in place.
pub(super) fn product<F: Montgomery>(scan: Scan, values: &mut [F]) {
    parallel(scan, values, F::ONE, F::times);
}

/// The running sum of the values, in place.
pub(super) fn sum<F: Montgomery>(scan: Scan, values: &mut [F]) {
    parallel(scan, values, F::ZERO, F::plus);
}

/// Every thread scans one part; then all parts but the first are combined with what lies before them. That is
/// `n (2 - 1 / threads)` operations.
fn parallel<F: Montgomery>(scan: Scan, values: &mut [F], neutral: F, combine: impl Fn(F, F) -> F + Sync) {
    let length = values.len().div_ceil(rayon::current_num_threads()).max(SERIAL);
    let parts = values.par_chunks_mut(length);
    let totals: Vec<F> = parts.map(|part| serial(scan, part, neutral, &combine)).collect();
    let mut before = totals;
    serial(Scan::Exclusive, &mut before, neutral, &combine);
    let parts = values.par_chunks_mut(length).zip(before).skip(1);
    parts.for_each(|(part, before)| {
        part.par_iter_mut().with_min_len(SERIAL).for_each(|value| *value = combine(before, *value));
    });
}

/// Scans and returns the total.
fn serial<F: Copy>(scan: Scan, values: &mut [F], neutral: F, combine: impl Fn(F, F) -> F) -> F {
    values.iter_mut().fold(neutral, |before, value| {
        let total = combine(before, *value);
        *value = match scan {
            Scan::Inclusive => total,
            Scan::Exclusive => before,
        };
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Fr;
    use ark_ff::AdditiveGroup;

    #[test]
    fn every_split_gives_the_definition() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for n in [0usize, 1, 2, SERIAL - 1, SERIAL + 1, 2 * SERIAL, 5 * SERIAL + 7] {
                // A zero in the last part, which products must carry on.
                let mut values: Vec<Fr> = (0..n as u64).map(|k| -Fr::from(k * k + 3)).collect();
                values.get_mut(5 * SERIAL).into_iter().for_each(|value| *value = Fr::ZERO);
                for scan in [Scan::Inclusive, Scan::Exclusive] {
                    let (mut products, mut sums) = (values.clone(), values.clone());
                    pool.install(|| product(scan, &mut products));
                    pool.install(|| sum(scan, &mut sums));
                    let (mut times, mut plus) = (Fr::from(1u64), Fr::ZERO);
                    for i in 0..n {
                        let before = (times, plus);
                        (times, plus) = (times * values[i], plus + values[i]);
                        let expected = if scan == Scan::Inclusive { (times, plus) } else { before };
                        assert_eq!((products[i], sums[i]), expected, "{threads} {n} {scan:?} {i}");
                    }
                }
            }
        }
    }
}
