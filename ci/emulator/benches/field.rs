//! Thread instructions per second on BN254 field multiplication, against the plain host's code.
//!
//! One host thread; criterion's elements are thread instructions.

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cuda::machine::{LaunchConfig, Options, launch, launch_plain};
use cuda::memory::DeviceMemory;
use cuda::ptx::{LoadedModule, Module};

const P: [u64; 4] = [0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029];
/// -1 / p mod 2^64.
const INVERSE: u64 = 0x87d20782e4866389;

/// a b / R mod p, by the textbook: one limb of `b` at a time.
fn multiply(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let mut t = [0u64; 6];
    for y in b {
        for (x, factor) in [(a, y), (P, 0)] {
            // The second pass cancels the lowest limb.
            let factor = if factor == 0 && x == P { t[0].wrapping_mul(INVERSE) } else { factor };
            let mut carry = 0u128;
            for j in 0..4 {
                carry += u128::from(x[j]) * u128::from(factor) + u128::from(t[j]);
                t[j] = carry as u64;
                carry >>= 64;
            }
            carry += u128::from(t[4]);
            t[4] = carry as u64;
            t[5] += (carry >> 64) as u64;
        }
        t = [t[1], t[2], t[3], t[4], t[5], 0];
    }
    let mut s = [0; 4];
    let mut borrow = false;
    for j in 0..4 {
        let (d, first) = t[j].overflowing_sub(P[j]);
        let (d, second) = d.overflowing_sub(u64::from(borrow));
        s[j] = d;
        borrow = first | second;
    }
    if borrow && t[4] == 0 { [t[0], t[1], t[2], t[3]] } else { s }
}

const COUNT: usize = 256;
const ROUNDS: u32 = 32;

fn bench(c: &mut Criterion) {
    let module = Arc::new(Module::parse(include_str!("data/bn254.ptx")).expect("the file is PTX"));
    let memory = DeviceMemory::new(1 << 20);
    let loaded = LoadedModule::load(module, &memory).expect("it fits");

    // Numbers below p, from a small generator.
    let mut state = 1u64;
    let mut number = || {
        [0; 4].map(|_: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 3
        })
    };
    let numbers: Vec<([u64; 4], [u64; 4])> = (0..COUNT).map(|_| (number(), number())).collect();
    let upload = |pick: &dyn Fn(usize) -> [u64; 4]| {
        let limb = |i: usize, k: usize| (pick(k)[i / 2] >> (32 * (i % 2))) as u32;
        let bytes: Vec<u8> =
            (0..8).flat_map(|i| (0..COUNT).flat_map(move |k| limb(i, k).to_le_bytes())).collect();
        let ptr = memory.alloc(bytes.len() as u64).expect("it fits");
        memory.write(ptr, &bytes).expect("it is there");
        ptr
    };
    let (a, b) = (upload(&|k| numbers[k].0), upload(&|k| numbers[k].1));
    let out = memory.alloc(32 * COUNT as u64).expect("it fits");
    let mut params = Vec::new();
    [a, b, out].iter().for_each(|ptr| params.extend(ptr.to_le_bytes()));
    [COUNT as u32, ROUNDS].iter().for_each(|n| params.extend(n.to_le_bytes()));
    let config = LaunchConfig { grid: [2, 1, 1], block: [128, 1, 1], dynamic_shared: 0, cooperative: false };

    let counting = Options { count: true, threads: Some(1), ..Options::default() };
    let counters = launch(&loaded, "multiply_loop", &config, &params, &memory, &counting).expect("it runs");
    let mut result = vec![0; 32 * COUNT];
    memory.read(out, &mut result).expect("it is there");
    for (k, &(x, y)) in numbers.iter().enumerate() {
        let expected = (0..ROUNDS).fold(x, |x, _| multiply(x, y));
        for i in 0..8 {
            let at = 4 * (i * COUNT + k);
            let limb = u32::from_le_bytes(result[at..at + 4].try_into().expect("four bytes"));
            assert_eq!(limb, (expected[i / 2] >> (32 * (i % 2))) as u32, "limb {i} of product {k}");
        }
    }

    let options = Options { threads: Some(1), ..Options::default() };
    let mut group = c.benchmark_group("bn254 multiplication");
    group.throughput(Throughput::Elements(counters.instructions.total().thread));
    group.sample_size(10);
    group.bench_function("vector", |bencher| {
        bencher.iter(|| launch(&loaded, "multiply_loop", &config, &params, &memory, &options))
    });
    group.bench_function("plain", |bencher| {
        bencher.iter(|| launch_plain(&loaded, "multiply_loop", &config, &params, &memory, &options))
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
