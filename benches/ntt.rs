//! The number-theoretic transform: size, order, coset, batches, threads; arkworks beside it.
#![allow(missing_docs)]

mod common;

use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use common::{backends, group, id, pool, random, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use zkmill::ntt::{Direction, Order, Transform};
use zkmill::{Any, Fr, Len, Memory, Ntt};

fn compare(
    c: &mut Criterion,
    name: &str,
    sizes: &[u32],
    transform: Transform,
    arkworks: Option<fn(&Radix2EvaluationDomain<Fr>, &mut Vec<Fr>)>,
) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(sizes) {
            let mut group = group(c, name, threads);
            let n = 1 << log_n;
            let input = random(n, 1);
            let subgroup = Radix2EvaluationDomain::<Fr>::new(n).expect("a root of unity");
            let domain = match transform.coset {
                Some(g) => subgroup.get_coset(g).expect("not zero"),
                None => subgroup,
            };
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let backend = &contender.backend;
                let prepared = backend.domain(log_n).expect("a root of unity");
                let apply = |transform, mut values| {
                    backend
                        .ntt(&prepared, transform, &mut [Any::view_mut(&mut values)])
                        .expect("lengths agree");
                    contender.sync();
                    values
                };
                let mut expected = input.clone();
                let mut values = apply(transform, contender.upload(&input));
                match arkworks {
                    Some(arkworks) => arkworks(&domain, &mut expected),
                    None => values = apply(Transform { direction: Direction::Inverse, ..transform }, values),
                }
                assert_eq!(contender.download(&values), expected, "{} {name} 2^{log_n}", contender.name);
                let run = |values| apply(transform, values);
                contender.bench(&mut group, log_n, || contender.upload(&input), run);
            }
            if let Some(arkworks) = arkworks {
                let id = id(&mut group, "arkworks", log_n);
                group.bench_function(id, |b| {
                    let run = |mut values: Vec<Fr>| {
                        pool.install(|| arkworks(&domain, &mut values));
                        values
                    };
                    b.iter_batched(|| input.clone(), run, BatchSize::PerIteration);
                });
            }
            group.finish();
        }
    }
}

fn orders(c: &mut Criterion) {
    let forward = Transform::new(Direction::Forward);
    let inverse = Transform::new(Direction::Inverse);
    let g = Fr::from(7u64);
    compare(c, "ntt", &[12, 16, 18, 20, 22], forward, Some(|domain, values| domain.fft_in_place(values)));
    compare(c, "ntt_inverse", &[12, 20], inverse, Some(|domain, values| domain.ifft_in_place(values)));
    compare(
        c,
        "ntt_coset",
        &[12, 20],
        forward.on_coset(g),
        Some(|domain, values| domain.fft_in_place(values)),
    );
    compare(c, "ntt_bit_reversed", &[12, 20], forward.order(Order::BitReversed), None);
}

/// Many transforms in one call.
fn batches(c: &mut Criterion) {
    const LOG_ITEM: u32 = 12;
    let input = random(1 << 20, 1);
    let domain = Radix2EvaluationDomain::<Fr>::new(1 << LOG_ITEM).expect("a root of unity");
    for threads in threads() {
        let mut group = group(c, "ntt_batch_of_2^12", threads);
        for contender in backends(threads).into_iter().filter(|contender| contender.takes(20)) {
            let backend = &contender.backend;
            let prepared = backend.domain(LOG_ITEM).expect("a root of unity");
            let transform = Transform::new(Direction::Forward);
            let run = |mut values| {
                let mut rest = Any::view_mut(&mut values);
                let mut items = Vec::new();
                while !rest.is_empty() {
                    let (item, others) = Any::split_mut(rest, 1 << LOG_ITEM).expect("whole items");
                    items.push(item);
                    rest = others;
                }
                backend.ntt(&prepared, transform, &mut items).expect("lengths agree");
                drop(items);
                contender.sync();
                values
            };
            let output = contender.download(&run(contender.upload(&input)));
            assert_eq!(output[..1 << LOG_ITEM], domain.fft(&input[..1 << LOG_ITEM]));
            contender.bench(&mut group, 20, || contender.upload(&input), run);
        }
        group.finish();
    }
}

criterion_group!(benches, orders, batches);
criterion_main!(benches);
