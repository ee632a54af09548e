//! Against the portable sums.

use ark_bn254::Fr;
use ark_ec::CurveGroup;
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::UniformRand;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::*;
use crate::cpu::msm::point::CpuCurve;
use crate::curve::{G1, G2};

fn agree<C: CpuCurve>(table: &[Affine<C>], entries: &[Entry], lengths: &[usize]) {
    assert_eq!(entries.len(), lengths.iter().sum::<usize>());
    let table: Vec<_> = table.iter().map(C::lift_point).collect();
    let (mut got, mut expected) = (vec![table[0]], vec![table[0]]);
    C::IfmaSums::default().sum(&table, entries, lengths, &mut got);
    Runs::default().sum(&table, entries, lengths, &mut expected);
    let canonical = |points: &[_]| -> Vec<Affine<C>> { points.iter().map(C::canonical_point).collect() };
    assert!(canonical(&got) == canonical(&expected), "lengths {lengths:?}");
}

fn points<C: CpuCurve>(count: usize, rng: &mut ChaCha20Rng) -> Vec<Affine<C>> {
    (0..count).map(|_| Projective::<C>::rand(rng).into_affine()).collect()
}

fn random_entries(len: usize, table: usize, rng: &mut ChaCha20Rng) -> Vec<Entry> {
    (0..len)
        .map(|_| {
            let word = rng.next_u64();
            Entry::table((word >> 8) as usize % table, word & 1 == 1)
        })
        .collect()
}

/// Runs of every length in one list and each alone, of few points among which are multiples, negatives and the identity:
/// every exception at every level.
fn runs_of_few_points<C: CpuCurve<ScalarField = Fr>>() {
    let mut rng = ChaCha20Rng::seed_from_u64(31);
    let p = points::<C>(2, &mut rng);
    let times = |k: u64| (p[0] * Fr::from(k)).into_affine();
    let tables = [
        vec![p[0]],
        vec![Affine::identity()],
        vec![p[0], -p[0]],
        vec![p[0], Affine::identity()],
        vec![p[0], times(2), times(3), times(4), -times(8), Affine::identity()],
        vec![p[0], p[1], (p[0] + p[1]).into_affine(), (p[0] - p[1]).into_affine(), Affine::identity()],
    ];
    let every: Vec<usize> = (1..=2 * LEAVES + 3).chain([200, 1000, 1, 2, 3]).collect();
    for table in &tables {
        let entries = random_entries(every.iter().sum(), table.len(), &mut rng);
        agree::<C>(table, &entries, &every);
        for length in (2..=LEAVES + 2).step_by(3) {
            let lengths = vec![length; 100 / length + 13];
            agree::<C>(table, &random_entries(length * lengths.len(), table.len(), &mut rng), &lengths);
        }
    }
}

/// Different points, with one exception at a time: the main path and the careful one side by side.
fn runs_of_many_points<C: CpuCurve<ScalarField = Fr>>(count: usize) {
    let mut rng = ChaCha20Rng::seed_from_u64(32);
    let mut table = points::<C>(64, &mut rng);
    for k in 64..count {
        table.push((table[k - 64] + table[k - 63]).into_affine());
    }
    let lengths: Vec<usize> = (0..count / 6).map(|k| [3, 9, 1, 8, 7, 8][k % 6]).collect();
    let lengths = &lengths[..];
    let mut entries: Vec<Entry> =
        (0..lengths.iter().sum()).map(|k| Entry::table(k % count, k % 3 == 0)).collect();
    agree::<C>(&table, &entries, lengths);
    entries[301] = entries[300];
    agree::<C>(&table, &entries, lengths);
    let last = entries.len() - 1;
    entries[last] = Entry::table(last - 1, entries[last - 1].negated());
    entries[last - 1] = Entry::table(last - 1, !entries[last - 1].negated());
    table[5] = Affine::identity();
    agree::<C>(&table, &entries, lengths);
}

#[test]
fn few_points_g1() {
    runs_of_few_points::<G1>();
}

#[test]
fn few_points_g2() {
    runs_of_few_points::<G2>();
}

#[test]
fn many_points_g1() {
    runs_of_many_points::<G1>(3000);
}

#[test]
fn many_points_g2() {
    runs_of_many_points::<G2>(600);
}
