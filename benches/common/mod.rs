//! What the benches share: seeds, thread pools, contenders, settings.
#![allow(dead_code, missing_docs)]

use std::time::Duration;

use ark_ff::{AdditiveGroup, Field, UniformRand};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use zkmill::{Cpu, Fr, Tier};

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn random(n: usize, seed: u64) -> Vec<Fr> {
    let mut rng = rng(seed);
    (0..n).map(|_| Fr::rand(&mut rng)).collect()
}

/// One thread, and all of them.
pub fn threads() -> Vec<usize> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    if all == 1 { vec![1] } else { vec![1, all] }
}

/// A pool for code that uses rayon's current one, as arkworks does.
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start")
}

/// The CPU backend in every tier this processor has.
pub fn backends(threads: usize) -> Vec<(String, Cpu)> {
    Tier::ALL
        .iter()
        .filter_map(|tier| Cpu::with_tier(*tier).ok())
        .map(|cpu| {
            (format!("zkmill {}", cpu.tier().name()), cpu.with_threads(threads).expect("threads start"))
        })
        .collect()
}

/// A group whose benches may take seconds an iteration.
pub fn group<'c>(c: &'c mut Criterion, name: &str, threads: usize) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(format!("{name}/{threads}t"));
    group.sampling_mode(SamplingMode::Flat);
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_secs(1));
    group
}

/// The id of a contender at size `2^log_n`, elements per second to be reported.
pub fn id(group: &mut BenchmarkGroup<'_, WallTime>, contender: &str, log_n: u32) -> BenchmarkId {
    group.throughput(Throughput::Elements(1 << log_n));
    BenchmarkId::new(contender, format!("2^{log_n}"))
}

/// Whether the benches only show that they work: criterion's test mode, asked for by `--test` and whenever cargo does not
/// pass `--bench`, as under `cargo test --benches`.
pub fn test_mode() -> bool {
    let given = |option: &str| std::env::args().any(|argument| argument == option);
    given("--test") || !given("--bench")
}

/// Those of `sizes` to run, smallest first: up to `ZKMILL_BENCH_MAX_LOG`, and in test mode only the first of them.
pub fn up_to(sizes: &[u32]) -> Vec<u32> {
    let most = match std::env::var("ZKMILL_BENCH_MAX_LOG") {
        Ok(text) => text.parse().expect("ZKMILL_BENCH_MAX_LOG is a number"),
        Err(_) => u32::MAX,
    };
    let sizes = sizes.iter().copied().filter(|size| *size <= most);
    sizes.take(if test_mode() { 1 } else { usize::MAX }).collect()
}

/// All rounds of a sumcheck by plain rayon on arkworks' field: sums `g` over the cube at each evaluation point, then folds
/// all tables; the weight is one of them. The last challenge is not bound.
pub fn plain_rounds(
    tables: &mut [Vec<Fr>],
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
            for table in tables.iter_mut() {
                *table =
                    (0..half).into_par_iter().map(|i| table[i] + *r * (table[i + half] - table[i])).collect();
            }
        }
    }
    rounds
}

/// `eq(point, x)`, which the plain version materialises.
pub fn plain_eq_table(point: &[Fr]) -> Vec<Fr> {
    point.iter().fold(vec![Fr::ONE], |table, z| table.iter().flat_map(|t| [*t - *t * z, *t * z]).collect())
}
