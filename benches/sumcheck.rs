//! All rounds of a sumcheck; plain rayon on arkworks' field beside it.
#![allow(missing_docs)]

mod common;

use ark_ff::{AdditiveGroup, Field};
use common::{backends, group, id, pool, random, threads, up_to};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use zkmill::sumcheck::{Form, Term};
use zkmill::{Fr, Sumcheck};

fn term(coefficient: Fr, factors: &[usize]) -> Term {
    Term { coefficient, factors: factors.to_vec() }
}

/// Folds all tables, then sums `g` over the cube at each evaluation point; the weight is one of the tables.
fn plain(
    mut tables: Vec<Vec<Fr>>,
    challenges: &[Fr],
    degree: usize,
    g: impl Fn(&[Fr]) -> Fr + Sync,
) -> Vec<Vec<Fr>> {
    let mut rounds = Vec::new();
    for (round, r) in challenges.iter().enumerate() {
        let half = tables[0].len() / 2;
        let sums = (0..half)
            .into_par_iter()
            .with_min_len(256)
            .map(|i| {
                let mut at: Vec<Fr> = tables.iter().map(|t| t[i]).collect();
                let step: Vec<Fr> = tables.iter().map(|t| t[i + half] - t[i]).collect();
                let mut values = Vec::with_capacity(degree + 1);
                for _ in 0..=degree {
                    values.push(g(&at));
                    at.iter_mut().zip(&step).for_each(|(a, s)| *a += s);
                }
                values
            })
            .reduce(
                || vec![Fr::ZERO; degree + 1],
                |mut a, b| {
                    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                    a
                },
            );
        rounds.push(sums);
        if round + 1 < challenges.len() {
            for table in &mut tables {
                *table =
                    (0..half).into_par_iter().map(|i| table[i] + *r * (table[i + half] - table[i])).collect();
            }
        }
    }
    rounds
}

/// `eq(point, x)`, which the plain version materialises.
fn eq_table(point: &[Fr]) -> Vec<Fr> {
    point.iter().fold(vec![Fr::ONE], |table, z| table.iter().flat_map(|t| [*t - *t * z, *t * z]).collect())
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
            let plain_run = || {
                let mut all = inputs.clone();
                if weighted {
                    all.push(eq_table(&point));
                }
                let weight = |at: &[Fr]| if weighted { at[tables] } else { Fr::ONE };
                plain(all, &challenges, degree, |at| weight(at) * g(at))
            };
            let expected = pool.install(plain_run);
            let claim = expected[0][0] + expected[0][1];
            for (contender, cpu) in backends(threads) {
                let run = |mut inputs: Vec<Vec<Fr>>| {
                    let mut form = Form::new(log_n as usize, terms.to_vec()).claiming(claim);
                    if weighted {
                        form = form.weighted(point.clone()).expect("one coordinate a variable");
                    }
                    let mut tables: Vec<&mut [Fr]> = inputs.iter_mut().map(Vec::as_mut_slice).collect();
                    let binds = std::iter::once(None).chain(challenges.iter().copied().map(Some));
                    let round =
                        |bind| cpu.sumcheck_round(&mut form, &mut tables, bind).expect("shapes agree");
                    binds.take(log_n as usize).map(round).collect::<Vec<_>>()
                };
                assert_eq!(run(inputs.clone()), expected, "{contender} {name}");
                let id = id(&mut group, &contender, log_n);
                group.bench_function(id, |b| b.iter_batched(|| inputs.clone(), run, BatchSize::PerIteration));
            }
            let id = id(&mut group, "plain rayon", log_n);
            group.bench_function(id, |b| b.iter(|| pool.install(plain_run)));
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
