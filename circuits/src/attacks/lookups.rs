//! Values that are in no table, and counts that are wrong.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, UniformRand};

use super::*;
use crate::protocol::tree;

const RELU: Table = Table::Activation { activation: Activation::Relu, bits: 9 };
const CLAMP: Table = Table::Activation { activation: Activation::Clamp, bits: 9 };

/// A cell of layer 0 with `Y'` in a range and of a remainder that `wanted` wants.
fn cell(lie: &Lie, y_prime: std::ops::Range<i128>, wanted: impl Fn(i128) -> bool) -> usize {
    let cells = lie.layers[0].as_ref().unwrap();
    let rem = |at: usize| (0..).zip(&cells.limbs).map(|(i, limb)| small(limb[at]).unwrap() << (8 * i)).sum();
    let found = |&at: &usize| y_prime.contains(&small(cells.y_prime[at]).unwrap()) && wanted(rem(at));
    (0..cells.y.len()).find(found).expect("no such cell")
}

/// Layer 0's `Y'` moved by `delta`, its remainder moved against it in limb `limb`; all that follows is computed from the new `Y`.
fn shifted(case: &Case, at: usize, delta: i128, limb: usize) -> Lie {
    let mut lie = case.truth();
    let cells = lie.cells(0);
    cells.y_prime[at] += fr(delta);
    cells.limbs[limb][at] -= fr(delta << (16 - 8 * limb));
    let y_prime = small(cells.y_prime[at]).unwrap() as i32;
    let before = cells.y[at];
    cells.y[at] = Fr::from(Activation::Relu.apply(y_prime));
    assert_ne!(cells.y[at], before, "the lie has no consequence");
    lie.rerun(&case.model, 1);
    lie
}

#[test]
fn remainder_above_its_range_is_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    for limb in [0, 1] {
        let lie = shifted(&case, cell(&truth, 2..127, |_| true), -1, limb);
        assert_ne!(lie.statement.output, truth.statement.output);
        caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
    }
}

#[test]
fn negative_remainder_is_caught() {
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    for limb in [0, 1] {
        let lie = shifted(&case, cell(&truth, 2..127, |_| true), 1, limb);
        caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
    }
}

#[test]
fn limb_of_256_is_caught() {
    // rem = 2^16 exactly: the smallest that is too large, its high limb the smallest that is no byte.
    let model =
        vec![layer(1, 1, &[1], &[168], requantise(1 << 12, Activation::Relu)), layer(1, 1, &[1], &[0], None)];
    let inputs = Tensor::new(1, 1, vec![0]).unwrap();
    let case = Case::new(Model::new(model).unwrap(), SMALL, inputs, Visibility::Public);
    let lie = shifted(&case, cell(&case.truth(), 11..12, |rem| rem == 0), -1, 1);
    assert_eq!(lie.layers[0].as_ref().unwrap().limbs, [[Fr::ZERO], [fr(256)]]);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn remainder_above_its_range_is_caught_in_one_limb() {
    let inputs = Tensor::new(1, 2, vec![9, 5]).unwrap();
    let params = Params { log_row: 9, limbs: Limbs::Word };
    let case = Case::new(activations(), params, inputs, Visibility::Public);
    let lie = shifted(&case, 0, -1, 0);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn quotient_in_the_field_is_caught() {
    // With a remainder off by one the relation still holds in the field, and Y may be anything.
    let case = Case::standard(Visibility::Public);
    let mut lie = case.truth();
    let at = cell(&lie, 2..127, |rem| rem % 256 < 255);
    let cells = lie.cells(0);
    cells.limbs[0][at] += Fr::ONE;
    cells.y_prime[at] -= fr(1 << 16).inverse().unwrap();
    cells.y[at] = fr(127);
    lie.rerun(&case.model, 1);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn rounded_accumulator_beyond_its_table_is_caught() {
    // Inputs whose inference fails; the prover saturates Y as the table would if it went on.
    let case = Case::standard(Visibility::Public);
    let inputs = Tensor::new(3, 3, vec![127; 9]).unwrap();
    assert!(case.model.infer(&inputs).is_err());
    let mut lie = case.truth();
    lie.input[..3].fill(fr(-128));
    lie.rerun(&case.model, 0);
    let outside = |cells: &Cells| cells.y_prime.iter().any(|y| small(*y).unwrap().abs() > 256);
    assert!(lie.layers.iter().flatten().any(outside));
    let Input::Public(input) = &mut lie.statement.input else { unreachable!() };
    *input = Tensor::new(3, 3, [&[-128; 3], &input.data()[3..]].concat()).unwrap();
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn activation_off_its_table_is_caught() {
    let case = Case::standard(Visibility::Committed);
    let mut lie = case.truth();
    let at = cell(&lie, 2..127, |_| true);
    lie.cells(0).y[at] += Fr::ONE;
    lie.rerun(&case.model, 1);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn pair_of_another_activations_table_is_caught() {
    // (-y, -y) is a row of the clamp's table, and counted there; the layer's activation is ReLU.
    let case = Case::standard(Visibility::Public);
    let mut lie = case.truth();
    let at = cell(&lie, -100..-1, |_| true);
    let y_prime = lie.cells(0).y_prime[at];
    lie.cells(0).y[at] = y_prime;
    lie.rerun(&case.model, 1);
    let clamp = lie.table(CLAMP);
    lie.counts[clamp][(small(y_prime).unwrap() + 256) as usize] += Fr::ONE;
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);

    // And a ReLU's pair in the last activation, which is a clamp.
    let mut lie = case.truth();
    let cells = lie.cells(1);
    let at = cells.y_prime.iter().position(|y| small(*y).unwrap() < 0).unwrap();
    cells.y[at] = Fr::ZERO;
    let row = (small(cells.y_prime[at]).unwrap() + 256) as usize;
    lie.rerun(&case.model, 2);
    let relu = lie.table(RELU);
    lie.counts[relu][row] += Fr::ONE;
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

/// A limb of `h - 256` is no byte, but `(h - 256, 0)` is a row of the ReLU's table; the lie counts it there.
fn limb_out_of_an_activation_table(case: &Case) -> Lie {
    let at = cell(&case.truth(), 2..126, |_| true);
    let mut lie = shifted(case, at, 1, 1);
    let limb = small(lie.cells(0).limbs[1][at]).unwrap();
    let relu = lie.table(RELU);
    lie.counts[relu][(limb + 256) as usize] += Fr::ONE;
    lie
}

#[test]
fn limb_found_in_an_activation_table_is_caught() {
    let case = Case::standard(Visibility::Public);
    let lie = limb_out_of_an_activation_table(&case);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn one_tag_for_two_tables_is_caught() {
    // With the tags of bytes and ReLU made equal, the limb's lookup balances, and with it the whole tree.
    let case = Case::standard(Visibility::Public);
    let mut lie = limb_out_of_an_activation_table(&case);
    let (bytes, relu) = (lie.table(Table::Range { bits: 8 }), lie.table(RELU));
    lie.layout.tables[bytes].tag = lie.layout.tables[relu].tag;
    caught(&case, &lie.statement, &case.prove(&lie), DENOMINATORS);
}

#[test]
fn exchanged_tags_are_caught() {
    let case = Case::standard(Visibility::Committed);
    let mut lie = case.truth();
    let tags = lie.layout.tables.iter().map(|table| table.tag).collect::<Vec<_>>();
    (lie.layout.tables[1].tag, lie.layout.tables[2].tag) = (tags[2], tags[1]);
    caught(&case, &lie.statement, &case.prove(&lie), DENOMINATORS);
    // Tag 0 is as good as none.
    let mut lie = case.truth();
    lie.layout.tables[0].tag = 0;
    caught(&case, &lie.statement, &case.prove(&lie), DENOMINATORS);
}

#[test]
fn false_counts_are_caught() {
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    for table in 0..truth.counts.len() {
        let counts = &truth.counts[table];
        let used = counts.iter().position(|count| *count != Fr::ZERO).unwrap();
        let unused = counts.iter().position(|count| *count == Fr::ZERO).unwrap();
        let third = fr(3).inverse().unwrap();
        let mut lies: Vec<Vec<Fr>> = vec![vec![Fr::ZERO; counts.len()]];
        let mut add = |changes: &[(usize, Fr)]| {
            let mut lie = counts.clone();
            changes.iter().for_each(|(row, change)| lie[*row] += change);
            lies.push(lie);
        };
        add(&[(used, Fr::ONE)]);
        add(&[(used, -Fr::ONE), (unused, Fr::ONE)]);
        add(&[(used, -third), (unused, third)]);
        add(&[(unused, -Fr::ONE)]);
        add(&[(unused, -Fr::ONE), (counts.len() - 1, Fr::ONE)]);
        lies.push(counts.iter().map(|count| -*count).collect());
        for counts in lies {
            let mut lie = truth.clone();
            lie.counts[table] = counts;
            caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
        }
    }
}

#[test]
fn counts_of_another_table_are_caught() {
    let case = Case::standard(Visibility::Public);
    let mut lie = case.truth();
    let (relu, clamp) = (lie.table(RELU), lie.table(CLAMP));
    lie.counts.swap(relu, clamp);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn all_zero_tree_is_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let places = Places::new(&truth.layout);
    let tree = Places::ROOT..places.columns();
    let proof = case.prove_tampered(&truth, |n, message| {
        if let (true, Message::Scalars(values)) = (tree.contains(&n), message) {
            values.fill(Fr::ZERO);
        }
    });
    assert_eq!(audit::rejected(case.verify(&truth.statement, &proof)), audit::rejection(ZERO_ROOT));
    // The leaves are not zero, so they object as well.
    let violated = audit(case.verifying(), &truth.statement, &proof).violated();
    assert_eq!(violated, [ZERO_ROOT, DENOMINATORS, NUMERATORS]);
}

#[test]
fn poles_that_absorb_a_false_sum_are_caught() {
    let mut rng = rng();
    let (mut p, mut q): (Vec<Fr>, Vec<Fr>) =
        (0..16).map(|_| (Fr::rand(&mut rng), Fr::rand(&mut rng))).unzip();
    let violated = |p: &[Fr], q: &[Fr]| {
        let mut prover = ClearProver::new(b"");
        let point = naive::tree(&mut prover, p.to_vec(), q.to_vec());
        let messages = prover.finish();
        audit::violated(&messages, |channel| {
            let leaves = tree::verify(channel, 4).unwrap();
            assert_eq!(leaves.point, point);
            // The claims on the leaves are true: the lie is in the sum.
            assert_eq!(leaves.p.eval(|v| *v), naive::extension(p, &point));
            assert_eq!(leaves.q.eval(|v| *v), naive::extension(q, &point));
        })
    };
    // A sum that is not zero; the same with two poles.
    assert_eq!(violated(&p, &q), [LEVEL]);
    for at in [3, 9] {
        (p[at], q[at]) = (Fr::ONE, Fr::ZERO);
    }
    assert_eq!(violated(&p, &q), [ZERO_ROOT]);
    // The honest prover does not even try.
    let leaves = tree::Level::<Cpu> { p, q };
    let refused = tree::prove(&Cpu::new(), &mut ClearProver::new(b""), leaves, 4);
    assert!(matches!(refused, Err(crate::Error::Pole)));
}

#[test]
fn private_input_beyond_i8_is_caught() {
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let far = fr(2).pow([200]);
    // The last is in a row beyond the batch.
    for (at, x) in [(0, fr(128)), (1, fr(-129)), (4, fr(256)), (12, fr(128))] {
        let mut lie = truth.clone();
        lie.input[at] = x;
        lie.rerun(&case.model, 0);
        caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
    }
    // What is no small integer is multiplied by a zero weight, or the answer would not be an integer either.
    let weights = [0, 0, 3, -5, 7, 11];
    let model = vec![
        layer(3, 2, &weights, &[10, -20], requantise(1 << 14, Activation::Relu)),
        layer(2, 1, &[1, 1], &[0], None),
    ];
    let case = Case::new(Model::new(model).unwrap(), SMALL, truth_inputs(), Visibility::Committed);
    for x in [fr(3).inverse().unwrap(), -far, far] {
        let mut lie = case.truth();
        lie.input[0] = x;
        lie.rerun(&case.model, 0);
        caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
    }
}

fn truth_inputs() -> Tensor<i8> {
    Tensor::new(1, 3, vec![5, 9, -2]).unwrap()
}

#[test]
fn private_fraction_that_reaches_any_answer_is_caught() {
    // 40/3 times a weight of 3 is 40: an accumulator that no integer input gives, and all that follows is in range.
    let model =
        vec![layer(1, 1, &[3], &[0], requantise(1 << 14, Activation::Relu)), layer(1, 1, &[1], &[0], None)];
    let inputs = Tensor::new(1, 1, vec![7]).unwrap();
    let case = Case::new(Model::new(model).unwrap(), SMALL, inputs, Visibility::Committed);
    let mut lie = case.truth();
    lie.input[0] = fr(40) / fr(3);
    lie.rerun(&case.model, 0);
    assert_eq!(lie.statement.output, Output::Accumulators(Tensor::new(1, 1, vec![10]).unwrap()));
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn padding_of_a_private_input_is_the_provers_own_affair() {
    // Rows beyond the batch are inferences that nobody asked for, columns beyond the network's meet zero weights: with
    // anything in them the answers are the same and the proof is good. It must be `i8` all the same (above, and below).
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let mut lie = truth.clone();
    for at in [3, 7, 11, 12, 13, 14, 15] {
        lie.input[at] = fr(at as i128 - 20);
    }
    lie.rerun(&case.model, 0);
    assert_eq!(lie.statement, truth.statement);
    assert_ne!(lie.padding, truth.padding);
    honest(&case, &lie.statement, &case.prove(&lie));
    lie.input[3] = fr(1000);
    lie.rerun(&case.model, 0);
    assert_eq!(lie.statement, truth.statement);
    caught(&case, &lie.statement, &case.prove(&lie), LEVEL);
}

#[test]
fn other_public_input_is_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    // The first two within the real block, then a column beyond the network's, then a row beyond the batch.
    for at in [0, 6, 3, 12] {
        let mut lie = truth.clone();
        lie.input[at] += fr(9);
        lie.rerun(&case.model, 0);
        assert_eq!(lie.statement.input, truth.statement.input);
        caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
    }
    let mut lie = truth;
    let Input::Public(input) = &mut lie.statement.input else { unreachable!() };
    let mut data = input.data().to_vec();
    data[8] += 1;
    *input = Tensor::new(3, 3, data).unwrap();
    caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
}
