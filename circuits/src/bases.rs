//! The bases of the Pedersen row commitments, derived without a ceremony.
//!
//! `Com(v; o) = sum_i v_i R_i + o H` commits to a row `v` of `2^b` field elements with the blind `o`. All
//! bases are hashes to the curve ([`hash_to_curve`]) of public strings, so nobody knows a relation between
//! them, and they are derived on start rather than loaded: bases out of a file are binding only for whoever
//! wrote the file.

use crate::hash_to_curve::hash_to_curve;
use ark_bn254::G1Affine;

/// Names the derivation; part of every verifying key. Changes whenever the bases change.
pub const DOMAIN: &str = "zkmill-circuits/pedersen/v1/BN254G1_XMD:SHA-256_SVDW_RO_";

const ROW_TAG: &[u8; 60] = b"zkmill-circuits/pedersen/v1/row:BN254G1_XMD:SHA-256_SVDW_RO_";
const BLINDING_TAG: &[u8; 65] = b"zkmill-circuits/pedersen/v1/blinding:BN254G1_XMD:SHA-256_SVDW_RO_";
const VALUE_TAG: &[u8; 62] = b"zkmill-circuits/pedersen/v1/value:BN254G1_XMD:SHA-256_SVDW_RO_";

/// The largest supported `b`: rows of 4096 entries. Longer rows make proofs longer, not faster to verify.
pub const MAX_LOG_ROW: u32 = 12;

/// The bases of a commitment to rows of `2^b` entries.
///
/// Base `i` of the row is the same for every `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentKey {
    row: Vec<G1Affine>,
    blinding: G1Affine,
    value: G1Affine,
}

/// Why a commitment key could not be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BasesError {
    /// The row length is out of range.
    #[error("rows of 2^{log_row} entries are not supported, at most 2^{MAX_LOG_ROW} are")]
    RowTooLong {
        /// The binary logarithm asked for.
        log_row: u32,
    },
}

impl CommitmentKey {
    /// Derives the bases for rows of `2^log_row` entries, on all threads of the current rayon pool.
    ///
    /// Deterministic. Costs about 40 us of one core per point.
    ///
    /// # Errors
    ///
    /// [`BasesError::RowTooLong`] if `log_row` is above [`MAX_LOG_ROW`].
    pub fn derive(log_row: u32) -> Result<Self, BasesError> {
        if log_row > MAX_LOG_ROW {
            return Err(BasesError::RowTooLong { log_row });
        }
        let indices: Vec<[u8; 4]> = (0..1u32 << log_row).map(u32::to_be_bytes).collect();
        let single = |points: Vec<G1Affine>| points[0];
        Ok(Self {
            row: hash_to_curve(ROW_TAG, &indices),
            blinding: single(hash_to_curve(BLINDING_TAG, &[[]])),
            value: single(hash_to_curve(VALUE_TAG, &[[]])),
        })
    }

    /// The `2^b` bases `R_i` of a row's entries.
    pub fn row(&self) -> &[G1Affine] {
        &self.row
    }

    /// The base `H` of the blinds, of rows and of single values alike.
    pub fn blinding(&self) -> G1Affine {
        self.blinding
    }

    /// The base `G` of commitments `x G + o H` to single values.
    pub fn value(&self) -> G1Affine {
        self.value
    }

    /// The binary logarithm `b` of the row length.
    pub fn log_row(&self) -> u32 {
        self.row.len().ilog2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_to_curve::tests::from_halo2;
    use ark_ec::AffineRepr;
    use ark_serialize::CanonicalSerialize;
    use halo2curves::CurveExt;
    use std::collections::HashSet;

    #[test]
    fn every_point_is_on_the_curve_and_distinct() {
        let key = CommitmentKey::derive(MAX_LOG_ROW).unwrap();
        let points: Vec<G1Affine> = key.row().iter().copied().chain([key.blinding(), key.value()]).collect();
        assert_eq!(points.len(), (1 << MAX_LOG_ROW) + 2);
        assert!(points.iter().all(|p| p.is_on_curve() && !p.is_zero()));
        // A pair P, -P is as bad as a repeated point, hence the abscissas.
        assert_eq!(points.iter().map(|p| p.x).collect::<HashSet<_>>().len(), points.len());
    }

    #[test]
    fn shorter_rows_are_prefixes_of_longer_ones() {
        let long = CommitmentKey::derive(8).unwrap();
        for log_row in 0..8 {
            let key = CommitmentKey::derive(log_row).unwrap();
            assert_eq!(key.log_row(), log_row);
            assert_eq!(key.row(), &long.row()[..1 << log_row]);
            assert_eq!((key.blinding(), key.value()), (long.blinding(), long.value()));
        }
    }

    #[test]
    fn derivation_agrees_with_halo2curves() {
        let hash = |label: &str, message: &[u8]| {
            from_halo2(halo2curves::bn256::G1::hash_to_curve(&format!(
                "zkmill-circuits/pedersen/v1/{label}:"
            ))(message))
        };
        let key = CommitmentKey::derive(4).unwrap();
        for (i, base) in (0u32..).zip(key.row()) {
            assert_eq!(*base, hash("row", &i.to_be_bytes()));
        }
        assert_eq!(key.blinding(), hash("blinding", b""));
        assert_eq!(key.value(), hash("value", b""));
    }

    #[test]
    fn derivation_is_pinned() {
        let hex = |point: &G1Affine| {
            let mut bytes = Vec::new();
            point.serialize_uncompressed(&mut bytes).unwrap();
            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        let key = CommitmentKey::derive(2).unwrap();
        assert_eq!(key.row().iter().take(3).map(hex).collect::<Vec<_>>(), PINNED_ROW);
        assert_eq!([hex(&key.blinding()), hex(&key.value())], PINNED_SINGLE);
    }

    /// Uncompressed, `x` then `y`, little-endian, the sign flag in the last byte.
    const PINNED_ROW: [&str; 3] = [
        "75d09e7455dcbf2b9cec4f835958ae6ca3158c280ac1db0cb9b9d92cf4b88626\
         a61d70b784f5315703897ccc5deb8b7f405c129a4fc622e9e6fe23822e60229d",
        "7ee1c52c9c2da27b14d922ced1f9ae93d4a8eee3e44bde46d9e8836fb8d5051d\
         c5a04dab932ed16c08f620abd3762339967f2440f36a71d168ebfc228a1868a0",
        "45985137e454b98349e983bd0f07103db2cdbe301a8b0125325ddd60a145ed02\
         22d04eb2a7689bcfe9ac32aeb1625fa7ed68e1093b798ff0b3d84d6514c0020e",
    ];
    const PINNED_SINGLE: [&str; 2] = [
        "a7029d00c12359628ee9a7730aa4b2b1550c913de9669414d7be975efd20e725\
         cb16a64c8994469e6f4a78595143a0b9bac5db0ad65e78347697f8a6122b1b9c",
        "4b408920df846817a223c12e03a1310d789adebfb0387bc0fb9e57b941bf8928\
         37855bbcbb0ac54e4a5bc3c76534b0e9fc65d907ce192b9e730736e7d930d9a4",
    ];

    #[test]
    fn rows_out_of_range_are_an_error() {
        for log_row in [MAX_LOG_ROW + 1, 31, 32, 63, 64, u32::MAX] {
            assert_eq!(CommitmentKey::derive(log_row), Err(BasesError::RowTooLong { log_row }));
        }
    }
}
