//! logUp-GKR (Papini and Haboeck, ePrint 2023/1284): all lookups of a proof in one sum of fractions.
//!
//! Looked-up rows and table rows are leaves of one binary tree of fractions: `1 / (alpha - f)` for a row with fingerprint
//! `f = tag + gamma a + gamma^2 b`, `-count / (alpha - f)` for a row of a table, `0 / 1` for padding. Every lookup is in its
//! table exactly if the fractions sum to zero (up to a soundness error below `3 N / r`). Node `x` of level `k` is the sum of nodes
//! `(0, x)` and `(1, x)` of level `k + 1`,
//!
//! ```text
//! p_k(x) = p0 q1 + p1 q0      q_k(x) = q0 q1      p0 = p_{k+1}(0, x), ..
//! ```
//!
//! so claims on level `k` become claims on level `k + 1` by a sumcheck of `k` rounds over
//! `eq(r, x) (p0 q1 + p1 q0 + lambda q0 q1)`. The root is `0 / q_root`; a zero denominator would absorb everything and must be
//! refused, which is why only `q_root` is sent.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use zkmill::Backend;
use zkmill::sumcheck::{Form, Term};

use crate::channel::{Channel, ChannelError, Lin, ProverChannel};
use crate::error::Error;
use crate::protocol::{eq, sumcheck};

/// Numerators and denominators of one level.
pub(crate) struct Level<B: Backend> {
    pub p: B::Buffer<Fr>,
    pub q: B::Buffer<Fr>,
}

/// Proves that the fractions of `leaves`, `2^log_leaves > 1` of them, sum to zero; returns the point of the remaining claim on the leaves.
pub(crate) fn prove<B: Backend>(
    backend: &B,
    channel: &mut impl ProverChannel,
    leaves: Level<B>,
    log_leaves: u32,
) -> Result<Vec<Fr>, Error> {
    // levels[i] has 2^(log_leaves - i) fractions; the root's are read, not stored.
    let mut levels = vec![leaves];
    for k in (1..log_leaves).rev() {
        let mut level = Level {
            p: backend.alloc("tree numerators", 1 << k)?,
            q: backend.alloc("tree denominators", 1 << k)?,
        };
        let below = &levels[levels.len() - 1];
        backend.add_fractions(
            Some(B::view(&below.p)),
            B::view(&below.q),
            &mut B::view_mut(&mut level.p),
            &mut B::view_mut(&mut level.q),
        )?;
        levels.push(level);
    }

    let mut point = Vec::new();
    let (mut p_claim, mut q_claim) = (Fr::ZERO, Fr::ZERO);
    for k in 0..log_leaves {
        let Some(mut level) = levels.pop() else { break };
        let half = 1 << k;
        let (p0, mut p1) = B::split_mut(B::view_mut(&mut level.p), half)?;
        let (q0, q1) = B::split_mut(B::view_mut(&mut level.q), half)?;
        let values = if k == 0 {
            let values: Vec<Fr> = [p0, p1, q0, q1]
                .iter()
                .map(|t| Ok(backend.to_vec(B::as_view(t))?[0]))
                .collect::<zkmill::Result<_>>()?;
            let root = values[2] * values[3];
            if root == Fr::ZERO {
                return Err(Error::Pole);
            }
            channel.send(&[root]);
            values
        } else {
            // p0 q1 + p1 q0 + lambda q0 q1 = p0 q1 + (p1 + lambda q1) q0: two products a point instead of three.
            let lambda = channel.challenge();
            backend.add_scaled(lambda, B::as_view(&q1), &mut p1)?;
            let term = |factors: [usize; 2]| Term { coefficient: Fr::ONE, factors: factors.to_vec() };
            let terms = vec![term([0, 3]), term([1, 2])];
            let form = Form::new(k as usize, terms).weighted(point)?.claiming(p_claim + lambda * q_claim);
            let folded = sumcheck::prove(backend, channel, form, vec![p0, p1, q0, q1])?;
            point = folded.point;
            let mut values = folded.values;
            let q1 = values[3];
            values[1] -= lambda * q1;
            values
        };
        channel.send(&values);
        let tau = channel.challenge();
        p_claim = values[0] + tau * (values[1] - values[0]);
        q_claim = values[2] + tau * (values[3] - values[2]);
        point = std::iter::once(tau).chain(point).collect();
    }
    Ok(point)
}

/// What the tree leaves to be checked: the leaves' extensions at a point.
pub(crate) struct LeafClaims<V> {
    pub point: Vec<Fr>,
    pub p: Lin<V>,
    pub q: Lin<V>,
}

/// Reads the tree of `2^log_leaves` leaves.
pub(crate) fn verify<C: Channel>(
    channel: &mut C,
    log_leaves: u32,
) -> Result<LeafClaims<C::Var>, ChannelError> {
    let root = channel.receive(1)?[0];
    channel.nonzero("denominator of the lookup sum", root)?;
    let mut claims = LeafClaims { point: Vec::new(), p: Lin::constant(Fr::ZERO), q: Lin::from(root) };
    for k in 0..log_leaves as usize {
        let (lambda, point, sum) = if k == 0 {
            (Fr::ZERO, Vec::new(), claims.p)
        } else {
            let lambda = channel.challenge();
            let (point, sum) = sumcheck::verify(channel, k, 3, claims.p + claims.q.clone() * lambda)?;
            (lambda, point, sum)
        };
        let values: Vec<Lin<C::Var>> = channel.receive(4)?.into_iter().map(Lin::from).collect();
        let [p0, p1, q0, q1] = [0, 1, 2, 3].map(|i| values[i].clone());
        let weight = eq(&claims.point, &point);
        let second = (p1.clone() + q1.clone() * lambda) * weight;
        let products = vec![(p0.clone() * weight, q1.clone()), (q0.clone(), second)];
        channel.products("level of the lookup sum", products, sum)?;
        if k == 0 {
            channel.products("root of the lookup sum", vec![(q0.clone(), q1.clone())], claims.q)?;
        }
        let tau = channel.challenge();
        claims = LeafClaims {
            point: std::iter::once(tau).chain(point).collect(),
            p: p0 * (Fr::ONE - tau) + p1 * tau,
            q: q0 * (Fr::ONE - tau) + q1 * tau,
        };
    }
    Ok(claims)
}
