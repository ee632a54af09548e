//! Pedersen commitments to the rows of vectors (Hyrax; Wahby et al., ePrint 2017/1132).
//!
//! A vector of `2^n` entries is cut into rows of `2^b`; each row is committed to with a blind of its own,
//! `C_j = sum_i row_j[i] R_i + o_j H`. A vector shorter than a row is one row, zero-extended.

use std::fmt;

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, UniformRand};
use ark_std::rand::{CryptoRng, RngCore};
use zeroize::Zeroize;
use zkmill::{Backend, G1, Msm, Result};

use crate::bases::CommitmentKey;
use crate::column::{Column, msm_rows, sums};

/// The blinds of one vector's rows. They are the prover's secret: not printed, erased when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Blinds(Vec<Fr>);

impl Blinds {
    /// Fresh blinds for `rows` rows.
    pub fn random(rows: usize, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self((0..rows).map(|_| Fr::rand(rng)).collect())
    }

    /// No hiding: commitments that anyone can recompute from the vector.
    pub fn none(rows: usize) -> Self {
        Self(vec![Fr::ZERO; rows])
    }

    pub fn from_vec(blinds: Vec<Fr>) -> Self {
        Self(blinds)
    }

    pub fn as_slice(&self) -> &[Fr] {
        &self.0
    }
}

impl fmt::Debug for Blinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blinds({} secret)", self.0.len())
    }
}

impl Drop for Blinds {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The bases on a backend, with precomputed multiples.
pub(crate) struct Committer<B: Backend> {
    rows: <B as Msm<G1>>::Bases,
    blinding: <B as Msm<G1>>::Bases,
    log_row: u32,
}

/// Bytes for multiples of a row's base: `1..=128` times the point, so that an entry of eight bits costs one addition, and as
/// much again for the next byte of wider entries.
const MULTIPLES_PER_BASE: usize = 2 * 128 * size_of::<G1Affine>();
/// The blinding base alone takes full-width scalars, once a row: all 32 bytes of them.
const MULTIPLES_OF_BLINDING: usize = 32 * 128 * size_of::<G1Affine>();

impl<B: Backend> Committer<B> {
    pub fn new(backend: &B, key: &CommitmentKey) -> Result<Self> {
        Ok(Self {
            rows: Msm::<G1>::bases(backend, key.row(), key.row().len() * MULTIPLES_PER_BASE)?,
            blinding: Msm::<G1>::bases(backend, &[key.blinding()], MULTIPLES_OF_BLINDING)?,
            log_row: key.log_row(),
        })
    }

    /// Commits to all rows of all columns, with one blind a row.
    pub fn commit(
        &self,
        backend: &B,
        columns: &[&Column<B>],
        blinds: &[&Blinds],
    ) -> Result<Vec<Vec<G1Affine>>> {
        let unblinded = msm_rows(backend, &self.rows, self.log_row, columns)?;
        let all: Vec<Fr> = blinds.iter().flat_map(|blinds| blinds.as_slice()).copied().collect();
        let hiding = if all.iter().all(|blind| *blind == Fr::ZERO) {
            vec![G1Affine::identity(); all.len()]
        } else {
            let mut device = backend.upload("blinds", &all)?;
            let items: Result<Vec<_>> =
                (0..all.len()).map(|i| B::slice(B::view(&device), i..i + 1)).collect();
            let hiding = sums(backend, &self.blinding, &items?)?;
            // The copy on the device is as secret as the blinds.
            backend.fill(Fr::ZERO, &mut B::view_mut(&mut device))?;
            hiding
        };
        let mut all = all;
        all.zeroize();
        let counts: Vec<usize> = unblinded.iter().map(Vec::len).collect();
        let blinded: Vec<G1Projective> =
            unblinded.into_iter().flatten().zip(hiding).map(|(row, blind)| row + blind).collect();
        let mut points = G1Projective::normalize_batch(&blinded).into_iter();
        Ok(counts.into_iter().map(|count| points.by_ref().take(count).collect()).collect())
    }
}
