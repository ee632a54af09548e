//! Multi-scalar multiplication: size, scalar width and distribution, threads; arkworks beside it.
#![allow(missing_docs)]

mod common;

use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, PrimeField};
use common::{backends, group, id, pool, random, rng, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::rand_core::RngCore;
use zkmill::{Any, Curve, Fr, G1, G2, Memory, Msm, Scalar};

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
    Any: Msm<C>,
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
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let backend = &contender.backend;
                let bases = Msm::<C>::bases(backend, &points, 0).expect("points are on the curve");
                let run = |scalars| {
                    let mut out = contender.alloc(1);
                    let batch = [Any::view(&scalars)];
                    Msm::<C>::msm::<S>(backend, &bases, &batch, &mut Any::view_mut(&mut out))
                        .expect("lengths agree");
                    contender.download(&out)[0]
                };
                let sum = run(contender.upload(&check));
                assert_eq!(sum, expected, "{} {name} 2^{log_n}", contender.name);
                let mut seed = 1;
                let fresh = || {
                    seed += 1;
                    contender.upload(&make(n, seed))
                };
                contender.bench(&mut group, log_n, fresh, run);
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
    for threads in threads() {
        let mut group = group(c, "msm_g1_i8_rows", threads);
        let expected = pool(threads).install(|| {
            let row: Vec<Fr> = entries[(ROWS - 1) * LEN..].iter().map(|x| Fr::from(*x)).collect();
            arkworks::<G1>(&points, &row).into_affine()
        });
        for contender in backends(threads).into_iter().filter(|contender| contender.takes(18)) {
            let backend = &contender.backend;
            let entries = contender.upload(&entries);
            let row = |k| Any::slice(Any::view(&entries), k * LEN..(k + 1) * LEN).expect("within the rows");
            let rows: Vec<_> = (0..ROWS).map(row).collect();
            for (kept, budget) in [("", 0), (" with multiples", LEN * 128 * 64)] {
                let bases = Msm::<G1>::bases(backend, &points, budget).expect("points are on the curve");
                let run = |()| {
                    let mut out = contender.alloc(ROWS);
                    Msm::<G1>::msm(backend, &bases, &rows, &mut Any::view_mut(&mut out))
                        .expect("lengths agree");
                    contender.sync();
                    out
                };
                assert_eq!(contender.download(&run(()))[ROWS - 1], expected);
                let name = format!("{}{kept}", contender.name);
                contender.bench_as(&mut group, &name, 18, || (), run);
            }
        }
        group.finish();
    }
}

criterion_group!(benches, random_scalars, widths, skewed, rows);
criterion_main!(benches);
