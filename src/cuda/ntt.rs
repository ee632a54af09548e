//! Transforms: which passes, and their tables. `kernels/device/ntt.cu` explains the algorithm.
//!
//! A transform of `2^log_n` elements is one pass for up to `2^10`, which takes as many items of the batch at a time as fill a tile;
//! two passes up to `2^18`; three up to `2^28`. Only natural order of more than one pass needs memory of its own:
//! as much as the items, of as many at a time as have `2^22` elements together.
//!
//! A [`CudaDomain`] holds 32 bytes for each root of the longest pass (at most `2^10`) and, for two passes, two tables of all
//! `n` roots, of which one has the factor `1/n`; for three, two of about `n^(2/3)`.

use std::ffi::c_void;

use ark_ff::{AdditiveGroup, FftField, Field};

use super::{Argument, Buffer, Cuda, Grid, Kernel, Module, Owned, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::element::Fr;
use crate::error::Result;
use crate::ntt::{Direction, Ntt, Order, Transform, check_domain, check_transform};
use crate::vector::Vector;

/// Longer passes than this are only for transforms of one pass and of `2^28`.
const LOG_RADIX: u32 = 9;
/// The longest transforms of one pass.
const LOG_SINGLE: u32 = 10;
/// Elements of a tile, and of one for passes of more than `2^8`: then a row of a tile is four elements, 128 bytes.
const LOG_TILE: u32 = 10;
const LOG_LARGE_TILE: u32 = 11;
/// Elements of a thread.
const LOG_ELEMENTS: u32 = 3;
/// Elements that the memory for natural order has, if an item is not longer.
const LOG_SCRATCH: u32 = 22;
/// The most rows of blocks in a grid.
const MAX_ROWS: usize = 65535;

/// The levels of each pass: sums to `log_n`, one to three.
fn radices(log_n: u32) -> Vec<u32> {
    let passes = match log_n {
        0..=LOG_SINGLE => 1,
        _ if log_n <= 2 * LOG_RADIX => 2,
        _ => 3,
    };
    (0..passes).map(|pass| (log_n + passes - 1 - pass) / passes).collect()
}

/// `1 / 2^log_n`.
fn over(log_n: u32) -> Fr {
    // No power of two is a multiple of the modulus.
    Fr::from(1u64 << log_n).inverse().unwrap_or(Fr::ONE)
}

/// The roots of unity for one length on one device, and how its transforms are split.
pub struct CudaDomain {
    owner: u64,
    log_n: u32,
    /// Levels of each pass.
    radices: Vec<u32>,
    /// `w_8, w_8^2, w_8^3`, and of the inverse.
    eighths: [[Fr; 3]; 2],
    /// All roots of the order `2^log_roots`.
    roots: Buffer<Fr>,
    log_roots: u32,
    twiddles: Twiddles,
}

/// The factors between passes, `w^e = low[e mod 2^log_low] high[e / 2^log_low]`.
enum Twiddles {
    /// One pass: none.
    Single,
    /// Two passes: all in one table, and over n.
    Double { low: Buffer<Fr>, low_over_n: Buffer<Fr> },
    /// Three: the exponents of the second pass's are multiples of `2^log_low`, the order of the first.
    Triple { low: Buffer<Fr>, high: Buffer<Fr>, high_over_n: Buffer<Fr> },
}

impl Owned for CudaDomain {
    fn owner(&self) -> u64 {
        self.owner
    }
}

/// Where a tile's elements are in an item, as shifts of their coordinates. As in the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    outer: u32,
    column: u32,
    row: u32,
}

/// One pass. As in the kernels.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Pass {
    eighths: [Fr; 3],
    input: Place,
    output: Place,
    log_n: u32,
    log_roots: u32,
    log_rows: u32,
    log_columns: u32,
    log_tiles: u32,
    log_twiddles: u32,
    twiddle_shift: u32,
    log_scale: u32,
    inverse: u32,
    natural: u32,
    last: u32,
    items: u32,
    padding: u32,
}
const _: () = assert!(size_of::<Pass>() == 176);

// SAFETY: the kernels' parameter has this layout, and `&self` is where it lies.
unsafe impl Argument for Pass {
    fn value(&self) -> *const c_void {
        (&raw const *self).cast()
    }
}

const fn kernel(name: &'static str) -> Kernel {
    Kernel { module: Module::Ntt, name }
}

/// Factors of the coefficients, as [`Twiddles`]; `None` stands for factors 1.
#[derive(Default)]
struct Scale {
    low: Option<Buffer<Fr>>,
    high: Option<Buffer<Fr>>,
    log_low: u32,
}

impl Ntt<Fr> for Cuda {
    type Domain = CudaDomain;

    fn domain(&self, log_n: u32) -> Result<CudaDomain> {
        check_domain::<Fr>(log_n)?;
        self.domain_of(log_n, radices(log_n))
    }

    fn ntt(&self, domain: &CudaDomain, transform: Transform, batch: &mut [ViewMut<'_, Fr>]) -> Result<()> {
        check_transform(1 << domain.log_n, &transform, batch.iter().map(|item| item.len()))?;
        self.own("ntt", domain)?;
        batch.iter().try_for_each(|item| self.own("ntt", item))?;
        // A transform of one element is the identity on every coset.
        if batch.is_empty() || domain.log_n == 0 {
            return Ok(());
        }
        let scale = self.scale(domain, &transform)?;
        let items: Vec<u64> = batch.iter().map(|item| item.pointer()).collect();
        if domain.radices.len() == 1 {
            return self.run_single(domain, &transform, &scale, &items);
        }
        let at_a_time = match transform.order {
            Order::Natural => (1 << LOG_SCRATCH) >> domain.log_n,
            Order::BitReversed => MAX_ROWS,
        };
        items
            .chunks(at_a_time.clamp(1, MAX_ROWS))
            .try_for_each(|items| self.run_passes(domain, &transform, &scale, items))
    }
}

impl Cuda {
    /// The domain for transforms in passes of these numbers of levels, at most three of at most ten, and at least three
    /// each if there are several.
    fn domain_of(&self, log_n: u32, radices: Vec<u32>) -> Result<CudaDomain> {
        let root = |log: u32| Fr::get_root_of_unity(1 << log).unwrap_or(Fr::ONE);
        let over_n = over(log_n);
        let log_roots = radices.iter().copied().max().unwrap_or(0);
        let twiddles = match radices[..] {
            [_] => Twiddles::Single,
            [_, _] => Twiddles::Double {
                low: self.table(log_n, Fr::ONE, root(log_n))?,
                low_over_n: self.table(log_n, over_n, root(log_n))?,
            },
            _ => {
                let (low, high) = (radices[0], log_n - radices[0]);
                Twiddles::Triple {
                    low: self.table(low, Fr::ONE, root(log_n))?,
                    high: self.table(high, Fr::ONE, root(high))?,
                    high_over_n: self.table(high, over_n, root(high))?,
                }
            }
        };
        let eighth = root(3);
        let inverse = eighth.pow([7]);
        Ok(CudaDomain {
            owner: self.id(),
            log_n,
            eighths: [eighth, inverse].map(|w| [w, w * w, w * w * w]),
            roots: self.table(log_roots, Fr::ONE, root(log_roots))?,
            log_roots,
            radices,
            twiddles,
        })
    }

    /// `scale base^i` for `i` below `2^log`.
    fn table(&self, log: u32, scale: Fr, base: Fr) -> Result<Buffer<Fr>> {
        let mut table = self.scratch("roots of unity", 1 << log)?;
        self.powers(scale, base, &mut Self::view_mut(&mut table))?;
        Ok(table)
    }

    /// The factors of coefficients: `g^i` before a forward transform, `g^-i` after an inverse. The factor `1/n` is among them if
    /// there are no twiddle factors that have it.
    fn scale(&self, domain: &CudaDomain, transform: &Transform) -> Result<Scale> {
        let single = matches!(domain.twiddles, Twiddles::Single);
        let forward = transform.direction == Direction::Forward;
        let factor = if single && !forward { over(domain.log_n) } else { Fr::ONE };
        let Some(g) = transform.coset else {
            let low = (factor != Fr::ONE).then(|| self.upload_scratch("1/n", &[factor])).transpose()?;
            return Ok(Scale { low, high: None, log_low: 0 });
        };
        let base = if forward { g } else { g.inverse().unwrap_or(Fr::ZERO) };
        if single {
            let low = Some(self.table(domain.log_n, factor, base)?);
            return Ok(Scale { low, high: None, log_low: domain.log_n });
        }
        let log_low = domain.log_n / 2;
        let low = Some(self.table(log_low, factor, base)?);
        let high = Some(self.table(domain.log_n - log_low, Fr::ONE, base.pow([1 << log_low]))?);
        Ok(Scale { low, high, log_low })
    }

    /// Transforms that fit a tile, one or several in each.
    fn run_single(
        &self,
        domain: &CudaDomain,
        transform: &Transform,
        scale: &Scale,
        items: &[u64],
    ) -> Result<()> {
        let log_rows = domain.log_n;
        let wanted = items.len().next_power_of_two().ilog2();
        // A thread has eight elements, of several transforms if need be.
        let log_columns = wanted.min(LOG_TILE - log_rows).max(LOG_ELEMENTS.saturating_sub(log_rows));
        let blocks = items.len().div_ceil(1 << log_columns);
        let pass = Pass {
            log_rows,
            log_columns,
            log_tiles: 31,
            log_scale: scale.log_low,
            last: 1,
            items: items.len() as u32,
            ..self.ntt_pass(domain, transform)
        };
        let time = transform.order == Order::BitReversed && transform.direction == Direction::Inverse;
        let kernel = kernel(if time { "ntt_batch_dit" } else { "ntt_batch_dif" });
        let items = self.upload_scratch("addresses of items", items)?;
        let items = Self::view(&items);
        let grid = Grid::new(blocks as u32, 1 << (log_rows + log_columns - LOG_ELEMENTS));
        let none: Option<View<'_, Fr>> = None;
        let (low, high) = (scale.low.as_ref().map(Self::view), scale.high.as_ref().map(Self::view));
        let shared = 32 << (log_rows + log_columns);
        self.launch(
            kernel,
            grid.shared(shared),
            &[&items, &items, &pass, &domain.roots, &none, &none, &low, &high],
        )
    }

    /// What is the same for all passes.
    fn ntt_pass(&self, domain: &CudaDomain, transform: &Transform) -> Pass {
        let inverse = transform.direction == Direction::Inverse;
        Pass {
            eighths: domain.eighths[usize::from(inverse)],
            input: Place::default(),
            output: Place::default(),
            log_n: domain.log_n,
            log_roots: domain.log_roots,
            log_rows: 0,
            log_columns: 0,
            log_tiles: 0,
            log_twiddles: 0,
            twiddle_shift: 0,
            log_scale: 0,
            inverse: inverse.into(),
            natural: (transform.order == Order::Natural).into(),
            last: 0,
            items: 0,
            padding: 0,
        }
    }

    /// Longer transforms, pass by pass.
    fn run_passes(
        &self,
        domain: &CudaDomain,
        transform: &Transform,
        scale: &Scale,
        items: &[u64],
    ) -> Result<()> {
        let (log_n, count) = (domain.log_n, domain.radices.len());
        let inverse = transform.direction == Direction::Inverse;
        let natural = transform.order == Order::Natural;
        // Only bit-reversed inputs are taken backwards.
        let time = inverse && !natural;

        // The addresses of the items, and of their places in the memory that the last pass reads.
        let scratch: Option<Buffer<Fr>> =
            natural.then(|| self.scratch("transform in natural order", items.len() << log_n)).transpose()?;
        let mut addresses = items.to_vec();
        if let Some(scratch) = &scratch {
            let bytes = size_of::<Fr>() as u64;
            addresses.extend((0..items.len() as u64).map(|i| scratch.pointer() + (i << log_n) * bytes));
        }
        let addresses = self.upload_scratch("addresses of items", &addresses)?;
        let (items_at, scratch_at) = Self::split(Self::view(&addresses), items.len())?;

        for step in 0..count {
            let index = if time { count - 1 - step } else { step };
            let last = step == count - 1;
            let pass = Pass {
                log_twiddles: match &domain.twiddles {
                    Twiddles::Triple { .. } => domain.radices[0],
                    _ => log_n,
                },
                log_scale: scale.log_low,
                last: last.into(),
                ..self.place(domain, natural, index, self.ntt_pass(domain, transform))
            };
            let source = if natural && last { scratch_at } else { items_at };
            let target = if natural && step + 2 == count { scratch_at } else { items_at };

            let none = (None, None);
            let (low, high) = match (&domain.twiddles, index) {
                (Twiddles::Double { low, low_over_n }, 0) => {
                    (Some(if inverse { low_over_n } else { low }), None)
                }
                (Twiddles::Triple { low, high, high_over_n }, 0) => {
                    (Some(low), Some(if inverse { high_over_n } else { high }))
                }
                (Twiddles::Triple { high, .. }, 1) => (None, Some(high)),
                _ => none,
            };
            let scaled = if inverse { last } else { step == 0 };
            let (scale_low, scale_high) =
                if scaled { (scale.low.as_ref(), scale.high.as_ref()) } else { none };
            let [low, high, scale_low, scale_high] =
                [low, high, scale_low, scale_high].map(|table| table.map(Self::view));

            let log_tile = pass.log_rows + pass.log_columns;
            let grid = Grid::new(1 << (log_n - log_tile), 1 << (log_tile - LOG_ELEMENTS));
            self.launch(
                kernel(if time { "ntt_pass_dit" } else { "ntt_pass_dif" }),
                grid.rows(items.len() as u32).shared(32 << log_tile),
                &[&source, &target, &pass, &domain.roots, &low, &high, &scale_low, &scale_high],
            )?;
        }
        Ok(())
    }

    /// The tiles of pass `index`: which elements are columns and rows.
    fn place(&self, domain: &CudaDomain, natural: bool, index: usize, pass: Pass) -> Pass {
        let radices = &domain.radices;
        let log_rows = radices[index];
        let before: u32 = radices[..index].iter().sum();
        let after: u32 = radices[index + 1..].iter().sum();
        let (input, output, columns) = if after > 0 {
            let place = Place { outer: log_rows + after, column: 0, row: after };
            (place, place, after)
        } else if !natural {
            // Runs of consecutive elements are the columns.
            let place = Place { outer: 0, column: log_rows, row: 0 };
            (place, place, before)
        } else {
            // The input is k1, k2, .. , c from the highest digit to the lowest, the output k, .. , k2, k1.
            let first = radices[0];
            let input = Place { outer: log_rows, column: domain.log_n - first, row: 0 };
            (input, Place { outer: first, column: 0, row: before }, first)
        };
        let log_tile = if log_rows > 8 { LOG_LARGE_TILE } else { LOG_TILE };
        let log_columns = (log_tile - log_rows).min(columns);
        Pass {
            input,
            output,
            log_rows,
            log_columns,
            log_tiles: columns - log_columns,
            twiddle_shift: before,
            ..pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_cover_all_levels() {
        for log_n in 0..=28 {
            let radices = radices(log_n);
            assert_eq!(radices.iter().sum::<u32>(), log_n);
            assert!(radices.len() <= 3);
            assert!(radices.iter().all(|&radix| radix <= LOG_SINGLE && (radices.len() == 1 || radix >= 3)));
            // Only the longest transforms have tiles with rows of less than 128 bytes.
            let short = radices.iter().any(|&radix| radix > LOG_RADIX);
            assert!(!short || radices.len() == 1 || log_n == 28);
        }
    }
}
