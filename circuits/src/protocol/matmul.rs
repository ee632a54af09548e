//! Thaler's matrix-product sumcheck, for all layers at once.
//!
//! Layer `l` claims `~Acc_l(r_b, r_m) - ~bias_l(r_m) = sum_x ~X_l(r_b, x) ~W_l(x, r_m)` at a point of its own. With `2^k` the largest
//! number of inputs, one sumcheck of `k` rounds and degree 2 proves
//!
//! ```text
//! sum_l eta^l 2^(k - k_l) (~Acc_l - ~bias_l) = sum_x sum_l eta^l ~X_l(r_b, x_l) ~W_l(x_l, r_m)
//! ```
//!
//! where `x_l` are the last `k_l` coordinates of `x`: a layer with fewer inputs does not depend on the others and is counted
//! `2^(k - k_l)` times.

use ark_bn254::Fr;
use ark_ff::Field;
use zkmill::sumcheck::{Form, Term};
use zkmill::{Backend, Len};

use crate::channel::{Channel, ChannelError, Lin, ProverChannel};
use crate::circuit::Layout;
use crate::protocol::{powers, sumcheck};

/// `X_l(r_b, .)` and `W_l(., r_m)` on the device, and the value of their product.
pub(crate) struct Factors<B: Backend> {
    pub input: B::Buffer<Fr>,
    pub weights: B::Buffer<Fr>,
    pub claim: Fr,
}

/// The rounds: `k` of them.
pub(crate) fn rounds(layout: &Layout) -> u32 {
    layout.layers.iter().map(|layer| layer.log_inputs).max().unwrap_or(0)
}

/// How often layer `l` is counted, times its power of eta.
fn weights(layout: &Layout, eta: Fr) -> Vec<Fr> {
    let k = rounds(layout);
    let repeats = layout.layers.iter().map(|layer| Fr::from(2u64).pow([u64::from(k - layer.log_inputs)]));
    powers(eta, layout.layers.len()).into_iter().zip(repeats).map(|(power, repeat)| power * repeat).collect()
}

/// Proves all layers' products; returns the challenges `s`.
pub(crate) fn prove<B: Backend>(
    backend: &B,
    channel: &mut impl ProverChannel,
    layout: &Layout,
    layers: &[Factors<B>],
) -> zkmill::Result<Vec<Fr>> {
    let eta = channel.challenge();
    let k = rounds(layout);
    let claim = weights(layout, eta).iter().zip(layers).map(|(weight, layer)| *weight * layer.claim).sum();
    let term = |(l, coefficient)| Term { coefficient, factors: vec![2 * l, 2 * l + 1] };
    let terms = powers(eta, layers.len()).into_iter().enumerate().map(term).collect();
    let mut repeated = Vec::with_capacity(2 * layers.len());
    for layer in layers {
        repeated.push(repeat(backend, B::view(&layer.input), k)?);
        repeated.push(repeat(backend, B::view(&layer.weights), k)?);
    }
    let tables = repeated.iter_mut().map(B::view_mut).collect();
    let form = Form::new(k as usize, terms).claiming(claim);
    Ok(sumcheck::prove(backend, channel, form, tables)?.point)
}

/// A table as one of `2^k` entries that ignores the leading variables.
fn repeat<B: Backend>(backend: &B, table: B::View<'_, Fr>, k: u32) -> zkmill::Result<B::Buffer<Fr>> {
    let mut repeated = backend.alloc("matrix factor", 1 << k)?;
    let mut rest = B::view_mut(&mut repeated);
    while !rest.is_empty() {
        let (mut head, tail) = B::split_mut(rest, table.len())?;
        backend.copy(table, &mut head)?;
        rest = tail;
    }
    drop(rest);
    Ok(repeated)
}

/// What the rounds leave to be checked.
pub(crate) struct Reduced<V> {
    pub point: Vec<Fr>,
    /// The claim on the summand there.
    pub sum: Lin<V>,
    /// The layers' powers of eta.
    pub powers: Vec<Fr>,
}

/// Reads the rounds on `products[l] = ~Acc_l - ~bias_l`.
pub(crate) fn verify<C: Channel>(
    channel: &mut C,
    layout: &Layout,
    products: Vec<Lin<C::Var>>,
) -> Result<Reduced<C::Var>, ChannelError> {
    let eta = channel.challenge();
    let claim =
        products.into_iter().zip(weights(layout, eta)).map(|(product, weight)| product * weight).sum();
    let (point, sum) = sumcheck::verify(channel, rounds(layout) as usize, 2, claim)?;
    Ok(Reduced { point, sum, powers: powers(eta, layout.layers.len()) })
}
