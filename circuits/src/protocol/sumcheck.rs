//! The rounds of a sumcheck.
//!
//! A round polynomial of degree `d` is sent as its values at `0, 2, 3, .., d`: the value at 1 is the claim less the value at 0,
//! so the check of each round is part of reading it.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zkmill::sumcheck::Form;
use zkmill::{Backend, Result};

use crate::channel::{Channel, ChannelError, Lin, ProverChannel};

/// What the prover holds after the last round.
pub(crate) struct Folded {
    /// The challenges.
    pub point: Vec<Fr>,
    /// Every table's value there.
    pub values: Vec<Fr>,
}

/// Proves `form`, which must carry its claim, over `tables`; folds the tables.
pub(crate) fn prove<B: Backend>(
    backend: &B,
    channel: &mut impl ProverChannel,
    mut form: Form,
    mut tables: Vec<B::ViewMut<'_, Fr>>,
) -> Result<Folded> {
    let mut point = Vec::with_capacity(form.remaining());
    for _ in 0..form.remaining() {
        let round = backend.sumcheck_round(&mut form, &mut tables, point.last().copied())?;
        let sent: Vec<Fr> = [0].into_iter().chain(2..round.len()).map(|x| round[x]).collect();
        channel.send(&sent);
        point.push(channel.challenge());
    }
    let values = tables.into_iter().map(|table| last_value::<B>(backend, table, point.last().copied()));
    Ok(Folded { values: values.collect::<Result<_>>()?, point })
}

/// Binds the last variable of a table and reads the value.
fn last_value<B: Backend>(backend: &B, table: B::ViewMut<'_, Fr>, challenge: Option<Fr>) -> Result<Fr> {
    let live = if challenge.is_some() { 2 } else { 1 };
    let (live, _) = B::split_mut(table, live)?;
    let value = backend.to_vec(B::as_view(&live))?;
    Ok(match challenge {
        Some(r) => value[0] + r * (value[1] - value[0]),
        None => value[0],
    })
}

/// Reads `rounds` rounds of degree `degree`; returns the challenges and the claim on the summand there.
pub(crate) fn verify<C: Channel>(
    channel: &mut C,
    rounds: usize,
    degree: usize,
    mut claim: Lin<C::Var>,
) -> Result<(Vec<Fr>, Lin<C::Var>), ChannelError> {
    let mut point = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let sent = channel.receive(degree)?;
        let r = channel.challenge();
        // s(r) = sum_j w_j s(j) with s(1) = claim - s(0).
        let weights = lagrange(degree, r);
        claim.scale(weights[1]);
        let at_zero = Lin::term(weights[0] - weights[1], sent[0]);
        let above = weights[2..].iter().zip(&sent[1..]).map(|(weight, value)| (*weight, *value));
        claim = claim + at_zero + above.collect();
        point.push(r);
    }
    Ok((point, claim))
}

/// The Lagrange weights of the nodes `0, .., degree` at `x`.
fn lagrange(degree: usize, x: Fr) -> Vec<Fr> {
    let unit = |i: usize| (0..=degree).map(|j| if i == j { Fr::ONE } else { Fr::ZERO }).collect::<Vec<_>>();
    (0..=degree).map(|i| zkmill::sumcheck::interpolate(&unit(i), x)).collect()
}
