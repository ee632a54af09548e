//! Transforms: which passes, and their tables. `kernels/device/ntt.cu` explains the algorithm.
//!
//! A transform of `2^log_n` elements is one pass for up to `2^10`, which takes as many items of the batch at a time as fill a tile;
//! two passes up to `2^18`; three up to `2^28`. Only natural order of more than one pass needs memory of its own:
//! as much as the items, of as many at a time as have `2^22` elements together.
//!
//! A [`CudaDomain`] holds 64 bytes for each root of the longest pass (at most `2^10`) and, for two passes, two tables of all
//! `n` roots, of which one has the factor `1/n`; for three, two of about `n^(2/3)`.

use std::ffi::c_void;

use ark_bn254::FrConfig;
use ark_ff::{AdditiveGroup, FftField, Field, MontConfig, PrimeField};

use super::{Argument, Buffer, Cuda, Grid, Kernel, Module, Owned, View, ViewMut};
use crate::backend::{Len, Memory};
use crate::element::{Element, Fr};
use crate::error::Result;
use crate::ntt::{Direction, Ntt, Order, Transform, check_domain, check_transform};
use crate::vector::Vector;

/// Longer passes than this are only for transforms of one pass and of `2^28`.
const LOG_RADIX: u32 = 9;
/// The longest transforms of one pass.
const LOG_SINGLE: u32 = 10;
/// Elements of a tile.
const LOG_TILE: u32 = 10;
/// Elements of a thread.
const LOG_ELEMENTS: u32 = 3;
/// Elements that the memory for natural order has, if an item is not longer.
const LOG_SCRATCH: u32 = 22;
/// The most rows of blocks in a grid.
const MAX_ROWS: usize = 65535;
/// Threads of a block of `ntt_prepare`, as in the kernels.
const THREADS: u32 = 128;

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
    eighths: [[Root; 3]; 2],
    /// All roots of the order `2^log_roots`.
    roots: Buffer<Root>,
    log_roots: u32,
    twiddles: Twiddles,
}

/// The factors between passes, `w^e = low[e mod 2^log_low] high[e / 2^log_low]`.
enum Twiddles {
    /// One pass: none.
    Single,
    /// Two passes: all in one table, and over n.
    Double { low: Buffer<Root>, low_over_n: Buffer<Root> },
    /// Three: the exponents of the second pass's are multiples of `2^log_low`, the order of the first.
    Triple { low: Buffer<Root>, high: Buffer<Root>, high_over_n: Buffer<Root> },
}

impl CudaDomain {
    /// What is the same for all passes.
    fn pass(&self, transform: &Transform) -> Pass {
        let inverse = transform.direction == Direction::Inverse;
        Pass {
            eighths: self.eighths[usize::from(inverse)],
            input: Place::default(),
            output: Place::default(),
            log_n: self.log_n,
            log_roots: self.log_roots,
            log_rows: 0,
            log_columns: 0,
            log_tiles: 0,
            log_twiddles: 0,
            log_scale: 0,
            inverse: inverse.into(),
            natural: (transform.order == Order::Natural).into(),
            last: 0,
            items: 0,
            padding: [0; 2],
        }
    }

    /// The tiles of pass `index`: which elements are columns and rows.
    fn place(&self, natural: bool, index: usize, pass: Pass) -> Pass {
        let radices = &self.radices;
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
            let input = Place { outer: log_rows, column: self.log_n - first, row: 0 };
            (input, Place { outer: first, column: 0, row: before }, first)
        };
        let log_columns = (LOG_TILE - log_rows).min(columns);
        Pass { input, output, log_rows, log_columns, log_tiles: columns - log_columns, ..pass }
    }
}

impl Owned for CudaDomain {
    fn owner(&self) -> u64 {
        self.owner
    }
}

/// A factor and its quotient, `w` and `floor(w 2^256 / p)`, both as plain integers: `kernels/thread/prepared.cuh`.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Root {
    value: [u64; 4],
    quotient: [u64; 4],
}

// SAFETY: eight words without padding, of which zeros are a valid value; as in the kernels.
unsafe impl Element for Root {
    const ZEROED: Self = Self { value: [0; 4], quotient: [0; 4] };
}
const _: () = assert!(size_of::<Root>() == 64);

impl Root {
    /// Modulo `2^256` the quotient is `-f / p`, `f` being the Montgomery form of the factor: the multiple of `p` that a Montgomery
    /// reduction adds to it.
    fn of(factor: Fr) -> Self {
        let mut form = factor.0.0;
        let quotient = std::array::from_fn(|_| {
            let m = form[0].wrapping_mul(FrConfig::INV);
            let mut carry = 0;
            for j in 0..4 {
                carry += u128::from(m) * u128::from(Fr::MODULUS.0[j]) + u128::from(form[j]);
                if j > 0 {
                    form[j - 1] = carry as u64;
                }
                carry >>= 64;
            }
            form[3] = carry as u64;
            m
        });
        Self { value: factor.into_bigint().0, quotient }
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
    eighths: [Root; 3],
    input: Place,
    output: Place,
    log_n: u32,
    log_roots: u32,
    log_rows: u32,
    log_columns: u32,
    log_tiles: u32,
    log_twiddles: u32,
    log_scale: u32,
    inverse: u32,
    natural: u32,
    last: u32,
    items: u32,
    padding: [u32; 2],
}
const _: () = assert!(size_of::<Pass>() == 272);

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
    low: Option<Buffer<Root>>,
    high: Option<Buffer<Root>>,
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
        let scale = self.coefficient_scale(domain, &transform)?;
        let items: Vec<u64> = batch.iter().map(|item| item.pointer()).collect();
        if domain.radices.len() == 1 {
            return self.transform_tiles(domain, &transform, &scale, &items);
        }
        let at_a_time = match transform.order {
            Order::Natural => (1 << LOG_SCRATCH) >> domain.log_n,
            Order::BitReversed => MAX_ROWS,
        };
        items
            .chunks(at_a_time.clamp(1, MAX_ROWS))
            .try_for_each(|items| self.transform_in_passes(domain, &transform, &scale, items))
    }
}

impl Cuda {
    /// The domain for transforms in passes of these numbers of levels, at most three of at most ten, and at least four
    /// each if there are several.
    fn domain_of(&self, log_n: u32, radices: Vec<u32>) -> Result<CudaDomain> {
        let root = |log: u32| Fr::get_root_of_unity(1 << log).unwrap_or(Fr::ONE);
        let over_n = over(log_n);
        let log_roots = radices.iter().copied().max().unwrap_or(0);
        let twiddles = match radices[..] {
            [_] => Twiddles::Single,
            [_, _] => Twiddles::Double {
                low: self.root_table(log_n, Fr::ONE, root(log_n))?,
                low_over_n: self.root_table(log_n, over_n, root(log_n))?,
            },
            _ => {
                let (low, high) = (radices[0], log_n - radices[0]);
                Twiddles::Triple {
                    low: self.root_table(low, Fr::ONE, root(log_n))?,
                    high: self.root_table(high, Fr::ONE, root(high))?,
                    high_over_n: self.root_table(high, over_n, root(high))?,
                }
            }
        };
        let eighth = root(3);
        let inverse = eighth.pow([7]);
        Ok(CudaDomain {
            owner: self.id(),
            log_n,
            eighths: [eighth, inverse].map(|w| [w, w * w, w * w * w].map(Root::of)),
            roots: self.root_table(log_roots, Fr::ONE, root(log_roots))?,
            log_roots,
            radices,
            twiddles,
        })
    }

    /// `scale base^i` for `i` below `2^log`.
    fn root_table(&self, log: u32, scale: Fr, base: Fr) -> Result<Buffer<Root>> {
        let n = 1usize << log;
        let mut powers: Buffer<Fr> = self.scratch("roots of unity", n)?;
        self.powers(scale, base, &mut Self::view_mut(&mut powers))?;
        let table = self.scratch("roots of unity", n)?;
        self.launch(kernel("ntt_prepare"), Grid::covering(n, THREADS), &[&powers, &table, &n])?;
        Ok(table)
    }

    /// The factors of coefficients: `g^i` before a forward transform, `g^-i` after an inverse. The factor `1/n` is among them if
    /// there are no twiddle factors that have it.
    fn coefficient_scale(&self, domain: &CudaDomain, transform: &Transform) -> Result<Scale> {
        let single = matches!(domain.twiddles, Twiddles::Single);
        let forward = transform.direction == Direction::Forward;
        let factor = if single && !forward { over(domain.log_n) } else { Fr::ONE };
        let Some(g) = transform.coset else {
            let low =
                (factor != Fr::ONE).then(|| self.upload_scratch("1/n", &[Root::of(factor)])).transpose()?;
            return Ok(Scale { low, high: None, log_low: 0 });
        };
        let base = if forward { g } else { g.inverse().unwrap_or(Fr::ZERO) };
        if single {
            let low = Some(self.root_table(domain.log_n, factor, base)?);
            return Ok(Scale { low, high: None, log_low: domain.log_n });
        }
        let log_low = domain.log_n / 2;
        let low = Some(self.root_table(log_low, factor, base)?);
        let high = Some(self.root_table(domain.log_n - log_low, Fr::ONE, base.pow([1 << log_low]))?);
        Ok(Scale { low, high, log_low })
    }

    /// Transforms that fit a tile, one or several in each.
    fn transform_tiles(
        &self,
        domain: &CudaDomain,
        transform: &Transform,
        scale: &Scale,
        items: &[u64],
    ) -> Result<()> {
        let log_rows = domain.log_n;
        let wanted = items.len().next_power_of_two().ilog2();
        // Two threads at least, of eight elements each, from several transforms if need be.
        let log_columns = wanted.min(LOG_TILE - log_rows).max((LOG_ELEMENTS + 1).saturating_sub(log_rows));
        let blocks = items.len().div_ceil(1 << log_columns);
        let pass = Pass {
            log_rows,
            log_columns,
            log_tiles: 31,
            log_scale: scale.log_low,
            last: 1,
            items: items.len() as u32,
            ..domain.pass(transform)
        };
        let time = transform.order == Order::BitReversed && transform.direction == Direction::Inverse;
        let kernel = kernel(if time { "ntt_batch_dit" } else { "ntt_batch_dif" });
        let items = self.upload_scratch("addresses of items", items)?;
        let items = Self::view(&items);
        let grid = Grid::new(blocks as u32, 1 << (log_rows + log_columns - LOG_ELEMENTS));
        let none: Option<View<'_, Root>> = None;
        let (low, high) = (scale.low.as_ref().map(Self::view), scale.high.as_ref().map(Self::view));
        self.launch(
            kernel,
            grid.shared(32 << LOG_TILE),
            &[&items, &items, &pass, &domain.roots, &none, &none, &low, &high],
        )
    }

    /// Longer transforms, pass by pass.
    fn transform_in_passes(
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
            let none = (None, None);
            // The factors after pass `index`, and log_low of their first table. The second pass's exponents are multiples of what the
            // second table's index is.
            let ((low, high), log_twiddles) = match (&domain.twiddles, index) {
                (Twiddles::Double { low, low_over_n }, 0) => {
                    ((Some(if inverse { low_over_n } else { low }), None), log_n)
                }
                (Twiddles::Triple { low, high, high_over_n }, 0) => {
                    let high = if inverse { high_over_n } else { high };
                    ((Some(low), Some(high)), domain.radices[0])
                }
                (Twiddles::Triple { high, .. }, 1) => ((Some(high), None), log_n - domain.radices[0]),
                _ => (none, 0),
            };
            let pass = Pass {
                log_twiddles,
                log_scale: scale.log_low,
                last: last.into(),
                ..domain.place(natural, index, domain.pass(transform))
            };
            let source = if natural && last { scratch_at } else { items_at };
            let target = if natural && step + 2 == count { scratch_at } else { items_at };

            let scaled = if inverse { last } else { step == 0 };
            let (scale_low, scale_high) =
                if scaled { (scale.low.as_ref(), scale.high.as_ref()) } else { none };
            let [low, high, scale_low, scale_high] =
                [low, high, scale_low, scale_high].map(|table| table.map(Self::view));

            let log_tile = pass.log_rows + pass.log_columns;
            let grid = Grid::new(1 << (log_n - log_tile), 1 << (log_tile - LOG_ELEMENTS));
            self.launch(
                kernel(if time { "ntt_pass_dit" } else { "ntt_pass_dif" }),
                grid.rows(items.len() as u32).shared(32 << LOG_TILE),
                &[&source, &target, &pass, &domain.roots, &low, &high, &scale_low, &scale_high],
            )?;
        }
        Ok(())
    }
}

/// What the suite for every backend cannot ask for: several passes for short transforms.
#[cfg(feature = "conformance")]
pub(in crate::cuda) fn cases() -> Vec<crate::conformance::Case<Cuda>> {
    vec![crate::conformance::Case { family: "ntt_passes", name: "short_passes", run: short_passes }]
}

/// Two and three passes of any number of levels compute what one pass of the CPU does, and so do passes of nine and ten.
#[cfg(feature = "conformance")]
fn short_passes(cuda: &Cuda) {
    use ark_ff::UniformRand;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    let cpu = crate::Cpu::new();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let splits: [&[u32]; 9] =
        [&[4, 4], &[5, 4], &[4, 6], &[4, 4, 4], &[5, 4, 4], &[4, 4, 5], &[6, 4, 4], &[9, 4], &[4, 10]];
    for radices in splits {
        let log_n = radices.iter().sum();
        let domain = cuda.domain_of(log_n, radices.to_vec()).expect("a domain");
        let on_cpu = cpu.domain(log_n).expect("a domain");
        let items: Vec<Vec<Fr>> =
            (0..3).map(|_| (0..1 << log_n).map(|_| Fr::rand(&mut random)).collect()).collect();
        for direction in [Direction::Forward, Direction::Inverse] {
            for order in [Order::Natural, Order::BitReversed] {
                for coset in [None, Some(Fr::rand(&mut random))] {
                    let transform = Transform { direction, order, coset };
                    let mut expected = items.clone();
                    let mut batch: Vec<_> = expected.iter_mut().map(Vec::as_mut_slice).collect();
                    cpu.ntt(&on_cpu, transform, &mut batch).expect("a transform on the CPU");
                    let upload = |item: &Vec<Fr>| cuda.upload("item", item).expect("an upload");
                    let mut buffers: Vec<_> = items.iter().map(upload).collect();
                    let mut batch: Vec<_> = buffers.iter_mut().map(Cuda::view_mut).collect();
                    cuda.ntt(&domain, transform, &mut batch).expect("a transform");
                    for (buffer, expected) in buffers.iter().zip(&expected) {
                        let got = cuda.to_vec(Cuda::view(buffer)).expect("a download");
                        assert!(got == *expected, "{radices:?}, {transform:?}");
                    }
                }
            }
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
            assert!(radices.iter().all(|&radix| radix <= LOG_SINGLE && (radices.len() == 1 || radix >= 4)));
            // Only the longest transforms have tiles with rows of less than 64 bytes.
            let short = radices.iter().any(|&radix| radix > LOG_RADIX);
            assert!(!short || radices.len() == 1 || log_n == 28);
        }
    }
}
