//! Lookup columns and the vector operations below them; arkworks, or plain rayon on its field, beside them.
#![allow(missing_docs)]

mod common;

use ark_ff::Field;
use common::{backends, group, id, pool, random, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use zkmill::{Fr, Lookup, Memory, Vector};

fn batch_inversion(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "batch_inversion", threads);
            let input = random(1 << log_n, 1);
            let mut expected = input.clone();
            ark_ff::batch_inversion(&mut expected);
            for (contender, cpu) in backends(threads) {
                let run = |mut values: Vec<Fr>| {
                    cpu.batch_inverse(&mut values.as_mut_slice()).expect("no launch");
                    values
                };
                assert_eq!(run(input.clone()), expected);
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| b.iter_batched(|| input.clone(), run, BatchSize::PerIteration));
            }
            let id = id(&mut group, "arkworks", log_n);
            group.bench_function(id, |b| {
                let run = |mut values: Vec<Fr>| {
                    pool.install(|| ark_ff::batch_inversion(&mut values));
                    values
                };
                b.iter_batched(|| input.clone(), run, BatchSize::PerIteration);
            });
            group.finish();
        }
    }
}

/// All layers of a fraction tree by plain loops over arkworks' field.
fn plain_tree(mut p: Vec<Fr>, mut q: Vec<Fr>) -> (Fr, Fr) {
    while q.len() > 1 {
        let half = q.len() / 2;
        (p, q) = (0..half)
            .into_par_iter()
            .map(|i| (p[i] * q[i + half] + p[i + half] * q[i], q[i] * q[i + half]))
            .unzip();
    }
    (p[0], q[0])
}

fn fraction_tree(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "fraction_tree", threads);
            let (p, q) = (random(1 << log_n, 1), random(1 << log_n, 2));
            let expected = pool.install(|| plain_tree(p.clone(), q.clone()));
            for (contender, cpu) in backends(threads) {
                let run = || {
                    let (mut p, mut q) = (p.clone(), q.clone());
                    while q.len() > 1 {
                        let half = q.len() / 2;
                        let mut out_p = cpu.alloc("p", half).expect("memory");
                        let mut out_q = cpu.alloc("q", half).expect("memory");
                        let (mut p_view, mut q_view) = (out_p.as_mut_slice(), out_q.as_mut_slice());
                        cpu.add_fractions(Some(&p), &q, &mut p_view, &mut q_view).expect("lengths agree");
                        (p, q) = (out_p, out_q);
                    }
                    (p[0], q[0])
                };
                assert_eq!(run(), expected);
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| b.iter(run));
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| b.iter(|| pool.install(|| plain_tree(p.clone(), q.clone()))));
            group.finish();
        }
    }
}

fn multiplicities(c: &mut Criterion) {
    let table: Vec<i16> = (-2048..2048).collect();
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "multiplicities", threads);
            let column: Vec<i16> = (0u64..1 << log_n)
                .map(|i| (i.wrapping_mul(0x9e3779b97f4a7c15) >> 52) as i16 - 2048)
                .collect();
            // Indexing by the value: only possible because this table is a range.
            let plain = || {
                let count = |chunk: &[i16]| {
                    let mut counts = vec![0u32; table.len()];
                    chunk.iter().for_each(|x| counts[(x + 2048) as usize] += 1);
                    counts
                };
                let add = |mut a: Vec<u32>, b: Vec<u32>| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                };
                let size = column.len().div_ceil(threads);
                column.par_chunks(size).map(count).reduce(|| vec![0; table.len()], add)
            };
            let expected = pool.install(plain);
            for (contender, cpu) in backends(threads) {
                let rows = Lookup::<Fr>::table(&cpu, table.as_slice()).expect("few rows");
                let mut counts = vec![0; table.len()];
                let mut run = || {
                    let mut out = counts.as_mut_slice();
                    Lookup::<Fr>::multiplicities(&cpu, &rows, &[&column], &mut out)
                        .expect("all in the table");
                };
                run();
                assert_eq!(counts, expected);
                let mut run = || {
                    let mut out = counts.as_mut_slice();
                    Lookup::<Fr>::multiplicities(&cpu, &rows, &[&column], &mut out)
                        .expect("all in the table");
                };
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| b.iter(&mut run));
            }
            let id = id(&mut group, "plain indexing", log_n);
            group.bench_function(id, |b| b.iter(|| pool.install(plain)));
            group.finish();
        }
    }
}

/// `1 / (alpha - column)`, inverted one by one in the plain version's chunks.
fn logup(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "logup", threads);
            let (column, alpha) = (random(1 << log_n, 1), random(1, 2)[0]);
            let plain = || {
                let mut out: Vec<Fr> = column.par_iter().map(|x| alpha - x).collect();
                ark_ff::batch_inversion(&mut out);
                out
            };
            let expected = pool.install(plain);
            assert_eq!(expected[0], (alpha - column[0]).inverse().expect("not zero"));
            for (contender, cpu) in backends(threads) {
                let mut out = vec![Fr::from(0u64); column.len()];
                cpu.logup(alpha, &column, None, &mut out.as_mut_slice()).expect("lengths agree");
                assert_eq!(out, expected);
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| {
                    b.iter(|| cpu.logup(alpha, &column, None, &mut out.as_mut_slice()));
                });
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| b.iter(|| pool.install(plain)));
            group.finish();
        }
    }
}

criterion_group!(benches, batch_inversion, fraction_tree, multiplicities, logup);
criterion_main!(benches);
