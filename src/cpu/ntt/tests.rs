//! Against the definition for short transforms, against arkworks for longer ones.

use ark_bn254::FrConfig;
use ark_ff::{AdditiveGroup, FftField, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::permute::reverse;
use super::*;
use crate::cpu::Tier;
use crate::{Error, Memory};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn random(n: usize, seed: u64) -> Vec<Fr> {
    let mut rng = rng(seed);
    (0..n).map(|_| Fr::rand(&mut rng)).collect()
}

/// Lengths, cosets and contents that the lazy ranges and the special cases must survive.
fn edge_inputs(n: usize) -> Vec<Vec<Fr>> {
    let delta = |i: usize, x: Fr| {
        let mut v = vec![Fr::ZERO; n];
        v[i] = x;
        v
    };
    // The largest Montgomery form, p - 1, rather than the element -1.
    let largest = Fr::new_unchecked({
        let mut p = FrConfig::MODULUS;
        p.0[0] -= 1;
        p
    });
    let alternating = (0..n).map(|i| if i % 2 == 0 { largest } else { Fr::ZERO }).collect();
    vec![
        vec![Fr::ZERO; n],
        vec![largest; n],
        vec![-Fr::ONE; n],
        alternating,
        delta(0, largest),
        delta(n - 1, largest),
        delta(n / 2, -Fr::ONE),
    ]
}

/// Evaluates at `g w^k` by Horner's rule, in natural order.
fn evaluate(x: &[Fr], g: Fr) -> Vec<Fr> {
    let w = Fr::get_root_of_unity(x.len() as u64).unwrap();
    (0..x.len())
        .map(|k| {
            let point = g * w.pow([k as u64]);
            x.iter().rev().fold(Fr::ZERO, |sum, x| sum * point + x)
        })
        .collect()
}

fn ark(x: &[Fr], transform: &Transform) -> Vec<Fr> {
    let domain = Radix2EvaluationDomain::<Fr>::new(x.len()).unwrap();
    let domain = domain.get_coset(transform.coset.unwrap_or(Fr::ONE)).unwrap();
    match transform.direction {
        Direction::Forward => domain.fft(x),
        Direction::Inverse => domain.ifft(x),
    }
}

fn reordered(x: &[Fr]) -> Vec<Fr> {
    (0..x.len()).map(|i| x[reverse(i, x.len().ilog2())]).collect()
}

fn run(cpu: &Cpu, transform: Transform, x: &[Fr]) -> Vec<Fr> {
    let domain = cpu.domain(x.len().ilog2()).unwrap();
    let mut data = x.to_vec();
    cpu.ntt(&domain, transform, &mut [&mut data]).unwrap();
    data
}

fn cpus() -> Vec<Cpu> {
    [1, 2, 3].map(|threads| Cpu::with_tier(Tier::Portable).unwrap().with_threads(threads).unwrap()).into()
}

fn cosets() -> [Option<Fr>; 4] {
    [None, Some(Fr::ONE), Some(Fr::GENERATOR), Some(Fr::rand(&mut rng(7)))]
}

/// All orders and cosets of both directions agree with `forward` (natural order), and the inverse inverts.
fn check_all(cpu: &Cpu, x: &[Fr], forward: impl Fn(&[Fr], &Transform) -> Vec<Fr>) {
    for coset in cosets() {
        let to = Transform { coset, ..Transform::new(Direction::Forward) };
        let back = Transform { coset, ..Transform::new(Direction::Inverse) };
        let y = forward(x, &to);
        let context = format!("{}, n = {}, coset {coset:?}", cpu.name(), x.len());
        assert!(run(cpu, to, x) == y, "forward, natural, {context}");
        assert!(run(cpu, back, &y) == x, "inverse, natural, {context}");
        let z = reordered(&y);
        assert!(run(cpu, to.order(Order::BitReversed), x) == z, "forward, bit-reversed, {context}");
        assert!(run(cpu, back.order(Order::BitReversed), &z) == x, "inverse, bit-reversed, {context}");
    }
}

#[test]
fn short_transforms_match_the_definition() {
    for log_n in 0..=6 {
        let n = 1 << log_n;
        let mut inputs = edge_inputs(n);
        inputs.push(random(n, 1));
        for x in inputs {
            check_all(&cpus()[0], &x, |x, to| evaluate(x, to.coset.unwrap_or(Fr::ONE)));
        }
    }
}

#[test]
fn transforms_match_ark() {
    for cpu in cpus() {
        for log_n in 7..=16 {
            check_all(&cpu, &random(1 << log_n, log_n as u64), ark);
        }
    }
}

#[test]
fn edge_inputs_match_ark() {
    for cpu in &cpus()[..2] {
        for log_n in [7, 10, 13, 15] {
            edge_inputs(1 << log_n).iter().for_each(|x| check_all(cpu, x, ark));
        }
    }
}

#[test]
fn a_long_transform_matches_ark() {
    check_all(&cpus()[1], &random(1 << 18, 18), ark);
}

/// Lengths beyond the complete table; one coset, as arkworks takes its time.
#[test]
fn the_longest_table_and_beyond_match_ark() {
    for log_n in [COMPLETE, COMPLETE + 1] {
        let x = random(1 << log_n, 20);
        let to = Transform::new(Direction::Forward).on_coset(Fr::GENERATOR);
        let y = ark(&x, &to);
        for cpu in &cpus()[..2] {
            assert!(run(cpu, to, &x) == y);
            assert!(run(cpu, Transform { direction: Direction::Inverse, ..to }, &y) == x);
            let plain = Transform::new(Direction::Forward).order(Order::BitReversed);
            let z = run(cpu, plain, &x);
            assert!(run(cpu, Transform { direction: Direction::Inverse, ..plain }, &z) == x);
            assert!(z[0] == x.iter().sum());
        }
    }
}

#[test]
fn every_plan_covers_every_level_once() {
    for log_n in 1..=28 {
        for threads in [1, 2, 3, 7, 16, 64, 1000] {
            let plan = Plan::new(log_n, threads);
            assert!((1..=CHUNK).contains(&plan.log_chunk));
            let mut next = 0;
            for (first, levels) in plan.column_passes() {
                assert_eq!(first, next);
                assert!((1..=COLUMN_LEVELS).contains(&levels));
                next += levels;
            }
            assert_eq!(next + plan.log_chunk, log_n);
            if next > 0 {
                assert!(plan.log_chunk >= 6 && 1 << plan.log_chunk >= WIDTH);
                assert!(
                    log_n <= COMPLETE || next < CHUNK + 1,
                    "the short table has twiddles for the column passes"
                );
            }
        }
    }
}

#[test]
fn many_threads_on_medium_lengths() {
    let cpu = Cpu::with_tier(Tier::Portable).unwrap().with_threads(16).unwrap();
    for log_n in [10, 11, 14] {
        check_all(&cpu, &random(1 << log_n, 3), ark);
    }
}

#[test]
fn batches_transform_every_item() {
    for cpu in cpus() {
        for (log_n, items) in [(0, 5), (1, 1), (3, 1000), (8, 40), (10, 3), (11, 20), (10, 0)] {
            let n = 1 << log_n;
            let domain = cpu.domain(log_n).unwrap();
            let mut inputs: Vec<Vec<Fr>> = (0..items).map(|seed| random(n, seed)).collect();
            inputs.iter_mut().zip(edge_inputs(n)).step_by(2).for_each(|(input, edge)| *input = edge);
            for direction in [Direction::Forward, Direction::Inverse] {
                let transform = Transform::new(direction).on_coset(Fr::GENERATOR);
                let mut data = inputs.clone();
                let mut batch: Vec<&mut [Fr]> = data.iter_mut().map(Vec::as_mut_slice).collect();
                cpu.ntt(&domain, transform, &mut batch).unwrap();
                for (x, y) in inputs.iter().zip(&data) {
                    assert!(*y == ark(x, &transform), "{}, log_n = {log_n}", cpu.name());
                }
            }
        }
    }
}

#[test]
fn wrong_arguments_are_errors_and_change_nothing() {
    let cpu = Cpu::with_tier(Tier::Portable).unwrap();
    assert!(matches!(cpu.domain(29), Err(Error::Shape { expected: 28, got: 29, .. })));
    let domain = cpu.domain(3).unwrap();
    let (mut good, mut bad) = (random(8, 1), random(7, 2));
    let before = good.clone();
    let forward = Transform::new(Direction::Forward);
    let result = cpu.ntt(&domain, forward, &mut [&mut good, &mut bad]);
    assert!(matches!(result, Err(Error::Shape { expected: 8, got: 7, .. })));
    let result = cpu.ntt(&domain, forward.on_coset(Fr::ZERO), &mut [&mut good]);
    assert!(matches!(result, Err(Error::Invalid { .. })));
    assert_eq!(good, before);
}
