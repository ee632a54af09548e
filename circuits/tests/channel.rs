//! The channel: both sides agree, everything absorbed counts, hostile bytes give errors.

use ark_bn254::{Fq, Fr, G1Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger, Field, MontFp, PrimeField};
use proptest::prelude::*;
use std::collections::HashSet;
use zkmill_circuits::channel::{
    Channel, ChannelError, ClearProver, ClearVerifier, Lin, Opening, ProverChannel,
};

/// One operation of a protocol, with the prover's values.
#[derive(Clone, Debug, PartialEq)]
enum Op {
    Public(&'static str, Vec<u8>),
    Scalars(Vec<Fr>),
    Rows(Vec<G1Affine>),
    Row(Vec<Fr>, Fr),
    Challenge,
}

fn scalar(seed: u64) -> Fr {
    Fr::from(seed + 2).pow([977])
}

fn point(seed: u64) -> G1Affine {
    (G1Affine::generator() * scalar(seed)).into_affine()
}

/// Every kind of operation, a challenge after each, and the cases of length 0 and 1.
fn script() -> Vec<Op> {
    let messages = [
        Op::Public("key", b"digest".to_vec()),
        Op::Public("", vec![]),
        Op::Rows(vec![point(1), point(2), G1Affine::zero()]),
        Op::Scalars(vec![scalar(1), Fr::ZERO, -Fr::ONE]),
        Op::Scalars(vec![]),
        Op::Rows(vec![]),
        Op::Scalars(vec![scalar(4)]),
        Op::Public("bytes", vec![0]),
        Op::Row(vec![scalar(5), scalar(6)], scalar(7)),
    ];
    messages.into_iter().flat_map(|op| [op, Op::Challenge]).collect()
}

fn prove(context: &[u8], script: &[Op]) -> (Vec<u8>, Vec<Fr>) {
    let mut prover = ClearProver::new(context);
    let mut challenges = Vec::new();
    for op in script {
        match op {
            Op::Public(label, bytes) => prover.public(label, bytes),
            Op::Scalars(values) => prover.send(values),
            Op::Rows(points) => prover.send_rows(points),
            Op::Row(row, blind) => prover.send_row(row, *blind),
            Op::Challenge => challenges.push(prover.challenge()),
        }
    }
    (prover.finish(), challenges)
}

/// Reads a proof of the script's shape: what was read, as a script, and the challenges.
fn verify(context: &[u8], script: &[Op], proof: &[u8]) -> Result<(Vec<Op>, Vec<Fr>), ChannelError> {
    let mut verifier = ClearVerifier::new(context, proof);
    let mut challenges = Vec::new();
    let mut read = Vec::new();
    for op in script {
        read.push(match op {
            Op::Public(label, bytes) => {
                verifier.public(label, bytes);
                op.clone()
            }
            Op::Scalars(values) => Op::Scalars(verifier.receive(values.len())?),
            Op::Rows(points) => Op::Rows(verifier.rows(points.len())?),
            Op::Row(row, _) => match verifier.row(row.len())? {
                Opening::Clear { row, blind } => Op::Row(row, blind),
                other => panic!("no other opening exists in the clear: {other:?}"),
            },
            Op::Challenge => {
                challenges.push(verifier.challenge());
                Op::Challenge
            }
        });
    }
    verifier.finish()?;
    Ok((read, challenges))
}

fn le_bytes(x: impl PrimeField) -> [u8; 32] {
    x.into_bigint().to_bytes_le().try_into().unwrap()
}

/// `x + modulus` as bytes; below 2^256 for both fields.
fn plus_modulus<F: PrimeField>(x: F) -> [u8; 32] {
    let mut sum = x.into_bigint();
    assert!(!sum.add_with_carry(&F::MODULUS));
    sum.to_bytes_le().try_into().unwrap()
}

/// The point encoding with these top bits: 128 for the larger ordinate, 64 for the identity.
fn flagged(mut abscissa: [u8; 32], flags: u8) -> [u8; 32] {
    abscissa[31] |= flags;
    abscissa
}

fn read_scalar(bytes: &[u8]) -> Result<Fr, ChannelError> {
    ClearVerifier::new(b"", bytes).receive(1).map(|values| values[0])
}

fn read_point(bytes: &[u8]) -> Result<G1Affine, ChannelError> {
    ClearVerifier::new(b"", bytes).rows(1).map(|points| points[0])
}

#[test]
fn both_sides_agree() {
    let script = script();
    let (proof, challenges) = prove(b"context", &script);
    assert_eq!(proof.len(), 32 * (3 + 3 + 1 + 3));
    assert_eq!(verify(b"context", &script, &proof).unwrap(), (script, challenges.clone()));
    assert_eq!(challenges.iter().collect::<HashSet<_>>().len(), challenges.len());

    let mut prover = ClearProver::new(b"");
    let mut verifier = ClearVerifier::new(b"", &[]);
    let mut single = ClearVerifier::new(b"", &[]);
    let expected: Vec<Fr> = (0..5).map(|_| single.challenge()).collect();
    assert_eq!(prover.challenges(5), expected);
    assert_eq!(verifier.challenges(5), expected);
    assert_eq!(expected.iter().collect::<HashSet<_>>().len(), 5);
}

/// The challenges that a second implementation computes from the transcript's description: RFC 9861's
/// TurboSHAKE128, one string absorbed from the start for each challenge.
#[test]
fn transcript_is_as_described() {
    let mut prover = ClearProver::new(b"context");
    prover.public("key", b"digest");
    prover.send_rows(&[G1Affine::generator(), G1Affine::zero()]);
    prover.send(&[Fr::ONE, -Fr::ONE]);
    let mut challenges = prover.challenges(2);
    prover.send_row(&[Fr::from(5)], Fr::from(6));
    challenges.push(prover.challenge());
    let expected: [Fr; 3] = [
        MontFp!("8339505788752912787294178050680719305921865584959204229698756390647460831591"),
        MontFp!("16151857933683095126633314164465205851841307329038610569506650220958138262286"),
        MontFp!("19763889964140911823128573661623290566044457131302800377359311523773170158069"),
    ];
    assert_eq!(challenges, expected);
}

/// Every way to change one operation by a little.
fn mutations(op: &Op) -> Vec<Op> {
    let bits = |bytes: &Vec<u8>| -> Vec<Vec<u8>> {
        (0..8 * bytes.len())
            .map(|i| {
                let mut flipped = bytes.clone();
                flipped[i / 8] ^= 1 << (i % 8);
                flipped
            })
            .collect()
    };
    // Each bit of each scalar, as far as the result is a scalar.
    let scalar_bits = |values: &Vec<Fr>| -> Vec<Vec<Fr>> {
        (0..256 * values.len())
            .filter_map(|i| {
                let mut bytes = le_bytes(values[i / 256]);
                bytes[i % 256 / 8] ^= 1 << (i % 8);
                let mut flipped = values.clone();
                flipped[i / 256] = read_scalar(&bytes).ok()?;
                Some(flipped)
            })
            .collect()
    };
    match op {
        Op::Public(label, bytes) => {
            let mut changed: Vec<_> = bits(bytes).into_iter().map(|b| Op::Public(label, b)).collect();
            changed.push(Op::Public("other", bytes.clone()));
            changed.push(Op::Public(label, [&bytes[..], &[0]].concat()));
            changed.push(Op::Public(label, [&[0], &bytes[..]].concat()));
            if let Some((first, rest)) = label.as_bytes().split_first() {
                changed.push(Op::Public(&label[1..], [&[*first], &bytes[..]].concat()));
                changed.push(Op::Public(&label[..rest.len()], bytes.clone()));
            }
            changed
        }
        Op::Scalars(values) => {
            let mut changed: Vec<_> = scalar_bits(values).into_iter().map(Op::Scalars).collect();
            changed.push(Op::Scalars([&values[..], &[Fr::ZERO]].concat()));
            changed.push(Op::Public("", values.iter().flat_map(|x| le_bytes(*x)).collect()));
            changed.push(Op::Rows(vec![G1Affine::zero(); values.len()]));
            if let Some((blind, row)) = values.split_last() {
                changed.push(Op::Row(row.to_vec(), *blind));
            }
            changed
        }
        Op::Rows(points) => {
            let mut changed = vec![
                Op::Rows([&points[..], &[G1Affine::zero()]].concat()),
                Op::Scalars(vec![Fr::ONE; points.len()]),
            ];
            for i in 0..points.len() {
                for other in [point(9), -points[i], (points[i] + points[i]).into_affine(), G1Affine::zero()] {
                    let mut list = points.clone();
                    list[i] = other;
                    changed.push(Op::Rows(list));
                }
            }
            changed
        }
        Op::Row(row, blind) => {
            let mut changed: Vec<_> = scalar_bits(row).into_iter().map(|r| Op::Row(r, *blind)).collect();
            changed.extend(scalar_bits(&vec![*blind]).iter().map(|b| Op::Row(row.clone(), b[0])));
            changed.push(Op::Scalars([&row[..], &[*blind]].concat()));
            changed.push(Op::Row([&row[..], &[*blind]].concat(), Fr::ZERO));
            changed
        }
        Op::Challenge => vec![Op::Public("", vec![]), Op::Scalars(vec![])],
    }
    .into_iter()
    .filter(|changed| changed != op)
    .collect()
}

#[test]
fn every_change_changes_every_later_challenge() {
    let base = script();
    let (_, expected) = prove(b"context", &base);
    let check = |context: &[u8], changed: &[Op], at: usize| {
        let (_, challenges) = prove(context, changed);
        let before = base[..at].iter().filter(|op| **op == Op::Challenge).count();
        assert_eq!(challenges[..before], expected[..before]);
        let old: HashSet<_> = expected.iter().collect();
        assert!(challenges[before..].iter().all(|c| !old.contains(c)), "{changed:?}");
    };
    let mut changes = 0;
    for (at, op) in base.iter().enumerate() {
        let replaced = mutations(op).into_iter().map(|new| vec![new]);
        let removed = [vec![]];
        let doubled = [vec![op.clone(), op.clone()]];
        let preceded = [Op::Challenge, Op::Public("", vec![]), Op::Scalars(vec![]), Op::Rows(vec![])];
        let inserted = preceded.into_iter().filter(|new| new != op).map(|new| vec![new, op.clone()]);
        // One message in two.
        let split = match op {
            Op::Scalars(v) if v.len() > 1 => {
                vec![vec![Op::Scalars(v[..1].to_vec()), Op::Scalars(v[1..].to_vec())]]
            }
            Op::Rows(v) if v.len() > 1 => vec![vec![Op::Rows(v[..1].to_vec()), Op::Rows(v[1..].to_vec())]],
            Op::Public(label, v) if v.len() > 1 => {
                vec![vec![Op::Public(label, v[..1].to_vec()), Op::Public(label, v[1..].to_vec())]]
            }
            _ => vec![],
        };
        for new in replaced.chain(removed).chain(inserted).chain(split) {
            check(b"context", &[&base[..at], &new, &base[at + 1..]].concat(), at);
            changes += 1;
        }
        // Of two challenges in place of one, the first is the old one.
        if *op != Op::Challenge {
            check(b"context", &[&base[..at], &doubled[0], &base[at + 1..]].concat(), at);
        }
    }
    for i in 0..base.len() - 2 {
        let mut swapped = base.clone();
        swapped.swap(i, i + 2);
        if base[i] != base[i + 2] {
            check(b"context", &swapped, i);
        }
    }
    for context in [&b""[..], b"contex", b"context\0", b"dontext", b"\0context"] {
        check(context, &base, 0);
    }
    assert!(changes > 1500, "{changes} changes");
}

/// Labels and contents made to look like each other's length fields.
#[test]
fn public_messages_are_not_confused() {
    let end = |label, bytes: &[u8]| prove(b"", &[Op::Public(label, bytes.to_vec()), Op::Challenge]).1;
    let inner = [1, 0, 0, 0, 0, 0, 0, 0, b'x'];
    assert_ne!(end("", &inner), end("\t\0\0\0\0\0\0\0", b"x"));
    // A context that goes on like the header and the bytes of a message.
    let (_, split) = prove(b"", &[Op::Public("a", vec![7]), Op::Challenge]);
    let message = [&[1, 1, 0, 0, 0, 0, 0, 0, 0, b'a'][..], &[1, 0, 0, 0, 0, 0, 0, 0, 7]].concat();
    assert_ne!(prove(&message, &[Op::Challenge]).1, split);
    // One public message with the bytes of two.
    let (_, two) = prove(b"", &[Op::Public("a", vec![7]), Op::Public("a", vec![7]), Op::Challenge]);
    assert_ne!(end("a", &[&[7][..], &message].concat()), two);
}

#[test]
fn every_flipped_bit_of_a_proof_is_an_error_or_another_transcript() {
    let script = script();
    let (proof, expected) = prove(b"context", &script);
    let old: HashSet<_> = expected.iter().collect();
    // Which challenges come after each byte of the proof.
    let (mut ends, mut end, mut drawn) = (vec![], 0, 0);
    for op in &script {
        let count = match op {
            Op::Scalars(values) => values.len(),
            Op::Rows(points) => points.len(),
            Op::Row(row, _) => row.len() + 1,
            _ => 0,
        };
        drawn += usize::from(*op == Op::Challenge);
        end += 32 * count;
        ends.resize(end, drawn);
    }
    assert_eq!(ends.len(), proof.len());
    let mut accepted = 0;
    for bit in 0..8 * proof.len() {
        let mut changed = proof.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok((read, challenges)) = verify(b"context", &script, &changed) {
            accepted += 1;
            assert_ne!(read, script);
            let before = ends[bit / 8];
            assert_eq!(challenges[..before], expected[..before]);
            assert!(challenges[before..].iter().all(|c| !old.contains(c)));
        }
    }
    // Most changed scalars are scalars, and half the changed abscissas have points.
    assert!((1500..8 * proof.len()).contains(&accepted), "{accepted}");
}

#[test]
fn truncation_at_every_byte_is_an_error() {
    let script = script();
    let (proof, _) = prove(b"", &script);
    for length in 0..proof.len() {
        let error = verify(b"", &script, &proof[..length]).unwrap_err();
        assert!(matches!(error, ChannelError::Truncated { offset } if offset <= length), "{length}: {error}");
    }
}

#[test]
fn trailing_bytes_are_an_error() {
    let script = script();
    let (proof, _) = prove(b"", &script);
    for count in 1..=65 {
        let longer = [&proof[..], &vec![0; count]].concat();
        assert_eq!(verify(b"", &script, &longer).unwrap_err(), ChannelError::TrailingBytes { count });
    }
}

#[test]
fn scalars_have_one_encoding() {
    for x in [Fr::ZERO, Fr::ONE, -Fr::ONE, scalar(1), scalar(2)] {
        assert_eq!(read_scalar(&le_bytes(x)), Ok(x));
        assert_eq!(read_scalar(&plus_modulus(x)), Err(ChannelError::Scalar { offset: 0 }));
    }
    assert_eq!(read_scalar(&[0xff; 32]), Err(ChannelError::Scalar { offset: 0 }));
    // 5 r is below 2^256 and 6 r is not.
    let mut multiple = Fr::MODULUS;
    for _ in 2..=5 {
        assert!(!multiple.add_with_carry(&Fr::MODULUS));
        assert_eq!(read_scalar(&multiple.to_bytes_le()), Err(ChannelError::Scalar { offset: 0 }));
    }
    assert!(multiple.add_with_carry(&Fr::MODULUS));

    let second = [le_bytes(Fr::ONE), plus_modulus(Fr::ONE)].concat();
    assert_eq!(ClearVerifier::new(b"", &second).receive(2), Err(ChannelError::Scalar { offset: 32 }));
    let mut verifier = ClearVerifier::new(b"", &second);
    assert_eq!(verifier.receive(1), Ok(vec![Fr::ONE]));
    assert_eq!(verifier.row(0), Err(ChannelError::Scalar { offset: 32 }));
}

#[test]
fn points_have_one_encoding() {
    let invalid = Err(ChannelError::Point { offset: 0 });
    for p in [G1Affine::generator(), point(1), point(2), -point(3)] {
        let larger = if p.y > -p.y { 128 } else { 0 };
        let x = le_bytes(p.x().unwrap());
        assert_eq!(read_point(&flagged(x, larger)), Ok(p));
        assert_eq!(read_point(&flagged(x, larger ^ 128)), Ok(-p), "the other sign is the other point");
        assert_eq!(read_point(&flagged(x, 64)), invalid, "the identity with an abscissa");
        assert_eq!(read_point(&flagged(x, 192)), invalid, "both flags");
    }
    // q + x is below 2^254 for small x and leaves the flags alone: the point (1, 2).
    assert_eq!(read_point(&le_bytes(Fq::ONE)), Ok(G1Affine::generator()));
    let wrapped = plus_modulus(Fq::ONE);
    assert_eq!(wrapped[31] & 192, 0);
    for flags in [0, 64, 128, 192] {
        assert_eq!(read_point(&flagged(wrapped, flags)), invalid, "flags {flags}");
    }
}

#[test]
fn identity_has_one_encoding() {
    let invalid = Err(ChannelError::Point { offset: 0 });
    let identity = flagged([0; 32], 64);
    assert_eq!(read_point(&identity), Ok(G1Affine::zero()));
    let mut prover = ClearProver::new(b"");
    prover.send_rows(&[G1Affine::zero()]);
    assert_eq!(prover.finish(), identity);
    for bit in 0..256 {
        let mut changed = identity;
        changed[bit / 8] ^= 1 << (bit % 8);
        if bit != 254 {
            assert_eq!(read_point(&changed), invalid, "bit {bit}");
        }
    }
    // No point has x = 0: 3 is no square.
    assert!(Fq::from(3).sqrt().is_none());
    assert_eq!(read_point(&[0; 32]), invalid);
    assert_eq!(read_point(&flagged([0; 32], 128)), invalid);
    assert_eq!(read_point(&[0xff; 32]), invalid);
}

#[test]
fn points_off_the_curve_are_an_error() {
    let mut rejected = 0;
    for x in (0u64..100).map(Fq::from) {
        let on_curve = (x.square() * x + Fq::from(3)).sqrt().is_some();
        for flags in [0, 128] {
            let read = read_point(&flagged(le_bytes(x), flags));
            assert_eq!(read.is_ok(), on_curve);
            rejected += usize::from(read == Err(ChannelError::Point { offset: 0 }));
        }
    }
    assert!((60..140).contains(&rejected), "{rejected}");

    // The first bad one of many is named, whichever thread finds it.
    let mut prover = ClearProver::new(b"");
    prover.send_rows(&[point(1); 100]);
    let mut proof = prover.finish();
    for bad in [90, 71, 13] {
        proof[32 * bad..32 * (bad + 1)].fill(0);
        assert_eq!(ClearVerifier::new(b"", &proof).rows(100), Err(ChannelError::Point { offset: 32 * bad }));
    }
}

#[test]
fn counts_beyond_the_proof_allocate_nothing() {
    let proof = [le_bytes(Fr::ONE); 2].concat();
    for n in [3, 1 << 40, 1 << 59, (1 << 59) + 1, usize::MAX / 32, usize::MAX - 1, usize::MAX] {
        let truncated = ChannelError::Truncated { offset: 32 };
        let verifier = || {
            let mut verifier = ClearVerifier::new(b"", &proof);
            verifier.receive(1).unwrap();
            verifier
        };
        assert_eq!(verifier().receive(n), Err(truncated));
        assert_eq!(verifier().rows(n), Err(truncated));
        assert_eq!(verifier().row(n), Err(truncated));
    }
}

#[test]
fn errors_are_final() {
    let proof = [le_bytes(Fr::ONE), [0xff; 32], le_bytes(Fr::ONE)].concat();
    type Fault = fn(&mut ClearVerifier) -> Result<(), ChannelError>;
    let faults: [(Fault, ChannelError); 6] = [
        (|v| v.receive(3).map(drop), ChannelError::Scalar { offset: 32 }),
        (|v| v.rows(2).map(drop), ChannelError::Point { offset: 32 }),
        (|v| v.row(4).map(drop), ChannelError::Truncated { offset: 0 }),
        (|v| v.zero("sum", Lin::constant(Fr::ONE)), ChannelError::Equation { what: "sum" }),
        (|v| v.nonzero("root", Fr::ZERO), ChannelError::Zero { what: "root" }),
        (
            |v| v.products("gate", vec![(Lin::from(Fr::ONE), Lin::from(Fr::ONE))], Lin::from(Fr::ZERO)),
            ChannelError::Product { what: "gate" },
        ),
    ];
    for (fault, error) in faults {
        let mut verifier = ClearVerifier::new(b"", &proof);
        if error == (ChannelError::Point { offset: 32 }) {
            // The first encoding must be a point for the second to be the culprit: (1, 2) and 1 look the same.
            assert_eq!(read_point(&proof[..32]), Ok(G1Affine::generator()));
        }
        assert_eq!(fault(&mut verifier), Err(error));
        verifier.public("label", b"bytes");
        verifier.challenge();
        assert_eq!(verifier.receive(0), Err(error));
        assert_eq!(verifier.receive(1), Err(error));
        assert_eq!(verifier.rows(0), Err(error));
        assert_eq!(verifier.row(0), Err(error));
        assert_eq!(verifier.zero("holds", Lin::constant(Fr::ZERO)), Err(error));
        assert_eq!(verifier.nonzero("holds", Fr::ONE), Err(error));
        let [zero, one] = [Fr::ZERO, Fr::ONE].map(Lin::from);
        assert_eq!(verifier.products("holds", vec![(zero.clone(), one)], zero), Err(error));
        assert_eq!(verifier.finish(), Err(error));
    }
    // All read, so only the failed claim keeps the proof from being accepted.
    let mut verifier = ClearVerifier::new(b"", &proof[..32]);
    let value = verifier.receive(1).unwrap()[0];
    let failed = verifier.zero("claim", Lin::from(value));
    assert_eq!(failed, Err(ChannelError::Equation { what: "claim" }));
    assert_eq!(verifier.finish(), failed);
}

#[test]
fn claims_are_checked() {
    let [a, b, c] = [scalar(1), scalar(2), scalar(3)];
    let mut prover = ClearProver::new(b"");
    prover.send(&[a, b, a * b, c]);
    let proof = prover.finish();
    let mut verifier = ClearVerifier::new(b"", &proof);
    let values = verifier.receive(4).unwrap();
    let [a, b, ab, c] = [0, 1, 2, 3].map(|i| Lin::from(values[i]));
    verifier.products("a b = ab", vec![(a.clone(), b.clone())], ab.clone()).unwrap();
    let one = Lin::constant(Fr::ONE);
    let more = |l: &Lin<Fr>| l.clone() + one.clone();
    let sum = ab.clone() + a.clone() + b.clone() + one.clone();
    verifier.products("(a + 1)(b + 1) = ab + a + b + 1", vec![(more(&a), more(&b))], sum).unwrap();
    let both = vec![(a.clone(), b.clone()), (-a, b)];
    verifier.products("a b - a b = 0", both, Lin::constant(Fr::ZERO)).unwrap();
    verifier.products("no products", vec![], Lin::constant(Fr::ZERO)).unwrap();
    verifier.nonzero("c", values[3]).unwrap();
    verifier.zero("c - c", c.clone() - c.clone()).unwrap();
    verifier.zero("2 c - c - c", c.clone() * Fr::from(2) - c.clone() - c).unwrap();
    verifier.finish().unwrap();
}

#[test]
fn forms_are_affine() {
    let values = [scalar(1), scalar(2), scalar(3)];
    let eval = |l: &Lin<usize>| l.eval(|&i| values[i]);
    let (x, y) = (Lin::from(0usize), Lin::term(scalar(8), 1usize));
    let three = Lin::constant(Fr::from(3));
    let k = scalar(9);
    assert_eq!(eval(&x), values[0]);
    assert_eq!(eval(&y), scalar(8) * values[1]);
    assert_eq!(eval(&(x.clone() + y.clone() + three.clone())), eval(&x) + eval(&y) + Fr::from(3));
    assert_eq!(eval(&(x.clone() - y.clone() - three.clone())), eval(&x) - eval(&y) - Fr::from(3));
    assert_eq!(eval(&(-(x.clone() + three.clone()))), -(eval(&x) + Fr::from(3)));
    assert_eq!(eval(&((x.clone() + three.clone()) * k)), (eval(&x) + Fr::from(3)) * k);
    let mut scaled = x.clone() + three.clone() + y.clone();
    scaled.scale(k);
    assert_eq!(eval(&scaled), (eval(&x) + eval(&y) + Fr::from(3)) * k);
    let combined: Lin<usize> = [(k, 0), (-k, 2), (Fr::ONE, 0)].into_iter().collect();
    assert_eq!(eval(&combined), k * values[0] - k * values[2] + values[0]);
    assert_eq!(eval(&[x.clone(), y.clone(), three].into_iter().sum()), eval(&x) + eval(&y) + Fr::from(3));
    assert_eq!(eval(&std::iter::empty().sum()), Fr::ZERO);
}

fn any_scalar() -> impl Strategy<Value = Fr> {
    prop_oneof![
        Just(Fr::ZERO),
        Just(-Fr::ONE),
        any::<u64>().prop_map(Fr::from),
        any::<u64>().prop_map(scalar_of)
    ]
}

fn scalar_of(seed: u64) -> Fr {
    Fr::from(seed).pow([977])
}

fn any_op() -> impl Strategy<Value = Op> {
    let scalars = || prop::collection::vec(any_scalar(), 0..4);
    let points =
        prop::collection::vec(any::<u64>().prop_map(|s| (G1Affine::generator() * scalar_of(s)).into()), 0..3);
    prop_oneof![
        (prop::sample::select(vec!["", "a", "ab"]), prop::collection::vec(any::<u8>(), 0..4))
            .prop_map(|(label, bytes)| Op::Public(label, bytes)),
        scalars().prop_map(Op::Scalars),
        points.prop_map(Op::Rows),
        (scalars(), any_scalar()).prop_map(|(row, blind)| Op::Row(row, blind)),
        Just(Op::Challenge),
    ]
}

fn any_script() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any_op(), 0..8)
}

proptest! {
    #[test]
    fn any_protocol_is_read_as_it_was_written(script in any_script(), context: Vec<u8>) {
        let (proof, challenges) = prove(&context, &script);
        prop_assert_eq!(verify(&context, &script, &proof), Ok((script, challenges)));
    }

    #[test]
    fn different_protocols_end_in_different_challenges(one in any_script(), other in any_script()) {
        prop_assume!(one != other);
        let end = |script: &[Op]| prove(b"", &[script, &[Op::Challenge]].concat()).1.pop();
        prop_assert_ne!(end(&one), end(&other));
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(script in any_script(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        // What is accepted is exactly what the prover would have written for the values.
        if let Ok((read, challenges)) = verify(b"", &script, &bytes) {
            prop_assert_eq!(prove(b"", &read), (bytes, challenges));
        }
    }

    /// Words below both moduli, so that many of them are accepted.
    #[test]
    fn accepted_bytes_are_canonical(script in any_script(), words in prop::collection::vec((any::<[u8; 31]>(), any::<u8>()), 0..12)) {
        let bytes: Vec<u8> = words.iter().flat_map(|(low, high)| low.iter().copied().chain([high & 0xc1])).collect();
        if let Ok((read, challenges)) = verify(b"", &script, &bytes) {
            prop_assert_eq!(prove(b"", &read), (bytes, challenges));
        }
    }

    #[test]
    fn an_accepted_point_is_on_the_curve_and_canonical(low: [u8; 31], high: u8) {
        let bytes: Vec<u8> = low.into_iter().chain([high]).collect();
        if let Ok(point) = read_point(&bytes) {
            prop_assert!(point.is_on_curve());
            let mut prover = ClearProver::new(b"");
            prover.send_rows(&[point]);
            prop_assert_eq!(prover.finish(), bytes);
        }
    }
}
