//! Additions of many pairs of affine points with one inversion.
//!
//! For `P != +-Q` on `y^2 = x^3 + b`
//!
//! ```text
//! l = (y_Q - y_P) / (x_Q - x_P),    x = l^2 - x_P - x_Q,    y = l (x_P - x) - y_P,
//! ```
//!
//! and for `P = Q` the same with `l = 3 x_P^2 / (2 y_P)`. The denominators of a batch are inverted together
//! (Montgomery's trick: one inversion and three multiplications each), so an addition costs five multiplications and a
//! squaring, about half of a mixed projective addition.
//!
//! This is the one place where the portable sums of this module do curve arithmetic. The tier with vector instructions
//! has its own, in another order of data ([`ifma`](super::ifma)).

use crate::cpu::field::{LazyField, has_mulx, prefetch};

use super::point::Point;

/// Where a point is: an index, the memory it is in, and whether it is to be negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u32);

impl Entry {
    const NEGATED: u32 = 1 << 31;
    const SUM: u32 = 1 << 30;
    /// Indices are below this.
    pub const LIMIT: usize = 1 << 30;

    /// A point of the table.
    #[inline(always)]
    pub fn table(index: usize, negated: bool) -> Self {
        debug_assert!(index < Self::LIMIT);
        Self(index as u32 | if negated { Self::NEGATED } else { 0 })
    }

    /// An earlier sum.
    #[inline(always)]
    pub fn sum(index: usize) -> Self {
        debug_assert!(index < Self::LIMIT);
        Self(index as u32 | Self::SUM)
    }

    /// All there is to know, in a word.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From its [`Self::bits`].
    #[inline(always)]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline(always)]
    pub fn negated(self) -> bool {
        self.0 & Self::NEGATED != 0
    }
}

/// What entries refer to.
#[derive(Clone, Copy)]
pub struct Operands<'a, F> {
    pub table: &'a [Point<F>],
    pub sums: &'a [Point<F>],
}

impl<F: LazyField> Operands<'_, F> {
    #[inline(always)]
    pub fn raw(&self, entry: Entry) -> &Point<F> {
        let index = (entry.0 & (Entry::SUM - 1)) as usize;
        if entry.0 & Entry::SUM != 0 { &self.sums[index] } else { &self.table[index] }
    }

    /// The point an entry stands for.
    #[inline(always)]
    pub fn get(&self, entry: Entry) -> Point<F> {
        let point = self.raw(entry);
        Point { x: point.x, y: point.y.negate_if(entry.negated()) }
    }
}

/// Pairs that share an inversion: so many that it adds little to their cost, while their points and scratch, 320
/// bytes a pair on G1, stay in a 512 KiB cache.
const BATCH: usize = 1024;
/// Pairs whose sums are computed step by step together.
const BLOCK: usize = 16;
const _: () = assert!(BLOCK.is_multiple_of(2), "a block begins in the first chain");
/// How many pairs ahead points are asked for.
const AHEAD: usize = 6;

/// The adder in portable arithmetic.
pub struct PortableAdder<F> {
    denominators: Vec<F>,
    /// `prefixes[i]`: the product of the denominators before `i` in its chain.
    prefixes: Vec<F>,
    /// Pairs to which the formula for `P != +-Q` does not apply, by position.
    special: Vec<(usize, Special)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    /// `P = Q`
    Double,
    /// `P = -Q`
    Cancel,
    /// `Q` is the identity.
    First,
    /// `P` is the identity.
    Second,
}

impl<F: LazyField> Default for PortableAdder<F> {
    fn default() -> Self {
        Self { denominators: vec![F::ONE; BATCH], prefixes: vec![F::ONE; BATCH], special: Vec::new() }
    }
}

impl<F: LazyField> PortableAdder<F> {
    /// `out[i] = pairs[i][0] + pairs[i][1]`, any points.
    ///
    /// # Panics
    /// If an entry is out of range, or `out` is shorter than `pairs`.
    pub fn add(&mut self, operands: Operands<'_, F>, pairs: &[[Entry; 2]], out: &mut [Point<F>]) {
        for (pairs, out) in pairs.chunks(BATCH).zip(out[..pairs.len()].chunks_mut(BATCH)) {
            #[cfg(target_arch = "x86_64")]
            if has_mulx() {
                // SAFETY: the processor has the instructions.
                unsafe { self.add_batch_mulx(operands, pairs, out) };
                continue;
            }
            self.add_batch(operands, pairs, out);
        }
    }

    /// [`Self::add_batch`] compiled for processors with `mulx`.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2,adx")]
    fn add_batch_mulx(&mut self, operands: Operands<'_, F>, pairs: &[[Entry; 2]], out: &mut [Point<F>]) {
        self.add_batch(operands, pairs, out);
    }

    #[inline(always)]
    fn add_batch(&mut self, operands: Operands<'_, F>, pairs: &[[Entry; 2]], out: &mut [Point<F>]) {
        // The chains' inverses from that of the product of all. Denominators are not zero.
        let [a, b] = self.forward(operands, pairs);
        let inverse = (a * b).inverse().unwrap_or(F::ZERO);
        let mut inverses = [inverse * b, inverse * a];
        for first in (0..pairs.len()).step_by(BLOCK).rev() {
            let last = pairs.len().min(first + BLOCK);
            self.backward(operands, &pairs[first..last], &mut out[first..last], first, &mut inverses);
        }
    }

    /// Fills `denominators` and `prefixes`; returns the products of two independent chains, which hide each other's
    /// latency: pairs with even index are in the first, the others in the second.
    #[inline(always)]
    fn forward(&mut self, operands: Operands<'_, F>, pairs: &[[Entry; 2]]) -> [F; 2] {
        self.special.clear();
        let (denominators, prefixes) =
            (&mut self.denominators[..pairs.len()], &mut self.prefixes[..pairs.len()]);
        // The chain of the next pair comes first. Two variables that swap stay in registers, an indexed array does not.
        let (mut next, mut other) = (F::ONE, F::ONE);
        for (i, &[first, second]) in pairs.iter().enumerate() {
            if let Some(&[first, second]) = pairs.get(i + AHEAD) {
                prefetch(operands.raw(first));
                prefetch(operands.raw(second));
            }
            let (p, q) = (operands.raw(first).x, operands.raw(second).x);
            let mut denominator = q - p;
            if p.may_be_zero_bits() | q.may_be_zero_bits() | denominator.may_be_zero() {
                denominator = classify(&mut self.special, operands, i, [first, second], denominator);
            }
            prefixes[i] = next;
            denominators[i] = denominator;
            (next, other) = (other, next * denominator);
        }
        if pairs.len().is_multiple_of(2) { [next, other] } else { [other, next] }
    }

    /// The sums of a block, that begins at `first`. `inverses` are those of the chains' products up to the block's
    /// end, and then those before it.
    ///
    /// Each step is a loop of its own over the block. Its iterations are independent and its code is small: all steps
    /// in one loop are a chain of dependent multiplications longer than the processor's window, so that neighbouring
    /// pairs would not overlap.
    #[inline(always)]
    fn backward(
        &mut self,
        operands: Operands<'_, F>,
        pairs: &[[Entry; 2]],
        out: &mut [Point<F>],
        first: usize,
        inverses: &mut [F; 2],
    ) {
        let len = pairs.len().min(BLOCK).min(out.len());
        let denominators = &self.denominators[first..][..len];
        let prefixes = &self.prefixes[first..][..len];
        let mut inverse = [F::ZERO; BLOCK];
        // As in the forward pass, backwards; a block begins in the first chain.
        let [even, odd] = *inverses;
        let (mut next, mut other) = if len.is_multiple_of(2) { (odd, even) } else { (even, odd) };
        for k in (0..len).rev() {
            inverse[k] = next * prefixes[k];
            (next, other) = (other, next * denominators[k]);
        }
        *inverses = [other, next];
        let mut slope = [F::ZERO; BLOCK];
        for k in 0..len {
            let [p, q] = pairs[k];
            let y = operands.get(p).y;
            slope[k] = operands.get(q).y - y;
            out[k].y = y;
        }
        let special = self.special.last().is_some_and(|&(i, _)| i >= first);
        if special {
            // 3 x^2 for doublings.
            for &(i, kind) in self.special.iter().rev().take_while(|(i, _)| *i >= first) {
                if kind == Special::Double {
                    let square = operands.raw(pairs[i - first][0]).x.square();
                    slope[i - first] = square.double() + square;
                }
            }
        }
        for k in 0..len {
            slope[k] = slope[k] * inverse[k];
        }
        for k in 0..len {
            let [p, q] = pairs[k];
            out[k].x = slope[k].square() - operands.raw(p).x - operands.raw(q).x;
        }
        for k in 0..len {
            let x = operands.raw(pairs[k][0]).x;
            out[k].y = slope[k] * (x - out[k].x) - out[k].y;
        }
        if special {
            while let Some(&(i, kind)) = self.special.last()
                && i >= first
            {
                let [p, q] = pairs[i - first];
                match kind {
                    Special::Double => {}
                    Special::Cancel => out[i - first] = Point::IDENTITY,
                    Special::First => out[i - first] = operands.get(p),
                    Special::Second => out[i - first] = operands.get(q),
                }
                self.special.pop();
            }
        }
    }
}

/// The denominator of a pair that may not be one of different finite points with different `x`; notes what it is.
#[cold]
#[inline(never)]
fn classify<F: LazyField>(
    special: &mut Vec<(usize, Special)>,
    operands: Operands<'_, F>,
    i: usize,
    [first, second]: [Entry; 2],
    denominator: F,
) -> F {
    let (p, q) = (operands.get(first), operands.get(second));
    let (kind, denominator) = if operands.raw(second).is_identity() {
        (Special::First, F::ONE)
    } else if operands.raw(first).is_identity() {
        (Special::Second, F::ONE)
    } else if !denominator.is_zero() {
        return denominator;
    } else if (p.y + q.y).is_zero() {
        (Special::Cancel, F::ONE)
    } else {
        (Special::Double, p.y.double())
    };
    special.push((i, kind));
    denominator
}

#[cfg(test)]
mod tests {
    use super::super::point::CpuCurve;
    use super::*;
    use crate::curve::{G1, G2};
    use ark_ec::short_weierstrass::{Affine, Projective};
    use ark_ec::{AffineRepr, CurveGroup};
    use ark_ff::UniformRand;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// All pairs of a few points and their negatives: every case of the addition, in every chain and in the tail.
    fn all_pairs<C: CpuCurve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let mut points: Vec<Affine<C>> =
            (0..8).map(|_| Projective::<C>::rand(&mut rng).into_affine()).collect();
        points.extend([Affine::identity(), points[0], points[1], -points[2]]);
        let table: Vec<_> = points.iter().map(C::lift_point).collect();
        let entries: Vec<(Entry, Affine<C>)> = (0..points.len())
            .flat_map(|i| [(Entry::table(i, false), points[i]), (Entry::table(i, true), -points[i])])
            .collect();
        let both = || entries.iter().flat_map(|&a| entries.iter().map(move |&b| (a, b)));
        let pairs: Vec<_> = both().map(|(a, b)| [a.0, b.0]).collect();
        let expected: Vec<Affine<C>> = both().map(|(a, b)| (a.1 + b.1).into_affine()).collect();
        for count in [0, 1, 2, 3, 31, 32, 33, 63, 65, pairs.len() - 1, pairs.len()] {
            let mut out = vec![C::lift_point(&Affine::generator()); count];
            PortableAdder::default().add(Operands { table: &table, sums: &[] }, &pairs[..count], &mut out);
            let got: Vec<_> = out.iter().map(C::canonical_point).collect();
            assert_eq!(got, expected[..count]);
        }
    }

    #[test]
    fn all_pairs_g1() {
        all_pairs::<G1>();
    }

    #[test]
    fn all_pairs_g2() {
        all_pairs::<G2>();
    }
}
