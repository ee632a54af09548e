//! Multi-scalar multiplication: size, scalar width and distribution, threads; arkworks beside it.
#![allow(missing_docs)]

mod common;

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, PrimeField};
use common::{backends, group, id, pool, random, rng, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::rand_core::RngCore;
use zkmill::{Cpu, Curve, Fr, G1, G2, Memory, Msm, Scalar};

/// `n` different points: `G, 3 G, 5 G, ..` would do as well.
fn points<C: Curve>(n: usize) -> Vec<Affine<C>> {
    let step = Affine::<C>::generator().into_group() * C::ScalarField::from(0x9e3779b97f4a7c15u64);
    let multiples = std::iter::successors(Some(step), |point| Some(*point + step));
    Projective::normalize_batch(&multiples.take(n).collect::<Vec<_>>())
}

/// Distributions of full-width scalars.
fn distributions(n: usize, seed: u64) -> [(&'static str, Vec<Fr>); 4] {
    let full = random(n, seed);
    let sparse = full.iter().enumerate().map(|(i, s)| if i % 10 == 0 { *s } else { Fr::from(0u64) });
    let small = full.iter().map(|s| Fr::from(s.into_bigint().0[0] as i8));
    [
        ("sparse", sparse.collect()),
        ("equal", vec![full[0]; n]),
        ("small", small.collect()),
        ("random", full.clone()),
    ]
}

fn arkworks<C: Curve>(points: &[Affine<C>], scalars: &[C::ScalarField]) -> Projective<C> {
    Projective::<C>::msm_unchecked(points, scalars)
}

/// Times both on fresh scalars from `make`, after checking that they agree.
fn compare<C: Curve, S: Scalar<C::ScalarField>>(
    c: &mut Criterion,
    name: &str,
    sizes: &[u32],
    make: impl Fn(usize, u64) -> Vec<S>,
) where
    Cpu: Msm<C>,
{
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(sizes) {
            let mut group = group(c, name, threads);
            let n = 1 << log_n;
            let points = points::<C>(n);
            let check = make(n, 0);
            let lift =
                |scalars: &[S]| -> Vec<C::ScalarField> { scalars.iter().map(|s| s.to_field()).collect() };
            let expected = pool.install(|| arkworks::<C>(&points, &lift(&check))).into_affine();
            for (contender, cpu) in backends(threads) {
                let bases = Msm::<C>::bases(&cpu, &points, 0).expect("points are on the curve");
                let run = |scalars: &[S]| {
                    let mut out = cpu.alloc("sum", 1).expect("memory");
                    let mut view = Cpu::view_mut(&mut out);
                    Msm::<C>::msm(&cpu, &bases, &[scalars], &mut view).expect("lengths agree");
                    out[0]
                };
                assert_eq!(run(&check), expected, "{contender} {name} 2^{log_n}");
                let mut seed = 1;
                let mut fresh = || {
                    seed += 1;
                    make(n, seed)
                };
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| {
                    b.iter_batched(&mut fresh, |scalars| run(&scalars), BatchSize::PerIteration);
                });
            }
            let mut seed = 1;
            let mut fresh = || {
                seed += 1;
                lift(&make(n, seed))
            };
            let id = id(&mut group, "arkworks", log_n);
            group.bench_function(id, |b| {
                b.iter_batched(
                    &mut fresh,
                    |scalars| pool.install(|| arkworks::<C>(&points, &scalars)),
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
    }
}

fn integers<T>(n: usize, seed: u64, from: impl Fn(u64) -> T) -> Vec<T> {
    let mut rng = rng(seed);
    (0..n).map(|_| from(rng.next_u64())).collect()
}

fn random_scalars(c: &mut Criterion) {
    compare::<G1, Fr>(c, "msm_g1_fr", &[10, 14, 16, 18, 20], random);
    compare::<G2, Fr>(c, "msm_g2_fr", &[10, 14, 16], random);
}

fn widths(c: &mut Criterion) {
    compare::<G1, i8>(c, "msm_g1_i8", &[10, 18, 20], |n, seed| integers(n, seed, |x| x as i8));
    compare::<G1, i16>(c, "msm_g1_i16", &[10, 18], |n, seed| integers(n, seed, |x| x as i16));
    compare::<G1, i32>(c, "msm_g1_i32", &[10, 18], |n, seed| integers(n, seed, |x| x as i32));
    compare::<G1, u64>(c, "msm_g1_u64", &[10, 18], |n, seed| integers(n, seed, |x| x));
    let canonical = |n, seed| random(n, seed).into_iter().map(|s| s.into_bigint()).collect();
    compare::<G1, BigInt<4>>(c, "msm_g1_bigint", &[10, 16], canonical);
}

fn skewed(c: &mut Criterion) {
    for which in 0..3 {
        let name = format!("msm_g1_fr_{}", distributions(1, 0)[which].0);
        compare::<G1, Fr>(c, &name, &[10, 16], |n, seed| distributions(n, seed)[which].1.clone());
    }
}

/// Rows of a Hyrax commitment: many short sums over one set of bases, with and without multiples kept.
fn rows(c: &mut Criterion) {
    const ROWS: usize = 1 << 10;
    const LEN: usize = 1 << 8;
    let points = points::<G1>(LEN);
    let entries = integers(ROWS * LEN, 1, |x| x as i8);
    let rows: Vec<&[i8]> = entries.chunks(LEN).collect();
    for threads in threads() {
        let mut group = group(c, "msm_g1_i8_rows", threads);
        let expected = pool(threads).install(|| {
            let row: Vec<Fr> = rows[ROWS - 1].iter().map(|x| Fr::from(*x)).collect();
            arkworks::<G1>(&points, &row).into_affine()
        });
        for (contender, cpu) in backends(threads) {
            for (kept, budget) in [("", 0), (" with multiples", LEN * 128 * 64)] {
                let bases = Msm::<G1>::bases(&cpu, &points, budget).expect("points are on the curve");
                let run = || {
                    let mut out = cpu.alloc("rows", ROWS).expect("memory");
                    Msm::<G1>::msm(&cpu, &bases, &rows, &mut Cpu::view_mut(&mut out)).expect("lengths agree");
                    out
                };
                assert_eq!(run()[ROWS - 1], expected);
                let id = id(&mut group, &format!("{contender}{kept}"), 18);
                group.bench_function(id, |b| b.iter(run));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, random_scalars, widths, skewed, rows);
criterion_main!(benches);
