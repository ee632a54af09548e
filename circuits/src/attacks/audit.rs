//! The verifier, going on after a failed claim.

use ark_bn254::{Fr, G1Affine};
use ark_ff::{AdditiveGroup, Field};
use zkmill::Cpu;

use super::{CLAIMS, COMMITMENTS, Case, DENOMINATORS, NUMERATORS, ROW};
use crate::channel::{Channel, ChannelError, ClearVerifier, Lin, Opening};
use crate::statement::{Proof, Statement};
use crate::verifier::run;
use crate::{Rejection, VerifyError, VerifyingKey};

/// One of the verifier's claims.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub what: &'static str,
    /// What should be zero.
    pub residual: Fr,
    /// Which message was the latest.
    pub after: usize,
}

/// What a run of the verifier came upon.
#[derive(Clone, Debug, Default)]
pub(super) struct Audit {
    pub claims: Vec<Claimed>,
    /// All challenges, each with the number of the latest message.
    pub challenges: Vec<(usize, Fr)>,
    /// Where each message begins, in encodings of 32 bytes; the end last.
    pub starts: Vec<usize>,
    /// How the run ended: by the last check, where it did not succeed.
    pub commitments: Option<Rejection>,
}

impl Audit {
    /// The names of the violated claims.
    pub fn violated(&self) -> Vec<&'static str> {
        let claims = self.claims.iter().filter(|claim| claim.residual != Fr::ZERO).map(|claim| claim.what);
        claims.chain(self.commitments.map(|_| COMMITMENTS)).collect()
    }
}

/// Records claims instead of failing.
pub(super) struct Recorder<'a, 'p> {
    inner: ClearVerifier<'p>,
    audit: &'a mut Audit,
}

impl Recorder<'_, '_> {
    fn claim(&mut self, what: &'static str, residual: Fr) -> Result<(), ChannelError> {
        let after = self.audit.starts.len() - 2;
        self.audit.claims.push(Claimed { what, residual, after });
        Ok(())
    }

    fn read(&mut self, count: usize) {
        let end = self.audit.starts.last().unwrap() + count;
        self.audit.starts.push(end);
    }
}

fn value(l: &Lin<Fr>) -> Fr {
    l.eval(|v| *v)
}

impl Channel for Recorder<'_, '_> {
    type Var = Fr;

    fn public(&mut self, label: &'static str, bytes: &[u8]) {
        self.inner.public(label, bytes);
    }

    fn receive(&mut self, n: usize) -> Result<Vec<Fr>, ChannelError> {
        self.read(n);
        self.inner.receive(n)
    }

    fn rows(&mut self, n: usize) -> Result<Vec<G1Affine>, ChannelError> {
        self.read(n);
        self.inner.rows(n)
    }

    fn challenge(&mut self) -> Fr {
        let challenge = self.inner.challenge();
        self.audit.challenges.push((self.audit.starts.len().saturating_sub(2), challenge));
        challenge
    }

    fn zero(&mut self, what: &'static str, l: Lin<Fr>) -> Result<(), ChannelError> {
        self.claim(what, value(&l))
    }

    fn products(
        &mut self,
        what: &'static str,
        pairs: Vec<(Lin<Fr>, Lin<Fr>)>,
        c: Lin<Fr>,
    ) -> Result<(), ChannelError> {
        let sum: Fr = pairs.iter().map(|(a, b)| value(a) * value(b)).sum();
        self.claim(what, sum - value(&c))
    }

    fn nonzero(&mut self, what: &'static str, a: Fr) -> Result<(), ChannelError> {
        self.claim(what, if a == Fr::ZERO { Fr::ONE } else { Fr::ZERO })
    }

    fn row(&mut self, n: usize) -> Result<Opening, ChannelError> {
        self.read(n + 1);
        self.inner.row(n)
    }

    fn finish(self) -> Result<(), ChannelError> {
        self.inner.finish()
    }
}

/// Runs the verifier to the end of a proof whose bytes can be decoded.
pub(super) fn audit(key: &VerifyingKey, statement: &Statement, proof: &[u8]) -> Audit {
    let circuit = key.circuit();
    statement.check(circuit).unwrap();
    let layout = circuit.layout(statement.batch(), statement.input_public()).unwrap();
    let proof = Proof::from_bytes(proof, circuit, statement.batch()).unwrap();
    let mut audit = Audit { starts: vec![0], ..Audit::default() };
    let inner = ClearVerifier::new(&statement.context, &proof.messages);
    let mut recorder = Recorder { inner, audit: &mut audit };
    match run(&Cpu::new(), &mut recorder, key, &layout, statement, &proof.padding) {
        Ok(()) => recorder.inner.finish().unwrap(),
        Err(VerifyError::Rejected(Rejection::Commitment)) => audit.commitments = Some(Rejection::Commitment),
        Err(other) => panic!("not a proof: {other}"),
    }
    audit
}

/// The claims that a part of the verifier finds violated in messages.
pub(super) fn violated(messages: &[u8], part: impl FnOnce(&mut Recorder<'_, '_>)) -> Vec<&'static str> {
    let mut audit = Audit { starts: vec![0], ..Audit::default() };
    part(&mut Recorder { inner: ClearVerifier::new(b"", messages), audit: &mut audit });
    audit.violated()
}

/// The rejection that a violated claim leads to.
pub(super) fn rejection(what: &'static str) -> Rejection {
    match what {
        COMMITMENTS => Rejection::Commitment,
        DENOMINATORS | NUMERATORS | CLAIMS | ROW => ChannelError::Equation { what }.into(),
        super::ZERO_ROOT => ChannelError::Zero { what }.into(),
        what => ChannelError::Product { what }.into(),
    }
}

/// Why the verifier rejects, which it must.
pub(super) fn rejected(result: Result<(), VerifyError>) -> Rejection {
    match result {
        Ok(()) => panic!("accepted"),
        Err(VerifyError::Rejected(rejection)) => rejection,
        Err(other) => panic!("{other}"),
    }
}

/// The proof is accepted, and the run that goes on agrees.
pub(super) fn honest(case: &Case, statement: &Statement, proof: &[u8]) {
    case.verify(statement, proof).unwrap();
    assert_eq!(audit(case.verifying(), statement, proof).violated(), [""; 0]);
}

/// The proof violates this one claim alone, and is rejected for it.
pub(super) fn caught(case: &Case, statement: &Statement, proof: &[u8], what: &'static str) {
    assert_eq!(audit(case.verifying(), statement, proof).violated(), [what]);
    assert_eq!(rejected(case.verify(statement, proof)), rejection(what));
}
