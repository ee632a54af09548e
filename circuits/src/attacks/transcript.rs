//! Everything that is absorbed matters: to all later challenges, and to the proof.

use std::collections::HashSet;

use super::audit::{rejected, rejection};
use super::*;
use crate::circuit::{Circuit, LayerShape};

fn challenges(key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Vec<(usize, Fr)> {
    audit(key, statement, &proof.to_bytes()).challenges
}

/// Challenges drawn before message `from` are the old ones, and no later one is.
fn changed(old: &[(usize, Fr)], new: &[(usize, Fr)], from: usize, what: &str) {
    let known: HashSet<Fr> = old.iter().map(|(_, challenge)| *challenge).collect();
    assert_eq!(old.len(), new.len());
    for ((after, old), (_, new)) in old.iter().zip(new) {
        match *after >= from {
            false => assert_eq!(old, new, "{what}"),
            true => assert!(!known.contains(new), "{what}: a challenge after message {after} is the old one"),
        }
    }
}

#[test]
fn every_message_changes_every_later_challenge() {
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let proof = Proof::from_bytes(&case.prove(&truth), case.verifying().circuit(), 3).unwrap();
    let whole = audit(case.verifying(), &truth.statement, &proof.to_bytes());
    let (mut tried, mut message) = (0, 0);
    for slot in 0..*whole.starts.last().unwrap() {
        message += usize::from(slot == whole.starts[message + 1]);
        // One bit, another one for each encoding; the next where that gives no scalar or point.
        for bit in slot * 7 % 250..256 {
            let mut other = proof.clone();
            other.messages[32 * slot + bit / 8] ^= 1 << (bit % 8);
            let bytes = &other.messages[32 * slot..32 * (slot + 1)].try_into().unwrap();
            let valid = match message {
                Places::ROWS => crate::channel::decode_point(bytes).is_some(),
                _ => crate::channel::decode_scalar(bytes).is_some(),
            };
            if valid {
                let new = challenges(case.verifying(), &truth.statement, &other);
                changed(
                    &whole.challenges,
                    &new,
                    message,
                    &format!("bit {bit} of {slot} in message {message}"),
                );
                tried += 1;
                break;
            }
        }
    }
    assert_eq!(tried, *whole.starts.last().unwrap());
}

#[test]
fn every_part_of_the_statement_changes_every_challenge() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = Case::standard(visibility);
        let truth = case.truth();
        let proof = Proof::from_bytes(&case.prove(&truth), case.verifying().circuit(), 3).unwrap();
        let old = challenges(case.verifying(), &truth.statement, &proof);
        let check = |statement: &Statement, proof: &Proof, what: &str| {
            changed(&old, &challenges(case.verifying(), statement, proof), 0, what);
            // The first claim with a challenge in it.
            let rejected = rejected(case.verify(statement, &proof.to_bytes()));
            assert_eq!(rejected, rejection(LEVEL), "{what}");
        };
        for bit in (0..8 * truth.statement.context.len()).step_by(5) {
            let mut other = truth.statement.clone();
            other.context[bit / 8] ^= 1 << (bit % 8);
            check(&other, &proof, "context");
        }
        for context in [&b""[..], b"attac", b"attack\0", b"attackattack"] {
            check(&Statement { context: context.to_vec(), ..truth.statement.clone() }, &proof, "context");
        }
        if let Input::Public(input) = &truth.statement.input {
            for bit in (0..8 * 9).step_by(5) {
                let mut data = input.data().to_vec();
                data[bit / 8] ^= (1u8 << (bit % 8)) as i8;
                let input = Input::Public(Tensor::new(3, 3, data).unwrap());
                check(&Statement { input, ..truth.statement.clone() }, &proof, "input");
            }
        }
        let Output::Accumulators(output) = &truth.statement.output else { unreachable!() };
        for bit in (0..32 * 9).step_by(11) {
            let mut data = output.data().to_vec();
            data[bit / 32] ^= (1u32 << (bit % 32)) as i32;
            let output = Output::Accumulators(Tensor::new(3, 3, data).unwrap());
            check(&Statement { output, ..truth.statement.clone() }, &proof, "output");
        }
        for bit in (0..32 * 3).step_by(7) {
            let mut other = proof.clone();
            let Padding::Accumulators(padding) = &mut other.padding else { unreachable!() };
            padding[bit / 32] ^= (1u32 << (bit % 32)) as i32;
            check(&truth.statement, &other, "padding");
        }
    }
}

#[test]
fn every_field_of_the_key_changes_every_challenge() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let proof = Proof::from_bytes(&case.prove(&truth), case.verifying().circuit(), 3).unwrap();
    let old = challenges(case.verifying(), &truth.statement, &proof);
    let bytes = case.verifying().to_bytes();
    let (mut fitting, mut digests) = (0, HashSet::from([*case.verifying().digest()]));
    for bit in 0..8 * bytes.len() {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        // Bits of the commitments: one of each point is enough, half of the others give no point.
        let Ok(key) = VerifyingKey::from_bytes(&other) else { continue };
        assert_eq!(key.to_bytes(), other, "another encoding of a key");
        assert!(digests.insert(*key.digest()), "two keys with one digest");
        // With another shape the proof has other messages, and the run would end early.
        let layout = |key: &VerifyingKey| key.circuit().layout(3, true).map(|layout| layout.polys);
        if bit % 61 == 0
            && layout(&key).ok() == layout(case.verifying()).ok()
            && key.circuit().params() == SMALL
        {
            fitting += 1;
            changed(&old, &challenges(&key, &truth.statement, &proof), 0, "key");
            let result = verify(&Cpu::new(), &key, &truth.statement, &proof.to_bytes());
            assert_eq!(rejected(result), rejection(LEVEL));
        }
    }
    assert!(fitting > 10 && digests.len() > 1000, "{fitting} {}", digests.len());
}

#[test]
fn activation_multiplier_and_kind_of_weights_are_in_the_key() {
    // The same commitments under a key that differs in one public choice.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let proof = case.prove(&truth);
    let shapes = case.verifying().circuit().layers().to_vec();
    let key = |layers: Vec<LayerShape>, weights: Weights| {
        let circuit = Circuit::from_layers(layers, SMALL).unwrap();
        let commitments = case.verifying().commitments().to_vec();
        VerifyingKey::from_parts(circuit, weights, commitments, case.verifying().bases().clone())
    };
    let same = key(shapes.clone(), Weights::Public);
    verify(&Cpu::new(), &same, &truth.statement, &proof).unwrap();
    let change = |layer: usize, requantised: Option<Requantise>| {
        let mut layers = shapes.clone();
        layers[layer].requantise = requantised;
        layers
    };
    let others = [
        key(shapes.clone(), Weights::Private),
        key(change(0, requantise((1 << 12) + 1, Activation::Relu)), Weights::Public),
        key(change(1, requantise(1 << 12, Activation::Relu)), Weights::Public),
        key(change(0, requantise(1 << 12, Activation::Clamp)), Weights::Public),
    ];
    for other in others {
        assert_ne!(other.digest(), same.digest());
        assert!(verify(&Cpu::new(), &other, &truth.statement, &proof).is_err());
    }
}

#[test]
fn replayed_proofs_are_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let bytes = case.prove(&truth);
    let Input::Public(input) = &truth.statement.input else { unreachable!() };
    let Output::Accumulators(output) = &truth.statement.output else { unreachable!() };
    let is_level = |key: &VerifyingKey, statement: &Statement, bytes: &[u8]| {
        assert_eq!(rejected(verify(&Cpu::new(), key, statement, bytes)), rejection(LEVEL));
    };

    // A batch of four whose last row is the honest inference of the row beyond the batch: a true statement, another proof.
    let proof = Proof::from_bytes(&bytes, case.verifying().circuit(), 3).unwrap();
    let Padding::Accumulators(beyond) = proof.padding.clone() else { unreachable!() };
    let four = Statement {
        input: Input::Public(Tensor::new(4, 3, [input.data(), &[0; 3]].concat()).unwrap()),
        output: Output::Accumulators(Tensor::new(4, 3, [output.data(), &beyond].concat()).unwrap()),
        context: truth.statement.context.clone(),
    };
    let longer = Case::standard(Visibility::Public).with_inputs(4, &[input.data(), &[0; 3]].concat());
    assert_eq!(longer.truth().statement, four);
    let replayed = Proof { padding: Padding::Accumulators(Vec::new()), ..proof.clone() }.to_bytes();
    is_level(case.verifying(), &four, &replayed);

    // The same inputs in another order, with their answers.
    let mut order = truth.statement.clone();
    order.input = Input::Public(Tensor::new(3, 3, rotated(input.data())).unwrap());
    order.output = Output::Accumulators(Tensor::new(3, 3, rotated(output.data())).unwrap());
    is_level(case.verifying(), &order, &bytes);

    // The same network with private weights, and with other weights.
    let private = setup(&Cpu::new(), &case.model, SMALL, Weights::Private, &mut rng()).unwrap();
    is_level(private.verifying_key(), &truth.statement, &bytes);
    let mut layers = case.model.layers().to_vec();
    layers[0].bias[0] += 1;
    let other = setup(&Cpu::new(), &Model::new(layers).unwrap(), SMALL, Weights::Public, &mut rng()).unwrap();
    is_level(other.verifying_key(), &truth.statement, &bytes);

    // A public input's proof where the input is private has too few commitments, and the other way round too many.
    let private = Statement { input: Input::Committed, ..truth.statement.clone() };
    assert!(case.verify(&private, &bytes).is_err());
    let committed = Case::standard(Visibility::Committed);
    let hidden = committed.truth();
    let bytes = committed.prove(&hidden);
    assert!(case.verify(&truth.statement, &bytes).is_err());
}

fn rotated<T: Copy>(data: &[T]) -> Vec<T> {
    [&data[3..], &data[..3]].concat()
}
