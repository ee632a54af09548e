//! The table of twiddles and what is derived from it: inverses, cosets, and the parts of long transforms.

use ark_ff::{FftField, Field as _, MontConfig};
use rayon::prelude::*;

use super::butterflies::Twiddles;
use crate::cpu::field::LazyField as _;
use crate::cpu::field::portable::Fe;
use crate::cpu::field::prepared::{Field, Prepared};
use crate::ntt::Direction;

/// Entries computed by one task.
const TASK: usize = 1 << 10;

/// `T[0], .., T[2^log_len - 1]` of the [network](super::butterflies), prepared: 64 bytes each.
pub fn table<C: MontConfig<4>>(log_len: u32) -> Vec<Prepared> {
    let mut table = vec![Prepared::one::<C>(); 1 << log_len];
    for j in 0..log_len {
        let (low, high) = table[..2 << j].split_at_mut(1 << j);
        let root = root_of_unity::<C>(j + 2);
        let fill = |(high, low): (&mut Prepared, &Prepared)| *high = Prepared::new(low.mul_canonical(root));
        if high.len() < TASK {
            high.iter_mut().zip(&*low).for_each(fill);
        } else {
            high.par_iter_mut().zip(&*low).with_min_len(TASK).for_each(fill);
        }
    }
    table
}

/// The root of unity of order `2^log_order` that ark uses.
fn root_of_unity<C: MontConfig<4>>(log_order: u32) -> Field<C> {
    Field::<C>::get_root_of_unity(1 << log_order)
        .expect("the domain's length was checked against the two-adicity")
}

/// `T[k << shift]`, for any `k`: the product over the bits of `k`.
pub fn entry<C: MontConfig<4>>(k: usize, shift: u32) -> Field<C> {
    let bits = (0..usize::BITS).filter(|j| k >> j & 1 == 1);
    bits.map(|j| root_of_unity::<C>(j + shift + 2)).product()
}

/// `-1 / T[k] = T[mirror(k)]` for `k > 0`: negating an exponent flips all the bits below the leading one.
#[inline(always)]
fn mirror(k: usize) -> usize {
    k ^ (((1usize << (usize::BITS - 1)) >> k.leading_zeros()) - 1)
}

/// Twiddles straight from the table, for block `base` of some level and everything below it.
#[derive(Clone, Copy)]
pub struct Plain<'t, const FIRST: bool> {
    /// The table.
    pub table: &'t [Prepared],
    /// The block; zero if `FIRST`.
    pub base: usize,
}

impl<const FIRST: bool> Twiddles for Plain<'_, FIRST> {
    const UNIT: bool = FIRST;

    #[inline(always)]
    fn get(&self, level: u32, block: usize) -> &Prepared {
        &self.table[(self.base << level) + block]
    }
}

/// The same for the inverse.
#[derive(Clone, Copy)]
pub struct PlainInverse<'t, const FIRST: bool> {
    /// The table.
    pub table: &'t [Prepared],
    /// The block; zero if `FIRST`.
    pub base: usize,
}

impl<const FIRST: bool> Twiddles for PlainInverse<'_, FIRST> {
    const UNIT: bool = FIRST;

    #[inline(always)]
    fn get(&self, level: u32, block: usize) -> &Prepared {
        &self.table[mirror((self.base << level) + block)]
    }
}

/// Twiddles computed beforehand, as a heap: block `b` of level `l` at `2^l + b`.
#[derive(Clone, Copy)]
pub struct Heap<'t> {
    /// The heap.
    pub heap: &'t [Prepared],
    /// The level that the call counts as its first.
    pub level: u32,
    /// The block of that level on which the call works.
    pub block: usize,
}

impl Twiddles for Heap<'_> {
    const UNIT: bool = false;

    #[inline(always)]
    fn get(&self, level: u32, block: usize) -> &Prepared {
        &self.heap[(1 << (self.level + level)) + (self.block << level) + block]
    }
}

/// A transform of the polynomial `f(h X)` instead of `f(X)`, for a coset or as part of a long transform.
///
/// Multiplying coefficient `i` by `h^i` first would cost two multiplications an element, one of them for the power.
/// Instead the twiddles of a level with halves of length `m` are multiplied by `h^m`, as long as a level has few
/// of them, down to short runs; their elements then need the factors `h^0, h^1, ..`, the same for every run.
pub struct Twist<C: MontConfig<4>> {
    direction: Direction,
    /// `h^(2^i)`, or the inverses for the inverse transform.
    squares: Vec<Field<C>>,
    /// `h^0, h^1, ..` of a run, likewise.
    pub run: Vec<Prepared>,
}

/// Runs are `2^RUN` long: every element costs one multiplication, every twiddle above them a preparation.
const RUN: u32 = 6;

impl<C: MontConfig<4>> Twist<C> {
    /// For transforms of length up to `2^log_n`; `h` must not be zero.
    pub fn new(h: Field<C>, log_n: u32, direction: Direction) -> Self {
        let h = match direction {
            Direction::Forward => h,
            Direction::Inverse => {
                Fe::new(h).inverse().expect("a coset's representative is not zero").reduce()
            }
        };
        let square = |x: &Field<C>| Some(x.square());
        // A single run has no levels above it.
        let levels = if log_n > RUN { log_n as usize } else { 0 };
        let squares = std::iter::successors(Some(h), square).take(levels).collect();
        let power = |x: &Field<C>| Some(*x * h);
        let run = std::iter::successors(Some(Field::<C>::ONE), power).take(1 << log_n.min(RUN));
        Self { direction, squares, run: run.map(Prepared::new).collect() }
    }

    /// The length of a run, as a power of two.
    pub fn log_run(&self) -> u32 {
        self.run.len().ilog2()
    }

    /// The twisted twiddles of the first `levels` levels of block `base` of length `2^log_len`, as a [`Heap`].
    pub fn heap(&self, table: &[Prepared], base: usize, log_len: u32, levels: u32) -> Vec<Prepared> {
        if levels == 0 {
            return Vec::new();
        }
        let mut heap = Vec::with_capacity(1 << levels);
        // Index 0 of a heap stays unused.
        heap.push(Prepared::one::<C>());
        for level in 0..levels {
            let factor = self.squares[(log_len - 1 - level) as usize];
            let first = base << level;
            heap.extend((first..first + (1 << level)).map(|k| match self.direction {
                Direction::Forward => Prepared::new(table[k].mul_canonical(factor)),
                Direction::Inverse if k == 0 => Prepared::new(-factor),
                Direction::Inverse => Prepared::new(table[mirror(k)].mul_canonical(factor)),
            }));
        }
        heap
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Fr, FrConfig};
    use ark_ff::UniformRand;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    fn value(prepared: &Prepared) -> Fr {
        prepared.mul_canonical(Fr::ONE)
    }

    #[test]
    fn table_is_made_of_square_roots() {
        let table = table::<FrConfig>(12);
        assert_eq!(value(&table[0]), Fr::ONE);
        assert_eq!(value(&table[1]).square(), -Fr::ONE);
        for k in 0..table.len() / 2 {
            assert_eq!(value(&table[2 * k]).square(), value(&table[k]));
            assert_eq!(value(&table[2 * k + 1]), value(&table[1]) * value(&table[2 * k]));
            assert_eq!(value(&table[k]), entry::<FrConfig>(k, 0));
            assert_eq!(entry::<FrConfig>(k, 9).pow([1 << 9]), value(&table[k]));
        }
    }

    #[test]
    fn mirror_negates_and_inverts() {
        let table = table::<FrConfig>(8);
        for k in 1..table.len() {
            assert_eq!(value(&table[k]) * value(&table[mirror(k)]), -Fr::ONE, "k = {k}");
        }
    }

    #[test]
    fn heaps_hold_twisted_twiddles_and_their_inverses() {
        let table = table::<FrConfig>(8);
        let h = Fr::rand(&mut ChaCha8Rng::seed_from_u64(2));
        for base in [0, 1, 5] {
            let [forward, inverse] = [Direction::Forward, Direction::Inverse]
                .map(|direction| Twist::new(h, 7, direction).heap(&table, base, 7, 4));
            for level in 0..4 {
                for block in 0..1 << level {
                    let index = (1 << level) + block;
                    let expected = value(&table[(base << level) + block]) * h.pow([1 << (6 - level)]);
                    assert_eq!(value(&forward[index]), expected);
                    assert_eq!(value(&inverse[index]) * expected, -Fr::ONE);
                }
            }
        }
    }
}
