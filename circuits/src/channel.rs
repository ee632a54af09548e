//! The Fiat-Shamir channel: the only way to read a proof is to absorb it.
//!
//! A verifier is written once against [`Channel`]. Everything it reads passes through the sponge before it is
//! returned, and every value it reads stays a [`Channel::Var`], which it can combine linearly ([`Lin`]) and
//! state claims about ([`Channel::zero`], [`Channel::products`], [`Channel::nonzero`]) but not branch on. With
//! the values in the clear ([`ClearVerifier`]) a claim is checked on the spot; a channel in which the values
//! are commitments records the claims and proves them at the end, and the verifier does not change.
//!
//! # Transcript
//!
//! TurboSHAKE128 as a duplex sponge (`spongefish`, draft-irtf-cfrg-fiat-shamir), seeded with [`PROTOCOL`] and
//! the caller's context. Each operation absorbs a header of its kind and its length, then its bytes, so the
//! absorbed string determines the sequence of operations, their arguments and the places of the challenges:
//!
//! | operation | header | bytes |
//! |---|---|---|
//! | context | `0`, length | the context |
//! | public | `1`, label's length | label, length of the bytes, the bytes |
//! | scalars | `2`, count | 32 bytes each |
//! | row commitments | `3`, count | 32 bytes each |
//! | opened row | `4`, count with the blind | 32 bytes each, the blind last |
//! | challenge | `5`, 1 | none; 48 bytes are squeezed and reduced mod r, little-endian |
//!
//! Kinds are one byte, lengths and counts 8 bytes, little-endian. A proof is the concatenation of the bytes of
//! scalars, row commitments and the opened row, without headers: counts come from the verifying key alone.
//!
//! # Encoding
//!
//! A scalar is its integer in `0..r`, little-endian. A point is the abscissa in `0..q`, little-endian, with
//! bit 255 set for the larger of the two ordinates; the identity is bit 254 alone. No value has a second
//! encoding. Points are on the curve, which has prime order; the identity is legal, being the commitment of a
//! zero row without a blind.

use ark_bn254::{Fr, G1Affine};

mod clear;
mod codec;
mod frame;
mod lin;

pub use clear::{ClearProver, ClearVerifier};
pub(crate) use codec::{encode, point as decode_point, scalar as decode_scalar};
pub use lin::Lin;

/// Protocol, version, mode and suite; the first thing absorbed.
pub const PROTOCOL: &str = "zkmill-circuits/v1/clear/BN254/TurboSHAKE128";

/// The verifier's side of the protocol.
///
/// Any error is final: every later operation, [`Channel::finish`] included, returns it again.
pub trait Channel: Sized {
    /// A received scalar: its value in the clear, or the index of its commitment.
    type Var: Copy;

    /// Absorbs what both sides know under a label. No two sequences of calls absorb the same.
    fn public(&mut self, label: &'static str, bytes: &[u8]);

    /// Reads and absorbs `n` scalars. `n` comes from the key, never from the proof.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Truncated`], [`ChannelError::Scalar`].
    fn receive(&mut self, n: usize) -> Result<Vec<Self::Var>, ChannelError>;

    /// Reads and absorbs `n` row commitments. `n` comes from the key, never from the proof.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Truncated`], [`ChannelError::Point`].
    fn rows(&mut self, n: usize) -> Result<Vec<G1Affine>, ChannelError>;

    /// Draws a field element, uniform up to a bias below 2^-128, that depends on everything absorbed so far.
    fn challenge(&mut self) -> Fr;

    /// Draws `n` field elements: `n` times [`Channel::challenge`].
    fn challenges(&mut self, n: usize) -> Vec<Fr> {
        (0..n).map(|_| self.challenge()).collect()
    }

    /// Claims that `l = 0`; `what` names the claim in the error.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Equation`], perhaps only from [`Channel::finish`].
    fn zero(&mut self, what: &'static str, l: Lin<Self::Var>) -> Result<(), ChannelError>;

    /// Claims that `sum_i a_i b_i = c` for pairs `(a_i, b_i)`; `what` names the claim in the error.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Product`], perhaps only from [`Channel::finish`].
    fn products(
        &mut self,
        what: &'static str,
        pairs: Vec<(Lin<Self::Var>, Lin<Self::Var>)>,
        c: Lin<Self::Var>,
    ) -> Result<(), ChannelError>;

    /// Claims that `a != 0`; `what` names the claim in the error.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Zero`], perhaps only from [`Channel::finish`].
    fn nonzero(&mut self, what: &'static str, a: Self::Var) -> Result<(), ChannelError>;

    /// Reads and absorbs the opening of one row of `n` entries. `n` comes from the key, never from the proof.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Truncated`], [`ChannelError::Scalar`].
    fn row(&mut self, n: usize) -> Result<Opening, ChannelError>;

    /// Ends the proof: no byte of it is left, and every claim holds.
    ///
    /// # Errors
    ///
    /// [`ChannelError::TrailingBytes`], or the first error of the channel.
    fn finish(self) -> Result<(), ChannelError>;
}

/// The prover's side: each operation meets its counterpart in [`Channel`] with the same counts.
pub trait ProverChannel {
    /// The counterpart of [`Channel::public`].
    fn public(&mut self, label: &'static str, bytes: &[u8]);

    /// The counterpart of [`Channel::receive`].
    fn send(&mut self, values: &[Fr]);

    /// The counterpart of [`Channel::rows`]. The points must be on the curve.
    fn send_rows(&mut self, commitments: &[G1Affine]);

    /// The counterpart of [`Channel::challenge`].
    fn challenge(&mut self) -> Fr;

    /// The counterpart of [`Channel::challenges`].
    fn challenges(&mut self, n: usize) -> Vec<Fr> {
        (0..n).map(|_| self.challenge()).collect()
    }

    /// The counterpart of [`Channel::row`].
    fn send_row(&mut self, row: &[Fr], blind: Fr);
}

/// How a proof opens a committed row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// The row itself, to be committed to again and compared.
    Clear {
        /// The entries.
        row: Vec<Fr>,
        /// The blind of the row's commitment.
        blind: Fr,
    },
}

/// Why a channel rejected a proof. Offsets are in bytes from the proof's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The proof ends within a message.
    #[error("the proof ends within the message at byte {offset}")]
    Truncated {
        /// Where the message begins.
        offset: usize,
    },
    /// The proof goes on after its last message.
    #[error("the proof has {count} bytes after its last message")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// Not a field element in canonical form.
    #[error("no canonical field element at byte {offset}")]
    Scalar {
        /// Where its encoding begins.
        offset: usize,
    },
    /// Not a point of the curve in canonical form.
    #[error("no canonical curve point at byte {offset}")]
    Point {
        /// Where its encoding begins.
        offset: usize,
    },
    /// A linear claim does not hold.
    #[error("{what}: the two sides differ")]
    Equation {
        /// The claim.
        what: &'static str,
    },
    /// A claim on a sum of products does not hold.
    #[error("{what}: not the sum of the products")]
    Product {
        /// The claim.
        what: &'static str,
    },
    /// A value that must not be zero is.
    #[error("{what}: zero")]
    Zero {
        /// The claim.
        what: &'static str,
    },
}
