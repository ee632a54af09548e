//! What passes are made of, for this processor: the place where another tier's arithmetic enters.

use ark_ff::MontConfig;

use super::butterflies::{self, forward, inverse};
use super::twiddles::{Heap, Plain, PlainInverse, Twist};
#[cfg(target_arch = "x86_64")]
use crate::cpu::field::has_mulx;
use crate::cpu::field::prepared::{Field, Prepared};
use crate::ntt::Direction;

/// Where the twiddles of a pass come from.
#[derive(Clone, Copy)]
pub enum Source<'t> {
    /// The domain's table.
    Table(&'t [Prepared]),
    /// A [`Heap`] made by a [`Twist`].
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

impl Levels<'_> {
    /// Runs the levels. The compilation with `mulx` takes an eighth less time.
    pub fn run<C: MontConfig<4>>(&self, data: &mut [Field<C>]) {
        #[cfg(target_arch = "x86_64")]
        if has_mulx() {
            // SAFETY: the processor has the instructions.
            return unsafe { self.run_mulx(data) };
        }
        self.run_anywhere(data);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2,adx")]
    fn run_mulx<C: MontConfig<4>>(&self, data: &mut [Field<C>]) {
        self.run_anywhere(data);
    }

    #[inline(always)]
    fn run_anywhere<C: MontConfig<4>>(&self, data: &mut [Field<C>]) {
        let &Self { direction, first: level, levels, block, source } = self;
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

/// Multiplies the runs of `data` by the powers that a twist leaves to do. Values below `2 p` out.
pub fn scale_runs<C: MontConfig<4>>(data: &mut [Field<C>], twist: &Twist<C>) {
    #[cfg(target_arch = "x86_64")]
    if has_mulx() {
        // SAFETY: the processor has the instructions.
        return unsafe { scale_runs_mulx(data, &twist.run) };
    }
    butterflies::scale_runs(data, &twist.run);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi2,adx")]
fn scale_runs_mulx<C: MontConfig<4>>(data: &mut [Field<C>], factors: &[Prepared]) {
    butterflies::scale_runs(data, factors);
}
