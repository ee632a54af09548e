//! Whole proofs: the digits network, and networks of random weights.
#![allow(missing_docs)]

use std::path::Path;
use std::time::Duration;

use ark_std::rand::{RngCore, SeedableRng};
use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use zkmill::{Cpu, Tier};
use zkmill_circuits::model::{Activation, Dataset, Layer, Model, Requantise, Tensor};
use zkmill_circuits::{Params, Visibility, Weights, prove, setup, verify};

/// `layers` layers of `width x width` random weights, the multiplier keeping activations within their table.
fn random_network(layers: usize, width: usize) -> Model {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut layer = |index: usize| {
        let weights = (0..width * width).map(|_| rng.next_u32() as i8).collect();
        let requantise = || Requantise::new(100, Activation::Relu).and_then(|r| r.with_table_bits(12));
        Layer {
            weights: Tensor::new(width, width, weights).expect("a square"),
            bias: (0..width).map(|_| rng.next_u32() as i16 as i32).collect(),
            requantise: (index + 1 < layers).then(|| requantise().expect("in range")),
        }
    };
    Model::new((0..layers).map(&mut layer).collect()).expect("layers of one width")
}

fn bench(c: &mut Criterion, name: &str, model: &Model, inputs: &Tensor<i8>) {
    let mut group = c.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for tier in Tier::ALL {
        let Ok(cpu) = Cpu::with_tier(*tier) else { continue };
        let params = Params::for_batch(model, inputs.rows());
        let key = setup(&cpu, model, params, Weights::Public, &mut rng).expect("a valid network");
        let (statement, proof) =
            prove(&cpu, &key, inputs, Visibility::Public, b"bench", &mut rng).expect("within the tables");
        let proof = proof.to_bytes();
        verify(&cpu, key.verifying_key(), &statement, &proof).expect("an honest proof");
        println!("{name}: proof of {} bytes, rows of 2^{}", proof.len(), params.log_row);
        group.bench_function(BenchmarkId::new("prove", tier.name()), |b| {
            b.iter(|| prove(&cpu, &key, inputs, Visibility::Public, b"bench", &mut rng));
        });
        group.bench_function(BenchmarkId::new("verify", tier.name()), |b| {
            b.iter(|| verify(&cpu, key.verifying_key(), &statement, &proof));
        });
    }
    group.finish();
}

fn digits(c: &mut Criterion) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let model = Model::load(data.join("digits-model.safetensors")).expect("the network");
    let images = Dataset::load(data.join("digits-test.safetensors")).expect("the images");
    for batch in [1, 32] {
        let inputs = images.images().slice_rows(0..batch).expect("enough images");
        bench(c, &format!("digits_batch_{batch}"), &model, &inputs);
    }
}

fn wide(c: &mut Criterion) {
    // Criterion's test mode, which is any run that cargo does not mark with `--bench`.
    let given = |option: &str| std::env::args().any(|argument| argument == option);
    let test = given("--test") || !given("--bench");
    for (layers, width) in if test { [(3, 32), (4, 64)] } else { [(4, 512), (4, 1024)] } {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let input = (0..width).map(|_| rng.next_u32() as i8).collect();
        let inputs = Tensor::new(1, width, input).expect("one row");
        bench(c, &format!("{layers}_layers_of_{width}"), &random_network(layers, width), &inputs);
    }
}

criterion_group!(benches, digits, wide);
criterion_main!(benches);
