//! The one error type of every backend.

/// Why an operation did not run or did not finish.
///
/// Arguments are checked before anything runs: after [`Error::Shape`], [`Error::Invalid`] and [`Error::Foreign`] no
/// buffer has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A length does not fit the others.
    #[error("{op}: {what} must be {expected}, got {got}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// Which length.
        what: &'static str,
        /// What the other arguments demand.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A value is not allowed: a point off the curve, a field element not below the modulus, a zero coset.
    #[error("{op}: {what} at index {index}")]
    Invalid {
        /// The operation.
        op: &'static str,
        /// What is wrong with the value.
        what: &'static str,
        /// Where it stands in the argument.
        index: usize,
    },
    /// The backend's memory does not suffice.
    #[error("out of memory: {label} needs {bytes} bytes, {free} are free")]
    OutOfMemory {
        /// The buffer's label.
        label: &'static str,
        /// Bytes asked for.
        bytes: usize,
        /// Bytes that were free.
        free: usize,
    },
    /// A kernel did not run to its end. The backend value may be unusable: make a new one.
    #[error("kernel {kernel} failed with code {code}: {reason}")]
    Launch {
        /// The kernel.
        kernel: &'static str,
        /// The driver's code.
        code: i32,
        /// The driver's words, and what to do.
        reason: String,
    },
    /// A looked-up value is not in the table.
    #[error("lookup: row {row} of column {column} is not in the table")]
    NotInTable {
        /// Index of the column among those given.
        column: usize,
        /// The first such row in it.
        row: usize,
    },
    /// The backend, or what it needs, is not on this machine.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What is missing and how to get it.
        reason: String,
    },
    /// A buffer or handle belongs to another backend value.
    #[error("{op}: a buffer or handle of another backend")]
    Foreign {
        /// The operation.
        op: &'static str,
    },
    /// The two backends of a [`Checked`](crate::Checked) pair computed different results.
    #[error("{op}: the two backends differ at index {index}")]
    Diverged {
        /// The operation.
        op: &'static str,
        /// The first differing output element.
        index: usize,
    },
}

/// The result of every operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Fails unless `got` is `expected`.
pub(crate) fn check(op: &'static str, what: &'static str, expected: usize, got: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::Shape { op, what, expected, got }) }
}
