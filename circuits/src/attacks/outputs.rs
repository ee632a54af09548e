//! Answers that are not the network's.

use super::*;

/// The activation-output case with a row beyond the batch: three inputs.
fn activation_case(visibility: Visibility) -> Case {
    let inputs = Tensor::new(3, 2, vec![1, 2, -30, 9, 10, 20]).unwrap();
    Case::new(activations(), SMALL, inputs, visibility)
}

fn accumulators(lie: &mut Lie) -> (Vec<i32>, &mut Vec<i32>) {
    match (&lie.statement.output, &mut lie.padding) {
        (Output::Accumulators(output), Padding::Accumulators(padding)) => (output.data().to_vec(), padding),
        _ => panic!("another kind of output"),
    }
}

#[test]
fn changed_logit_is_caught() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = Case::standard(visibility);
        let truth = case.truth();
        for (at, delta) in [(0, 1), (4, -1), (8, 1 << 20)] {
            let mut lie = truth.clone();
            let (mut data, _) = accumulators(&mut lie);
            data[at] += delta;
            lie.statement.output = Output::Accumulators(Tensor::new(3, 3, data).unwrap());
            caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
        }
    }
}

#[test]
fn changed_answer_beyond_the_batch_is_caught() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = Case::standard(visibility);
        let truth = case.truth();
        for at in 0..3 {
            let mut lie = truth.clone();
            accumulators(&mut lie).1[at] += 1;
            caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
        }
    }
}

#[test]
fn changed_activation_is_caught() {
    let change = |lie: &mut Lie, at: usize| {
        let (Output::Activations(output), Padding::Activations(padding)) =
            (&lie.statement.output, &mut lie.padding)
        else {
            panic!("another kind of output")
        };
        let mut data = output.data().to_vec();
        match data.get_mut(at) {
            Some(value) => *value -= 1,
            None => padding[at - data.len()] -= 1,
        }
        lie.statement.output = Output::Activations(Tensor::new(3, 2, data).unwrap());
    };
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = activation_case(visibility);
        let truth = case.truth();
        // The last two are beyond the batch.
        for at in 0..8 {
            // The statement alone, the lookups being those of the true answer: they are not the verifier's.
            let mut lie = truth.clone();
            change(&mut lie, at);
            caught(&case, &lie.statement, &case.prove(&lie), DENOMINATORS);
            // The lookups as well: then they are not in the table.
            let mut lie = truth.clone();
            lie.cells(1).y[at] -= Fr::ONE;
            change(&mut lie, at);
            lie.recount();
            caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
        }
    }
}

#[test]
fn exchanged_answers_are_caught() {
    // Two inputs' answers, each right for the other.
    let case = Case::standard(Visibility::Public);
    let mut lie = case.truth();
    let (mut data, _) = accumulators(&mut lie);
    data.rotate_left(3);
    lie.statement.output = Output::Accumulators(Tensor::new(3, 3, data).unwrap());
    caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
}

#[test]
fn statements_that_do_not_fit_the_key_are_refused() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let proof = case.prove(&truth);
    let tensor = |rows, cols| Tensor::new(rows, cols, vec![0; rows * cols]).unwrap();
    let outputs = |rows, cols| Output::Accumulators(Tensor::new(rows, cols, vec![0; rows * cols]).unwrap());
    let check = |statement: Statement, what| {
        let rejection = audit::rejected(case.verify(&statement, &proof));
        assert_eq!(rejection, crate::Rejection::Statement { what });
    };
    let with = |change: &dyn Fn(&mut Statement)| {
        let mut statement = truth.statement.clone();
        change(&mut statement);
        statement
    };
    check(with(&|s| s.output = outputs(3, 2)), "number of outputs");
    check(with(&|s| s.output = outputs(3, 4)), "number of outputs");
    check(with(&|s| s.output = Output::Activations(tensor(3, 3))), "kind of output");
    check(with(&|s| s.input = Input::Public(tensor(3, 4))), "number of inputs");
    check(with(&|s| s.input = Input::Public(tensor(4, 3))), "as many outputs as inputs");
    check(with(&|s| s.output = outputs(4, 3)), "as many outputs as inputs");
    let case = activation_case(Visibility::Public);
    let statement = case.truth().statement;
    let output = Output::Accumulators(Tensor::new(3, 2, vec![0; 6]).unwrap());
    let rejection = audit::rejected(case.verify(&Statement { output, ..statement }, &proof));
    assert_eq!(rejection, crate::Rejection::Statement { what: "kind of output" });
}

#[test]
fn batches_that_no_proof_can_have_are_refused() {
    // One output, but 2^16 columns in between: 2^12 inputs have a layout, 2^13 would be more cells than a tensor may have.
    let wide = layer(1, 1 << 16, &[1; 1 << 16], &[0; 1 << 16], requantise(1, Activation::Relu));
    let model = Model::new(vec![wide, layer(1 << 16, 1, &[1; 1 << 16], &[0], None)]).unwrap();
    let params = Params { log_row: 12, limbs: Limbs::Bytes };
    let key = setup(&Cpu::new(), &model, params, Weights::Public, &mut rng()).unwrap();
    for batch in [1 << 12, 1 << 13, (1 << 13) + 1] {
        let output = Output::Accumulators(Tensor::new(batch, 1, vec![0; batch]).unwrap());
        let statement = Statement { input: Input::Committed, output, context: Vec::new() };
        let rejection =
            audit::rejected(verify(&Cpu::new(), key.verifying_key(), &statement, b"zkmill proof"));
        let refused = batch > 1 << 12;
        let expected = if refused {
            crate::Rejection::Statement { what: "size of the batch" }
        } else {
            crate::EncodingError::Truncated.into()
        };
        assert_eq!(rejection, expected, "{batch}");
    }
}
