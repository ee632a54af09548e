//! Integer matrices against field vectors and each other; plain rayon loops beside them.
#![allow(missing_docs)]

mod common;

use ark_ff::AdditiveGroup;
use common::{backends, group, id, pool, random, threads, up_to};
use criterion::{Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use zkmill::{Any, Fr, Int, Matrix, Memory};

fn entries<T>(n: usize, from: impl Fn(u64) -> T) -> Vec<T> {
    (0..n as u64).map(|i| from((i + 1).wrapping_mul(0x9e3779b97f4a7c15) >> 24)).collect()
}

/// A field multiplication an entry.
fn plain_cols<I: Int>(m: &[I], weight: &[Fr]) -> Vec<Fr> {
    let dot = |row: &[I]| row.iter().zip(weight).map(|(x, w)| *w * x.to_field()).sum();
    m.par_chunks(weight.len()).map(dot).collect()
}

fn plain_rows<I: Int>(m: &[I], weight: &[Fr], cols: usize) -> Vec<Fr> {
    let add = |mut a: Vec<Fr>, b: Vec<Fr>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let scaled = |(row, w): (&[I], &Fr)| row.iter().map(|x| *w * x.to_field()).collect::<Vec<Fr>>();
    m.par_chunks(cols).zip(weight).map(scaled).reduce(|| vec![Fr::ZERO; cols], add)
}

fn bind<I: Int>(c: &mut Criterion, name: &str, from: impl Fn(u64) -> I + Copy) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[8, 10, 11]) {
            let side = 1 << log_n;
            let m = entries(side * side, from);
            let weight = random(side, 1);
            let mut rows = group(c, &format!("bind_rows_{name}"), threads);
            let expected = pool.install(|| plain_rows(&m, &weight, side));
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(2 * log_n)) {
                let (m, weight) = (contender.upload(&m), contender.upload(&weight));
                let run = |mut out| {
                    let bound = contender.backend.bind_rows(
                        Any::view(&m),
                        Any::view(&weight),
                        &mut Any::view_mut(&mut out),
                    );
                    bound.expect("lengths agree");
                    contender.sync();
                    out
                };
                assert_eq!(contender.download(&run(contender.alloc(side))), expected);
                contender.bench(&mut rows, 2 * log_n, || contender.alloc(side), run);
            }
            let plain = id(&mut rows, "plain rayon", 2 * log_n);
            rows.bench_function(plain, |b| b.iter(|| pool.install(|| plain_rows(&m, &weight, side))));
            rows.finish();

            let mut cols = group(c, &format!("bind_cols_{name}"), threads);
            let expected = pool.install(|| plain_cols(&m, &weight));
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(2 * log_n)) {
                let (m, weight) = (contender.upload(&m), contender.upload(&weight));
                let run = |mut out| {
                    let bound = contender.backend.bind_cols(
                        Any::view(&m),
                        Any::view(&weight),
                        &mut Any::view_mut(&mut out),
                    );
                    bound.expect("lengths agree");
                    contender.sync();
                    out
                };
                assert_eq!(contender.download(&run(contender.alloc(side))), expected);
                contender.bench(&mut cols, 2 * log_n, || contender.alloc(side), run);
            }
            let plain = id(&mut cols, "plain rayon", 2 * log_n);
            cols.bench_function(plain, |b| b.iter(|| pool.install(|| plain_cols(&m, &weight))));
            cols.finish();
        }
    }
}

fn binds(c: &mut Criterion) {
    bind(c, "i8", |x| x as i8);
    bind(c, "i32", |x| x as i32);
}

/// `(32 x k) (k x k)`: one batch through one layer.
fn gemm(c: &mut Criterion) {
    const BATCH: usize = 32;
    for threads in threads() {
        let pool = pool(threads);
        for log_k in up_to(&[8, 10]) {
            let mut group = group(c, "gemm_i8_batch_32", threads);
            let k = 1 << log_k;
            let (a, b) = (entries(BATCH * k, |x| x as i8), entries(k * k, |x| (x >> 3) as i8));
            let plain = || {
                let row = |row: &[i8]| {
                    let mut out = vec![0i32; k];
                    for (x, weights) in row.iter().zip(b.chunks(k)) {
                        out.iter_mut().zip(weights).for_each(|(o, w)| *o += i32::from(*x) * i32::from(*w));
                    }
                    out
                };
                a.par_chunks(k).flat_map_iter(row).collect::<Vec<i32>>()
            };
            let expected = pool.install(plain);
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(5 + 2 * log_k))
            {
                let (a, b) = (contender.upload(&a), contender.upload(&b));
                let run = |mut out| {
                    let mut view = Any::view_mut(&mut out);
                    let product =
                        Matrix::<Fr>::gemm(&contender.backend, k, Any::view(&a), Any::view(&b), &mut view);
                    product.expect("lengths agree");
                    contender.sync();
                    out
                };
                assert_eq!(contender.download(&run(contender.alloc(BATCH * k))), expected);
                contender.bench(&mut group, 5 + 2 * log_k, || contender.alloc(BATCH * k), run);
            }
            let id = id(&mut group, "plain rayon", 5 + 2 * log_k);
            group.bench_function(id, |bench| bench.iter(|| pool.install(plain)));
            group.finish();
        }
    }
}

criterion_group!(benches, binds, gemm);
criterion_main!(benches);
