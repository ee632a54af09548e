//! Hashing to BN254's G1: RFC 9380, suite `BN254G1_XMD:SHA-256_SVDW_RO_`.
//!
//! A message becomes two field elements (`expand_message_xmd` with SHA-256, 48 bytes each, section 5), each
//! of them a point (the map of Shallue and van de Woestijne, section 6.6.1, with Z = 1), and the sum of the
//! two points is the hash. BN254 has `A = 0`, which rules the simplified SWU map out, and cofactor 1, so
//! there is no cofactor to clear. Nobody knows a discrete logarithm between hashes of different messages.
//!
//! Cost of a point: two inversions, shared by the batch, and about 3.5 square roots in Fq. The running time
//! depends on the message: for public messages only.
//!
//! `ark_ff`'s `DefaultFieldHasher` is not used: it pads with L = 48 zero bytes where the RFC asks for the
//! hash's input block of 64.

use ark_bn254::{Fq, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{BigInteger, Field, MontFp, PrimeField, batch_inversion};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Bytes per field element: ceil((254 + 128) / 8), RFC 9380 section 5.1.
const FIELD_BYTES: usize = 48;

/// Messages that share an inversion; small enough to leave every thread some.
const CHUNK: usize = 64;

/// The curve's coefficient: `g(x) = x^3 + B`.
const B: Fq = MontFp!("3");
/// The parameter of the map, the first that meets the conditions of RFC 9380 appendix H.1.
const Z: Fq = Fq::ONE;
/// `g(Z)`.
const C1: Fq = MontFp!("4");
/// `-Z / 2`.
const C2: Fq = MontFp!("10944121435919637611123202872628637544348155578648911831344518947322613104291");
/// `sqrt(-3 Z^2 g(Z))`, the even one of the two.
const C3: Fq = MontFp!("8815841940592487685674414971303048083897117035520822607866");
/// `-4 g(Z) / (3 Z^2)`.
const C4: Fq = MontFp!("7296080957279758407415468581752425029565437052432607887563012631548408736189");

/// Hashes every message under the domain separation tag `dst`; the points come in the messages' order.
///
/// An empty tag and one of more than 255 bytes do not compile.
pub fn hash_to_curve<const N: usize, M: AsRef<[u8]> + Sync>(dst: &[u8; N], messages: &[M]) -> Vec<G1Affine> {
    let points: Vec<G1Projective> = messages
        .par_chunks(CHUNK)
        .flat_map_iter(|chunk| {
            let elements: Vec<Fq> = chunk.iter().flat_map(|m| hash_to_field(dst, m.as_ref())).collect();
            let halves = map_to_curve(&elements);
            halves.as_chunks().0.iter().map(|[first, second]| *first + *second).collect::<Vec<_>>()
        })
        .collect();
    G1Projective::normalize_batch(&points)
}

/// `hash_to_field(message, 2)`, RFC 9380 section 5.2.
fn hash_to_field<const N: usize>(dst: &[u8; N], message: &[u8]) -> [Fq; 2] {
    let uniform = expand_message_xmd(dst, message);
    let (first, second) = uniform.split_at(FIELD_BYTES);
    [Fq::from_be_bytes_mod_order(first), Fq::from_be_bytes_mod_order(second)]
}

/// `expand_message_xmd` with SHA-256 for `2 L` bytes, RFC 9380 section 5.3.1.
fn expand_message_xmd<const N: usize>(dst: &[u8; N], message: &[u8]) -> [u8; 2 * FIELD_BYTES] {
    const { assert!(0 < N && N <= 255, "a domain separation tag has 1 to 255 bytes") }
    /// The input block of SHA-256.
    const BLOCK: usize = 64;
    let finish =
        |hasher: Sha256| -> [u8; 32] { hasher.chain_update(dst).chain_update([N as u8]).finalize().into() };

    let length = (2 * FIELD_BYTES as u16).to_be_bytes();
    let seed = finish(
        Sha256::new().chain_update([0; BLOCK]).chain_update(message).chain_update(length).chain_update([0]),
    );
    let mut uniform = [0; 2 * FIELD_BYTES];
    let mut previous = [0; 32];
    for (index, out) in (1u8..).zip(uniform.as_chunks_mut().0) {
        let mixed: [u8; 32] = std::array::from_fn(|i| seed[i] ^ previous[i]);
        *out = finish(Sha256::new().chain_update(mixed).chain_update([index]));
        previous = *out;
    }
    uniform
}

/// The Shallue-van de Woestijne map, RFC 9380 section 6.6.1 in the order of appendix F.1, for many elements.
///
/// At least one of three candidates is the abscissa of a point. The first root found settles it, where the
/// constant-time form computes two Legendre symbols and a root always; the answer is the same.
fn map_to_curve(elements: &[Fq]) -> Vec<G1Affine> {
    // inv0(tv1 * tv2): a zero stays zero in `batch_inversion`.
    let mut inverses: Vec<Fq> = elements
        .iter()
        .map(|u| {
            let scaled = C1 * u.square();
            (Fq::ONE - scaled) * (Fq::ONE + scaled)
        })
        .collect();
    batch_inversion(&mut inverses);

    let point = |(u, inverse): (&Fq, &Fq)| {
        let scaled = C1 * u.square();
        let shift = *u * (Fq::ONE - scaled) * inverse * C3;
        let (x, y) = with_root(C2 - shift).or_else(|| with_root(C2 + shift)).unwrap_or_else(|| {
            let x = Z + C4 * ((Fq::ONE + scaled).square() * inverse).square();
            // The product of the three values of g is a square, so with two non-squares the third is one.
            (x, g(x).sqrt().expect("one of the three candidates is on the curve"))
        });
        G1Affine::new_unchecked(x, if is_odd(u) == is_odd(&y) { y } else { -y })
    };
    elements.iter().zip(&inverses).map(point).collect()
}

fn g(x: Fq) -> Fq {
    x.square() * x + B
}

fn with_root(x: Fq) -> Option<(Fq, Fq)> {
    g(x).sqrt().map(|y| (x, y))
}

/// `sgn0`, RFC 9380 section 4.1.
fn is_odd(x: &Fq) -> bool {
    x.into_bigint().is_odd()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ark_ff::{AdditiveGroup, LegendreSymbol};
    use ark_serialize::CanonicalSerialize;
    use halo2curves::CurveExt;
    use halo2curves::ff::PrimeField as _;
    use halo2curves::group::Curve;

    const TAG: &[u8; 53] = b"zkmill-circuits-test-with-BN254G1_XMD:SHA-256_SVDW_RO";

    #[test]
    fn constants_follow_from_their_definitions() {
        assert_eq!(C1, g(Z));
        assert_eq!(C2.double(), -Z);
        assert_eq!(C3.square(), -Fq::from(3) * Z.square() * C1);
        assert!(!is_odd(&C3));
        assert_eq!(C4 * Fq::from(3) * Z.square(), -Fq::from(4) * C1);
        assert_eq!(<ark_bn254::g1::Config as ark_ec::short_weierstrass::SWCurveConfig>::COEFF_B, B);
        assert_eq!(<ark_bn254::g1::Config as ark_ec::short_weierstrass::SWCurveConfig>::COEFF_A, Fq::ZERO);
    }

    /// The conditions that appendix H.1 of the RFC puts on Z, of which 1 is the first candidate.
    #[test]
    fn z_meets_the_conditions_of_the_map() {
        let ratio = -(Fq::from(3) * Z.square()) / (Fq::from(4) * g(Z));
        assert_ne!(g(Z), Fq::ZERO);
        assert_eq!(ratio.legendre(), LegendreSymbol::QuadraticResidue);
        let half = Z / Fq::from(2);
        assert!(
            g(Z).legendre() == LegendreSymbol::QuadraticResidue
                || g(-half).legendre() == LegendreSymbol::QuadraticResidue
        );
    }

    /// The map as section 6.6.1 states it, one candidate after the other and with explicit inversions.
    fn map_by_the_text(u: Fq) -> G1Affine {
        let inv0 = |x: Fq| x.inverse().unwrap_or(Fq::ZERO);
        let square = |x: Fq| x.legendre() != LegendreSymbol::QuadraticNonResidue;
        let tv1 = u.square() * g(Z);
        let tv2 = Fq::ONE + tv1;
        let tv1 = Fq::ONE - tv1;
        let tv3 = inv0(tv1 * tv2);
        let mut tv4 = (-g(Z) * Fq::from(3) * Z.square()).sqrt().unwrap();
        if is_odd(&tv4) {
            tv4 = -tv4;
        }
        let tv5 = u * tv1 * tv3 * tv4;
        let tv6 = -Fq::from(4) * g(Z) * inv0(Fq::from(3) * Z.square());
        let half = Z * inv0(Fq::from(2));
        let candidates = [-half - tv5, -half + tv5, Z + tv6 * (tv2.square() * tv3).square()];
        let x = candidates.into_iter().find(|&x| square(g(x))).unwrap();
        let mut y = g(x).sqrt().unwrap();
        if is_odd(&u) != is_odd(&y) {
            y = -y;
        }
        G1Affine::new(x, y)
    }

    #[test]
    fn map_agrees_with_the_text_of_the_rfc() {
        let half = Fq::from(2).inverse().unwrap();
        // 4 u^2 = 1 is where the denominator vanishes; 4 u^2 = -1 has no solution, q being 3 mod 4.
        let mut inputs = vec![Fq::ZERO, half, -half, Fq::ONE, -Fq::ONE, C3, C4];
        inputs.extend((0..500u32).flat_map(|i| hash_to_field(TAG, &i.to_be_bytes())));
        let expected: Vec<_> = inputs.iter().map(|&u| map_by_the_text(u)).collect();
        assert_eq!(map_to_curve(&inputs), expected);

        // All three candidates occur, or the comparison says less than it seems to.
        let candidate = |u: &Fq, x: Fq| {
            let scaled = C1 * u.square();
            let inverse = ((Fq::ONE - scaled) * (Fq::ONE + scaled)).inverse().unwrap();
            let shift = *u * (Fq::ONE - scaled) * inverse * C3;
            if x == C2 - shift { 0 } else { 1 + usize::from(x != C2 + shift) }
        };
        let mut seen = [0; 3];
        inputs.iter().zip(&expected).skip(3).for_each(|(u, p)| seen[candidate(u, p.x)] += 1);
        assert!(seen.iter().all(|&n| n > 50), "candidates taken: {seen:?}");
    }

    pub(crate) fn from_halo2(point: halo2curves::bn256::G1) -> G1Affine {
        let point = point.to_affine();
        let x = Fq::from_le_bytes_mod_order(point.x.to_repr().as_ref());
        let y = Fq::from_le_bytes_mod_order(point.y.to_repr().as_ref());
        G1Affine::new(x, y)
    }

    #[test]
    fn points_agree_with_halo2curves() {
        let mut messages: Vec<Vec<u8>> = (0..300u32).map(|i| i.to_be_bytes().to_vec()).collect();
        // Lengths around SHA-256's padding and block boundaries.
        messages.extend((0..200).map(|length| (0..length).map(|i| (i * 7 + length) as u8).collect()));

        let ours = hash_to_curve(b"zkmill-circuits-test-BN254G1_XMD:SHA-256_SVDW_RO_", &messages);
        let theirs = halo2curves::bn256::G1::hash_to_curve("zkmill-circuits-test-");
        for (message, point) in messages.iter().zip(&ours) {
            assert_eq!(*point, from_halo2(theirs(message)), "message {message:?}");
        }
        assert_eq!(ours.len(), messages.len());
    }

    /// Two of the test vectors that gnark-crypto publishes for this suite.
    #[test]
    fn points_agree_with_published_vectors() {
        let points = hash_to_curve(b"QUUX-V01-CS02-with-BN254G1_XMD:SHA-256_SVDW_RO_", &["", "abc"]);
        let expected = [
            "0a976ab906170db1f9638d376514dbf8c42aef256a54bbd48521f20749e59e86\
             02925ead66b9e68bfc309b014398640ab55f6619ab59bc1fab2210ad4c4d53d5",
            "23f717bee89b1003957139f193e6be7da1df5f1374b26a4643b0378b5baf53d1\
             04142f826b71ee574452dbc47e05bc3e1a647478403a7ba38b7b93948f4e151d",
        ];
        for (point, expected) in points.iter().zip(expected) {
            let hex = |x: Fq| {
                let mut bytes = Vec::new();
                x.serialize_compressed(&mut bytes).unwrap();
                bytes.iter().rev().map(|b| format!("{b:02x}")).collect::<String>()
            };
            assert_eq!(hex(point.x) + &hex(point.y), expected);
        }
    }

    #[test]
    fn batches_of_any_size_give_the_same_points() {
        let messages: Vec<[u8; 4]> = (0..3 * CHUNK as u32 + 1).map(u32::to_be_bytes).collect();
        let all = hash_to_curve(TAG, &messages);
        for size in [0, 1, 2, CHUNK - 1, CHUNK, CHUNK + 1, messages.len()] {
            assert_eq!(hash_to_curve(TAG, &messages[..size]), all[..size]);
        }
        assert_ne!(hash_to_curve(b"another tag", &messages[..1])[0], all[0]);
    }
}
