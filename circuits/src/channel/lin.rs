//! Affine forms over received values.

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use std::ops::{Add, Mul, Neg, Sub};

/// `constant + sum_i c_i v_i` with public coefficients `c_i` over received values `v_i`.
///
/// All that a verifier may compute from received values: it stays meaningful when the values are committed
/// rather than known. The running claim of a sumcheck is one. A value may occur in several terms.
#[derive(Clone, Debug)]
pub struct Lin<V> {
    terms: Vec<(Fr, V)>,
    constant: Fr,
}

impl<V> Lin<V> {
    /// The form without values. (`From<Fr>` would clash with `From<V>` where `V` is `Fr`.)
    pub fn constant(constant: Fr) -> Self {
        Self { terms: Vec::new(), constant }
    }

    /// `coefficient * value`.
    pub fn term(coefficient: Fr, value: V) -> Self {
        Self { terms: vec![(coefficient, value)], constant: Fr::ZERO }
    }

    /// Multiplies the form by a public factor.
    pub fn scale(&mut self, factor: Fr) {
        self.terms.iter_mut().for_each(|(coefficient, _)| *coefficient *= factor);
        self.constant *= factor;
    }

    /// The form's value, given the values.
    pub fn eval(&self, value: impl Fn(&V) -> Fr) -> Fr {
        self.terms.iter().fold(self.constant, |sum, (coefficient, v)| sum + *coefficient * value(v))
    }
}

/// The value itself.
impl<V> From<V> for Lin<V> {
    fn from(value: V) -> Self {
        Self::term(Fr::from(1u64), value)
    }
}

/// The sum of the terms.
impl<V> FromIterator<(Fr, V)> for Lin<V> {
    fn from_iter<I: IntoIterator<Item = (Fr, V)>>(terms: I) -> Self {
        Self { terms: terms.into_iter().collect(), constant: Fr::ZERO }
    }
}

impl<V> Add for Lin<V> {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.terms.extend(other.terms);
        self.constant += other.constant;
        self
    }
}

impl<V> Neg for Lin<V> {
    type Output = Self;

    fn neg(mut self) -> Self {
        self.terms.iter_mut().for_each(|(coefficient, _)| *coefficient = -*coefficient);
        self.constant = -self.constant;
        self
    }
}

impl<V> Sub for Lin<V> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl<V> Mul<Fr> for Lin<V> {
    type Output = Self;

    fn mul(mut self, factor: Fr) -> Self {
        self.scale(factor);
        self
    }
}

impl<V> std::iter::Sum for Lin<V> {
    fn sum<I: Iterator<Item = Self>>(forms: I) -> Self {
        forms.fold(Self::constant(Fr::ZERO), Add::add)
    }
}
