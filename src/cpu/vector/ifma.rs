//! The element-wise operations on eight lanes.
//!
//! Elements stay as they lie in memory, `x 2^256`. A product of two divides by `2^260`, so one factor is read four bits
//! higher; a product by a prepared constant keeps the form. The methods are those of the [parent](super), blocks too.

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::blocks;
use crate::cpu::field::ifma::*;
use crate::element::Scalar;

/// Elements of a step: two vectors abreast.
const PAIR: usize = 16;

/// `out[i] = a[i] * b[i]`.
pub(super) fn hadamard<F: Modulus>(_: Ifma, a: &[F], b: &[F], out: &mut [F]) {
    blocks(out, |start, out| {
        // SAFETY: an `Ifma` proves the features.
        unsafe { multiply(&a[start..start + out.len()], &b[start..start + out.len()], out) }
    });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn multiply<F: Modulus>(a: &[F], b: &[F], out: &mut [F]) {
    for i in (0..out.len()).step_by(PAIR) {
        let [a0, a1] = [load_at(a, i, F::zero()), load_at(a, i + 8, F::zero())];
        let [b0, b1] = [load_at(b, i, F::zero()), load_at(b, i + 8, F::zero())];
        let mut products = Sums::new();
        products.add(
            [&Factor::<F, 16>::from_elements(&a0), &Factor::from_elements(&a1)],
            [&Factor::<F, 1>::from_words(&b0), &Factor::<F, 1>::from_words(&b1)],
        );
        let [low, high] = products.reduce::<16, 2>();
        store_at(&low.canonical().into_words(), out, i);
        store_at(&high.canonical().into_words(), out, i + 8);
    }
}

/// `out[i] = scale * base^i`: chains of products by a constant power.
pub(super) fn powers<F: Modulus>(_: Ifma, scale: F, base: F, out: &mut [F]) {
    let step = Prepared::new(base.pow([8 * CHAINS as u64]));
    blocks(out, |start, out| {
        let mut first = [scale * base.pow([start as u64]); 8 * CHAINS];
        for i in 1..first.len().min(out.len()) {
            first[i] = first[i - 1] * base;
        }
        // SAFETY: an `Ifma` proves the features.
        unsafe { continue_powers(&first, &step, out) }
    });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn continue_powers<F: Modulus>(first: &[F; 8 * CHAINS], step: &Prepared<F>, out: &mut [F]) {
    let mut chains = [Lazy::<F, 1>::splat(&[0; 5]).wide().widen::<0, 7>(); CHAINS];
    for (chain, value) in chains.iter_mut().enumerate() {
        *value = Lazy::<F, 1>::from_words(&load_at(first, 8 * chain, F::zero())).wide().widen();
    }
    let none = broadcast(&[0; 5]);
    for i in (0..out.len()).step_by(8 * CHAINS) {
        for chain in (0..CHAINS).step_by(2) {
            let pair = [chains[chain], chains[chain + 1]];
            store_at(&pair[0].canonical().into_words(), out, i + 8 * chain);
            store_at(&pair[1].canonical().into_words(), out, i + 8 * chain + 8);
            let factors = [pair[0].factor::<7>(), pair[1].factor::<7>()];
            let mut next = PreparedSums::new(&[none; 2]);
            next.add(&[*factors[0].limbs(), *factors[1].limbs()], step);
            [chains[chain], chains[chain + 1]] = next.reduce::<1, 7>();
        }
    }
}

/// `out[i] = sum_k terms[k].0 * terms[k].1[i]`.
pub(super) fn linear_combination<F: Modulus, T: Scalar<F>>(token: Ifma, terms: &[(F, &[T])], out: &mut [F]) {
    let mut chunks = terms.chunks(MAX_TERMS);
    match chunks.next() {
        Some(terms) => combine::<F, T, false>(token, terms, out),
        None => blocks(out, |_, out| out.fill(F::zero())),
    }
    chunks.for_each(|terms| combine::<F, T, true>(token, terms, out));
}

/// `out[i] += coefficient * vector[i]`.
pub(super) fn add_scaled<F: Modulus, T: Scalar<F>>(token: Ifma, coefficient: F, vector: &[T], out: &mut [F]) {
    combine::<F, T, true>(token, &[(coefficient, vector)], out);
}

/// `values[i] *= factor`.
pub(in crate::cpu) fn scale<F: Modulus>(_: Ifma, factor: F, values: &mut [F]) {
    let factor = Prepared::new(factor);
    blocks(values, |_, values| {
        // SAFETY: an `Ifma` proves the features.
        unsafe { scale_block(&factor, values) }
    });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn scale_block<F: Modulus>(factor: &Prepared<F>, values: &mut [F]) {
    for i in (0..values.len()).step_by(PAIR) {
        let [a, b] = [load_at(values, i, F::zero()), load_at(values, i + 8, F::zero())];
        let mut products = PreparedSums::new(&[broadcast(&[0; 5]); 2]);
        products
            .add(&[*Factor::<F, 1>::from_words(&a).limbs(), *Factor::<F, 1>::from_words(&b).limbs()], factor);
        let [low, high] = products.reduce::<1, 7>();
        store_at(&low.canonical().into_words(), values, i);
        store_at(&high.canonical().into_words(), values, i + 8);
    }
}

/// [`linear_combination`] of at most [`MAX_TERMS`] terms, added to what is there if `ADD`.
///
/// Integers are read as unsigned numbers of one or two limbs after adding `2^32` or `2^64`, which the start of the sum
/// takes back.
fn combine<F: Modulus, T: Scalar<F>, const ADD: bool>(_: Ifma, terms: &[(F, &[T])], out: &mut [F]) {
    // Products of integers want the factor 2^256 that a field element brings along.
    let two_to = |exponent: u32| F::from(2u64).pow([u64::from(exponent)]);
    let (radix, offset) = match T::BITS {
        0..=32 => (two_to(256), F::from(1u64 << 32)),
        33..=64 => (two_to(256), two_to(64)),
        _ => (F::one(), F::zero()),
    };
    let factors: Vec<Prepared<F>> = terms.iter().map(|(factor, _)| Prepared::new(*factor * radix)).collect();
    let shift: F = terms.iter().map(|(factor, _)| *factor * offset).sum();
    let start = relimb((-shift * radix).into_bigint().0);
    let block = Combination { terms, factors: &factors, start };
    blocks(out, |from, out| {
        // SAFETY: an `Ifma` proves the features.
        unsafe {
            match T::BITS {
                0..=32 => block.run::<1, ADD>(from, out),
                33..=64 => block.run::<2, ADD>(from, out),
                _ => block.run::<5, ADD>(from, out),
            }
        }
    });
}

/// What [`combine`] does to a block.
struct Combination<'a, F, T> {
    terms: &'a [(F, &'a [T])],
    factors: &'a [Prepared<F>],
    /// What each sum starts with.
    start: [u64; 5],
}

impl<F: Modulus, T: Scalar<F>> Combination<'_, F, T> {
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn run<const LIMBS: usize, const ADD: bool>(&self, from: usize, out: &mut [F]) {
        let start = [broadcast(&self.start); 2];
        for i in (0..out.len()).step_by(PAIR) {
            let mut sums = PreparedSums::new(&start);
            for (factor, (_, vector)) in self.factors.iter().zip(self.terms) {
                let at = from + i;
                sums.add(&[read::<F, T, LIMBS>(vector, at), read::<F, T, LIMBS>(vector, at + 8)], factor);
            }
            let [low, high] = sums.reduce::<MAX_TERMS, 77>();
            if ADD {
                let [a, b] = [load_at(out, i, F::zero()), load_at(out, i + 8, F::zero())];
                let low = low.plus::<1, 78>(Lazy::from_words(&a));
                let high = high.plus::<1, 78>(Lazy::from_words(&b));
                store_at(&low.canonical().into_words(), out, i);
                store_at(&high.canonical().into_words(), out, i + 8);
            } else {
                store_at(&low.canonical().into_words(), out, i);
                store_at(&high.canonical().into_words(), out, i + 8);
            }
        }
    }
}

/// Limbs of eight scalars from `from` on, zeros beyond the end: five of field elements in Montgomery form; of integers, one or two with
/// the offset of [`combine`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(in crate::cpu) fn read<F: Modulus, T: Scalar<F>, const LIMBS: usize>(
    vector: &[T],
    from: usize,
) -> [__m512i; LIMBS] {
    let rest = vector.get(from..).unwrap_or(&[]);
    let mut padded = [T::ZEROED; 8];
    let eight = match rest.first_chunk() {
        Some(eight) => eight,
        None => {
            padded[..rest.len()].copy_from_slice(rest);
            &padded
        }
    };
    let mut limbs = [_mm512_setzero_si512(); LIMBS];
    if LIMBS > 2 {
        let mut elements = [F::zero(); 8];
        for (element, scalar) in elements.iter_mut().zip(eight) {
            *element = scalar.to_field();
        }
        let factor = Factor::<F, 1>::from_words(&load(&elements));
        limbs.copy_from_slice(factor.limbs());
        return limbs;
    }
    let mut lanes = [[0u64; 8]; LIMBS];
    for k in 0..8 {
        // As in `load`, so that all readings agree.
        let scalar = eight[LANE_ORDER[k]].to_signed();
        let magnitude = i128::from(scalar.magnitude[0]);
        let value = if scalar.negative { -magnitude } else { magnitude };
        let unsigned = (value + if LIMBS == 1 { 1 << 32 } else { 1 << 64 }) as u128;
        for (limb, lanes) in lanes.iter_mut().enumerate() {
            lanes[k] = (unsigned >> (52 * limb)) as u64;
        }
    }
    for (limb, lanes) in limbs.iter_mut().zip(&lanes) {
        // SAFETY: eight words; the load needs no alignment.
        *limb = unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) };
    }
    limbs
}

/// Elements that share an inversion. Their scratch, 80 bytes each, stays in a second-level cache of one MiB; the inversion takes
/// as long as some 200 elements.
const SHARED: usize = 1 << 13;
/// Elements of a step: a vector a chain.
const STEP: usize = 8 * CHAINS;

/// Inverts every element but zeros, which stay.
pub(super) fn batch_inverse<F: Modulus>(token: Ifma, values: &mut [F]) {
    in_shares(values, |_, values, scratch| {
        // SAFETY: an `Ifma` proves the features.
        unsafe {
            let chains = Denominators::values().chain(values, scratch);
            invert(token, &chains, None, values, scratch);
        }
    });
}

/// `out[i] = numerators[i] / (alpha - column[i])`, 0 at a pole; no numerators means ones.
pub(in crate::cpu) fn quotients<F: Modulus>(
    token: Ifma,
    alpha: F,
    column: &[F],
    numerators: Option<&[F]>,
    out: &mut [F],
) {
    in_shares(out, |from, out, scratch| {
        let part = from..from + out.len();
        let numerators = numerators.map(|numerators| &numerators[part.clone()]);
        // SAFETY: an `Ifma` proves the features.
        unsafe {
            let chains = Denominators::differences(alpha).chain(&column[part], scratch);
            invert(token, &chains, numerators, out, scratch);
        }
    });
}

/// Calls `work` with parts of at most [`SHARED`] elements, the index of their first and scratch memory.
fn in_shares<F: Modulus>(out: &mut [F], work: impl Fn(usize, &mut [F], &mut Scratch<F>) + Sync + Send) {
    if out.len() <= SHARED {
        return work(0, out, &mut Scratch::default());
    }
    // At least two parts a thread.
    let share =
        (out.len() / (2 * rayon::current_num_threads())).clamp(SHARED / 4, SHARED).next_multiple_of(STEP);
    let parts = out.par_chunks_mut(share).enumerate();
    parts.for_each_init(Scratch::default, |scratch, (k, out)| work(k * share, out, scratch));
}

/// What the forward pass leaves to the backward pass.
struct Scratch<F> {
    steps: Vec<[Link<F>; CHAINS]>,
    /// Where the denominators are zero.
    poles: Vec<usize>,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self { steps: Vec::new(), poles: Vec::new() }
    }
}

/// Eight denominators of a chain. They are kept as `d 2^256`, which is `d / 16` to this tier.
#[derive(Clone, Copy)]
struct Link<F> {
    denominator: Factor<F, 2>,
    /// The product of the chain's denominators before these.
    before: Factor<F, 2>,
}

/// How denominators come from elements.
struct Denominators<F> {
    /// The element whose denominator is zero.
    pole: F,
    /// `p` plus the element from which others are subtracted; `None` for the elements themselves.
    minuend: Option<Columns>,
}

impl<F: Modulus> Denominators<F> {
    fn values() -> Self {
        Self { pole: F::zero(), minuend: None }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn differences(alpha: F) -> Self {
        let minuend = Lazy::<F, 1>::from_words(&load(&[alpha; 8]));
        let lifted = minuend.add::<2, 3>(Lazy::splat(&Constants::<F>::P));
        Self { pole: alpha, minuend: Some(lifted.into_columns()) }
    }

    /// The forward pass: multiplies the denominators up in [`CHAINS`] chains of eight lanes.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn chain(&self, elements: &[F], scratch: &mut Scratch<F>) -> [Lazy<F, 2>; CHAINS] {
        let Scratch { steps, poles } = scratch;
        poles.clear();
        // Stands in for poles and beyond the end.
        let other = self.pole + F::one();
        let pole = words(self.pole);
        let one = Lazy::<F, 1>::splat(const { &relimb(power_of_two::<F>(260)) });
        let mut products = [one.wide().widen::<0, 2>(); CHAINS];
        let link = Link { denominator: one.wide().factor(), before: one.wide().factor() };
        steps.resize(elements.len().div_ceil(STEP), [link; CHAINS]);
        for (step, links) in steps.iter_mut().enumerate() {
            for (chain, link) in links.iter_mut().enumerate() {
                let from = step * STEP + 8 * chain;
                let mut eight = load_at(elements, from, other);
                if suspect_lanes(&eight, pole[0]) != 0 {
                    eight = replace_poles(&eight, from, pole, words(other), poles);
                }
                link.denominator = match &self.minuend {
                    None => Factor::<F, 1>::from_words(&eight).widen(),
                    Some(minuend) => {
                        let subtrahend = Lazy::<F, 1>::from_words(&eight);
                        Factor::from_limbs(carry_unmasked(&sub(minuend, subtrahend.limbs())))
                    }
                };
                link.before = products[chain].factor();
            }
            for chain in (0..CHAINS).step_by(2) {
                let [a, b] = [&links[chain], &links[chain + 1]];
                let mut pair = Sums::new();
                pair.add([&a.denominator, &b.denominator], [&a.before, &b.before]);
                [products[chain], products[chain + 1]] = pair.reduce::<4, 2>();
            }
        }
        let mut chains = [one.widen::<2>(); CHAINS];
        for (chain, product) in chains.iter_mut().zip(products) {
            *chain = product.carry();
        }
        chains
    }
}

/// The words of an element.
fn words<F: Modulus>(element: F) -> [u64; 4] {
    (element * F::from(2u64).pow([256])).into_bigint().0
}

/// Notes which of the elements are the pole and puts `other` in their places.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn replace_poles(
    eight: &Words,
    from: usize,
    pole: [u64; 4],
    other: [u64; 4],
    poles: &mut Vec<usize>,
) -> Words {
    let mask = equal_lanes(eight, &pole);
    poles.extend((0..8).filter(|lane| mask >> lane & 1 == 1).map(|lane| from + LANE_ORDER[lane]));
    replace_lanes(eight, mask, &other)
}

/// The backward pass: one inversion, then each denominator's inverse, times its numerator where given.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn invert<F: Modulus>(
    _: Ifma,
    chains: &[Lazy<F, 2>; CHAINS],
    numerators: Option<&[F]>,
    out: &mut [F],
    scratch: &Scratch<F>,
) {
    // A product of k denominators lacks 16^k; its inverse has it, and what each step leaves is 2^252 / (d / 16).
    let lanes = invert_chains::<F, 252>(chains);
    let mut inverses = [Lazy::<F, 1>::splat(&[0; 5]).wide().factor::<2>(); CHAINS];
    for (inverse, lanes) in inverses.iter_mut().zip(lanes) {
        *inverse = lanes.wide().factor();
    }
    for (step, links) in scratch.steps.iter().enumerate().rev() {
        for (chain, link) in links.iter().enumerate() {
            let from = step * STEP + 8 * chain;
            let inverse = inverses[chain];
            let mut pair = Sums::new();
            pair.add([&inverse, &inverse], [&link.before, &link.denominator]);
            let [value, next] = pair.reduce::<4, 2>();
            inverses[chain] = next.factor();
            let mut value = value.subtract_seldom();
            if let Some(numerators) = numerators {
                let numerator = Factor::<F, 16>::from_elements(&load_at(numerators, from, F::zero()));
                value = mul::<F, _, _, 2>(&numerator, &value).canonical();
            }
            store_at(&value.into_words(), out, from);
        }
    }
    for &pole in &scratch.poles {
        if let Some(out) = out.get_mut(pole) {
            *out = F::zero();
        }
    }
}
