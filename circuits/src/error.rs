//! The crate's errors.

use crate::bases::BasesError;
use crate::channel::ChannelError;
use crate::model::ModelError;

/// Why a key could not be made or a proof not be produced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network or its input is not valid, or a value lies outside an activation's table.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The backend failed.
    #[error(transparent)]
    Kernel(#[from] zkmill::Error),
    /// The bases could not be derived.
    #[error(transparent)]
    Bases(#[from] BasesError),
    /// A shape or parameter no proof can have.
    #[error("unsupported: {what}")]
    Params {
        /// What is out of range.
        what: &'static str,
    },
    /// Bytes that are no key.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A challenge hit a pole of the lookup argument, which happens with probability below `2^-220`. The proof was not
    /// finished; another one, with fresh blinds, will be.
    #[error("a lookup's denominator is zero")]
    Pole,
}

/// Why bytes are not a key or a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// Another kind of file.
    #[error("not a {expected}")]
    Magic {
        /// What was expected.
        expected: &'static str,
    },
    /// A version this crate does not read.
    #[error("version {version} is not supported")]
    Version {
        /// The version found.
        version: u16,
    },
    /// The bytes end too early.
    #[error("truncated")]
    Truncated,
    /// Bytes follow the end.
    #[error("{count} bytes too many")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A field has no such value, or another encoding of it is the canonical one.
    #[error("no valid {what}")]
    Value {
        /// The field.
        what: &'static str,
    },
}

/// Why a proof was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The statement does not fit the key: its batch, a tensor's shape, or the kind of its output.
    #[error("the statement does not fit the key: {what}")]
    Statement {
        /// What does not fit.
        what: &'static str,
    },
    /// The bytes are not a proof of the statement's shape.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
    /// A message could not be read, or an equation between messages does not hold.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The opened row is not what the commitments combine to.
    #[error("the opened row does not match the commitments")]
    Commitment,
}

/// Why a proof was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The proof is wrong.
    #[error("proof rejected: {0}")]
    Rejected(#[from] Rejection),
    /// The backend failed, which says nothing about the proof.
    #[error(transparent)]
    Kernel(#[from] zkmill::Error),
}

impl From<ChannelError> for VerifyError {
    fn from(error: ChannelError) -> Self {
        Self::Rejected(error.into())
    }
}
