//! The one encoding of each scalar and each point, 32 bytes.

use ark_bn254::{Fr, G1Affine};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use rayon::prelude::*;

/// Bytes of a scalar and of a point alike.
pub(crate) const ENCODED: usize = 32;

/// Points worth sending to another thread: decoding one takes a square root, some 5 us.
const POINTS_PER_TASK: usize = 16;

pub(crate) fn encode(value: &impl CanonicalSerialize) -> [u8; ENCODED] {
    let mut bytes = [0; ENCODED];
    value.serialize_compressed(bytes.as_mut_slice()).expect("scalars and compressed points fill 32 bytes");
    bytes
}

/// `None` unless the integer is below r.
pub(crate) fn scalar(bytes: &[u8; ENCODED]) -> Option<Fr> {
    Fr::deserialize_compressed(bytes.as_slice()).ok()
}

/// `None` unless this is what [`encode`] makes of a point of the curve.
pub(crate) fn point(bytes: &[u8; ENCODED]) -> Option<G1Affine> {
    let point = G1Affine::deserialize_compressed(bytes.as_slice()).ok()?;
    // arkworks ignores the abscissa where the identity's flag is set.
    (encode(&point) == *bytes).then_some(point)
}

/// The scalars, or the index of the first that is none.
pub(super) fn scalars(encoded: &[[u8; ENCODED]]) -> Result<Vec<Fr>, usize> {
    encoded.iter().enumerate().map(|(i, bytes)| scalar(bytes).ok_or(i)).collect()
}

/// The points, or the index of the first that is none.
pub(super) fn points(encoded: &[[u8; ENCODED]]) -> Result<Vec<G1Affine>, usize> {
    let decoded: Vec<_> = encoded.par_iter().with_min_len(POINTS_PER_TASK).map(point).collect();
    decoded.into_iter().enumerate().map(|(i, point)| point.ok_or(i)).collect()
}
