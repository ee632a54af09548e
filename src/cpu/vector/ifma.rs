//! The element-wise operations on eight lanes.
//!
//! Elements stay as they lie in memory, `x 2^256`. A product of two divides by `2^260`, so one factor is read four bits
//! higher; a product by a prepared constant keeps the form. The methods are those of the [parent](super), blocks too.

use std::arch::x86_64::*;
use std::cell::Cell;
use std::hint::cold_path;

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
        let [low, high] = canonical_pair([low, high]);
        store_at(&low.into_words(), out, i);
        store_at(&high.into_words(), out, i + 8);
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
        let [low, high] = canonical_pair(products.reduce::<1, 7>());
        store_at(&low.into_words(), values, i);
        store_at(&high.into_words(), values, i + 8);
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
                if LIMBS == 5 {
                    prefetch(vector, at + AHEAD);
                    prefetch(vector, at + 8 + AHEAD);
                }
                sums.add(&[read::<F, T, LIMBS>(vector, at), read::<F, T, LIMBS>(vector, at + 8)], factor);
            }
            let mut sums = sums.reduce::<MAX_TERMS, 78>();
            if ADD {
                prefetch(out, i + AHEAD);
                prefetch(out, i + 8 + AHEAD);
                for (n, sum) in sums.iter_mut().enumerate() {
                    let before = Lazy::<F, 1>::from_words(&load_at(out, i + 8 * n, F::zero()));
                    *sum = sum.plus::<1, 79>(before).narrow();
                }
            }
            let [low, high] = canonical_pair(sums);
            store_at(&low.into_words(), out, i);
            store_at(&high.into_words(), out, i + 8);
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

/// Elements that share an inversion. Their [`Link`]s, 40 bytes an element, stay in the second-level cache with them; the
/// inversion takes as long as some 200 elements.
const SHARED: usize = 1 << 13;
/// Elements of a link: two vectors.
const PER_LINK: usize = 16;
/// Elements of a step: a link a chain.
const STEP: usize = PER_LINK * CHAINS;

/// Inverts every element but zeros, which stay.
///
/// The [parent](super::batch_inverse)'s trick on pairs of vectors: their products are the links of the chains. What comes
/// back from a chain is `1 / (a b)`, and `1 / a = b / (a b)`. That is three multiplications an element as well, but half as
/// many links to be stored, and to wait for.
pub(super) fn batch_inverse<F: Modulus>(_: Ifma, values: &mut [F]) {
    // SAFETY: an `Ifma` proves the features.
    let denominators = unsafe { Denominators::<F, false>::new(F::zero()) };
    in_shares(values, |_, values, links| {
        // SAFETY: as above.
        unsafe {
            let chains = denominators.chain(values, links);
            denominators.invert(&chains, links, None, None, values);
        }
    });
}

/// `out[i] = numerators[i] / (alpha - column[i])`, 0 at a pole; no numerators means ones.
pub(in crate::cpu) fn quotients<F: Modulus>(
    _: Ifma,
    alpha: F,
    column: &[F],
    numerators: Option<&[F]>,
    out: &mut [F],
) {
    // SAFETY: an `Ifma` proves the features.
    let denominators = unsafe { Denominators::<F, true>::new(alpha) };
    in_shares(out, |from, out, links| {
        let part = from..from + out.len();
        let numerators = numerators.map(|numerators| &numerators[part.clone()]);
        let column = &column[part];
        // SAFETY: as above.
        unsafe {
            let chains = denominators.chain(column, links);
            denominators.invert(&chains, links, Some(column), numerators, out);
        }
    });
}

thread_local! {
    /// A thread's links, kept: fresh memory would cost as much as several inverses an element.
    static LINKS: Cell<Vec<[Link; CHAINS]>> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with parts of at most [`SHARED`] elements, the index of their first, and the thread's links.
fn in_shares<F: Modulus>(out: &mut [F], work: impl Fn(usize, &mut [F], &mut Vec<[Link; CHAINS]>) + Sync) {
    let work = |from, out: &mut [F]| {
        let mut links = LINKS.take();
        work(from, out, &mut links);
        LINKS.set(links);
    };
    if out.len() <= SHARED {
        return work(0, out);
    }
    // At least two parts a thread.
    let share =
        (out.len() / (2 * rayon::current_num_threads())).clamp(SHARED / 4, SHARED).next_multiple_of(STEP);
    out.par_chunks_mut(share).enumerate().for_each(|(k, out)| work(k * share, out));
}

/// What the forward pass leaves to the backward pass of a link of a chain, for multiplication only.
#[derive(Clone, Copy)]
struct Link {
    /// The product of the link's two denominators.
    product: Columns,
    /// The product of the chain's denominators before these.
    before: Columns,
}

/// How denominators come from elements: as `alpha - x` if `DIFFERENCE`, else as the elements themselves. They are
/// read as `d 2^256`, which is `d / 16` to this tier.
struct Denominators<F, const DIFFERENCE: bool> {
    /// The words of the element whose denominator is zero.
    pole: [u64; 4],
    /// One more, which stands in for it and beyond the end.
    other: F,
    other_words: [u64; 4],
    /// `p` plus the element from which others are subtracted.
    minuend: Columns,
}

/// The products of two pairs of factors below `2 p`, interleaved.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn products<F: Modulus>(a: [&Columns; 2], b: [&Columns; 2]) -> [Wide<F, 0, 2>; 2] {
    let a = [&Factor::<F, 2>::from_limbs(*a[0]), &Factor::from_limbs(*a[1])];
    let b = [&Factor::<F, 2>::from_limbs(*b[0]), &Factor::from_limbs(*b[1])];
    let mut sums = Sums::new();
    sums.add(a, b);
    sums.reduce::<4, 2>()
}

impl<F: Modulus, const DIFFERENCE: bool> Denominators<F, DIFFERENCE> {
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn new(pole: F) -> Self {
        let minuend = Lazy::<F, 1>::from_words(&load(&[pole; 8]));
        let lifted = minuend.add::<2, 3>(Lazy::splat(&Constants::<F>::P));
        let other = pole + F::one();
        Self { pole: words(pole), other, other_words: words(other), minuend: lifted.into_columns() }
    }

    /// Eight denominators from element `from` on, for multiplication only, and the lanes of poles, where they are not zero but one.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn read(&self, elements: &[F], from: usize) -> (Columns, u8) {
        let mut eight = load_at(elements, from, self.other);
        let mut poles = suspect_lanes(&eight, self.pole[0]);
        if poles != 0 {
            cold_path();
            poles = equal_lanes(&eight, &self.pole);
            eight = replace_lanes(&eight, poles, &self.other_words);
        }
        if DIFFERENCE {
            let subtrahend = Lazy::<F, 1>::from_words(&eight);
            (carry_unmasked(&sub(&self.minuend, subtrahend.limbs())), poles)
        } else {
            (*Factor::<F, 1>::from_words(&eight).limbs(), poles)
        }
    }

    /// The forward pass: multiplies the denominators up in [`CHAINS`] chains of eight lanes.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn chain(&self, elements: &[F], links: &mut Vec<[Link; CHAINS]>) -> [Lazy<F, 2>; CHAINS] {
        let one = Lazy::<F, 2>::splat(const { &relimb(power_of_two::<F>(260)) });
        let mut chains = [one.into_limbs(); CHAINS];
        links.resize(elements.len().div_ceil(STEP), [Link { product: chains[0], before: chains[0] }; CHAINS]);
        for (step, links) in links.iter_mut().enumerate() {
            for chain in (0..CHAINS).step_by(2) {
                let from = step * STEP + PER_LINK * chain;
                for vector in 0..4 {
                    prefetch(elements, from + 8 * vector + AHEAD);
                }
                let [a, b, c, d] = [
                    self.read(elements, from).0,
                    self.read(elements, from + 8).0,
                    self.read(elements, from + 16).0,
                    self.read(elements, from + 24).0,
                ];
                let [low, high] = products::<F>([&a, &c], [&b, &d]);
                let [low, high] = [low.factor::<2>(), high.factor::<2>()];
                links[chain] = Link { product: *low.limbs(), before: chains[chain] };
                links[chain + 1] = Link { product: *high.limbs(), before: chains[chain + 1] };
                let [low, high] =
                    products::<F>([low.limbs(), high.limbs()], [&chains[chain], &chains[chain + 1]]);
                chains[chain] = *low.factor::<2>().limbs();
                chains[chain + 1] = *high.factor::<2>().limbs();
            }
        }
        let mut clean = [one; CHAINS];
        for (clean, chain) in clean.iter_mut().zip(chains) {
            *clean = one.mul(&Factor::<F, 2>::from_limbs(chain));
        }
        clean
    }

    /// The backward pass: one inversion, then each denominator's inverse, times its numerator where given. The elements are
    /// those of `column`, or of `out` itself.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    fn invert(
        &self,
        chains: &[Lazy<F, 2>; CHAINS],
        links: &[[Link; CHAINS]],
        column: Option<&[F]>,
        numerators: Option<&[F]>,
        out: &mut [F],
    ) {
        // A product of k denominators lacks 16^k; its inverse has it, and what is left at the end is 2^252 / (d / 16).
        let lanes = invert_chains::<F, 252>(chains);
        let mut inverses = [*lanes[0].limbs(); CHAINS];
        for chain in 1..CHAINS {
            inverses[chain] = *lanes[chain].limbs();
        }
        for (step, links) in links.iter().enumerate().rev() {
            for chain in (0..CHAINS).step_by(2) {
                let mut pairs = [inverses[chain], inverses[chain + 1]];
                for (i, pair) in pairs.iter_mut().enumerate() {
                    let Link { product, before } = &links[chain + i];
                    let [inverse, next] = products::<F>([pair, pair], [before, product]);
                    *pair = *inverse.factor::<2>().limbs();
                    inverses[chain + i] = *next.factor::<2>().limbs();
                }
                for (i, pair) in pairs.iter().enumerate() {
                    let from = step * STEP + PER_LINK * (chain + i);
                    if column.is_some() {
                        prefetch(out, from.wrapping_sub(AHEAD));
                        prefetch(out, from.wrapping_sub(AHEAD) + 8);
                    }
                    let elements = column.unwrap_or(out);
                    let (a, a_poles) = self.read(elements, from);
                    let (b, b_poles) = self.read(elements, from + 8);
                    let [mut a_inverse, mut b_inverse] = products::<F>([pair, pair], [&b, &a]);
                    if let Some(numerators) = numerators {
                        let over_a = Factor::<F, 16>::from_elements(&load_at(numerators, from, F::zero()));
                        let over_b = Factor::from_elements(&load_at(numerators, from + 8, F::zero()));
                        let mut quotients = Sums::new();
                        quotients
                            .add([&over_a, &over_b], [&a_inverse.factor::<2>(), &b_inverse.factor::<2>()]);
                        let [over_a, over_b] = quotients.reduce::<32, 2>();
                        [a_inverse, b_inverse] = [over_a.reduce().wide(), over_b.reduce().wide()];
                    }
                    let [a, b] = subtract_seldom_pair([a_inverse, b_inverse]);
                    let (mut a, mut b) = (a.into_words(), b.into_words());
                    if a_poles | b_poles != 0 {
                        cold_path();
                        a = replace_lanes(&a, a_poles, &[0; 4]);
                        b = replace_lanes(&b, b_poles, &[0; 4]);
                    }
                    store_at(&a, out, from);
                    store_at(&b, out, from + 8);
                }
            }
        }
    }
}

/// The words of an element.
fn words<F: Modulus>(element: F) -> [u64; 4] {
    (element * F::from(2u64).pow([256])).into_bigint().0
}
