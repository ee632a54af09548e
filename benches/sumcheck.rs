//! All rounds of a sumcheck; plain rayon on arkworks' field beside it.
#![allow(missing_docs)]

mod common;

use ark_ff::Field;
use common::{backends, group, id, plain_eq_table, plain_rounds, pool, random, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use zkmill::sumcheck::{Form, Term};
use zkmill::{Any, Fr, Memory, Sumcheck};

fn term(coefficient: Fr, factors: &[usize]) -> Term {
    Term { coefficient, factors: factors.to_vec() }
}

fn compare(
    c: &mut Criterion,
    name: &str,
    tables: usize,
    weighted: bool,
    terms: &[Term],
    g: impl Fn(&[Fr]) -> Fr + Sync + Copy,
) {
    for threads in threads() {
        let pool = pool(threads);
        for log_n in up_to(&[12, 16, 20]) {
            let mut group = group(c, name, threads);
            let inputs: Vec<Vec<Fr>> = (0..tables).map(|k| random(1 << log_n, k as u64)).collect();
            let point = random(log_n as usize, 100);
            let challenges = random(log_n as usize, 200);
            let degree = terms.iter().map(|t| t.factors.len()).max().unwrap_or(0) + usize::from(weighted);
            let plain_run = |mut all: Vec<Vec<Fr>>| {
                if weighted {
                    all.push(plain_eq_table(&point));
                }
                let weight = |at: &[Fr]| if weighted { at[tables] } else { Fr::ONE };
                plain_rounds(&mut all, &challenges, degree, |at| weight(at) * g(at))
            };
            let expected = pool.install(|| plain_run(inputs.clone()));
            let claim = expected[0][0] + expected[0][1];
            for contender in backends(threads).into_iter().filter(|contender| contender.takes(log_n)) {
                let run = |mut inputs: Vec<<Any as Memory>::Buffer<Fr>>| {
                    let mut form = Form::new(log_n as usize, terms.to_vec()).claiming(claim);
                    if weighted {
                        form = form.weighted(point.clone()).expect("one coordinate a variable");
                    }
                    let mut tables: Vec<_> = inputs.iter_mut().map(Any::view_mut).collect();
                    let binds = std::iter::once(None).chain(challenges.iter().copied().map(Some));
                    let round = |bind| {
                        contender.backend.sumcheck_round(&mut form, &mut tables, bind).expect("shapes agree")
                    };
                    binds.take(log_n as usize).map(round).collect::<Vec<_>>()
                };
                let fresh = || inputs.iter().map(|table| contender.upload(table)).collect();
                assert_eq!(run(fresh()), expected, "{} {name}", contender.name);
                contender.bench(&mut group, log_n, fresh, run);
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| {
                let run = |inputs| pool.install(|| plain_run(inputs));
                b.iter_batched(|| inputs.clone(), run, BatchSize::PerIteration);
            });
            group.finish();
        }
    }
}

fn forms(c: &mut Criterion) {
    let one = Fr::ONE;
    let lambda = Fr::from(0x1234567u64);
    compare(c, "sumcheck_product", 2, false, &[term(one, &[0, 1])], |t| t[0] * t[1]);
    let gate = [term(one, &[0, 1]), term(-one, &[2])];
    compare(c, "sumcheck_eq_ab_c", 3, true, &gate, |t| t[0] * t[1] - t[2]);
    let fractions = [term(one, &[0, 3]), term(one, &[1, 2]), term(lambda, &[2, 3])];
    let sum = move |t: &[Fr]| t[0] * t[3] + t[1] * t[2] + lambda * t[2] * t[3];
    compare(c, "sumcheck_logup_gkr", 4, true, &fractions, sum);
}

criterion_group!(benches, forms);
criterion_main!(benches);
