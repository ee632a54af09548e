//! Round polynomials and the values they end in.

use super::audit::{Audit, rejected, rejection};
use super::*;

/// Every scalar message of a proof, with the claim that a change of it violates if the rest of the proof is honest given the change.
fn messages(truth: &Lie) -> Vec<(usize, &'static str)> {
    let places = Places::new(&truth.layout);
    let levels = (1..places.levels()).flat_map(|k| places.level_rounds(k)).map(|at| (at, LEVEL));
    let products = places.product_rounds().map(|at| (at, PRODUCTS));
    let opening = places.opening_rounds().map(|at| (at, CLAIMS));
    levels.chain(products).chain(opening).collect()
}

#[test]
fn places_of_messages_are_right() {
    for case in [Case::standard(Visibility::Public), Case::standard(Visibility::Committed)] {
        let truth = case.truth();
        let places = Places::new(&truth.layout);
        let mut lengths = Vec::new();
        case.prove_tampered(&truth, |n, message| {
            assert_eq!(n, lengths.len());
            lengths.push(match message {
                Message::Rows(_) => 0,
                Message::Scalars(values) => values.len(),
                Message::Row(row, _) => row.len() + 1,
            });
        });
        assert_eq!(places.row() + 1, lengths.len());
        assert_eq!((lengths[Places::ROWS], lengths[Places::ROOT], lengths[places.row()]), (0, 1, 9));
        for k in 0..places.levels() {
            assert_eq!(lengths[places.level_values(k)], 4);
            assert!(places.level_rounds(k).all(|at| lengths[at] == 3) && places.level_rounds(k).len() == k);
        }
        let degree_two: Vec<usize> = places.product_rounds().chain(places.opening_rounds()).collect();
        assert!(degree_two.iter().all(|at| lengths[*at] == 2));
        // One claim a committed vector of the witness in the tree; a bias, a matrix and an input a layer.
        let witness = truth.layout.witness_polys().count();
        let inputs = 2 + usize::from(case.visibility == Visibility::Committed);
        assert_eq!(lengths[places.product_values()], 3 + inputs);
        assert_eq!(lengths[places.folded()], witness + 3 + 3 + inputs);
        assert_eq!(lengths[places.columns()], witness + 2 + 3);
    }
}

#[test]
fn every_changed_round_is_caught() {
    // s(1) is the claim less s(0), so a changed s(0) keeps the sum, and so does any other value.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    for (number, (at, what)) in messages(&truth).into_iter().enumerate() {
        let proof = case.prove_tampered(
            &truth,
            scalars(at, |values| {
                let which = number % values.len();
                values[which] += fr(1);
            }),
        );
        caught(&case, &truth.statement, &proof, what);
    }
}

#[test]
fn round_of_higher_degree_is_caught() {
    // There is no place for one more value: read as the key says, all that follows is something else.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let places = Places::new(&truth.layout);
    for (at, what) in [(places.product_rounds().start, PRODUCTS), (places.opening_rounds().start, CLAIMS)] {
        let proof = case.prove_tampered(&truth, scalars(at, |values| values.push(fr(7))));
        assert_eq!(rejected(case.verify(&truth.statement, &proof)), rejection(what));
    }
}

/// Where to put right a claim that is about the latest message.
fn remedy(truth: &Lie, claim: &'static str) -> usize {
    let layers = truth.layers.len();
    let inputs = (0..layers).filter(|layer| truth.layout.input_of(*layer).is_some()).count();
    let witness = truth.layout.witness_polys().count();
    match claim {
        LEVEL => 0,
        ROOT => 3,
        // The first column's value; the last table's count.
        DENOMINATORS => 0,
        NUMERATORS => witness + truth.layers.iter().flatten().count() - 1,
        PRODUCTS => layers + inputs - 1,
        CLAIMS => witness + 2 * layers + inputs - 1,
        ROW => 0,
        other => panic!("{other}"),
    }
}

/// The vector orthogonal to both.
pub(super) fn cross(a: [Fr; 3], b: [Fr; 3]) -> [Fr; 3] {
    let minor = |i: usize, j: usize| a[i] * b[j] - a[j] * b[i];
    [minor(1, 2), minor(2, 0), minor(0, 1)]
}

/// Changes a scalar of the encoded proof.
pub(super) fn add(proof: &mut Proof, at: usize, delta: Fr) {
    let bytes = &mut proof.messages[32 * at..32 * (at + 1)];
    let value = crate::channel::decode_scalar(&bytes.try_into().unwrap()).unwrap() + delta;
    bytes.copy_from_slice(&crate::channel::encode(&value));
}

/// The position of the first violated claim, if there is one.
fn first(audit: &Audit) -> Option<usize> {
    audit.claims.iter().position(|claim| claim.residual != Fr::ZERO)
}

#[test]
fn lie_solved_for_claim_after_claim_is_caught_at_the_end() {
    // The root is doubled. Then the first violated claim is put right by solving it for one of the values just before it, and the
    // next one, to the end of the proof: every claim in turn is what the proof is rejected for, at last the commitments.
    for visibility in [Visibility::Public, Visibility::Committed] {
        let case = Case::standard(visibility);
        let truth = case.truth();
        let circuit = case.verifying().circuit();
        let mut proof = Proof::from_bytes(&case.prove(&truth), circuit, 3).unwrap();
        let run = |proof: &Proof| audit(case.verifying(), &truth.statement, &proof.to_bytes());
        let start = run(&proof);
        add(&mut proof, start.starts[Places::ROOT], fr(1));
        let mut seen = Vec::new();
        let mut steps = 0;
        loop {
            let now = run(&proof);
            let Some(index) = first(&now) else { break };
            let claim = &now.claims[index];
            assert_eq!(rejected(case.verify(&truth.statement, &proof.to_bytes())), rejection(claim.what));
            seen.push((index, claim.what));
            // The claim is affine in that value, whose coefficient a second run gives.
            let at = now.starts[claim.after] + remedy(&truth, claim.what);
            let mut moved = proof.clone();
            add(&mut moved, at, Fr::ONE);
            let slope = run(&moved).claims[index].residual - claim.residual;
            add(&mut proof, at, -claim.residual / slope);
            steps += 1;
            assert!(steps < 100, "{seen:?}");
        }
        caught(&case, &truth.statement, &proof.to_bytes(), COMMITMENTS);
        // The root's two claims take two steps each; all others, the zero root's apart, come up once.
        let claims: Vec<&str> = start.claims.iter().map(|claim| claim.what).collect();
        seen.sort();
        seen.dedup();
        let all: Vec<(usize, &str)> =
            claims.into_iter().enumerate().filter(|(_, what)| *what != ZERO_ROOT).collect();
        assert_eq!(seen, all);
        for what in [LEVEL, ROOT, DENOMINATORS, NUMERATORS, PRODUCTS, CLAIMS, ROW] {
            assert!(seen.iter().any(|(_, claim)| *claim == what), "{what} is not claimed");
        }
    }
}

#[test]
fn values_solved_for_with_the_next_challenge_held_fixed_are_caught() {
    // The four values of a level changed such that its claim holds and that what they fold to at the old tau is the same: with
    // that tau nothing would tell. But tau depends on them.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let places = Places::new(&truth.layout);
    let proof = Proof::from_bytes(&case.prove(&truth), case.verifying().circuit(), 3).unwrap();
    let before = audit(case.verifying(), &truth.statement, &proof.to_bytes());
    for k in [1, 4, places.levels() - 1] {
        let at = places.level_values(k);
        let tau = before.challenges.iter().find(|(after, _)| *after == at).unwrap().1;
        let claim = before.claims.iter().position(|claim| claim.after == at).unwrap();
        assert_eq!(before.claims[claim].what, LEVEL);
        let change = |p: Fr, q: Fr| [p, q].map(|x| [-tau * x, (Fr::ONE - tau) * x]).concat();
        let residual = |p: Fr, q: Fr| {
            let mut proof = proof.clone();
            (0..).zip(change(p, q)).for_each(|(slot, x)| add(&mut proof, before.starts[at] + slot, x));
            audit(case.verifying(), &truth.statement, &proof.to_bytes()).claims[claim].residual
        };
        let (none, one) = (residual(Fr::ZERO, Fr::ONE), residual(Fr::ONE, Fr::ONE));
        let change = change(-none / (one - none), Fr::ONE);
        let lie = case.prove_tampered(
            &truth,
            scalars(at, |values| {
                values.iter_mut().zip(&change).for_each(|(value, change)| *value += change);
            }),
        );
        if k + 1 < places.levels() {
            caught(&case, &truth.statement, &lie, LEVEL);
        } else {
            // Numerators and denominators alike.
            let violated = audit(case.verifying(), &truth.statement, &lie).violated();
            assert_eq!(violated, [DENOMINATORS, NUMERATORS]);
            assert_eq!(rejected(case.verify(&truth.statement, &lie)), rejection(DENOMINATORS));
        }
    }
}

#[test]
fn accumulator_claim_shifted_against_the_remainder_is_caught() {
    // Y' and the limbs of layer 0 at the point, changed such that Acc and the sum of the fingerprints stay what they were.
    let case = Case::standard(Visibility::Public);
    let truth = case.truth();
    let at = Places::new(&truth.layout).columns();
    let before = audit(case.verifying(), &truth.statement, &case.prove(&truth));
    let claim = before.claims.iter().position(|claim| claim.what == DENOMINATORS).unwrap();
    let weight = |slot: usize| {
        let mut proof = Proof::from_bytes(&case.prove(&truth), case.verifying().circuit(), 3).unwrap();
        add(&mut proof, before.starts[at] + slot, Fr::ONE);
        audit(case.verifying(), &truth.statement, &proof.to_bytes()).claims[claim].residual
    };
    let (y, lo, hi) = (weight(0), weight(1), weight(2));
    // y dy + lo dlo + hi dhi = 0 and 2^16 dy + dlo + 2^8 dhi = 0.
    let change = cross([y, lo, hi], [fr(1 << 16), fr(1), fr(1 << 8)]);
    let tampered = |change: [Fr; 3]| {
        case.prove_tampered(
            &truth,
            scalars(at, |values| {
                values.iter_mut().zip(change).for_each(|(value, change)| *value += change);
            }),
        )
    };
    caught(&case, &truth.statement, &tampered(change), CLAIMS);
    // Against the accumulator alone, the fingerprints tell.
    let violated =
        audit(case.verifying(), &truth.statement, &tampered([Fr::ONE, -fr(1 << 16), Fr::ZERO])).violated();
    assert_eq!(violated, [DENOMINATORS, CLAIMS]);
}
