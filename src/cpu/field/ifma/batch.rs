//! Inversion of many values with one inversion: Montgomery's trick across lanes and chains.

use std::arch::x86_64::*;

use super::constants::{Modulus, power_of_two, relimb};
use super::lazy::Lazy;
use crate::cpu::field::inverse::divide;

/// Chains of products that are run abreast: a product has a latency of four to five of its throughput.
pub(crate) const CHAINS: usize = 4;

/// The lanewise inverses of four vectors, none of whose lanes may be 0 modulo `p`.
///
/// Values are `x 2^260`; the inverses come out as `x^-1 2^OUT`. Products are joined in pairs: of the vectors, then
/// of lanes that differ in bits 2, 1 and 0 of their number. The one inverse walks the same tree back:
/// `a^-1 = (a b)^-1 b`. Cost: 9 + 12 multiplications of vectors and one [`divide`].
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn invert_chains<F: Modulus, const OUT: u32>(
    chains: &[Lazy<F, 2>; CHAINS],
) -> [Lazy<F, 2>; CHAINS] {
    let low: Lazy<F, 2> = chains[0].mul(&chains[1]);
    let high: Lazy<F, 2> = chains[2].mul(&chains[3]);
    let inverse = invert_lanes::<F, OUT>(&low.mul(&high));
    let (low, high) = (inverse.mul::<_, 2>(&high), inverse.mul::<_, 2>(&low));
    [low.mul(&chains[1]), low.mul(&chains[0]), high.mul(&chains[3]), high.mul(&chains[2])]
}

/// The inverses of eight lanes, in the form of [`invert_chains`].
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn invert_lanes<F: Modulus, const OUT: u32>(values: &Lazy<F, 2>) -> Lazy<F, 2> {
    let partner =
        |bit: i64| _mm512_xor_si512(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), _mm512_set1_epi64(bit));
    let mut partners = [*values; 3];
    let mut product = *values;
    for (level, bit) in [4, 2, 1].into_iter().enumerate() {
        partners[level] = product.permute(partner(bit));
        product = product.mul(&partners[level]);
    }
    let lanes = product.canonical().into_words();
    let words = lanes.map(|word| _mm_cvtsi128_si64(_mm512_castsi512_si128(word)) as u64);
    let inverse = divide(const { power_of_two::<F>(260 + OUT) }, words, F::MODULUS.0);
    debug_assert!(inverse.is_some(), "a lane is zero");
    let mut inverse = Lazy::<F, 2>::splat(&relimb(inverse.unwrap_or([0; 4])));
    for partner in partners.iter().rev() {
        inverse = inverse.mul(partner);
    }
    inverse
}
