//! What the benches share: seeds, thread pools, contenders, settings.
#![allow(dead_code, missing_docs)]

use std::time::Duration;

use ark_ff::{AdditiveGroup, Field, UniformRand};
use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use zkmill::{Any, Cpu, Element, Fr, Memory, Tier};

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

/// A backend that a bench runs.
pub struct Contender {
    pub name: String,
    pub backend: Any,
}

/// The largest size that an emulated device is given.
const EMULATED_LOG: u32 = 14;

impl Contender {
    /// Whether this is an emulated device, whose time says nothing. It shows that the answer is right and adds to the emulator's
    /// counters; `ci/counters` is the bench of those.
    fn emulated(&self) -> bool {
        self.backend.name().contains("Emulated")
    }

    /// Whether it is to be given this size.
    pub fn takes(&self, log_n: u32) -> bool {
        !self.emulated() || log_n <= EMULATED_LOG
    }

    /// Times `run` on fresh values of `setup`, which is not timed. `run` ends when the device has done the work.
    pub fn bench<I, O>(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        log_n: u32,
        setup: impl FnMut() -> I,
        run: impl FnMut(I) -> O,
    ) {
        self.bench_as(group, &self.name, log_n, setup, run);
    }

    /// [`bench`](Self::bench) under another name.
    pub fn bench_as<I, O>(
        &self,
        group: &mut BenchmarkGroup<'_, WallTime>,
        name: &str,
        log_n: u32,
        mut setup: impl FnMut() -> I,
        mut run: impl FnMut(I) -> O,
    ) {
        if self.emulated() {
            println!("{name} 2^{log_n}: right, not timed");
            return;
        }
        let id = id(group, name, log_n);
        group.bench_function(id, |b| b.iter_batched(&mut setup, &mut run, BatchSize::PerIteration));
    }

    /// A copy of `host` on the backend.
    pub fn upload<T: Element>(&self, host: &[T]) -> <Any as Memory>::Buffer<T> {
        self.backend.upload("input", host).expect("memory for the input")
    }

    /// Room for a result.
    pub fn alloc<T: Element>(&self, len: usize) -> <Any as Memory>::Buffer<T> {
        self.backend.alloc("output", len).expect("memory for the output")
    }

    /// A host copy of a result. Waits.
    pub fn download<T: Element>(&self, buffer: &<Any as Memory>::Buffer<T>) -> Vec<T> {
        self.backend.to_vec(Any::view(buffer)).expect("the work went well")
    }

    /// Waits for the work so far.
    pub fn sync(&self) {
        self.backend.sync().expect("the work went well");
    }
}

/// The CPU backend in every tier this processor has, and beside the runs on all threads the first CUDA device, if the benches
/// are built with the feature and there is one.
pub fn backends(threads: usize) -> Vec<Contender> {
    let tiers = Tier::ALL.iter().filter_map(|tier| Cpu::with_tier(*tier).ok()).map(|cpu| Contender {
        name: format!("zkmill {}", cpu.tier().name()),
        backend: Any::Cpu(cpu.with_threads(threads).expect("threads start")),
    });
    let device = (Some(&threads) == self::threads().last()).then(|| Any::from_name("cuda").ok()).flatten();
    let device = device.map(|backend| Contender { name: format!("zkmill {}", backend.name()), backend });
    tiers.chain(device).collect()
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
    // Room for the tables' values and for those of a round polynomial, so that nothing is allocated a pair.
    const MOST: usize = 8;
    assert!(tables.len() <= MOST && degree < MOST);
    let add = |mut a: [Fr; MOST], b: [Fr; MOST]| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let mut rounds = Vec::new();
    for (round, r) in challenges.iter().enumerate() {
        let half = tables[0].len() / 2;
        let pair = |mut sums: [Fr; MOST], i: usize| {
            let (mut at, mut step) = ([Fr::ZERO; MOST], [Fr::ZERO; MOST]);
            for (k, table) in tables.iter().enumerate() {
                at[k] = table[i];
                step[k] = table[i + half] - table[i];
            }
            for sum in &mut sums[..=degree] {
                *sum += g(&at[..tables.len()]);
                at.iter_mut().zip(&step).take(tables.len()).for_each(|(a, s)| *a += s);
            }
            sums
        };
        let pairs = (0..half).into_par_iter().with_min_len(256);
        let sums = pairs.fold(|| [Fr::ZERO; MOST], pair).reduce(|| [Fr::ZERO; MOST], add);
        rounds.push(sums[..=degree].to_vec());
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
