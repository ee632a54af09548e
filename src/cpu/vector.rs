//! Element-wise operations on the CPU, in blocks over the threads.

use ark_ff::{AdditiveGroup, Field as _, MontConfig};
use rayon::prelude::*;

use super::Cpu;
use super::field::LazyField as _;
use super::field::portable::Fe;
use super::field::prepared::{
    Field, Prepared, add, store, subtract_2p_once, subtract_2p_roughly, subtract_p_once,
};
use crate::element::{Fr, Scalar};
use crate::error::{Result, check};
use crate::vector::Vector;

/// Elements of a task: 128 KiB. Shorter vectors stay on the calling thread.
const BLOCK: usize = 1 << 12;

impl Vector<Fr> for Cpu {
    fn fill(&self, value: Fr, out: &mut &mut [Fr]) -> Result<()> {
        self.install(|| blocks(out, |_, out| out.fill(value)));
        Ok(())
    }

    fn linear_combination<T: Scalar<Fr>>(&self, terms: &[(Fr, &[T])], out: &mut &mut [Fr]) -> Result<()> {
        for (_, vector) in terms {
            check("linear_combination", "vector length", out.len(), vector.len())?;
        }
        self.install(|| linear_combination(terms, out));
        Ok(())
    }

    fn add_scaled<T: Scalar<Fr>>(&self, coefficient: Fr, vector: &[T], out: &mut &mut [Fr]) -> Result<()> {
        check("add_scaled", "vector length", out.len(), vector.len())?;
        self.install(|| add_scaled(coefficient, vector, out));
        Ok(())
    }

    fn hadamard(&self, a: &[Fr], b: &[Fr], out: &mut &mut [Fr]) -> Result<()> {
        check("hadamard", "length of a", out.len(), a.len())?;
        check("hadamard", "length of b", out.len(), b.len())?;
        self.install(|| hadamard(a, b, out));
        Ok(())
    }

    fn batch_inverse(&self, values: &mut &mut [Fr]) -> Result<()> {
        self.install(|| batch_inverse(values));
        Ok(())
    }

    fn powers(&self, scale: Fr, base: Fr, out: &mut &mut [Fr]) -> Result<()> {
        self.install(|| powers(scale, base, out));
        Ok(())
    }
}

/// Calls `work` with every block of `out` and the index of its first element, in parallel if there are several.
fn blocks<T: Send>(out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= BLOCK {
        work(0, out);
    } else {
        out.par_chunks_mut(BLOCK).enumerate().for_each(|(i, out)| work(i * BLOCK, out));
    }
}

/// `out[i] = sum_k terms[k].0 * terms[k].1[i]`.
pub fn linear_combination<C: MontConfig<4>, T: Scalar<Field<C>>>(
    terms: &[(Field<C>, &[T])],
    out: &mut [Field<C>],
) {
    let factors: Vec<Factor<C>> = terms.iter().map(|(factor, _)| Factor::new(*factor)).collect();
    blocks(out, |start, out| {
        for (i, out) in out.iter_mut().enumerate() {
            let mut sum = Sum::new();
            for (factor, (_, vector)) in factors.iter().zip(terms) {
                sum.add(factor, vector[start + i]);
            }
            *out = sum.value();
        }
    });
}

/// `out[i] += coefficient * vector[i]`.
pub fn add_scaled<C: MontConfig<4>, T: Scalar<Field<C>>>(
    coefficient: Field<C>,
    vector: &[T],
    out: &mut [Field<C>],
) {
    let factor = Factor::new(coefficient);
    blocks(out, |start, out| {
        let len = out.len();
        for (out, x) in out.iter_mut().zip(&vector[start..start + len]) {
            let mut sum = Sum::new();
            sum.add(&factor, *x);
            *out += sum.value();
        }
    });
}

/// A coefficient in the forms that the products with its vector need.
struct Factor<C: MontConfig<4>> {
    prepared: Prepared,
    value: Field<C>,
    negative: Field<C>,
}

impl<C: MontConfig<4>> Factor<C> {
    fn new(value: Field<C>) -> Self {
        Self { prepared: Prepared::new(value), value, negative: -value }
    }
}

/// A sum of products of coefficients with scalars.
///
/// Products with field elements are kept below `4 p`. Products with integers of 64 bits are four word products each and
/// are added up without a reduction, the sign going to the coefficient.
struct Sum<C: MontConfig<4>> {
    lazy: Field<C>,
    wide: [u64; 6],
}

impl<C: MontConfig<4>> Sum<C> {
    fn new() -> Self {
        Self { lazy: Field::<C>::ZERO, wide: [0; 6] }
    }

    #[inline(always)]
    fn add<T: Scalar<Field<C>>>(&mut self, factor: &Factor<C>, x: T) {
        if T::BITS > 64 {
            // Below 2 p and below 1.25 p.
            let product = factor.prepared.mul::<C>(x.to_field().0.0);
            self.lazy = store(add(subtract_2p_roughly::<C>(self.lazy.0.0), product));
            return;
        }
        let x = x.to_signed();
        let word = u128::from(x.magnitude[0]);
        let factor = if x.negative { factor.negative } else { factor.value };
        let mut carry = 0;
        for (sum, limb) in self.wide.iter_mut().zip(factor.0.0) {
            let t = u128::from(*sum) + u128::from(limb) * word + carry;
            *sum = t as u64;
            carry = t >> 64;
        }
        // 2^64 terms of 318 bits fit.
        let t = u128::from(self.wide[4]) + carry;
        self.wide[4] = t as u64;
        self.wide[5] += (t >> 64) as u64;
    }

    #[inline(always)]
    fn value(&self) -> Field<C> {
        let lazy = store(subtract_p_once::<C>(subtract_2p_once::<C>(self.lazy.0.0)));
        let [low @ .., w4, w5] = self.wide;
        if self.wide == [0; 6] {
            return lazy;
        }
        // A Montgomery form plus 2^256 times an integer, which is the Montgomery form of that integer.
        // Any value below 2^256 < 8 p.
        let low = (0..3).fold(low, |low, _| subtract_2p_once::<C>(low));
        lazy + store::<C>(subtract_p_once::<C>(low)) + Field::<C>::from(u128::from(w4) | u128::from(w5) << 64)
    }
}

/// `out[i] = a[i] * b[i]`.
pub fn hadamard<C: MontConfig<4>>(a: &[Field<C>], b: &[Field<C>], out: &mut [Field<C>]) {
    blocks(out, |start, out| {
        for ((out, a), b) in out.iter_mut().zip(&a[start..]).zip(&b[start..]) {
            *out = (Fe::new(*a) * Fe::new(*b)).reduce();
        }
    });
}

/// Independent chains of products: a chain alone would wait for each multiplication to finish.
const CHAINS: usize = 4;

/// Inverts every element but zeros, which stay.
///
/// Montgomery's trick: with `before[i]` the product of the elements before `i`, one inversion of the whole product and
/// a walk back give `1 / x[i] = before[i] / (before[i] x[i])`. Three multiplications an element, one inversion a block.
pub fn batch_inverse<C: MontConfig<4>>(values: &mut [Field<C>]) {
    blocks(values, |_, values| {
        let one = Fe::<C>::ONE;
        let mut before = Vec::with_capacity(values.len());
        let mut products = [one; CHAINS];
        for (i, x) in values.iter().enumerate() {
            let product = &mut products[i % CHAINS];
            before.push(*product);
            if *x != Field::<C>::ZERO {
                *product = *product * Fe::new(*x);
            }
        }
        // The same trick for the chains' products.
        let mut product = one;
        let before_chains = products.map(|x| {
            let before = product;
            product = product * x;
            before
        });
        let mut inverse = product.inverse().expect("no factor is zero");
        let mut inverses = products;
        for (x, before) in inverses.iter_mut().zip(before_chains).rev() {
            let product = *x;
            *x = inverse * before;
            inverse = inverse * product;
        }
        for (i, (x, before)) in values.iter_mut().zip(before).enumerate().rev() {
            if *x != Field::<C>::ZERO {
                let inverse = &mut inverses[i % CHAINS];
                let value = Fe::new(*x);
                *x = (*inverse * before).reduce();
                *inverse = *inverse * value;
            }
        }
    });
}

/// `out[i] = scale * base^i`.
pub fn powers<C: MontConfig<4>>(scale: Field<C>, base: Field<C>, out: &mut [Field<C>]) {
    let step = Prepared::new(base.pow([CHAINS as u64]));
    blocks(out, |start, out| {
        let mut power = scale * base.pow([start as u64]);
        for out in out.iter_mut().take(CHAINS) {
            *out = power;
            power *= base;
        }
        for i in CHAINS..out.len() {
            out[i] = step.mul_canonical(out[i - CHAINS]);
        }
    });
}

#[cfg(test)]
mod tests {
    use ark_ff::{BigInt, UniformRand};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::cpu::Tier;
    use crate::reference::Reference;

    const LENGTHS: [usize; 9] = [0, 1, 3, 4, 5, 100, BLOCK, BLOCK + 1, 3 * BLOCK + 7];

    fn cpus() -> Vec<Cpu> {
        [1, 2, 3].map(|threads| Cpu::with_tier(Tier::Portable).with_threads(threads).unwrap()).into()
    }

    /// Random elements with 0, 1, -1 and the largest Montgomery form among them.
    fn elements(n: usize, seed: u64) -> Vec<Fr> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut largest = ark_bn254::FrConfig::MODULUS;
        largest.0[0] -= 1;
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::new_unchecked(largest)];
        (0..n).map(|i| if i % 3 == 1 { edges[i / 3 % 4] } else { Fr::rand(&mut rng) }).collect()
    }

    fn combination_of<T: Scalar<Fr>>(vectors: &[Vec<T>]) {
        for terms in 0..=vectors.len() {
            let coefficients = elements(terms, 9);
            let terms: Vec<(Fr, &[T])> =
                coefficients.into_iter().zip(vectors.iter().map(Vec::as_slice)).collect();
            let n = vectors[0].len();
            let mut expected = elements(n, 4);
            let before = expected.clone();
            Reference.linear_combination(&terms, &mut &mut expected[..]).unwrap();
            for cpu in cpus() {
                let mut out = before.clone();
                cpu.linear_combination(&terms, &mut &mut out[..]).unwrap();
                assert!(out == expected, "{} terms, n = {n}", terms.len());
            }
            for (coefficient, vector) in terms {
                let (mut out, mut expected) = (before.clone(), before.clone());
                cpus()[1].add_scaled(coefficient, vector, &mut &mut out[..]).unwrap();
                Reference.add_scaled(coefficient, vector, &mut &mut expected[..]).unwrap();
                assert!(out == expected);
            }
        }
    }

    #[test]
    fn combinations_match_the_reference() {
        for n in [0, 1, 5, BLOCK + 1] {
            let fields: Vec<Vec<Fr>> = (0..5).map(|seed| elements(n, seed)).collect();
            let words = |i: usize, k: usize| fields[k][i].0.0[0];
            combination_of(&fields);
            macro_rules! integers {
                ($($int:ty),*) => {$({
                    let edges = [<$int>::MIN, <$int>::MAX, 0, 1];
                    let value = |i, k| if (i + k) % 3 == 0 { edges[i % 4] } else { words(i, k) as $int };
                    let vectors: Vec<Vec<$int>> = (0..5).map(|k| (0..n).map(|i| value(i, k)).collect()).collect();
                    combination_of(&vectors);
                })*};
            }
            integers!(i8, u8, i32, i64, u64);
            let integers: Vec<Vec<BigInt<4>>> = fields
                .iter()
                .map(|v| v.iter().map(|x| BigInt([x.0.0[1], 0, x.0.0[0], u64::MAX])).collect())
                .collect();
            combination_of(&integers);
        }
    }

    #[test]
    fn many_extreme_terms_stay_in_range() {
        let n = 3;
        let vectors = vec![vec![u64::MAX; n]; 300];
        let terms: Vec<(Fr, &[u64])> = vectors.iter().map(|v| (-Fr::ONE, &v[..])).collect();
        let mut out = vec![Fr::ZERO; n];
        cpus()[0].linear_combination(&terms, &mut &mut out[..]).unwrap();
        assert_eq!(out, vec![-Fr::from(u64::MAX) * Fr::from(300u64); n]);
    }

    #[test]
    fn products_inverses_and_powers_match_the_reference() {
        for n in LENGTHS {
            let (a, b) = (elements(n, 1), elements(n, 2));
            let mut product = vec![Fr::ONE; n];
            Reference.hadamard(&a, &b, &mut &mut product[..]).unwrap();
            let mut inverse = a.clone();
            Reference.batch_inverse(&mut &mut inverse[..]).unwrap();
            for cpu in cpus() {
                let mut out = vec![Fr::ONE; n];
                cpu.hadamard(&a, &b, &mut &mut out[..]).unwrap();
                assert!(out == product, "hadamard, n = {n}");
                let mut out = a.clone();
                cpu.batch_inverse(&mut &mut out[..]).unwrap();
                assert!(out == inverse, "batch_inverse, n = {n}");
                for (scale, base) in [(a.first(), b.last()), (Some(&Fr::ONE), Some(&Fr::ZERO))] {
                    let (Some(&scale), Some(&base)) = (scale, base) else { continue };
                    cpu.powers(scale, base, &mut &mut out[..]).unwrap();
                    let mut power = scale;
                    for out in &out {
                        assert_eq!(*out, power);
                        power *= base;
                    }
                }
                cpu.fill(-Fr::ONE, &mut &mut out[..]).unwrap();
                assert!(out.iter().all(|x| *x == -Fr::ONE));
            }
        }
    }

    #[test]
    fn all_zeros_and_all_equal_invert() {
        for x in [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(7u64)] {
            let mut values = vec![x; BLOCK + 3];
            cpus()[1].batch_inverse(&mut &mut values[..]).unwrap();
            assert!(values.iter().all(|y| *y == x.inverse().unwrap_or(Fr::ZERO)));
        }
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let cpu = Cpu::new();
        let (a, mut out) = (elements(3, 1), elements(4, 2));
        let before = out.clone();
        assert!(cpu.hadamard(&a, &before, &mut &mut out[..]).is_err());
        assert!(cpu.hadamard(&before, &a, &mut &mut out[..]).is_err());
        assert!(cpu.add_scaled(Fr::ONE, &a, &mut &mut out[..]).is_err());
        assert!(cpu.linear_combination(&[(Fr::ONE, &before[..]), (Fr::ONE, &a)], &mut &mut out[..]).is_err());
        assert_eq!(out, before);
    }
}
