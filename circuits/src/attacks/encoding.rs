//! Bytes that the honest prover would not have written.

use ark_bn254::{Fq, Fr, G1Affine};
use ark_ff::{BigInteger, PrimeField};
use rayon::prelude::*;

use super::audit::rejected;
use super::*;
use crate::channel::{ChannelError, decode_point, decode_scalar, encode};
use crate::error::{EncodingError, Rejection};

/// A proof with lookups, its rows as long as keeps it short; three inputs, so that there are answers beyond the batch.
struct Encoded {
    case: Case,
    statement: Statement,
    bytes: Vec<u8>,
    /// Bytes before the first message.
    start: usize,
    /// Row commitments.
    rows: usize,
}

fn encoded(visibility: Visibility) -> Encoded {
    let inputs = Tensor::new(3, 2, vec![1, 2, -30, 9, 10, 20]).unwrap();
    let params = Params { log_row: 6, limbs: Limbs::Bytes };
    let case = Case::new(activations(), params, inputs, visibility);
    let truth = case.truth();
    let bytes = case.prove(&truth);
    let proof = Proof::from_bytes(&bytes, case.verifying().circuit(), 3).unwrap();
    assert_eq!(proof.to_bytes(), bytes);
    let rows = truth.layout.witness_polys().map(|poly| truth.layout.rows(poly)).sum();
    Encoded { case, statement: truth.statement, start: bytes.len() - proof.messages.len(), rows, bytes }
}

impl Encoded {
    fn slots(&self) -> usize {
        (self.bytes.len() - self.start) / 32
    }

    fn slot(&self, slot: usize) -> [u8; 32] {
        self.bytes[self.start + 32 * slot..][..32].try_into().unwrap()
    }

    /// Why the proof with other bytes in a slot is rejected.
    fn with(&self, slot: usize, bytes: [u8; 32]) -> Rejection {
        let mut proof = self.bytes.clone();
        proof[self.start + 32 * slot..][..32].copy_from_slice(&bytes);
        self.rejected(&proof)
    }

    fn rejected(&self, proof: &[u8]) -> Rejection {
        rejected(self.case.verify(&self.statement, proof))
    }
}

fn plus_modulus<F: PrimeField>(x: F) -> [u8; 32] {
    let mut sum = x.into_bigint();
    assert!(!sum.add_with_carry(&F::MODULUS));
    sum.to_bytes_le().try_into().unwrap()
}

#[test]
fn every_changed_scalar_and_point_is_rejected() {
    for visibility in [Visibility::Public, Visibility::Committed] {
        let encoded = encoded(visibility);
        (0..encoded.slots()).into_par_iter().for_each(|slot| {
            let others = match decode_point(&encoded.slot(slot)).filter(|_| slot < encoded.rows) {
                Some(point) => [encode(&-point), encode(&G1Affine::identity())],
                None => {
                    let value = decode_scalar(&encoded.slot(slot)).unwrap();
                    [encode(&(value + Fr::ONE)), encode(&-value)]
                }
            };
            // Zero has no other sign.
            for other in others.into_iter().filter(|other| *other != encoded.slot(slot)) {
                let rejection = encoded.with(slot, other);
                let claim = matches!(
                    rejection,
                    Rejection::Commitment
                        | Rejection::Channel(
                            ChannelError::Equation { .. }
                                | ChannelError::Product { .. }
                                | ChannelError::Zero { .. }
                        )
                );
                assert!(claim, "slot {slot}: {rejection}");
            }
        });
    }
}

#[test]
fn scalars_beyond_the_modulus_are_rejected() {
    let encoded = encoded(Visibility::Public);
    (encoded.rows..encoded.slots()).into_par_iter().for_each(|slot| {
        let value = decode_scalar(&encoded.slot(slot)).unwrap();
        let expected = Rejection::Channel(ChannelError::Scalar { offset: 32 * slot });
        assert_eq!(encoded.with(slot, plus_modulus(value)), expected);
        assert_eq!(encoded.with(slot, [0xff; 32]), expected);
    });
}

#[test]
fn points_off_the_curve_or_in_another_form_are_rejected() {
    let encoded = encoded(Visibility::Committed);
    // No point of the curve has the abscissa 0, nor 4: 67 is no square.
    assert!([Fq::from(0), Fq::from(4)].iter().all(|x| (*x * x * x + Fq::from(3)).legendre().is_qnr()));
    for slot in 0..encoded.rows {
        let expected = Rejection::Channel(ChannelError::Point { offset: 32 * slot });
        let abscissa = decode_point(&encoded.slot(slot)).unwrap().x;
        let flagged = |bytes: [u8; 32], flags: u8| {
            let mut bytes = bytes;
            bytes[31] |= flags;
            bytes
        };
        for bytes in [
            encode(&Fq::from(0)),
            encode(&Fq::from(4)),
            flagged(encode(&Fq::from(4)), 128),
            // The identity with an abscissa, both flags, and the abscissa plus the modulus where it fits below the flags.
            flagged(encode(&abscissa), 64),
            flagged(encode(&abscissa), 192),
            [0xff; 32],
        ] {
            assert_eq!(encoded.with(slot, bytes), expected);
        }
        let wrapped = plus_modulus(abscissa);
        if wrapped[31] < 64 {
            assert_eq!(encoded.with(slot, wrapped), expected);
        }
        // The other sign is another point, and so another proof.
        let mut flipped = encoded.slot(slot);
        flipped[31] ^= 128;
        assert_eq!(encoded.with(slot, flipped), audit::rejection(LEVEL));
    }
}

/// At the ends of all encodings and a byte to either side; [`proofs_without_lookups_are_as_strict`] goes on byte by byte.
#[test]
fn truncated_proofs_are_rejected() {
    let encoded = encoded(Visibility::Public);
    let ends =
        (0..encoded.slots()).flat_map(|slot| [31, 32, 33].map(|byte| encoded.start + 32 * slot + byte));
    let lengths: Vec<usize> =
        (0..=encoded.start).chain(ends).filter(|end| *end < encoded.bytes.len()).collect();
    lengths.into_par_iter().for_each(|length| match encoded.rejected(&encoded.bytes[..length]) {
        Rejection::Encoding(EncodingError::Truncated) => assert!(length < encoded.start),
        Rejection::Channel(ChannelError::Truncated { offset }) => {
            assert!(length >= encoded.start && offset <= length - encoded.start)
        }
        other => panic!("{length} bytes: {other}"),
    });
}

#[test]
fn trailing_bytes_are_rejected() {
    let encoded = encoded(Visibility::Public);
    for count in [1, 2, 31, 32, 33, 1000] {
        let longer = [&encoded.bytes[..], &vec![0; count]].concat();
        let expected = Rejection::Channel(ChannelError::TrailingBytes { count });
        assert_eq!(encoded.rejected(&longer), expected);
    }
    let twice = [&encoded.bytes[..], &encoded.bytes].concat();
    let expected = Rejection::Channel(ChannelError::TrailingBytes { count: encoded.bytes.len() });
    assert_eq!(encoded.rejected(&twice), expected);
}

#[test]
fn other_headers_and_paddings_are_rejected() {
    let encoded = encoded(Visibility::Public);
    for bit in 0..8 * encoded.start {
        let mut other = encoded.bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        // From the end: two answers, the version, the name.
        let expected = match 8 * encoded.start - bit {
            ..=16 => audit::rejection(LEVEL),
            17..=32 => {
                let version = u16::from_le_bytes([other[encoded.start - 4], other[encoded.start - 3]]);
                Rejection::Encoding(EncodingError::Version { version })
            }
            _ => Rejection::Encoding(EncodingError::Magic { expected: "zkmill proof" }),
        };
        assert_eq!(encoded.rejected(&other), expected, "bit {bit}");
    }
}

#[test]
fn proofs_without_lookups_are_as_strict() {
    // Vectors of one entry, rows of one entry, no round anywhere.
    let inputs = Tensor::new(1, 1, vec![5]).unwrap();
    let params = Params { log_row: 0, limbs: Limbs::Bytes };
    let model = Model::new(vec![layer(1, 1, &[-128], &[-77], None)]).unwrap();
    let case = Case::new(model, params, inputs, Visibility::Public);
    let truth = case.truth();
    let bytes = case.prove(&truth);
    // Two bytes of version, a zero, the name; bias, weight, the two folded values, the row and its blind.
    assert_eq!(bytes.len(), 15 + 32 * 6);
    for length in 0..bytes.len() {
        assert!(case.verify(&truth.statement, &bytes[..length]).is_err());
    }
    for bit in 0..8 * bytes.len() {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(case.verify(&truth.statement, &other).is_err(), "bit {bit}");
    }
    let mut lie = truth.clone();
    lie.statement.output = Output::Accumulators(Tensor::new(1, 1, vec![-716]).unwrap());
    caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
    lie.statement.input = Input::Public(Tensor::new(1, 1, vec![6]).unwrap());
    caught(&case, &lie.statement, &case.prove(&lie), PRODUCTS);
}
