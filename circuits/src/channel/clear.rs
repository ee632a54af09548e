//! The channel with all values in the clear: sound, not zero-knowledge.

use super::codec::{self, ENCODED};
use super::frame::{self, CHALLENGE_BYTES, Kind, header};
use super::{Channel, ChannelError, Lin, Opening, ProverChannel};
use ark_bn254::{Fr, G1Affine};
use ark_ff::AdditiveGroup;
use ark_serialize::CanonicalSerialize;
use spongefish::{ProverState, VerificationError, VerifierState};

/// Reads a proof whose values are in the clear and checks every claim where it is made.
pub struct ClearVerifier<'a> {
    state: VerifierState<'a>,
    offset: usize,
    length: usize,
    failed: Option<ChannelError>,
}

impl<'a> ClearVerifier<'a> {
    /// Starts on the proof's first byte, with the context the prover was given.
    pub fn new(context: &[u8], proof: &'a [u8]) -> Self {
        let mut state = VerifierState::new(&frame::session(), &header(Kind::Context, context.len()), proof);
        state.public_message_as(context, |bytes| bytes);
        Self { state, offset: 0, length: proof.len(), failed: None }
    }

    /// Fails with the first error there was.
    fn healthy(&self) -> Result<(), ChannelError> {
        self.failed.map_or(Ok(()), Err)
    }

    fn fail<T>(&mut self, error: ChannelError) -> Result<T, ChannelError> {
        self.failed = Some(error);
        Err(error)
    }

    fn claim(&mut self, holds: impl FnOnce() -> bool, error: ChannelError) -> Result<(), ChannelError> {
        self.healthy()?;
        if holds() { Ok(()) } else { self.fail(error) }
    }

    /// Reads one message of `count` encodings; `decode` gives the index of the first it rejects. Nothing is
    /// allocated before the bytes are known to be there.
    fn read<T>(
        &mut self,
        kind: Kind,
        count: usize,
        decode: impl FnOnce(&[[u8; ENCODED]]) -> Result<Vec<T>, usize>,
        malformed: impl FnOnce(usize) -> ChannelError,
    ) -> Result<Vec<T>, ChannelError> {
        self.healthy()?;
        let offset = self.offset;
        let truncated = ChannelError::Truncated { offset };
        let Some(size) = count.checked_mul(ENCODED).filter(|&size| size <= self.length - offset) else {
            return self.fail(truncated);
        };
        self.state.public_message_as(&header(kind, count), |bytes| bytes);
        let mut rejected = None;
        let message = self.state.prover_message_as(|reader| {
            decode(reader.take(size)?.as_chunks().0).map_err(|index| {
                rejected = Some(index);
                VerificationError
            })
        });
        match message {
            Ok(values) => {
                self.offset += size;
                Ok(values)
            }
            Err(VerificationError) => {
                self.fail(rejected.map_or(truncated, |index| malformed(offset + index * ENCODED)))
            }
        }
    }

    fn scalars(&mut self, kind: Kind, count: usize) -> Result<Vec<Fr>, ChannelError> {
        self.read(kind, count, codec::scalars, |offset| ChannelError::Scalar { offset })
    }
}

impl Channel for ClearVerifier<'_> {
    type Var = Fr;

    fn public(&mut self, label: &'static str, bytes: &[u8]) {
        frame::public(label, bytes, |piece| self.state.public_message_as(piece, |bytes| bytes));
    }

    fn receive(&mut self, n: usize) -> Result<Vec<Fr>, ChannelError> {
        self.scalars(Kind::Scalars, n)
    }

    fn rows(&mut self, n: usize) -> Result<Vec<G1Affine>, ChannelError> {
        self.read(Kind::Rows, n, codec::points, |offset| ChannelError::Point { offset })
    }

    fn challenge(&mut self) -> Fr {
        self.state.public_message_as(&header(Kind::Challenge, 1), |bytes| bytes);
        self.state.verifier_message_as(CHALLENGE_BYTES, frame::reduce)
    }

    fn zero(&mut self, what: &'static str, l: Lin<Fr>) -> Result<(), ChannelError> {
        self.claim(|| value(&l) == Fr::ZERO, ChannelError::Equation { what })
    }

    fn products(
        &mut self,
        what: &'static str,
        pairs: Vec<(Lin<Fr>, Lin<Fr>)>,
        c: Lin<Fr>,
    ) -> Result<(), ChannelError> {
        let sum = || pairs.iter().map(|(a, b)| value(a) * value(b)).sum::<Fr>();
        self.claim(|| sum() == value(&c), ChannelError::Product { what })
    }

    fn nonzero(&mut self, what: &'static str, a: Fr) -> Result<(), ChannelError> {
        self.claim(|| a != Fr::ZERO, ChannelError::Zero { what })
    }

    fn row(&mut self, n: usize) -> Result<Opening, ChannelError> {
        // The blind is one more; a sum that overflows is longer than any proof all the same.
        let mut row = self.scalars(Kind::Row, n.saturating_add(1))?;
        let blind = row.pop().unwrap_or(Fr::ZERO);
        Ok(Opening::Clear { row, blind })
    }

    fn finish(self) -> Result<(), ChannelError> {
        self.healthy()?;
        match self.length - self.offset {
            0 => Ok(()),
            count => Err(ChannelError::TrailingBytes { count }),
        }
    }
}

fn value(l: &Lin<Fr>) -> Fr {
    l.eval(|v| *v)
}

/// Writes a proof whose values are in the clear: the mirror of [`ClearVerifier`].
///
/// The two agree if each operation here meets its counterpart there with the same counts.
pub struct ClearProver {
    state: ProverState,
}

impl ClearProver {
    /// Starts an empty proof in the caller's context.
    pub fn new(context: &[u8]) -> Self {
        // The state's private generator is never drawn from, so its seed does not matter.
        let mut state =
            ProverState::new_with_seed(&frame::session(), &header(Kind::Context, context.len()), [0; 32]);
        state.public_message_as(context, |bytes| bytes);
        Self { state }
    }

    /// The proof.
    pub fn finish(self) -> Vec<u8> {
        self.state.into_narg_string()
    }

    fn write(&mut self, kind: Kind, values: &[impl CanonicalSerialize]) {
        self.state.public_message_as(&header(kind, values.len()), |bytes| bytes);
        let bytes: Vec<u8> = values.iter().flat_map(codec::encode).collect();
        self.state.prover_message_as(&bytes, |bytes| bytes);
    }
}

impl ProverChannel for ClearProver {
    fn public(&mut self, label: &'static str, bytes: &[u8]) {
        frame::public(label, bytes, |piece| self.state.public_message_as(piece, |bytes| bytes));
    }

    fn send(&mut self, values: &[Fr]) {
        self.write(Kind::Scalars, values);
    }

    fn send_rows(&mut self, commitments: &[G1Affine]) {
        self.write(Kind::Rows, commitments);
    }

    fn challenge(&mut self) -> Fr {
        self.state.public_message_as(&header(Kind::Challenge, 1), |bytes| bytes);
        self.state.verifier_message_as(CHALLENGE_BYTES, frame::reduce)
    }

    fn send_row(&mut self, row: &[Fr], blind: Fr) {
        self.write(Kind::Row, &[row, &[blind]].concat());
    }
}
