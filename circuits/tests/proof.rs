//! Proofs of small networks, end to end.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::Reference;
use zkmill_circuits::model::{Activation, Layer, Model, Requantise, Tensor};
use zkmill_circuits::{Limbs, Params, Visibility, Weights, prove, setup, verify};

fn network() -> Model {
    let requantise =
        |activation| Some(Requantise::new(1 << 12, activation).unwrap().with_table_bits(9).unwrap());
    let weights = |k: usize, m: usize| {
        Tensor::new(k, m, (0..k * m).map(|i| (i * 37 % 41) as i8 - 20).collect()).unwrap()
    };
    let bias = |m: i32| (0..m).map(|i| 100 * i - 150).collect();
    Model::new(vec![
        Layer { weights: weights(3, 5), bias: bias(5), requantise: requantise(Activation::Relu) },
        Layer { weights: weights(5, 2), bias: bias(2), requantise: requantise(Activation::Clamp) },
        Layer { weights: weights(2, 3), bias: bias(3), requantise: None },
    ])
    .unwrap()
}

#[test]
fn a_small_network_is_proven() {
    let backend = Reference;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let model = network();
    let params = Params { log_row: 3, limbs: Limbs::Bytes };
    let inputs = Tensor::new(3, 3, vec![1, -2, 3, 40, 5, -60, 7, 127, -128]).unwrap();
    for weights in [Weights::Public, Weights::Private] {
        let key = setup(&backend, &model, params, weights, &mut rng).unwrap();
        for visibility in [Visibility::Public, Visibility::Committed] {
            let (statement, proof) = prove(&backend, &key, &inputs, visibility, b"test", &mut rng).unwrap();
            let bytes = proof.to_bytes();
            verify(&backend, key.verifying_key(), &statement, &bytes).unwrap();
        }
    }
}
