//! Proofs end to end: every shape and parameter is proven, and the integer inference is what is proven.
//!
//! `act(0)` is 0 for every activation there is, so an activation of padding is 0 in all of these.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use zkmill::{Backend, Cpu, Reference};
use zkmill_circuits::model::{self, Activation, Layer, Model, ModelError, Requantise, Tensor};
use zkmill_circuits::{
    EncodingError, Error, Input, Limbs, Output, Params, Phase, ProvingKey, Rejection, Statement, VerifyError,
    VerifyingKey, Visibility, Weights, prove, prove_with, setup, verify,
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

fn requantise(multiplier: u16, activation: Activation, bits: u32) -> Option<Requantise> {
    Some(Requantise::new(multiplier, activation).unwrap().with_table_bits(bits).unwrap())
}

fn pattern(k: usize, m: usize, span: usize) -> Tensor<i8> {
    let entry = |i: usize| (i * 37 % (2 * span + 1)) as i32 - span as i32;
    Tensor::new(k, m, (0..k * m).map(|i| entry(i) as i8).collect()).unwrap()
}

fn layer(k: usize, m: usize, requantise: Option<Requantise>) -> Layer {
    let bias = (0..m as i32).map(|i| 100 * i - 150).collect();
    Layer { weights: pattern(k, m, 20), bias, requantise }
}

/// `3 -> 5 -> 2 -> 3` with both activations.
fn network() -> Model {
    Model::new(vec![
        layer(3, 5, requantise(1 << 12, Activation::Relu, 9)),
        layer(5, 2, requantise(1 << 12, Activation::Clamp, 9)),
        layer(2, 3, None),
    ])
    .unwrap()
}

const BYTES: Params = Params { log_row: 5, limbs: Limbs::Bytes };

/// Proves a batch under both kinds of key and both visibilities; the answers must be the integer inference's.
fn completes<B: Backend>(backend: &B, model: &Model, params: Params, inputs: &Tensor<i8>) {
    let expected = model.infer(inputs).unwrap();
    for weights in [Weights::Public, Weights::Private] {
        let key = setup(backend, model, params, weights, &mut rng()).unwrap();
        for visibility in [Visibility::Public, Visibility::Committed] {
            let (statement, proof) =
                prove(backend, &key, inputs, visibility, b"context", &mut rng()).unwrap();
            match (&statement.output, expected.output()) {
                (Output::Accumulators(proven), model::Output::Accumulators(expected)) => {
                    assert_eq!(proven.data(), expected)
                }
                (Output::Activations(proven), model::Output::Activations(expected)) => {
                    assert_eq!(proven.data(), expected)
                }
                _ => panic!("another kind of output"),
            }
            assert_eq!(statement.output.predictions(), expected.predictions());
            assert_eq!(statement.batch(), inputs.rows());
            assert_eq!(statement.context, b"context");
            match (&statement.input, visibility) {
                (Input::Public(input), Visibility::Public) => assert_eq!(input, inputs),
                (Input::Committed, Visibility::Committed) => {}
                (input, _) => panic!("{input:?}"),
            }
            verify(backend, key.verifying_key(), &statement, &proof.to_bytes()).unwrap();
        }
    }
}

#[test]
fn every_batch_is_proven() {
    for batch in [1, 2, 3, 32] {
        completes(&Cpu::new(), &network(), BYTES, &pattern(batch, 3, 30));
    }
    completes(&Reference, &network(), BYTES, &pattern(3, 3, 30));
}

#[test]
fn every_activation_and_table_is_proven() {
    for activation in [Activation::Relu, Activation::Clamp] {
        for bits in [9, 10, 12, 16] {
            let layers = vec![layer(4, 3, requantise(1 << 12, activation, bits)), layer(3, 2, None)];
            completes(&Cpu::new(), &Model::new(layers).unwrap(), BYTES, &pattern(3, 4, 30));
        }
    }
}

#[test]
fn activations_of_different_table_sizes_are_proven_together() {
    let layers = vec![
        layer(4, 4, requantise(1 << 12, Activation::Relu, 12)),
        layer(4, 4, requantise(1 << 12, Activation::Relu, 9)),
        layer(4, 4, requantise(1 << 12, Activation::Clamp, 9)),
    ];
    completes(&Cpu::new(), &Model::new(layers).unwrap(), BYTES, &pattern(5, 4, 30));
}

#[test]
fn activation_outputs_are_proven() {
    for (k, m, batch) in [(1, 1, 1), (3, 5, 3), (4, 4, 4)] {
        for activation in [Activation::Relu, Activation::Clamp] {
            let one = vec![layer(k, m, requantise(1 << 12, activation, 9))];
            completes(&Cpu::new(), &Model::new(one).unwrap(), BYTES, &pattern(batch, k, 30));
        }
    }
}

#[test]
fn word_limbs_are_proven() {
    let params = Params { log_row: 10, limbs: Limbs::Word };
    completes(&Cpu::new(), &network(), params, &pattern(3, 3, 30));
}

#[test]
fn every_row_length_is_proven() {
    // From one entry a row to rows longer than every vector.
    for log_row in [0, 1, 8, 12] {
        completes(&Cpu::new(), &network(), Params { log_row, ..BYTES }, &pattern(3, 3, 30));
    }
}

#[test]
fn sizes_of_one_are_proven() {
    let narrow = vec![
        layer(1, 1, requantise(1 << 15, Activation::Relu, 9)),
        layer(1, 1, requantise(u16::MAX, Activation::Clamp, 12)),
        layer(1, 1, None),
    ];
    for batch in [1, 3] {
        completes(&Cpu::new(), &Model::new(narrow.clone()).unwrap(), BYTES, &pattern(batch, 1, 9));
        // Nothing to look up if the input is public.
        let linear = Model::new(vec![layer(1, 1, None)]).unwrap();
        completes(&Cpu::new(), &linear, BYTES, &pattern(batch, 1, 128));
        let column = Model::new(vec![layer(5, 1, None)]).unwrap();
        completes(&Cpu::new(), &column, BYTES, &pattern(batch, 5, 100));
        let row = Model::new(vec![layer(1, 5, None)]).unwrap();
        completes(&Cpu::new(), &row, BYTES, &pattern(batch, 1, 100));
    }
}

#[test]
fn extreme_values_are_proven() {
    // Weights and inputs of -128 throughout, the largest bias: the largest accumulator, beside the smallest.
    let k = 64;
    let lowest = Tensor::new(k, 1, vec![-128i8; k]).unwrap();
    let highest = i32::MAX - ((k as i32) << 14);
    // Rounding up would take Y' of the very largest out of 16 bits.
    for (bias, multiplier, x) in
        [(highest - (1 << 15), 1, -128), (-highest, 1, 127), (0, 1, -128), (0, u16::MAX, 0)]
    {
        let first = Layer {
            weights: lowest.clone(),
            bias: vec![bias],
            requantise: requantise(multiplier, Activation::Clamp, 16),
        };
        let model = Model::new(vec![first, layer(1, 2, None)]).unwrap();
        completes(&Cpu::new(), &model, BYTES, &Tensor::new(2, k, vec![x; 2 * k]).unwrap());
    }
    let logits = Layer { weights: lowest, bias: vec![highest], requantise: None };
    let model = Model::new(vec![logits]).unwrap();
    let inputs = Tensor::new(1, k, vec![-128; k]).unwrap();
    assert_eq!(model.infer(&inputs).unwrap().layers[0].acc, [i32::MAX]);
    completes(&Cpu::new(), &model, BYTES, &inputs);
}

#[test]
fn constant_columns_are_proven() {
    let zero = Layer {
        weights: Tensor::new(3, 4, vec![0; 12]).unwrap(),
        ..layer(3, 4, network().layers()[0].requantise)
    };
    let model = Model::new(vec![zero, layer(4, 2, None)]).unwrap();
    completes(&Cpu::new(), &model, BYTES, &Tensor::new(4, 3, vec![0; 12]).unwrap());
    completes(&Cpu::new(), &network(), BYTES, &Tensor::new(4, 3, vec![-1; 12]).unwrap());
}

#[test]
fn proofs_of_the_backends_are_the_same() {
    let inputs = pattern(3, 3, 30);
    fn one<B: Backend>(backend: &B, inputs: &Tensor<i8>) -> (Vec<u8>, Statement, Vec<u8>) {
        let mut rng = rng();
        let key = setup(backend, &network(), BYTES, Weights::Private, &mut rng).unwrap();
        let (statement, proof) = prove(backend, &key, inputs, Visibility::Committed, b"", &mut rng).unwrap();
        (key.to_bytes().unwrap(), statement, proof.to_bytes())
    }
    assert!(one(&Reference, &inputs) == one(&Cpu::new(), &inputs));
}

#[test]
fn blinds_are_fresh() {
    let backend = Cpu::new();
    let mut rng = rng();
    let key = setup(&backend, &network(), BYTES, Weights::Private, &mut rng).unwrap();
    let mut one = || prove(&backend, &key, &pattern(4, 3, 30), Visibility::Committed, b"", &mut rng).unwrap();
    let ((statement, first), (same, second)) = (one(), one());
    assert_eq!(statement, same);
    let (first, second) = (first.to_bytes(), second.to_bytes());
    // No encoding of the one is in the other, small numbers apart: a constant column's values are what they are.
    let encodings = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let all = bytes[15..].chunks_exact(32).map(<[u8]>::to_vec);
        all.filter(|encoding| encoding[8..] != [0; 24]).collect()
    };
    let known = encodings(&first);
    assert!(known.len() > 200);
    assert!(encodings(&second).iter().all(|encoding| !known.contains(encoding)));
}

#[test]
fn phases_are_reported_in_order() {
    let backend = Cpu::new();
    let key = setup(&backend, &network(), BYTES, Weights::Public, &mut rng()).unwrap();
    let mut phases = Vec::new();
    let inputs = pattern(1, 3, 9);
    prove_with(&backend, &key, &inputs, Visibility::Public, b"", &mut rng(), &mut |phase| phases.push(phase))
        .unwrap();
    assert_eq!(phases, Phase::ALL);
}

#[test]
fn value_outside_its_table_is_a_named_error() {
    let backend = Cpu::new();
    let key = setup(&backend, &network(), BYTES, Weights::Public, &mut rng()).unwrap();
    // The third row is the first with a Y' beyond -256..256.
    let inputs = Tensor::new(3, 3, vec![1, 2, 3, 4, 5, 6, -128, -128, -128]).unwrap();
    let expected = network().infer(&inputs).unwrap_err();
    assert!(matches!(expected, ModelError::OutsideTable { layer: 0, row: 2, .. }), "{expected}");
    for visibility in [Visibility::Public, Visibility::Committed] {
        match prove(&backend, &key, &inputs, visibility, b"", &mut rng()) {
            Err(Error::Model(error)) => assert_eq!(error.to_string(), expected.to_string()),
            other => panic!("{:?}", other.map(|(statement, _)| statement)),
        }
    }
}

#[test]
fn inputs_of_another_width_are_an_error() {
    let backend = Cpu::new();
    let key = setup(&backend, &network(), BYTES, Weights::Public, &mut rng()).unwrap();
    // Three inputs are padded to four, which four are not: they are one too many.
    for cols in [1, 2, 4, 5] {
        for visibility in [Visibility::Public, Visibility::Committed] {
            let result = prove(&backend, &key, &pattern(2, cols, 9), visibility, b"", &mut rng());
            let Err(Error::Model(ModelError::InputColumns { expected: 3, actual })) = result else {
                panic!("{cols} columns")
            };
            assert_eq!(actual, cols);
        }
    }
}

#[test]
fn keys_survive_their_bytes() {
    let backend = Cpu::new();
    let inputs = pattern(3, 3, 30);
    for weights in [Weights::Public, Weights::Private] {
        let key = setup(&backend, &network(), BYTES, weights, &mut rng()).unwrap();
        let (bytes, public) = (key.to_bytes().unwrap(), key.verifying_key().to_bytes());
        let read = ProvingKey::from_bytes(&backend, &bytes).unwrap();
        let verifying = VerifyingKey::from_bytes(&public).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(verifying.to_bytes(), public);
        assert_eq!((verifying.digest(), verifying.weights()), (key.verifying_key().digest(), weights));
        assert_eq!(verifying.circuit(), key.verifying_key().circuit());
        assert_eq!(read.model(), key.model());
        // The key that was read proves what the other one proves, and either's proof is good under the other.
        let one = |key| prove(&backend, key, &inputs, Visibility::Committed, b"", &mut rng()).unwrap();
        let ((statement, proof), again) = (one(&key), one(&read));
        assert_eq!((&statement, proof.to_bytes()), (&again.0, again.1.to_bytes()));
        verify(&backend, &verifying, &statement, &proof.to_bytes()).unwrap();
        verify(&Reference, read.verifying_key(), &statement, &proof.to_bytes()).unwrap();
    }
}

#[test]
fn a_key_tells_whose_it_is() {
    let backend = Cpu::new();
    let key = |weights| setup(&backend, &network(), BYTES, weights, &mut rng()).unwrap();
    let public = key(Weights::Public);
    let commits =
        |key: &ProvingKey<Cpu>, model: &Model| key.verifying_key().commits_to(&backend, model).unwrap();
    assert!(commits(&public, &network()));
    assert!(!commits(&key(Weights::Private), &network()), "private weights are hidden");
    let change = |change: &dyn Fn(&mut Vec<Layer>)| {
        let mut layers = network().layers().to_vec();
        change(&mut layers);
        Model::new(layers).unwrap()
    };
    let others = [
        change(&|layers| layers[1].bias[0] += 1),
        change(&|layers| layers[2].requantise = requantise(1, Activation::Relu, 9)),
        change(&|layers| layers[0].requantise = requantise(1 << 12, Activation::Clamp, 9)),
        change(&|layers| layers[0].requantise = requantise(1 << 12, Activation::Relu, 10)),
        change(&|layers| drop(layers.pop())).clone(),
    ];
    for other in &others[..4] {
        assert!(!commits(&public, other));
        let other = setup(&backend, other, BYTES, Weights::Public, &mut rng()).unwrap();
        assert_ne!(other.verifying_key().digest(), public.verifying_key().digest());
    }
    assert!(!commits(&public, &others[4]));
    // Another row length is another key of the same network.
    let rows =
        setup(&backend, &network(), Params { log_row: 6, ..BYTES }, Weights::Public, &mut rng()).unwrap();
    assert!(commits(&rows, &network()));
    assert_ne!(rows.verifying_key().digest(), public.verifying_key().digest());
}

#[test]
fn corrupt_keys_are_typed_errors() {
    let backend = Cpu::new();
    let key = setup(&backend, &network(), BYTES, Weights::Private, &mut rng()).unwrap();
    let (bytes, public) = (key.to_bytes().unwrap(), key.verifying_key().to_bytes());
    let encoding = |result: Result<VerifyingKey, Error>| match result {
        Err(Error::Encoding(error)) => error,
        other => panic!("{other:?}"),
    };
    for length in 0..public.len() {
        assert_eq!(
            encoding(VerifyingKey::from_bytes(&public[..length])),
            EncodingError::Truncated,
            "{length}"
        );
    }
    let longer = [&public[..], &[0; 5]].concat();
    assert_eq!(encoding(VerifyingKey::from_bytes(&longer)), EncodingError::TrailingBytes { count: 5 });
    for length in (0..bytes.len()).step_by(7) {
        assert!(ProvingKey::from_bytes(&backend, &bytes[..length]).is_err(), "{length}");
    }

    let with = |at: usize, byte: u8| {
        let mut other = public.clone();
        other[at] = byte;
        VerifyingKey::from_bytes(&other)
    };
    // The magic and its end, the version, then row length, limbs, weights, the number of layers.
    let start = "zkmill verifying key".len() + 1;
    assert!(matches!(encoding(with(0, 0)), EncodingError::Magic { .. }));
    assert!(matches!(encoding(with(start - 1, 1)), EncodingError::Magic { .. }));
    assert_eq!(encoding(with(start, 9)), EncodingError::Version { version: 9 });
    assert!(matches!(with(start + 2, 13), Err(Error::Params { .. })));
    assert_eq!(encoding(with(start + 3, 9)), EncodingError::Value { what: "limb width" });
    assert_eq!(encoding(with(start + 4, 2)), EncodingError::Value { what: "kind of weights" });
    assert!(matches!(with(start + 5, 0), Err(Error::Params { .. })));
    assert_eq!(encoding(with(start + 8, 255)), EncodingError::Truncated);
    // The first layer: inputs, outputs, multiplier, activation, table.
    let layer = start + 9;
    assert!(matches!(with(layer, 0), Err(Error::Params { .. })));
    assert!(matches!(with(layer + 3, 255), Err(Error::Params { .. })));
    assert!(matches!(with(layer + 4, 6), Err(Error::Params { .. })), "the next layer has five inputs");
    // 2^16 inputs fit the accumulators, 2^17 do not.
    assert!(matches!(with(layer + 2, 2), Err(Error::Params { .. })));
    assert!(matches!(with(layer + 2, 1), Err(Error::Params { .. })), "2^16 + 3 are padded to 2^17");
    assert_eq!(encoding(with(layer + 10, 3)), EncodingError::Value { what: "activation" });
    for bits in [0, 8, 17, 255] {
        assert_eq!(encoding(with(layer + 11, bits)), EncodingError::Value { what: "requantisation" });
    }
    assert_eq!(encoding(with(layer + 9, 0)), EncodingError::Value { what: "requantisation" });
    assert_eq!(encoding(with(public.len() - 1, 0xff)), EncodingError::Value { what: "commitment" });

    // A proving key whose parts do not belong together.
    let is_value = |bytes: &[u8]| {
        let result = ProvingKey::from_bytes(&backend, bytes).map(|_| ());
        assert!(matches!(result, Err(Error::Encoding(EncodingError::Value { .. }))), "{result:?}");
    };
    let mut blind = bytes.clone();
    let blinds = "zkmill proving key".len() + 3 + 4 + public.len();
    blind[blinds] ^= 1;
    is_value(&blind);
    blind[blinds..blinds + 32].fill(0xff);
    is_value(&blind);
    let mut weight = bytes.clone();
    *weight.last_mut().unwrap() ^= 1;
    is_value(&weight);
}

#[test]
fn parameters_follow_batch_and_network() {
    let model = network();
    for batch in [0, 1, 32, 1 << 20, usize::MAX] {
        let params = Params::for_batch(&model, batch);
        assert!((4..=12).contains(&params.log_row), "{params:?}");
    }
    assert_eq!(Params::for_batch(&model, 1).limbs, Limbs::Bytes);
    assert_eq!(Params::for_batch(&model, 1 << 20).limbs, Limbs::Word);
    let result = setup(&Cpu::new(), &model, Params { log_row: 13, ..BYTES }, Weights::Public, &mut rng());
    assert!(matches!(result.map(|_| ()), Err(Error::Params { .. })));
}

#[test]
fn another_context_is_rejected() {
    let backend = Cpu::new();
    let key = setup(&backend, &network(), BYTES, Weights::Public, &mut rng()).unwrap();
    let (statement, proof) =
        prove(&backend, &key, &pattern(1, 3, 9), Visibility::Public, b"here", &mut rng()).unwrap();
    let elsewhere = Statement { context: b"there".to_vec(), ..statement };
    let result = verify(&backend, key.verifying_key(), &elsewhere, &proof.to_bytes());
    assert!(matches!(result, Err(VerifyError::Rejected(Rejection::Channel(_)))));
}
