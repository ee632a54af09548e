//! What the benches share: seeds, thread pools, contenders, settings.
#![allow(dead_code, missing_docs)]

use std::time::Duration;

use ark_ff::UniformRand;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
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
