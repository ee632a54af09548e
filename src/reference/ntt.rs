//! Evaluation of a polynomial at every point, `n^2` multiplications (ten-fold lengths belong to the other backends).

use ark_ff::FftField;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::ntt::{Direction, Ntt, Order, Transform, check_domain, check_transform};
use crate::reference::Reference;

impl<F: FftField + Element> Ntt<F> for Reference {
    type Domain = Domain<F>;

    fn domain(&self, log_n: u32) -> Result<Domain<F>> {
        check_domain::<F>(log_n)?;
        let n = 1 << log_n;
        let root = F::get_root_of_unity(n as u64);
        let unavailable = || Error::Unavailable { reason: format!("no root of unity of order {n}") };
        Ok(Domain { n, root: root.ok_or_else(unavailable)? })
    }

    fn ntt(&self, domain: &Domain<F>, transform: Transform<F>, batch: &mut [&mut [F]]) -> Result<()> {
        check_transform(domain.n, &transform, batch.iter().map(|item| item.len()))?;
        let g = transform.coset.unwrap_or(F::ONE);
        for item in batch {
            let result = match transform.direction {
                Direction::Forward => evaluate(domain, g, transform.order, item),
                Direction::Inverse => interpolate(domain, g, transform.order, item),
            };
            item.copy_from_slice(&result);
        }
        Ok(())
    }
}

/// The order and the root of one length.
pub struct Domain<F> {
    n: usize,
    root: F,
}

impl<F: FftField> Domain<F> {
    /// Where the evaluation at `root^k` stands.
    fn position(&self, order: Order, k: usize) -> usize {
        match order {
            Order::Natural => k,
            Order::BitReversed if self.n == 1 => k,
            Order::BitReversed => k.reverse_bits() >> (usize::BITS - self.n.ilog2()),
        }
    }
}

/// `y[k] = sum_i x[i] (g w^k)^i` by Horner's rule.
fn evaluate<F: FftField>(domain: &Domain<F>, g: F, order: Order, x: &[F]) -> Vec<F> {
    let mut y = vec![F::ZERO; domain.n];
    for k in 0..domain.n {
        let at = g * domain.root.pow([k as u64]);
        y[domain.position(order, k)] = x.iter().rev().fold(F::ZERO, |sum, &c| sum * at + c);
    }
    y
}

/// `x[i] = g^-i / n sum_k y[k] w^(-i k)`.
fn interpolate<F: FftField>(domain: &Domain<F>, g: F, order: Order, y: &[F]) -> Vec<F> {
    let over_n = F::from(domain.n as u64).inverse().unwrap_or(F::ONE);
    let inverse_root = domain.root.inverse().unwrap_or(F::ONE);
    let inverse_g = g.inverse().unwrap_or(F::ONE);
    (0..domain.n)
        .map(|i| {
            let at = inverse_root.pow([i as u64]);
            let evaluations = (0..domain.n).rev().map(|k| y[domain.position(order, k)]);
            let sum = evaluations.fold(F::ZERO, |sum, value| sum * at + value);
            sum * over_n * inverse_g.pow([i as u64])
        })
        .collect()
}
