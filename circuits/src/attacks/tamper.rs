//! A prover's channel that alters messages on their way, and where the messages are.

use ark_bn254::{Fr, G1Affine};

use crate::channel::{ClearProver, ProverChannel};
use crate::circuit::Layout;
use crate::protocol::matmul;

/// A message about to be sent.
pub(super) enum Message<'a> {
    Scalars(&'a mut Vec<Fr>),
    Rows(&'a mut Vec<G1Affine>),
    Row(&'a mut Vec<Fr>, &'a mut Fr),
}

/// Alters the scalars of message number `at` alone.
pub(super) fn scalars(at: usize, mut edit: impl FnMut(&mut Vec<Fr>)) -> impl FnMut(usize, Message<'_>) {
    move |n, message| match message {
        Message::Scalars(values) if n == at => edit(values),
        _ => {}
    }
}

/// A channel that lets `edit` alter message number `n` before it is sent and absorbed.
pub(super) struct Tamper<F> {
    inner: ClearProver,
    next: usize,
    edit: F,
}

impl<F: FnMut(usize, Message<'_>)> Tamper<F> {
    pub fn new(inner: ClearProver, edit: F) -> Self {
        Self { inner, next: 0, edit }
    }

    pub fn finish(self) -> Vec<u8> {
        self.inner.finish()
    }

    fn edit(&mut self, message: Message<'_>) {
        (self.edit)(self.next, message);
        self.next += 1;
    }
}

impl<F: FnMut(usize, Message<'_>)> ProverChannel for Tamper<F> {
    fn public(&mut self, label: &'static str, bytes: &[u8]) {
        self.inner.public(label, bytes);
    }

    fn send(&mut self, values: &[Fr]) {
        let mut values = values.to_vec();
        self.edit(Message::Scalars(&mut values));
        self.inner.send(&values);
    }

    fn send_rows(&mut self, commitments: &[G1Affine]) {
        let mut commitments = commitments.to_vec();
        self.edit(Message::Rows(&mut commitments));
        self.inner.send_rows(&commitments);
    }

    fn challenge(&mut self) -> Fr {
        self.inner.challenge()
    }

    fn send_row(&mut self, row: &[Fr], mut blind: Fr) {
        let mut row = row.to_vec();
        self.edit(Message::Row(&mut row, &mut blind));
        self.inner.send_row(&row, blind);
    }
}

/// The numbers of a proof's messages, for a layout with lookups.
pub(super) struct Places {
    levels: usize,
    product_rounds: usize,
    opening_rounds: usize,
}

impl Places {
    pub const ROWS: usize = 0;
    pub const ROOT: usize = 1;

    pub fn new(layout: &Layout) -> Self {
        Self {
            levels: layout.log_leaves as usize,
            product_rounds: matmul::rounds(layout) as usize,
            opening_rounds: layout.log_row as usize,
        }
    }

    pub fn levels(&self) -> usize {
        self.levels
    }

    /// The rounds of a level of the tree.
    pub fn level_rounds(&self, level: usize) -> std::ops::Range<usize> {
        let start = 2 + (0..level).map(|k| k + 1).sum::<usize>();
        start..start + level
    }

    /// The four values at the end of a level.
    pub fn level_values(&self, level: usize) -> usize {
        self.level_rounds(level).end
    }

    /// The columns' and biases' values.
    pub fn columns(&self) -> usize {
        self.level_rounds(self.levels).start
    }

    pub fn product_rounds(&self) -> std::ops::Range<usize> {
        self.columns() + 1..self.columns() + 1 + self.product_rounds
    }

    /// The inputs' and weights' values.
    pub fn product_values(&self) -> usize {
        self.product_rounds().end
    }

    pub fn opening_rounds(&self) -> std::ops::Range<usize> {
        self.product_values() + 1..self.product_values() + 1 + self.opening_rounds
    }

    /// The folded rows' values.
    pub fn folded(&self) -> usize {
        self.opening_rounds().end
    }

    /// The opened row.
    pub fn row(&self) -> usize {
        self.folded() + 1
    }
}
