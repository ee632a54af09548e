//! Signed digits of scalars of any width.
//!
//! A scalar `v`, taken as the integer of smallest magnitude in its class, is written
//!
//! ```text
//! v = sum_k d_k 2^(o_k),     -2^(w_k - 1) <= d_k < 2^(w_k - 1),     o_(k+1) = o_k + w_k,
//! ```
//!
//! the last digit also reaching `2^(w - 1)`. Adding `B = sum_(k < last) 2^(o_k + w_k - 1)` makes all digits but the last
//! plain bit fields, `d_k = field_k(v + B) - 2^(w_k - 1)`: each is found on its own, no carry runs along, and the two's
//! complement of a negative `v` needs no treatment of its own. With `T` bits in all, `v` fits if `|v| <= 2^(T - 1)`.
//! Scalars near 0 (also from below) have no other than low digits.

use std::marker::PhantomData;
use std::ops::Range;

use ark_ff::PrimeField;
use rayon::prelude::*;

use crate::element::{Scalar, Signed};

/// One digit position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digit {
    /// `o_k`
    pub offset: u32,
    /// `w_k`
    pub width: u32,
    /// Whether this is the last digit.
    pub last: bool,
    /// Which precomputed multiples of the bases the digit is applied to.
    pub level: usize,
    /// Digits of the same set are summed together.
    pub set: usize,
}

/// The sizes of a list of scalars: what the cost of their sum depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub zeros: usize,
    /// `counts[h]`: how many scalars have `2^(h-1) < |v| <= 2^h`.
    pub counts: [usize; Self::CLASSES],
}

impl Sizes {
    const CLASSES: usize = 256;

    const EMPTY: Self = Self { zeros: 0, counts: [0; Self::CLASSES] };

    /// One pass over the scalars, in parallel if there are many.
    pub fn of<F: PrimeField, S: Scalar<F>>(scalars: &[S]) -> Self {
        let count = |part: &[S]| {
            let mut sizes = Self::EMPTY;
            for scalar in part {
                let [a, b, c, d] = scalar.to_signed().magnitude;
                if S::BITS <= 64 || b | c | d == 0 {
                    match a {
                        0 => sizes.zeros += 1,
                        a => sizes.counts[(u64::BITS - (a - 1).leading_zeros()) as usize] += 1,
                    }
                } else {
                    // The bits of |v| - 1, which differs from |v| in the top limb only if the lower ones are 0.
                    let limbs = [a, b, c, d];
                    let top = limbs.iter().rposition(|&limb| limb != 0).unwrap_or(0);
                    let borrow = limbs[..top].iter().all(|&limb| limb == 0);
                    let head = limbs[top] - borrow as u64;
                    sizes.counts[64 * top + (u64::BITS - head.leading_zeros()) as usize] += 1;
                }
            }
            sizes
        };
        if scalars.len() <= Prepared::<F, S>::PART {
            return count(scalars);
        }
        scalars.par_chunks(Prepared::<F, S>::PART).map(count).reduce(
            || Self::EMPTY,
            |mut a, b| {
                a.zeros += b.zeros;
                a.counts.iter_mut().zip(b.counts).for_each(|(a, b)| *a += b);
                a
            },
        )
    }

    /// The bits `T` needed: every `|v| <= 2^(T - 1)`. 0 if all scalars are 0.
    pub fn bits(&self) -> u32 {
        self.counts.iter().rposition(|&count| count > 0).map_or(0, |h| h as u32 + 1)
    }

    /// Scalars that are not 0.
    pub fn nonzero(&self) -> usize {
        self.counts.iter().sum()
    }

    /// `result[h]`: how many scalars have `|v| > 2^(h-1)`, and `result[0]` how many are not 0.
    pub fn at_least(&self) -> [usize; Self::CLASSES] {
        let mut result = self.counts;
        for h in (0..Self::CLASSES - 1).rev() {
            result[h] += result[h + 1];
        }
        result
    }
}

/// Scalars ready to be read digit by digit.
pub(super) enum Prepared<'a, F, S> {
    /// At most 64 bits: read where they are.
    Narrow { scalars: &'a [S], bias: i128, field: PhantomData<F> },
    /// The two's complement of `v + B`, cut to the limbs that matter; each limb's values lie together, since a digit is
    /// read from all scalars in turn.
    Wide { limbs: Vec<Vec<u64>> },
}

impl<'a, F: PrimeField, S: Scalar<F>> Prepared<'a, F, S> {
    /// Scalars that are worth a task.
    const PART: usize = 1 << 13;

    /// For reading the given digits, in ascending order.
    pub fn new(scalars: &'a [S], digits: &[Digit]) -> Self {
        let halves = digits.iter().filter(|digit| !digit.last).map(|digit| digit.offset + digit.width - 1);
        if S::BITS <= 64 {
            return Self::Narrow { scalars, bias: halves.map(|bit| 1i128 << bit).sum(), field: PhantomData };
        }
        let mut bias = [0u64; 4];
        halves.for_each(|bit| bias[bit as usize / 64] |= 1 << (bit % 64));
        // |v + B| < 2^T, so that T + 1 bits hold it with its sign.
        let bits = digits.last().map_or(0, |digit| digit.offset + digit.width + 1);
        let count = bits.div_ceil(64).clamp(1, 4) as usize;
        let mut limbs = vec![vec![0; scalars.len()]; count];

        let mut parts: Vec<Vec<&mut [u64]>> = Vec::new();
        parts.resize_with(scalars.len().div_ceil(Self::PART), Vec::new);
        for limb in &mut limbs {
            parts.iter_mut().zip(limb.chunks_mut(Self::PART)).for_each(|(part, chunk)| part.push(chunk));
        }
        let fill = |(part, scalars): (Vec<&mut [u64]>, &[S])| {
            let mut part = part;
            for (i, scalar) in scalars.iter().enumerate() {
                let value = biased(scalar.to_signed(), &bias);
                part.iter_mut().zip(value).for_each(|(limb, value)| limb[i] = value);
            }
        };
        parts.into_par_iter().zip(scalars.par_chunks(Self::PART)).for_each(fill);
        Self::Wide { limbs }
    }

    /// Appends one digit of each scalar of the range.
    pub fn read(&self, digit: &Digit, range: Range<usize>, out: &mut Vec<i32>) {
        let Digit { offset, width, last, .. } = *digit;
        let (mask, half) = ((1i64 << width) - 1, 1i64 << (width - 1));
        let field = |shifted: i64| if last { shifted as i32 } else { ((shifted & mask) - half) as i32 };
        match self {
            Self::Narrow { scalars, bias, .. } => out.extend(scalars[range].iter().map(|scalar| {
                let Signed { negative, magnitude: [magnitude, ..] } = scalar.to_signed();
                let value = if negative { -(magnitude as i128) } else { magnitude as i128 };
                field(((value + bias) >> offset) as i64)
            })),
            Self::Wide { limbs } => {
                let (index, bit) = (offset as usize / 64, offset % 64);
                let low = &limbs[index][range.clone()];
                match limbs.get(index + 1) {
                    Some(high) => out.extend(
                        low.iter()
                            .zip(&high[range])
                            .map(|(&low, &high)| field((((high as u128) << 64 | low as u128) >> bit) as i64)),
                    ),
                    None => out.extend(low.iter().map(|&low| field(low as i64 >> bit))),
                }
            }
        }
    }
}

/// The two's complement of `v + bias`.
fn biased(Signed { negative, magnitude }: Signed, bias: &[u64; 4]) -> [u64; 4] {
    // -m = !m + 1
    let mask = (negative as u64).wrapping_neg();
    let (mut carry_sign, mut carry) = (negative, false);
    std::array::from_fn(|i| {
        let value;
        (value, carry_sign) = (magnitude[i] ^ mask).carrying_add(0, carry_sign);
        let sum;
        (sum, carry) = value.carrying_add(bias[i], carry);
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::Fr;
    use ark_ff::{AdditiveGroup, BigInt, Field, UniformRand};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn digits(width: u32, bits: u32) -> Vec<Digit> {
        let count = bits.div_ceil(width);
        (0..count)
            .map(|k| {
                let (offset, last) = (k * width, k + 1 == count);
                Digit { offset, width: width.min(bits - offset), last, level: 0, set: 0 }
            })
            .collect()
    }

    fn recompose<S: Scalar + Scalar<Fr>>(scalars: &[S]) {
        let sizes = Sizes::of::<Fr, S>(scalars);
        let bits = sizes.bits();
        assert_eq!(sizes.zeros + sizes.nonzero(), scalars.len());
        assert_eq!(sizes.at_least()[0], sizes.nonzero());
        for width in 1..=18 {
            let digits = digits(width, bits);
            let prepared = Prepared::<Fr, S>::new(scalars, &digits);
            let mut values = vec![Fr::ZERO; scalars.len()];
            for digit in &digits {
                let mut read = Vec::new();
                prepared.read(digit, 0..scalars.len(), &mut read);
                for (value, d) in values.iter_mut().zip(read) {
                    assert!(d.unsigned_abs() <= 1 << (digit.width - 1));
                    *value += Fr::from(d) * Fr::from(2u64).pow([digit.offset as u64]);
                }
            }
            let expected: Vec<Fr> = scalars.iter().map(|&s| Scalar::<Fr>::to_field(s)).collect();
            assert_eq!(values, expected, "width {width}");
        }
    }

    #[test]
    fn digits_recompose() {
        recompose(&(i8::MIN..=i8::MAX).collect::<Vec<_>>());
        recompose(&(u8::MIN..=u8::MAX).collect::<Vec<_>>());
        recompose(&[i16::MIN, -1, 0, 1, i16::MAX]);
        recompose(&[i32::MIN, i32::MAX, 77]);
        recompose(&[i64::MIN, i64::MAX, -77]);
        recompose(&[u64::MAX, 0]);
        recompose(&[u64::MAX, 1 << 63, (1 << 63) + 1]);
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let half = Fr::from_bigint(Fr::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, half, half + Fr::ONE, half.double()];
        scalars.extend((0..256).map(|k| Fr::from(2u64).pow([k])));
        scalars.extend((0..256).map(|k| -Fr::from(2u64).pow([k]) - Fr::ONE));
        scalars.extend((0..50).map(|_| Fr::rand(&mut rng)));
        recompose(&scalars);
        recompose(&scalars.iter().map(|s| s.into_bigint()).collect::<Vec<BigInt<4>>>());
        recompose(&[BigInt([u64::MAX; 4]), Fr::MODULUS]);
        // Only small magnitudes: fewer limbs are kept.
        recompose(&[-Fr::from(5u64), Fr::from(u64::MAX)]);
        recompose(&[-Fr::from(5u64), Fr::from(3u64)]);
    }

    #[test]
    fn sizes_round_up_to_powers_of_two() {
        let size = |v: Fr| Sizes::of::<Fr, Fr>(&[v]).bits();
        let two = Fr::from(2u64);
        for k in 0..250u32 {
            let power = two.pow([k as u64]);
            assert_eq!(size(power), k + 1);
            assert_eq!(size(-power), k + 1);
            assert_eq!(size(power + Fr::ONE), k + 2);
        }
        assert_eq!(size(Fr::ZERO), 0);
        assert_eq!(Sizes::of::<Fr, i8>(&[i8::MIN, i8::MAX]).bits(), 8);
    }

    #[test]
    fn long_lists_count_the_same() {
        let scalars: Vec<i16> = (0..20_000).map(|i| (i * 7919 % 65_536 - 32_768) as i16).collect();
        let whole = Sizes::of::<Fr, i16>(&scalars);
        assert_eq!(whole.nonzero(), scalars.iter().filter(|&&s| s != 0).count());
        assert_eq!(whole.bits(), 16);
    }
}
