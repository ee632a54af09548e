//! Honest parts that do not belong together.

use super::naive::Naive;
use super::*;

/// `4 -> 4 -> 4 -> 4`: layers, weights and biases of equal shapes.
fn square() -> Model {
    let weights = |step: usize| (0..16).map(|i| (i * step % 31) as i8 - 15).collect::<Vec<_>>();
    let requantise = || requantise(1 << 12, Activation::Relu);
    Model::new(vec![
        layer(4, 4, &weights(7), &[10, -20, 30, -40], requantise()),
        layer(4, 4, &weights(11), &[-50, 60, -70, 80], requantise()),
        layer(4, 4, &weights(13), &[9, 8, -7, -6], None),
    ])
    .unwrap()
}

const INPUTS: [[i8; 8]; 2] = [[1, 2, 3, 4, 50, 60, 70, 80], [90, -80, 70, -60, 5, -4, 3, -2]];

fn square_case(visibility: Visibility) -> Case {
    let inputs = Tensor::new(2, 4, INPUTS[0].to_vec()).unwrap();
    Case::new(square(), SMALL, inputs, visibility)
}

#[test]
fn layers_of_two_inferences_are_caught() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = square_case(visibility).with_inputs(2, &INPUTS[1]);
        let other = case.truth();
        let case = case.with_inputs(2, &INPUTS[0]);
        let truth = case.truth();
        assert_ne!(other.statement.output, truth.statement.output);
        // The first `from` layers are of one inference, what follows is of another: both halves are honest.
        for from in 0..3 {
            let mut lie = truth.clone();
            lie.layers[from..].clone_from_slice(&other.layers[from..]);
            (lie.statement.output, lie.padding) = (other.statement.output.clone(), other.padding.clone());
            lie.recount();
            caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
        }
    }
}

#[test]
fn rows_of_two_inputs_exchanged_between_layers_are_caught() {
    // The second layer takes the rows of the batch in the other order.
    let case = square_case(Visibility::Public);
    let mut lie = case.truth();
    lie.cells(0).y.rotate_left(4);
    lie.cells(0).y_prime.rotate_left(4);
    lie.cells(0).limbs.iter_mut().for_each(|limb| limb.rotate_left(4));
    lie.rerun(&case.model, 1);
    caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
}

/// The naive prover on a case, and the blinds it needs.
fn naive<'a>(case: &'a Case, lie: &Lie) -> (Naive<'a>, Vec<Vec<Fr>>) {
    let verifying = case.verifying();
    let fixed = (*verifying.digest(), verifying.circuit().params(), verifying.bases());
    let public = case.visibility == Visibility::Public;
    let naive = Naive::new(fixed, &case.model, &case.inputs, public, &lie.statement.context);
    let fresh = lie.blinds();
    let blinds = case.key.blinds.iter().chain(&fresh).map(|blinds| blinds.as_slice().to_vec()).collect();
    (naive, blinds)
}

#[test]
fn values_multiplied_that_are_not_those_looked_up_are_caught() {
    let second = square_case(Visibility::Public).with_inputs(2, &INPUTS[1]);
    let (other, _) = naive(&second, &second.truth());
    let case = square_case(Visibility::Public);
    let truth = case.truth();
    let (mut lie, blinds) = naive(&case, &truth);
    honest(&case, &lie.statement, &lie.prove(&blinds));
    // Layer 0 of one inference is committed to and looked up, layer 1 multiplies that of another, and all claims are those that
    // the two make: only the opening can tell.
    lie.layers[1] = other.layers[1].clone();
    lie.multiplied[1..].clone_from_slice(&other.multiplied[1..]);
    (lie.statement.output, lie.padding) = (other.statement.output.clone(), other.padding.clone());
    caught(&case, &lie.statement, &lie.prove(&blinds), CLAIMS);
    // Opened as claimed, only the commitment can.
    lie.open_claimed = true;
    caught(&case, &lie.statement, &lie.prove(&blinds), COMMITMENTS);
}

#[test]
fn claims_in_another_order_are_caught() {
    let case = square_case(Visibility::Committed);
    let truth = case.truth();
    let (mut lie, blinds) = naive(&case, &truth);
    honest(&case, &lie.statement, &lie.prove(&blinds));
    for pair in [(0, 1), (1, 2), (7, 12)] {
        lie.swapped = Some(pair);
        let violated = audit(case.verifying(), &lie.statement, &lie.prove(&blinds)).violated();
        // Exchanged rows have exchanged values, and then also another combination.
        assert_eq!(violated[0], CLAIMS, "{pair:?}");
        let rejected = audit::rejected(case.verify(&lie.statement, &lie.prove(&blinds)));
        assert_eq!(rejected, audit::rejection(CLAIMS));
    }
}

/// A case whose prover has the key's shape and identity, but another network.
fn with_network(model: Model, visibility: Visibility) -> (Case, Case) {
    let case = square_case(visibility);
    let mut other = square_case(visibility);
    other.key = setup(&Cpu::new(), &model, SMALL, Weights::Public, &mut rng()).unwrap();
    other.model = model;
    other.truth();
    other.key.verifying = case.verifying().clone();
    (case, other)
}

#[test]
fn exchanged_weights_and_biases_are_caught() {
    let layers = square().layers().to_vec();
    let mut weights = layers.clone();
    (weights[0].weights, weights[1].weights) = (layers[1].weights.clone(), layers[0].weights.clone());
    let mut biases = layers.clone();
    (biases[1].bias, biases[2].bias) = (layers[2].bias.clone(), layers[1].bias.clone());
    let both = vec![layers[1].clone(), layers[0].clone(), layers[2].clone()];
    for layers in [weights, biases, both] {
        for visibility in [Visibility::Public, Visibility::Committed] {
            let (case, other) = with_network(Model::new(layers.clone()).unwrap(), visibility);
            // All of the proof is honest inference of the other network.
            let public = visibility == Visibility::Public;
            let layout = case.verifying().circuit().layout(2, public).unwrap();
            let inferred = infer(&Cpu::new(), &other.key, &layout, &case.inputs).unwrap();
            let input = if public { Input::Public(case.inputs.clone()) } else { Input::Committed };
            let statement = Statement { input, output: inferred.output, context: b"attack".to_vec() };
            let blinds =
                layout.witness_polys().map(|poly| Blinds::random(layout.rows(poly), &mut rng())).collect();
            let witness = &inferred.witness;
            let prover = Prover { backend: &Cpu::new(), key: &other.key, layout: &layout, witness, blinds };
            let mut channel = ClearProver::new(b"attack");
            prover.run(&mut channel, &statement, &inferred.padding, &mut |_| {}).unwrap();
            let proof = Proof { padding: inferred.padding, messages: channel.finish() }.to_bytes();
            caught(&case, &statement, &proof, COMMITMENTS);
        }
    }
}

#[test]
fn one_changed_weight_is_caught() {
    let mut layers = square().layers().to_vec();
    layers[2].bias[3] += 1;
    let (case, other) = with_network(Model::new(layers).unwrap(), Visibility::Public);
    let mut lie = case.truth();
    lie.rerun(&other.model, 2);
    assert_ne!(lie.statement, case.truth().statement);
    caught(&case, &lie.statement, &other.prove(&lie), COMMITMENTS);
}

#[test]
fn permuted_row_commitments_are_caught() {
    let case = square_case(Visibility::Committed);
    let truth = case.truth();
    let rows: Vec<usize> = truth.layout.witness_polys().map(|poly| truth.layout.rows(poly)).collect();
    // Rows 4 and 40 of the last vector, the counts of 2^9 table rows; the first rows of the first two vectors.
    let last = rows.iter().sum::<usize>() - rows[rows.len() - 1];
    assert!(rows[rows.len() - 1] >= 64);
    for (i, j) in [(last + 4, last + 40), (0, rows[0])] {
        let proof = case.prove_tampered(&truth, |_, message| {
            if let Message::Rows(points) = message {
                points.swap(i, j);
            }
        });
        caught(&case, &truth.statement, &proof, COMMITMENTS);
    }
}

#[test]
fn entries_beyond_a_short_vector_are_harmless() {
    // A vector shorter than a row is committed to as the row's first entries. A commitment with more in it stands for the same
    // vector: what is claimed of it is a sum over those first entries alone.
    let case =
        Case::new(square(), Params { log_row: 5, limbs: Limbs::Bytes }, short_inputs(), Visibility::Public);
    let truth = case.truth();
    let (mut lie, blinds) = naive(&case, &truth);
    honest(&case, &lie.statement, &lie.prove(&blinds));
    let limb = truth.layout.key_polys;
    assert_eq!(truth.layout.polys[limb], 3);
    lie.tail = Some((limb, vec![fr(5); 24]));
    honest(&case, &lie.statement, &lie.prove(&blinds));
}

fn short_inputs() -> Tensor<i8> {
    Tensor::new(2, 4, INPUTS[0].to_vec()).unwrap()
}
