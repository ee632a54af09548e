//! Lookup columns and the vector operations below them; arkworks, or plain rayon on its field, beside them.
#![allow(missing_docs)]

mod common;

use ark_ff::{AdditiveGroup, Field};
use common::{Contender, backends, group, id, plain_eq_table, plain_rounds, pool, random, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use zkmill::sumcheck::{Form, Term};
use zkmill::{Any, Fr, Len, Lookup, Memory, Sumcheck, Vector};

fn batch_inversion(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "batch_inversion", threads);
            let input = random(1 << log_n, 1);
            let mut expected = input.clone();
            ark_ff::batch_inversion(&mut expected);
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let run = |mut values| {
                    contender.backend.batch_inverse(&mut Any::view_mut(&mut values)).expect("a launch");
                    contender.sync();
                    values
                };
                assert_eq!(contender.download(&run(contender.upload(&input))), expected);
                contender.bench(&mut group, log_n, || contender.upload(&input), run);
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

type Buffer = <Any as Memory>::Buffer<Fr>;

/// The layers of a fraction tree from the leaves to the first that has no more than `least` fractions.
fn layers(contender: &Contender, p: Buffer, q: Buffer, least: usize) -> Vec<(Buffer, Buffer)> {
    let mut layers = vec![(p, q)];
    while let Some((p, q)) = layers.last().filter(|(p, _)| p.len() > least) {
        let half = q.len() / 2;
        let (mut out_p, mut out_q) = (contender.alloc(half), contender.alloc(half));
        let (mut p_view, mut q_view) = (Any::view_mut(&mut out_p), Any::view_mut(&mut out_q));
        contender
            .backend
            .add_fractions(Some(Any::view(p)), Any::view(q), &mut p_view, &mut q_view)
            .expect("lengths agree");
        layers.push((out_p, out_q));
    }
    layers
}

fn fraction_tree(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[14, 20]) {
            let mut group = group(c, "fraction_tree", threads);
            let (p, q) = (random(1 << log_n, 1), random(1 << log_n, 2));
            let expected = pool.install(|| plain_tree(p.clone(), q.clone()));
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let run = |(p, q)| {
                    let levels = layers(&contender, p, q, 1);
                    let (p, q) = &levels[levels.len() - 1];
                    (contender.download(p)[0], contender.download(q)[0])
                };
                let fresh = || (contender.upload(&p), contender.upload(&q));
                assert_eq!(run(fresh()), expected);
                contender.bench(&mut group, log_n, fresh, run);
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| {
                let run = |(p, q)| pool.install(|| plain_tree(p, q));
                b.iter_batched(|| (p.clone(), q.clone()), run, BatchSize::PerIteration);
            });
            group.finish();
        }
    }
}

/// A line's value.
fn between(low: Fr, high: Fr, r: Fr) -> Fr {
    low + r * (high - low)
}

/// What logUp-GKR's prover computes: all layers of the tree, then from the root down each layer's sumcheck of
/// `eq(point, x) (p0 q1 + p1 q0 + lambda q0 q1)`. Given numbers stand for the verifier's. Returns all messages.
fn gkr(contender: &Contender, p: Buffer, q: Buffer, challenges: &[Fr]) -> Vec<Fr> {
    let backend = &contender.backend;
    let (mut messages, mut point) = (Vec::new(), Vec::new());
    let mut claims = [Fr::ZERO; 2];
    for (k, (mut p, mut q)) in layers(contender, p, q, 2).into_iter().rev().enumerate() {
        let (lambda, tau) = (challenges[k], challenges[k + 1]);
        let (p0, mut p1) = Any::split_mut(Any::view_mut(&mut p), 1 << k).expect("two halves");
        let (q0, q1) = Any::split_mut(Any::view_mut(&mut q), 1 << k).expect("two halves");
        let values = if k > 0 {
            backend.add_scaled(lambda, Any::as_view(&q1), &mut p1).expect("lengths agree");
            let term = |factors: [usize; 2]| Term { coefficient: Fr::ONE, factors: factors.to_vec() };
            let mut form = Form::new(k, vec![term([0, 3]), term([1, 2])])
                .weighted(std::mem::take(&mut point))
                .expect("one coordinate a variable")
                .claiming(claims[0] + lambda * claims[1]);
            let mut tables = [p0, p1, q0, q1];
            for round in 0..k {
                let bind = point.last().copied();
                messages.extend(backend.sumcheck_round(&mut form, &mut tables, bind).expect("shapes agree"));
                point.push(challenges[k + round]);
            }
            let mut values = tables.map(|table| {
                let (live, _) = Any::split(Any::as_view(&table), 2).expect("the last variable's two values");
                let ends = backend.to_vec(live).expect("the work went well");
                between(ends[0], ends[1], point[k - 1])
            });
            let q1 = values[3];
            values[1] -= lambda * q1;
            values
        } else {
            [p0, p1, q0, q1].map(|half| backend.to_vec(Any::as_view(&half)).expect("the work went well")[0])
        };
        messages.extend(values);
        claims = [between(values[0], values[1], tau), between(values[2], values[3], tau)];
        point.insert(0, tau);
    }
    messages
}

/// [`gkr`] by plain loops over arkworks' field.
fn plain_gkr(p: Vec<Fr>, q: Vec<Fr>, challenges: &[Fr]) -> Vec<Fr> {
    let mut levels = vec![(p, q)];
    while let Some((p, q)) = levels.last().filter(|(p, _)| p.len() > 2) {
        let half = q.len() / 2;
        let level = (0..half)
            .into_par_iter()
            .map(|i| (p[i] * q[i + half] + p[i + half] * q[i], q[i] * q[i + half]))
            .unzip();
        levels.push(level);
    }
    let (mut messages, mut point) = (Vec::new(), Vec::new());
    for (k, (mut p0, mut q0)) in levels.into_iter().rev().enumerate() {
        let (lambda, tau) = (challenges[k], challenges[k + 1]);
        let (p1, q1) = (p0.split_off(1 << k), q0.split_off(1 << k));
        let mut tables = vec![p0, p1, q0, q1];
        if k > 0 {
            tables.push(plain_eq_table(&point));
            let g = |t: &[Fr]| t[4] * (t[0] * t[3] + t[1] * t[2] + lambda * t[2] * t[3]);
            point = challenges[k..2 * k].to_vec();
            messages.extend(plain_rounds(&mut tables, &point, 3, g).into_iter().flatten());
            tables.iter_mut().for_each(|t| t[0] = between(t[0], t[1], point[k - 1]));
        }
        messages.extend(tables[..4].iter().map(|t| t[0]));
        point.insert(0, tau);
    }
    messages
}

fn logup_gkr(c: &mut Criterion) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[12, 16, 20]) {
            let mut group = group(c, "logup_gkr", threads);
            let (p, q) = (random(1 << log_n, 1), random(1 << log_n, 2));
            let challenges = random(2 * log_n as usize, 3);
            let expected = pool.install(|| plain_gkr(p.clone(), q.clone(), &challenges));
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let run = |(p, q)| gkr(&contender, p, q, &challenges);
                let fresh = || (contender.upload(&p), contender.upload(&q));
                assert_eq!(run(fresh()), expected);
                contender.bench(&mut group, log_n, fresh, run);
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| {
                let run = |(p, q)| pool.install(|| plain_gkr(p, q, &challenges));
                b.iter_batched(|| (p.clone(), q.clone()), run, BatchSize::PerIteration);
            });
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
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let backend = &contender.backend;
                let (table, column) = (contender.upload(&table), contender.upload(&column));
                let rows = Lookup::<Fr>::table(backend, Any::view(&table)).expect("few rows");
                let run = |mut counts| {
                    let mut out = Any::view_mut(&mut counts);
                    Lookup::<Fr>::multiplicities(backend, &rows, &[Any::view(&column)], &mut out)
                        .expect("all in the table");
                    counts
                };
                assert_eq!(contender.download(&run(contender.alloc(expected.len()))), expected);
                contender.bench(&mut group, log_n, || contender.alloc(expected.len()), run);
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
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let column = contender.upload(&column);
                let run = |mut out| {
                    let mut view = Any::view_mut(&mut out);
                    contender
                        .backend
                        .logup(alpha, Any::view(&column), None, &mut view)
                        .expect("lengths agree");
                    contender.sync();
                    out
                };
                // Written once before it is timed, as the column is.
                let fresh = || contender.upload(&vec![Fr::ONE; expected.len()]);
                assert_eq!(contender.download(&run(fresh())), expected);
                contender.bench(&mut group, log_n, fresh, run);
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| b.iter(|| pool.install(plain)));
            group.finish();
        }
    }
}

criterion_group!(benches, batch_inversion, fraction_tree, logup_gkr, multiplicities, logup);
criterion_main!(benches);
