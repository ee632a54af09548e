//! The opened row and what leads to it.

use ark_bn254::G1Projective;
use ark_ec::CurveGroup;

use super::*;
use crate::protocol::eq_table;

/// The point at which the opening's sumcheck ends.
fn end(case: &Case, truth: &Lie) -> Vec<Fr> {
    let places = Places::new(&truth.layout);
    let audit = audit(case.verifying(), &truth.statement, &case.prove(truth));
    let at = |round: usize| audit.challenges.iter().find(|(after, _)| *after == round).unwrap().1;
    places.opening_rounds().map(at).collect()
}

fn row(case: &Case, truth: &Lie, mut edit: impl FnMut(&mut Vec<Fr>, &mut Fr)) -> Vec<u8> {
    case.prove_tampered(truth, |_, message| {
        if let Message::Row(row, blind) = message {
            edit(row, blind);
        }
    })
}

#[test]
fn opened_row_of_the_same_value_is_caught() {
    // v plus a vector orthogonal to eq(y).
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let eq = eq_table(&end(&case, &truth));
    for (i, j) in [(0, 1), (3, 7)] {
        let proof = row(&case, &truth, |row, _| {
            row[i] += eq[j];
            row[j] -= eq[i];
        });
        caught(&case, &truth.statement, &proof, COMMITMENTS);
    }
}

#[test]
fn opened_row_of_another_value_is_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    for at in 0..8 {
        let proof = row(&case, &truth, |row, _| row[at] += Fr::ONE);
        let violated = audit(case.verifying(), &truth.statement, &proof).violated();
        assert_eq!(violated, [ROW, COMMITMENTS]);
        assert_eq!(audit::rejected(case.verify(&truth.statement, &proof)), audit::rejection(ROW));
    }
}

#[test]
fn changed_blind_is_caught() {
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    for change in [Fr::ONE, -Fr::ONE] {
        let proof = row(&case, &truth, |_, blind| *blind += change);
        caught(&case, &truth.statement, &proof, COMMITMENTS);
    }
    let proof = row(&case, &truth, |_, blind| *blind = Fr::ZERO);
    caught(&case, &truth.statement, &proof, COMMITMENTS);
}

#[test]
fn folded_values_that_fit_the_old_mu_are_caught() {
    // Three values changed such that the claims' combination (whose coefficients are known) and the row's value at the mu of the
    // honest proof are what they were. But mu depends on them.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let at = Places::new(&truth.layout).folded();
    let bytes = case.prove(&truth);
    let before = audit(case.verifying(), &truth.statement, &bytes);
    let mu = before.challenges.iter().find(|(after, _)| *after == at).unwrap().1;
    let claim = before.claims.iter().position(|claim| claim.what == CLAIMS).unwrap();
    let coefficient = |slot: usize| {
        let mut proof = Proof::from_bytes(&bytes, case.verifying().circuit(), 3).unwrap();
        rounds::add(&mut proof, before.starts[at] + slot, Fr::ONE);
        audit(case.verifying(), &truth.statement, &proof.to_bytes()).claims[claim].residual
    };
    let slots = [0, 5, 9];
    let (a, b) = (slots.map(coefficient), slots.map(|slot| mu.pow([slot as u64])));
    let change = rounds::cross(a, b);
    let lie = |change: [Fr; 3]| {
        case.prove_tampered(
            &truth,
            scalars(at, |values| {
                slots.iter().zip(change).for_each(|(slot, change)| values[*slot] += change);
            }),
        )
    };
    caught(&case, &truth.statement, &lie(change), ROW);
    // With two values, keeping the row's value at the old mu breaks the claims.
    let violated = audit(case.verifying(), &truth.statement, &lie([b[1], -b[0], Fr::ZERO])).violated();
    assert_eq!(violated, [CLAIMS, ROW]);
}

#[test]
fn changed_row_commitment_is_caught() {
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let rows: usize = truth.layout.witness_polys().map(|poly| truth.layout.rows(poly)).sum();
    let blinding = case.verifying().bases().blinding();
    for at in [0, 1, rows / 2, rows - 1] {
        let changes: [&dyn Fn(G1Projective) -> G1Projective; 4] =
            [&|c| c + c, &|c| -c, &|c| c + blinding, &|c| c - c];
        for change in changes {
            let proof = case.prove_tampered(&truth, |_, message| {
                if let Message::Rows(points) = message {
                    assert_eq!(points.len(), rows);
                    points[at] = change(points[at].into()).into_affine();
                }
            });
            caught(&case, &truth.statement, &proof, COMMITMENTS);
        }
    }
}

#[test]
fn changed_claims_are_caught() {
    // Values of columns that no lookup and no product sees alone: the bias's claim moved with the accumulators' side is
    // the products' affair, a matrix's and its input's value with the same product is the opening's.
    let case = Case::standard(Visibility::Committed);
    let truth = case.truth();
    let places = Places::new(&truth.layout);
    let two = fr(2);
    let proof = case.prove_tampered(
        &truth,
        scalars(places.product_values(), |values| {
            values[2] *= two;
            values[3] /= two;
        }),
    );
    caught(&case, &truth.statement, &proof, CLAIMS);
    let columns = places.columns();
    let biases = truth.layout.witness_polys().count() + 2;
    let proof = case.prove_tampered(
        &truth,
        scalars(columns, |values| {
            assert_eq!(values.len(), biases + 3);
            values[biases + 1] += Fr::ONE;
        }),
    );
    let violated = audit(case.verifying(), &truth.statement, &proof).violated();
    assert_eq!(violated, [PRODUCTS, CLAIMS]);
}
