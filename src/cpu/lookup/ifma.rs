//! Fractions and running products and sums on eight lanes.

use rayon::prelude::*;

use super::SERIAL;
use crate::cpu::field::ifma::*;
use crate::cpu::vector::ifma::scale;
use crate::lookup::Scan;

pub(super) use crate::cpu::vector::ifma::quotients as logup;

/// `(out_p, out_q)[i] = (p0 q1 + p1 q0, q0 q1)` of the fractions `i` and `i + n`; no numerator means ones.
pub(super) fn add_fractions<F: Modulus>(_: Ifma, p: Option<&[F]>, q: &[F], out_p: &mut [F], out_q: &mut [F]) {
    let n = out_q.len();
    let (q0, q1) = q.split_at(n);
    let p = p.map(|p| p.split_at(n));
    let parts = out_p.par_chunks_mut(SERIAL).zip(out_q.par_chunks_mut(SERIAL)).enumerate();
    parts.for_each(|(k, (out_p, out_q))| {
        let part = k * SERIAL..k * SERIAL + out_q.len();
        let q = [&q0[part.clone()], &q1[part.clone()]];
        let p = p.map(|(p0, p1)| [&p0[part.clone()], &p1[part.clone()]]);
        // SAFETY: an `Ifma` proves the features.
        unsafe { add_part(p, q, out_p, out_q) };
    });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn add_part<F: Modulus>(p: Option<[&[F]; 2]>, q: [&[F]; 2], out_p: &mut [F], out_q: &mut [F]) {
    for i in (0..out_q.len()).step_by(16) {
        for half in q.iter().chain(p.iter().flatten()) {
            prefetch(half, i + AHEAD);
            prefetch(half, i + AHEAD + 8);
        }
        for out in [&*out_p, &*out_q] {
            prefetch(out, i + AHEAD);
            prefetch(out, i + AHEAD + 8);
        }
        let q0 = [load_at(q[0], i, F::zero()), load_at(q[0], i + 8, F::zero())];
        let q1 = [load_at(q[1], i, F::zero()), load_at(q[1], i + 8, F::zero())];
        // The left factors four bits higher.
        let left = [Factor::<F, 16>::from_elements(&q0[0]), Factor::from_elements(&q0[1])];
        let right = [Factor::<F, 1>::from_words(&q1[0]), Factor::from_words(&q1[1])];
        let mut products = Sums::new();
        products.add([&left[0], &left[1]], [&right[0], &right[1]]);
        let [low, high] = canonical_pair(products.reduce::<16, 2>());
        store_at(&low.into_words(), out_q, i);
        store_at(&high.into_words(), out_q, i + 8);

        let numerators = match p {
            None => [
                Lazy::<F, 1>::from_words(&q0[0]).add(Lazy::<F, 1>::from_words(&q1[0])),
                Lazy::<F, 1>::from_words(&q0[1]).add(Lazy::<F, 1>::from_words(&q1[1])),
            ],
            Some(p) => {
                let p0 = [load_at(p[0], i, F::zero()), load_at(p[0], i + 8, F::zero())];
                let p1 = [load_at(p[1], i, F::zero()), load_at(p[1], i + 8, F::zero())];
                let p0 = [Factor::<F, 16>::from_elements(&p0[0]), Factor::from_elements(&p0[1])];
                let p1 = [Factor::<F, 1>::from_words(&p1[0]), Factor::from_words(&p1[1])];
                let mut cross = Sums::new();
                cross.add([&left[0], &left[1]], [&p1[0], &p1[1]]);
                cross.add([&p0[0], &p0[1]], [&right[0], &right[1]]);
                cross.reduce::<32, 2>()
            }
        };
        let [low, high] = canonical_pair(numerators);
        store_at(&low.into_words(), out_p, i);
        store_at(&high.into_words(), out_p, i + 8);
    }
}

/// Rows that are scanned abreast, a lane of a chain each.
const ROWS: usize = 8 * CHAINS;
/// Elements of a row. Rows are read twice, so all must fit the second-level cache; and an odd number of cache lines apart, or
/// they would compete for few sets of the first.
const ROW: usize = 250;

/// The running product of the values, in place.
pub(super) fn product<F: Modulus>(token: Ifma, scan: Scan, values: &mut [F]) {
    parallel::<F, Product>(token, scan, values);
}

/// The running sum of the values, in place.
pub(super) fn sum<F: Modulus>(token: Ifma, scan: Scan, values: &mut [F]) {
    parallel::<F, Sum>(token, scan, values);
}

/// What is scanned: products or sums, on canonical values.
trait Operation: Send + Sync {
    /// Whether it is the product, else the sum.
    const PRODUCT: bool;
}

struct Product;
impl Operation for Product {
    const PRODUCT: bool = true;
}

struct Sum;
impl Operation for Sum {
    const PRODUCT: bool = false;
}

/// The operation on elements.
fn combine<F: Modulus, O: Operation>(a: F, b: F) -> F {
    if O::PRODUCT { a * b } else { a + b }
}

fn neutral<F: Modulus, O: Operation>() -> F {
    if O::PRODUCT { F::one() } else { F::zero() }
}

/// As the portable version: every thread scans one part, then all parts but the first are combined with what lies
/// before them.
fn parallel<F: Modulus, O: Operation>(token: Ifma, scan: Scan, values: &mut [F]) {
    let length = values.len().div_ceil(rayon::current_num_threads()).max(SERIAL);
    let parts = values.par_chunks_mut(length);
    let totals: Vec<F> = parts.map(|part| serial::<F, O>(token, scan, part)).collect();
    let before = totals.iter().scan(neutral::<F, O>(), |before, total| {
        let next = combine::<F, O>(*before, *total);
        Some(std::mem::replace(before, next))
    });
    for (part, before) in values.chunks_mut(length).zip(before).skip(1) {
        if O::PRODUCT {
            scale(token, before, part);
        } else {
            part.par_chunks_mut(SERIAL).for_each(|part| {
                // SAFETY: an `Ifma` proves the features.
                unsafe { shift(before, part) }
            });
        }
    }
}

/// Scans and returns the total.
///
/// A block is [`ROWS`] rows. A first pass combines each row to its total, the totals are scanned one by one, and
/// a second pass scans each row from what lies before it: two operations an element.
fn serial<F: Modulus, O: Operation>(_: Ifma, scan: Scan, values: &mut [F]) -> F {
    let mut before = neutral::<F, O>();
    for block in values.chunks_mut(ROWS * ROW) {
        let (rows, rest) = block.split_at_mut(block.len() / ROWS * ROWS);
        if !rows.is_empty() {
            // SAFETY: an `Ifma` proves the features.
            before = unsafe { scan_rows::<F, O>(scan, rows, before) };
        }
        for value in rest {
            let total = combine::<F, O>(before, *value);
            *value = if scan == Scan::Inclusive { total } else { before };
            before = total;
        }
    }
    before
}

/// Scans [`ROWS`] rows of equal length that continue one another, from `before`; returns the total.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn scan_rows<F: Modulus, O: Operation>(scan: Scan, values: &mut [F], before: F) -> F {
    let row = values.len() / ROWS;
    let origin = values.as_mut_ptr().cast::<u64>();
    let mut places = [[origin; 8]; CHAINS];
    for (lane, place) in places.as_flattened_mut().iter_mut().enumerate() {
        *place = origin.wrapping_add(4 * lane * row);
    }
    let mut lanes = [neutral::<F, O>(); ROWS];
    let mut running = spread(&lanes);
    for i in 0..row {
        for (running, places) in running.iter_mut().zip(&places) {
            // SAFETY: element `i` of each row lies in `values`.
            let next = unsafe { gather(&advance(places, i)) };
            *running = step::<F, O>(*running, &next);
        }
    }
    for (running, lanes) in running.iter().zip(lanes.as_chunks_mut::<8>().0) {
        let mut targets = [lanes.as_mut_ptr().cast::<u64>(); 8];
        for (lane, target) in targets.iter_mut().enumerate() {
            *target = target.wrapping_add(4 * lane);
        }
        // SAFETY: eight elements of `lanes`.
        unsafe { scatter(&running.into_words(), &targets) };
    }
    let mut total = before;
    for lane in &mut lanes {
        let next = combine::<F, O>(total, *lane);
        *lane = std::mem::replace(&mut total, next);
    }
    let mut running = spread(&lanes);
    for i in 0..row {
        for (running, places) in running.iter_mut().zip(&places) {
            let places = advance(places, i);
            // SAFETY: element `i` of each row lies in `values`.
            let next = unsafe { gather(&places) };
            let total = step::<F, O>(*running, &next);
            let out = if scan == Scan::Inclusive { total } else { *running };
            *running = total;
            // SAFETY: as above; and canonical.
            unsafe { scatter(&out.into_words(), &places) };
        }
    }
    total
}

/// Elements as the lanes of chains, in order.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn spread<F: Modulus>(elements: &[F; ROWS]) -> [Lazy<F, 1>; CHAINS] {
    let mut chains = [Lazy::splat(&[0; 5]); CHAINS];
    for (chain, eight) in chains.iter_mut().zip(elements.as_chunks::<8>().0) {
        let mut places = [eight.as_ptr().cast::<u64>().cast_mut(); 8];
        for (lane, place) in places.iter_mut().enumerate() {
            *place = place.wrapping_add(4 * lane);
        }
        // SAFETY: eight elements, which are only read.
        *chain = Lazy::from_words(&unsafe { gather(&places) });
    }
    chains
}

/// The places `i` elements on.
#[inline(always)]
fn advance(places: &[*mut u64; 8], i: usize) -> [*mut u64; 8] {
    let mut places = *places;
    for place in &mut places {
        *place = place.wrapping_add(4 * i);
    }
    places
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn step<F: Modulus, O: Operation>(running: Lazy<F, 1>, next: &Words) -> Lazy<F, 1> {
    if O::PRODUCT {
        mul::<F, _, _, 2>(&Factor::<F, 16>::from_elements(next), &running).canonical()
    } else {
        running.add::<1, 2>(Lazy::from_words(next)).canonical()
    }
}

/// Adds an element to all values.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn shift<F: Modulus>(summand: F, values: &mut [F]) {
    let summand = Lazy::<F, 1>::from_words(&load(&[summand; 8]));
    for i in (0..values.len()).step_by(8) {
        let value = Lazy::<F, 1>::from_words(&load_at(values, i, F::zero()));
        store_at(&value.add::<1, 2>(summand).canonical().into_words(), values, i);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fraction, scan};
    use super::*;
    use crate::element::Fr;
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// Random elements with 0, 1, -1 among them, more of them in some places.
    fn elements(n: usize, seed: u64, zeros: bool) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let edges = [if zeros { Fr::ZERO } else { Fr::ONE }, Fr::ONE, -Fr::ONE];
        (0..n).map(|i| if i % 5 == 1 { edges[i / 5 % 3] } else { Fr::rand(&mut rng) }).collect()
    }

    fn lengths() -> impl Iterator<Item = usize> {
        (0..70).chain([ROWS * ROW - 1, ROWS * ROW, ROWS * ROW + 33, 3 * ROWS * ROW + 17])
    }

    #[test]
    fn scans_agree_with_the_portable_ones() {
        let Some(token) = Ifma::new() else { return eprintln!("SKIPPED: no AVX-512 IFMA") };
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for n in lengths() {
                for way in [Scan::Inclusive, Scan::Exclusive] {
                    for zeros in [false, true] {
                        let values = elements(n, n as u64, zeros);
                        let [mut products, mut sums, mut ours] = std::array::from_fn(|_| values.clone());
                        scan::product(way, &mut products);
                        scan::sum(way, &mut sums);
                        pool.install(|| product(token, way, &mut ours));
                        assert!(ours == products, "products of {n} {way:?}");
                        ours = values.clone();
                        pool.install(|| sum(token, way, &mut ours));
                        assert!(ours == sums, "sums of {n} {way:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn fractions_agree_with_the_portable_ones() {
        let Some(token) = Ifma::new() else { return eprintln!("SKIPPED: no AVX-512 IFMA") };
        for n in (0..42).chain([SERIAL - 1, SERIAL + 9, 3 * SERIAL + 4]) {
            let (p, q) = (elements(2 * n, 1, true), elements(2 * n, 2, true));
            for p in [None, Some(&p[..])] {
                let [mut expected_p, mut expected_q, mut out_p, mut out_q] =
                    std::array::from_fn(|_| vec![Fr::ONE; n]);
                fraction::add_fractions(p, &q, &mut expected_p, &mut expected_q);
                add_fractions(token, p, &q, &mut out_p, &mut out_q);
                assert!(out_p == expected_p && out_q == expected_q, "{n} fractions");
            }
        }
        // The largest operands.
        let most = [-Fr::ONE.square(); 16];
        let (mut out_p, mut out_q) = ([Fr::ZERO; 8], [Fr::ZERO; 8]);
        add_fractions(token, Some(&most), &most, &mut out_p, &mut out_q);
        assert_eq!((out_p, out_q), ([Fr::from(2u64); 8], [Fr::ONE; 8]));
    }

    #[test]
    fn quotients_agree_with_the_portable_ones() {
        let Some(token) = Ifma::new() else { return eprintln!("SKIPPED: no AVX-512 IFMA") };
        for n in (0..70).chain([8191, 8192, 8193, 20011]) {
            let (mut column, numerators) = (elements(n, 3, true), elements(n, 4, true));
            for alpha in [Fr::from(77u64), Fr::ZERO, Fr::ONE, -Fr::ONE] {
                for pole in [0, 7, 40, 41, 8192, n.saturating_sub(1)] {
                    column.get_mut(pole).into_iter().for_each(|value| *value = alpha);
                }
                for numerators in [None, Some(&numerators[..])] {
                    let (mut expected, mut out) = (vec![Fr::ONE; n], vec![Fr::ONE; n]);
                    fraction::logup(alpha, &column, numerators, &mut expected);
                    logup(token, alpha, &column, numerators, &mut out);
                    assert!(out == expected, "{n} quotients");
                }
            }
        }
    }
}
