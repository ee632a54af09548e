//! Element-wise operations on the CPU, in blocks over the threads.

#[cfg(target_arch = "x86_64")]
pub(super) mod ifma;

use ark_ff::{AdditiveGroup, Field as _, MontConfig};
use rayon::prelude::*;

use super::Cpu;
use super::field::portable::Fe;
use super::field::prepared::{
    Field, Prepared, add, store, subtract_2p_once, subtract_2p_roughly, subtract_p_once,
};
use super::field::{LazyField as _, compiled_for_mulx};
use crate::element::{Fr, Scalar};
use crate::error::{Result, check};
use crate::vector::Vector;

/// Elements of a task: 128 KiB. Shorter vectors stay on the calling thread.
const BLOCK: usize = 1 << 12;

impl Vector<Fr> for Cpu {
    fn fill(&self, value: Fr, out: &mut &mut [Fr]) -> Result<()> {
        self.install_unless_short(out.len(), || blocks(out, |_, out| out.fill(value)));
        Ok(())
    }

    fn linear_combination<T: Scalar<Fr>>(&self, terms: &[(Fr, &[T])], out: &mut &mut [Fr]) -> Result<()> {
        for (_, vector) in terms {
            check("linear_combination", "vector length", out.len(), vector.len())?;
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::linear_combination(token, terms, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || linear_combination(terms, out));
        Ok(())
    }

    fn add_scaled<T: Scalar<Fr>>(&self, coefficient: Fr, vector: &[T], out: &mut &mut [Fr]) -> Result<()> {
        check("add_scaled", "vector length", out.len(), vector.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::add_scaled(token, coefficient, vector, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || add_scaled(coefficient, vector, out));
        Ok(())
    }

    fn hadamard(&self, a: &[Fr], b: &[Fr], out: &mut &mut [Fr]) -> Result<()> {
        check("hadamard", "length of a", out.len(), a.len())?;
        check("hadamard", "length of b", out.len(), b.len())?;
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::hadamard(token, a, b, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || hadamard(a, b, out));
        Ok(())
    }

    fn batch_inverse(&self, values: &mut &mut [Fr]) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(values.len(), || ifma::batch_inverse(token, values));
            return Ok(());
        }
        self.install_unless_short(values.len(), || batch_inverse(values));
        Ok(())
    }

    fn powers(&self, scale: Fr, base: Fr, out: &mut &mut [Fr]) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.ifma() {
            self.install_unless_short(out.len(), || ifma::powers(token, scale, base, out));
            return Ok(());
        }
        self.install_unless_short(out.len(), || powers(scale, base, out));
        Ok(())
    }
}

/// Calls `work` with every block of `out` and the index of its first element, in parallel if there are several.
pub(super) fn blocks<T: Send>(out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) {
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
    let radix = radix::<C>();
    blocks(out, |start, out| {
        for (i, out) in out.iter_mut().enumerate() {
            let mut sum = Sum::ZERO;
            for (factor, (_, vector)) in factors.iter().zip(terms) {
                sum.add(factor, vector[start + i]);
            }
            *out = sum.value::<C>(&radix);
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
    let radix = radix::<C>();
    blocks(out, |start, out| {
        let len = out.len();
        for (out, x) in out.iter_mut().zip(&vector[start..start + len]) {
            let mut sum = Sum::ZERO;
            sum.add(&factor, *x);
            *out += sum.value::<C>(&radix);
        }
    });
}

/// A coefficient in the forms that the products with its vector need.
struct Factor<C: MontConfig<4>> {
    prepared: Prepared,
    /// The value and its negative.
    signed: [Field<C>; 2],
}

impl<C: MontConfig<4>> Factor<C> {
    fn new(value: Field<C>) -> Self {
        Self { prepared: Prepared::new(value), signed: [value, -value] }
    }
}

/// The factor `2^256`, whose Montgomery form is `R^2`.
fn radix<C: MontConfig<4>>() -> Prepared {
    Prepared::new(store::<C>(C::R2.0))
}

/// A sum of products of coefficients with scalars, as a Montgomery form modulo `p`.
///
/// Products with field elements are kept below `4 p`. Products with integers of 64 bits are four word products each and
/// are added up without a reduction, the sign going to the coefficient.
struct Sum([u64; 6]);

impl Sum {
    const ZERO: Self = Self([0; 6]);

    #[inline(always)]
    fn add<C: MontConfig<4>, T: Scalar<Field<C>>>(&mut self, factor: &Factor<C>, x: T) {
        let [low @ .., w4, w5] = self.0;
        if T::BITS > 64 {
            let product = factor.prepared.mul::<C>(x.to_field().0.0);
            let [w0, w1, w2, w3] = add(subtract_2p_roughly::<C>(low), product);
            self.0 = [w0, w1, w2, w3, 0, 0];
            return;
        }
        let x = x.to_signed();
        let word = u128::from(x.magnitude[0]);
        let factor = &factor.signed[usize::from(x.negative)];
        let mut carry = 0;
        for (sum, limb) in self.0.iter_mut().zip(factor.0.0) {
            let t = u128::from(*sum) + u128::from(limb) * word + carry;
            *sum = t as u64;
            carry = t >> 64;
        }
        // 2^64 terms of 318 bits fit.
        let (w4, overflow) = w4.overflowing_add(carry as u64);
        (self.0[4], self.0[5]) = (w4, w5 + u64::from(overflow));
    }

    #[inline(always)]
    fn value<C: MontConfig<4>>(&self, radix: &Prepared) -> Field<C> {
        let [low @ .., w4, w5] = self.0;
        let mut sum = low;
        if w4 | w5 != 0 {
            // Any four words are below 5.3 p, so now below 2.1 p; the product is below 1.1 p.
            let low = subtract_2p_roughly::<C>(subtract_2p_roughly::<C>(low));
            sum = add(low, radix.mul::<C>([w4, w5, 0, 0]));
        } else {
            sum = subtract_2p_once::<C>(sum);
        }
        store(subtract_p_once::<C>(subtract_2p_once::<C>(sum)))
    }
}

/// `out[i] = a[i] * b[i]`.
pub fn hadamard<C: MontConfig<4>>(a: &[Field<C>], b: &[Field<C>], out: &mut [Field<C>]) {
    blocks(out, |start, out| multiply(&a[start..], &b[start..], out));
}

compiled_for_mulx! {
    fn multiply<C: MontConfig<4>>(a: &[Field<C>], b: &[Field<C>], out: &mut [Field<C>]) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = (Fe::new(*a) * Fe::new(*b)).reduce();
        }
    }
}

/// Independent chains of products: a chain alone would wait for each multiplication to finish.
const CHAINS: usize = 4;

/// Inverts every element but zeros, which stay.
///
/// Montgomery's trick: with `before[i]` the product of the elements before `i`, one inversion of the whole product and
/// a walk back give `1 / x[i] = before[i] / (before[i] x[i])`. Three multiplications an element, one inversion a block.
pub fn batch_inverse<C: MontConfig<4>>(values: &mut [Field<C>]) {
    blocks(values, |_, values| invert(values));
}

compiled_for_mulx! {
    fn invert<C: MontConfig<4>>(values: &mut [Field<C>]) {
        let mut before = Vec::with_capacity(values.len());
        let mut products = [Fe::<C>::ONE; CHAINS];
        for (i, x) in values.iter().enumerate() {
            let product = &mut products[i % CHAINS];
            before.push(*product);
            if *x != Field::<C>::ZERO {
                *product = *product * Fe::new(*x);
            }
        }
        let mut inverses = invert_chains(products);
        for (i, (x, before)) in values.iter_mut().zip(before).enumerate().rev() {
            if *x != Field::<C>::ZERO {
                let inverse = &mut inverses[i % CHAINS];
                let value = Fe::new(*x);
                *x = (*inverse * before).reduce();
                *inverse = *inverse * value;
            }
        }
    }
}

/// The same trick for the chains' products, none of which is zero.
fn invert_chains<C: MontConfig<4>>(mut values: [Fe<C>; CHAINS]) -> [Fe<C>; CHAINS] {
    let mut product = Fe::ONE;
    let before = values.map(|x| {
        let before = product;
        product = product * x;
        before
    });
    let mut inverse = product.inverse().expect("no factor is zero");
    for (x, before) in values.iter_mut().zip(before).rev() {
        let value = *x;
        *x = inverse * before;
        inverse = inverse * value;
    }
    values
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

    /// Every remainder by 8 and by 32, and more than one block.
    fn lengths() -> impl Iterator<Item = usize> {
        (0..42).chain([100, BLOCK, BLOCK + 1, 3 * BLOCK + 7, 8 * BLOCK + 13])
    }

    fn cpus() -> Vec<Cpu> {
        let tiers = Tier::ALL.iter().filter_map(|&tier| Cpu::with_tier(tier).ok());
        tiers.flat_map(|cpu| [1, 2, 3].map(|threads| cpu.clone().with_threads(threads).unwrap())).collect()
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
                let mut expected = before.clone();
                Reference.add_scaled(coefficient, vector, &mut &mut expected[..]).unwrap();
                for cpu in cpus() {
                    let mut out = before.clone();
                    cpu.add_scaled(coefficient, vector, &mut &mut out[..]).unwrap();
                    assert!(out == expected);
                }
            }
        }
    }

    #[test]
    fn combinations_match_the_reference() {
        for n in (0..18).chain([BLOCK + 1]) {
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
        let fields = vec![vec![-Fr::ONE; n]; 300];
        let field_terms: Vec<(Fr, &[Fr])> = fields.iter().map(|v| (-Fr::ONE, &v[..])).collect();
        for cpu in cpus() {
            let mut out = vec![Fr::ZERO; n];
            cpu.linear_combination(&terms, &mut &mut out[..]).unwrap();
            assert_eq!(out, vec![-Fr::from(u64::MAX) * Fr::from(300u64); n]);
            cpu.linear_combination(&field_terms, &mut &mut out[..]).unwrap();
            assert_eq!(out, vec![Fr::from(300u64); n]);
        }
    }

    #[test]
    fn products_inverses_and_powers_match_the_reference() {
        for n in lengths() {
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
            for cpu in cpus() {
                let mut values = vec![x; BLOCK + 3];
                cpu.batch_inverse(&mut &mut values[..]).unwrap();
                assert!(values.iter().all(|y| *y == x.inverse().unwrap_or(Fr::ZERO)));
            }
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
