//! The prover agrees with the naive one, byte for byte.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::{Backend, Cpu, Reference};

use super::naive::Naive;
use super::{activations, layer, network, requantise};
use crate::commitment::Blinds;
use crate::model::{Activation, Model, Tensor};
use crate::{Limbs, Params, Visibility, Weights, prove, setup, verify};

/// Both provers' proofs of one batch, which must be the same and accepted.
fn agree<B: Backend>(backend: &B, model: &Model, params: Params, weights: Weights, inputs: &Tensor<i8>) {
    let mut rng = ChaCha20Rng::seed_from_u64(21);
    let key = setup(backend, model, params, weights, &mut rng).unwrap();
    let verifying = key.verifying_key();
    for visibility in [Visibility::Public, Visibility::Committed] {
        let public = visibility == Visibility::Public;
        let layout = verifying.circuit().layout(inputs.rows(), public).unwrap();
        let mut same = rng.clone();
        let fresh: Vec<Blinds> =
            layout.witness_polys().map(|poly| Blinds::random(layout.rows(poly), &mut same)).collect();
        let blinds: Vec<_> =
            key.blinds.iter().chain(&fresh).map(|blinds| blinds.as_slice().to_vec()).collect();

        let (statement, proof) = prove(backend, &key, inputs, visibility, b"oracle", &mut rng).unwrap();
        let fixed = (*verifying.digest(), params, verifying.bases());
        let naive = Naive::new(fixed, model, inputs, public, b"oracle");
        assert_eq!(naive.statement, statement);
        let proof = proof.to_bytes();
        assert!(naive.prove(&blinds) == proof, "{visibility:?} {weights:?} {params:?} {model:?}");
        verify(backend, verifying, &statement, &proof).unwrap();
    }
}

fn every_shape<B: Backend>(backend: &B) {
    let tensor = |rows, cols| {
        Tensor::new(rows, cols, (0..rows * cols).map(|i| (i * 59 % 61) as i8 - 30).collect()).unwrap()
    };
    let params = |log_row, limbs| Params { log_row, limbs };
    let bytes = |log_row| params(log_row, Limbs::Bytes);
    for (batch, log_row, weights) in
        [(1, 0, Weights::Public), (3, 3, Weights::Private), (4, 6, Weights::Public)]
    {
        agree(backend, &network(), bytes(log_row), weights, &tensor(batch, 3));
    }
    // Rows longer than every vector: the largest is a table's counts, 2^9.
    agree(backend, &activations(), bytes(10), Weights::Private, &tensor(5, 2));
    // Nothing looked up where the input is public, and every vector of one entry.
    let linear = Model::new(vec![layer(1, 1, &[-128], &[-77], None)]).unwrap();
    agree(backend, &linear, bytes(2), Weights::Private, &tensor(1, 1));
    let wide = Model::new(vec![layer(2, 3, &[1, -2, 3, -4, 5, -6], &[7, 8, -9], None)]).unwrap();
    agree(backend, &wide, bytes(1), Weights::Public, &tensor(3, 2));
    // One column everywhere, the first layer the widest.
    let narrow = vec![
        layer(5, 1, &[1, 2, -3, 4, -5], &[6], requantise(1 << 13, Activation::Clamp)),
        layer(1, 1, &[-100], &[1 << 23], requantise(1, Activation::Relu)),
    ];
    agree(backend, &Model::new(narrow).unwrap(), bytes(4), Weights::Public, &tensor(2, 5));
}

#[test]
fn the_reference_backend_proves_what_the_naive_prover_proves() {
    every_shape(&Reference);
}

#[test]
fn the_cpu_proves_what_the_naive_prover_proves() {
    every_shape(&Cpu::new());
}

#[test]
fn word_limbs_are_proven_as_the_naive_prover_proves_them() {
    let inputs = Tensor::new(1, 2, vec![-9, 50]).unwrap();
    let params = Params { log_row: 11, limbs: Limbs::Word };
    agree(&Cpu::new(), &activations(), params, Weights::Public, &inputs);
}
