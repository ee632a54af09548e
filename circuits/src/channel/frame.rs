//! What the two sides absorb around the messages themselves; the table is in the parent module.

use super::PROTOCOL;
use ark_bn254::Fr;
use ark_ff::PrimeField;
use spongefish::{DefaultHash, SessionId, derive_session_id};

/// The kinds of operation.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Context = 0,
    Public = 1,
    Scalars = 2,
    Rows = 3,
    Row = 4,
    Challenge = 5,
}

/// 254 + 128 bits and two more, so that reducing mod r leaves a bias below 2^-128.
pub(super) const CHALLENGE_BYTES: usize = 48;

/// The header of an operation.
pub(super) fn header(kind: Kind, count: usize) -> [u8; 9] {
    let mut header = [kind as u8; 9];
    header[1..].copy_from_slice(&(count as u64).to_le_bytes());
    header
}

/// Absorbs a public message, piece by piece.
pub(super) fn public(label: &str, bytes: &[u8], mut absorb: impl FnMut(&[u8])) {
    absorb(&header(Kind::Public, label.len()));
    absorb(label.as_bytes());
    absorb(&(bytes.len() as u64).to_le_bytes());
    absorb(bytes);
}

pub(super) fn session() -> SessionId {
    derive_session_id::<DefaultHash>(PROTOCOL.as_bytes())
}

/// The challenge from uniform bytes.
pub(super) fn reduce(uniform: &[u8]) -> Fr {
    Fr::from_le_bytes_mod_order(uniform)
}
