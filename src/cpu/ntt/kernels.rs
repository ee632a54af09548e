//! What passes are made of, for this processor: the place where another tier's arithmetic enters.

use ark_ff::MontConfig;

use super::butterflies::{forward, inverse};
use super::twiddles::{Heap, Plain, PlainInverse};
use crate::cpu::field::compiled_for_mulx;
use crate::cpu::field::prepared::{Field, Prepared, store};
use crate::ntt::Direction;

/// Where the twiddles of a pass come from.
#[derive(Clone, Copy)]
pub enum Source<'t> {
    /// The domain's table.
    Table(&'t [Prepared]),
    /// A [`Heap`] of twisted twiddles.
    Heap(&'t [Prepared]),
}

/// A part of a transform on contiguous data.
pub struct Levels<'t> {
    /// Inverse levels run backwards.
    pub direction: Direction,
    /// The level of the data as one block, for a [`Source::Heap`].
    pub first: u32,
    /// How many levels to run.
    pub levels: u32,
    /// Which block of level `first` the data is.
    pub block: usize,
    /// The twiddles.
    pub source: Source<'t>,
}

compiled_for_mulx! {
    /// Multiplies every run of `factors.len()` elements by the factors. Any values in, below `2 p` out.
    pub fn scale_runs<C: MontConfig<4>>(data: &mut [Field<C>], factors: &[Prepared]) {
        for run in data.chunks_exact_mut(factors.len()) {
            for (x, factor) in run.iter_mut().zip(factors) {
                *x = store(factor.mul::<C>(x.0.0));
            }
        }
    }
}

compiled_for_mulx! {
    /// Runs the levels. The compilation with `mulx` takes an eighth less time.
    pub fn run_levels<C: MontConfig<4>>(part: &Levels<'_>, data: &mut [Field<C>]) {
        let &Levels { direction, first: level, levels, block, source } = part;
        match (direction, source, block) {
            (Direction::Forward, Source::Table(table), 0) => {
                forward(data, levels, &Plain::<true> { table, base: 0 });
            }
            (Direction::Forward, Source::Table(table), base) => {
                forward(data, levels, &Plain::<false> { table, base });
            }
            (Direction::Inverse, Source::Table(table), 0) => {
                inverse(data, levels, &PlainInverse::<true> { table, base: 0 });
            }
            (Direction::Inverse, Source::Table(table), base) => {
                inverse(data, levels, &PlainInverse::<false> { table, base });
            }
            (Direction::Forward, Source::Heap(heap), block) => {
                forward(data, levels, &Heap { heap, level, block });
            }
            (Direction::Inverse, Source::Heap(heap), block) => {
                inverse(data, levels, &Heap { heap, level, block });
            }
        }
    }
}
