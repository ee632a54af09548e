//! Hostile bytes: what the fuzz targets run, and `circuits/tests/hostile.rs` a bounded number of times.
//!
//! None of these may panic, and what is accepted must be canonical: written again, it is the same bytes.

use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::Cpu;
use zkmill_circuits::model::{Activation, Layer, Model, Requantise, Tensor};
use zkmill_circuits::{
    Limbs, Params, ProvingKey, Statement, VerifyingKey, Visibility, Weights, prove, setup, verify,
};

/// A key, what it proves and the proof: where mutations start from.
pub struct Seed {
    pub backend: Cpu,
    pub model: Model,
    pub key: ProvingKey<Cpu>,
    pub statements: Vec<(Statement, Vec<u8>)>,
}

/// Two layers with lookups, rows of 2^6; one statement with a public input, one with a committed one.
pub static SEED: LazyLock<Seed> = LazyLock::new(|| {
    let requantise = Requantise::new(1 << 13, Activation::Relu).and_then(|r| r.with_table_bits(9)).unwrap();
    let weights = |k, m| Tensor::new(k, m, (0..k * m).map(|i| (i * 7 % 13) as i8 - 6).collect()).unwrap();
    let model = Model::new(vec![
        Layer { weights: weights(3, 4), bias: vec![1, -2, 3, -4], requantise: Some(requantise) },
        Layer { weights: weights(4, 2), bias: vec![5, -6], requantise: None },
    ])
    .unwrap();
    let backend = Cpu::new();
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let params = Params { log_row: 6, limbs: Limbs::Bytes };
    let key = setup(&backend, &model, params, Weights::Private, &mut rng).unwrap();
    let inputs = Tensor::new(3, 3, vec![1, -2, 3, 40, 5, -60, 7, 127, -128]).unwrap();
    let statements = [Visibility::Public, Visibility::Committed]
        .map(|visibility| prove(&backend, &key, &inputs, visibility, b"fuzz", &mut rng).unwrap())
        .map(|(statement, proof)| (statement, proof.to_bytes()))
        .to_vec();
    Seed { backend, model, key, statements }
});

/// Bytes as a proof: accepted only if they are the proof.
pub fn proof(bytes: &[u8]) {
    for (statement, honest) in &SEED.statements {
        let accepted = verify(&SEED.backend, SEED.key.verifying_key(), statement, bytes).is_ok();
        assert_eq!(accepted, bytes == honest);
    }
}

/// Bytes as a verifying key, and the honest proofs under it.
pub fn verifying_key(bytes: &[u8]) {
    let Ok(key) = VerifyingKey::from_bytes(bytes) else { return };
    assert_eq!(key.to_bytes(), bytes);
    let same = key.digest() == SEED.key.verifying_key().digest();
    for (statement, proof) in &SEED.statements {
        assert_eq!(verify(&SEED.backend, &key, statement, proof).is_ok(), same);
    }
    if let Ok(whole) = key.commits_to(&SEED.backend, &SEED.model) {
        assert!(!whole, "the seed's key is private");
    }
}

/// Bytes as a proving key.
pub fn proving_key(bytes: &[u8]) {
    let Ok(key) = ProvingKey::from_bytes(&SEED.backend, bytes) else { return };
    assert_eq!(key.to_bytes().unwrap(), bytes);
}

/// Bytes as a network, which is then run on one input.
pub fn model(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(again, model);
    let inputs = Tensor::new(1, model.inputs(), vec![-128; model.inputs()]).unwrap();
    let _ = model.infer(&inputs);
    let _ = Params::for_batch(&model, usize::MAX);
}
