//! A round as the kernel takes it: the form's terms as a straight program, the samples, the weight's point.

use std::ffi::c_void;

use ark_ff::{AdditiveGroup, Field};

use crate::cuda::Argument;
use crate::element::Fr;
use crate::sumcheck::Term;
use crate::sumcheck::samples::Samples;

/// Coordinates that a kernel takes by value: more than any memory has room for.
const MAX_VARIABLES: usize = 40;
/// Programs up to these lengths travel with the launch.
const INLINE_OPERATIONS: usize = 32;
const INLINE_COEFFICIENTS: usize = 8;

/// Threads of a block, a power of two.
pub(super) const THREADS: u32 = 128;

/// Bits of an index from which each thread visits several rows: fewer blocks would leave a large device idle.
const BLOCK_BITS: u32 = 10;
/// Rows up to which weights are looked up, not multiplied together.
const ROW_BITS: u32 = 4;
/// What no grid exceeds, so that there are few sums to add.
const MAX_BLOCK_BITS: u32 = 14;

/// How the bits of an index are shared out; `Split` in `kernels/block/eq.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    rows: u32,
    blocks: u32,
    threads: u32,
}

impl Split {
    /// The shares of `bits` bits, fewer than 40.
    pub(super) fn new(bits: u32) -> Self {
        let threads = bits.min(THREADS.trailing_zeros());
        let rest = bits - threads;
        let rows = rest.saturating_sub(BLOCK_BITS).min(ROW_BITS).max(rest.saturating_sub(MAX_BLOCK_BITS));
        Self { rows, blocks: rest - rows, threads }
    }

    /// The size of the grid.
    pub(super) fn grid(self) -> u32 {
        1 << self.blocks
    }
}

/// A point and a factor; `Point` in `kernels/device/sumcheck.cu`.
#[repr(C, align(16))]
pub(super) struct Point {
    coordinates: [Fr; MAX_VARIABLES],
    scale: Fr,
    split: Split,
    padding: u32,
}
const _: () = assert!(size_of::<Point>() == 1328);

impl Point {
    /// Takes at most [`MAX_VARIABLES`] coordinates: no memory has tables over more.
    pub(super) fn new(point: &[Fr], scale: Fr, split: Split) -> Self {
        Self { coordinates: padded(point), scale, split, padding: 0 }
    }
}

// SAFETY: the parameter has this type's twin, and `&self` is where it lies.
unsafe impl Argument for Point {
    fn value(&self) -> *const c_void {
        (&raw const *self).cast()
    }
}

/// What an operation does; the flags of the kernel.
mod flag {
    pub(super) const LOAD: u32 = 1 << 0;
    pub(super) const FOLD: u32 = 1 << 1;
    pub(super) const FACTOR: u32 = 1 << 2;
    pub(super) const FIRST: u32 = 1 << 3;
    pub(super) const LAST: u32 = 1 << 4;
    pub(super) const NEGATE: u32 = 1 << 5;
    pub(super) const FULL: u32 = 1 << 6;
    pub(super) const OPEN: u32 = 1 << 7;
    pub(super) const CLOSE: u32 = 1 << 8;
    pub(super) const SCALED: u32 = 1 << 9;
}

/// One step of a program; `Operation` in the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Operation {
    table: u64,
    flags: u32,
    coefficient: u32,
}

impl Operation {
    /// Its bytes as little-endian words.
    fn words(self) -> [u64; 2] {
        [self.table, u64::from(self.flags) | u64::from(self.coefficient) << 32]
    }
}

/// A round; `Round` in the kernel.
#[repr(C, align(16))]
pub(super) struct Round {
    challenge: Fr,
    coefficients: [Fr; INLINE_COEFFICIENTS],
    point: [Fr; MAX_VARIABLES],
    operations: [Operation; INLINE_OPERATIONS],
    long_operations: u64,
    long_coefficients: u64,
    pairs: u64,
    split: Split,
    count: u32,
    weighted: u32,
    first: u32,
    stride: u32,
    leading: u32,
    padding: [u32; 2],
}
const _: () = assert!(size_of::<Round>() == 2144);

// SAFETY: the parameter has this type's twin, and `&self` is where it lies.
unsafe impl Argument for Round {
    fn value(&self) -> *const c_void {
        (&raw const *self).cast()
    }
}

impl Round {
    /// A round over `2^variables` pairs, `variables < 40`, weighted by `eq(point, .)` if there is a point. A program that is too
    /// long to be taken along is at the two addresses, operations first.
    pub(super) fn new(
        program: &Program,
        elsewhere: Option<[u64; 2]>,
        variables: u32,
        point: Option<&[Fr]>,
        challenge: Option<Fr>,
        run: Run,
    ) -> Self {
        let mut operations = [Operation::default(); INLINE_OPERATIONS];
        let mut coefficients = [Fr::ZERO; INLINE_COEFFICIENTS];
        let [long_operations, long_coefficients] = elsewhere.unwrap_or_else(|| {
            operations[..program.operations.len()].copy_from_slice(&program.operations);
            coefficients[..program.coefficients.len()].copy_from_slice(&program.coefficients);
            [0, 0]
        });
        Self {
            challenge: challenge.unwrap_or(Fr::ZERO),
            coefficients,
            point: padded(point.unwrap_or(&[])),
            operations,
            long_operations,
            long_coefficients,
            pairs: 1 << variables,
            split: Split::new(variables),
            count: program.operations.len() as u32,
            weighted: u32::from(point.is_some()),
            first: run.first,
            stride: run.stride,
            leading: u32::from(run.leading),
            padding: [0; 2],
        }
    }
}

fn padded(point: &[Fr]) -> [Fr; MAX_VARIABLES] {
    std::array::from_fn(|i| point.get(i).copied().unwrap_or(Fr::ZERO))
}

/// Samples that one launch takes: `first`, `first + stride`, from there on by ones, and infinity last if `leading`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) len: usize,
    first: u32,
    stride: u32,
    leading: bool,
}

impl Run {
    /// Cuts samples into runs of at most `most`, in order.
    pub(super) fn all(samples: Samples, most: usize) -> Vec<Self> {
        let finite = (0..samples.finite() as u32).filter(|&x| x != 1 || !samples.skip_one);
        // Infinity.
        let leading = (samples.degree >= 2).then_some(u32::MAX);
        let points: Vec<u32> = finite.chain(leading).collect();
        let run = |points: &[u32]| {
            let finite: Vec<u32> = points.iter().copied().filter(|&x| x != u32::MAX).collect();
            Self {
                len: points.len(),
                first: finite.first().copied().unwrap_or(0),
                stride: finite.get(1).map_or(1, |second| second - finite[0]),
                leading: finite.len() < points.len(),
            }
        };
        points.chunks(most).map(run).collect()
    }
}

/// The terms of a form, ordered for evaluation.
pub(super) struct Plan<'a> {
    groups: Vec<Group<'a>>,
    /// The sum of the terms without factors.
    pub(super) constant: Fr,
    /// The largest number of factors.
    pub(super) degree: usize,
}

/// Terms with the same coefficient up to its sign.
struct Group<'a> {
    coefficient: Fr,
    /// Whether the coefficient is to be negated, and the factors.
    terms: Vec<(bool, &'a [usize])>,
}

impl<'a> Plan<'a> {
    /// The plan of some terms.
    pub(super) fn new(terms: &'a [Term]) -> Self {
        let degree = terms.iter().map(|term| term.factors.len()).max().unwrap_or(0);
        let mut plan = Self { groups: Vec::<Group>::new(), constant: Fr::ZERO, degree };
        for term in terms {
            let (coefficient, factors) = (term.coefficient, &term.factors[..]);
            if factors.is_empty() {
                plan.constant += coefficient;
            } else if coefficient != Fr::ZERO {
                let same = |group: &&mut Group| {
                    group.coefficient == coefficient || group.coefficient == -coefficient
                };
                match plan.groups.iter_mut().find(same) {
                    Some(group) => group.terms.push((group.coefficient != coefficient, factors)),
                    None => {
                        let minus_one = coefficient == -Fr::ONE;
                        let positive = if minus_one { Fr::ONE } else { coefficient };
                        plan.groups.push(Group { coefficient: positive, terms: vec![(minus_one, factors)] });
                    }
                }
            }
        }
        plan
    }

    /// Whether no table has a part in the sum.
    pub(super) fn is_constant(&self) -> bool {
        self.groups.is_empty()
    }

    /// What the kernel's sums are to be multiplied by.
    pub(super) fn factor(&self) -> Fr {
        if let [group] = &self.groups[..] { group.coefficient } else { Fr::ONE }
    }

    /// The terms over tables at the given addresses, all of which are folded if `fold`.
    ///
    /// A table is loaded and folded where it first occurs, those that do not occur at the end. Terms begin with the
    /// factor that the one before ended with, where they have it: it is in the registers.
    pub(super) fn program(&self, tables: &[u64], fold: bool) -> Program {
        let mut program = Program { operations: Vec::new(), coefficients: Vec::new() };
        let mut folded = vec![!fold; tables.len()];
        let mut held = None;
        for group in &self.groups {
            let scaled = self.groups.len() > 1 && group.coefficient != Fr::ONE;
            let coefficient = program.coefficients.len() as u32;
            if scaled {
                program.coefficients.push(group.coefficient);
            }
            for (t, &(negate, factors)) in group.terms.iter().enumerate() {
                let mut factors = factors.to_vec();
                factors.sort_unstable_by_key(|&table| (Some(table) != held, table));
                for (f, &table) in factors.iter().enumerate() {
                    let last = f + 1 == factors.len();
                    let flags = [
                        (flag::FACTOR, true),
                        (flag::LOAD, held != Some(table)),
                        (flag::FOLD, !folded[table]),
                        (flag::FIRST, f == 0),
                        (flag::LAST, last),
                        (flag::NEGATE, last && negate),
                        (flag::FULL, last && factors.len() == self.degree),
                        (flag::OPEN, last && t == 0),
                        (flag::CLOSE, last && t + 1 == group.terms.len()),
                        (flag::SCALED, last && scaled),
                    ];
                    let flags = flags.iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum();
                    program.operations.push(Operation { table: tables[table], flags, coefficient });
                    folded[table] = true;
                    held = Some(table);
                }
            }
        }
        let rest = tables.iter().zip(&folded).filter(|(_, folded)| !**folded);
        let flags = flag::LOAD | flag::FOLD;
        program.operations.extend(rest.map(|(&table, _)| Operation { table, flags, coefficient: 0 }));
        program
    }
}

/// What a thread does for each pair.
#[derive(Debug, PartialEq)]
pub(super) struct Program {
    pub(super) operations: Vec<Operation>,
    pub(super) coefficients: Vec<Fr>,
}

impl Program {
    /// Whether it can travel with the launch.
    pub(super) fn fits(&self) -> bool {
        self.operations.len() <= INLINE_OPERATIONS && self.coefficients.len() <= INLINE_COEFFICIENTS
    }

    /// The operations' bytes as words.
    pub(super) fn words(&self) -> Vec<u64> {
        self.operations.iter().flat_map(|operation| operation.words()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_cover_all_bits() {
        for bits in 0..40 {
            let split = Split::new(bits);
            assert_eq!(split.rows + split.blocks + split.threads, bits);
            assert!(split.blocks <= MAX_BLOCK_BITS && split.grid() >= 1);
            assert!(
                split.blocks == 0 || 1 << split.threads == THREADS,
                "blocks are full if there are several"
            );
        }
        assert_eq!(Split::new(17), Split { rows: 0, blocks: 10, threads: 7 });
        assert_eq!(Split::new(20), Split { rows: 3, blocks: 10, threads: 7 });
    }

    #[test]
    fn runs_are_the_samples_in_order() {
        let runs = |degree, skip_one, most| {
            let runs = Run::all(Samples { degree, skip_one }, most);
            runs.iter().map(|run| (run.len, run.first, run.stride, run.leading)).collect::<Vec<_>>()
        };
        assert_eq!(runs(1, false, 5), [(2, 0, 1, false)]);
        assert_eq!(runs(1, true, 5), [(1, 0, 1, false)]);
        assert_eq!(runs(2, true, 5), [(2, 0, 1, true)]);
        assert_eq!(runs(3, true, 5), [(3, 0, 2, true)]);
        assert_eq!(runs(4, false, 5), [(5, 0, 1, true)]);
        assert_eq!(runs(6, false, 3), [(3, 0, 1, false), (3, 3, 1, false), (1, 0, 1, true)]);
        for degree in 0..20 {
            for skip_one in [false, true] {
                let samples = Samples { degree, skip_one: skip_one && degree > 0 };
                let total: usize = Run::all(samples, 5).iter().map(|run| run.len).sum();
                assert_eq!(total, samples.len());
            }
        }
    }

    #[test]
    fn programs_fold_each_table_once_and_reuse_what_is_held() {
        let term = |coefficient: Fr, factors: &[usize]| Term { coefficient, factors: factors.to_vec() };
        let three = Fr::from(3u64);
        let terms = [term(Fr::ONE, &[0, 1]), term(three, &[]), term(-Fr::ONE, &[2, 1]), term(Fr::ZERO, &[4])];
        let plan = Plan::new(&terms);
        assert_eq!((plan.constant, plan.degree, plan.factor()), (three, 2, Fr::ONE));
        let program = plan.program(&[10, 11, 12, 13, 14], true);
        use flag::*;
        let expected = [
            (10, FACTOR | LOAD | FOLD | FIRST),
            (11, FACTOR | LOAD | FOLD | LAST | FULL | OPEN),
            (11, FACTOR | FIRST),
            (12, FACTOR | LOAD | FOLD | LAST | NEGATE | FULL | CLOSE),
            (13, LOAD | FOLD),
            (14, LOAD | FOLD),
        ];
        let operations: Vec<_> = program.operations.iter().map(|op| (op.table, op.flags)).collect();
        assert_eq!(operations, expected);
        assert!(program.coefficients.is_empty() && program.fits());

        let terms = [term(three, &[0]), term(Fr::ONE, &[0, 0]), term(-three, &[1])];
        let program = Plan::new(&terms).program(&[10, 11], false);
        let expected = [
            (10, FACTOR | LOAD | FIRST | LAST | OPEN | SCALED),
            (11, FACTOR | LOAD | FIRST | LAST | NEGATE | CLOSE | SCALED),
            (10, FACTOR | LOAD | FIRST),
            (10, FACTOR | LAST | FULL | OPEN | CLOSE),
        ];
        let operations: Vec<_> = program.operations.iter().map(|op| (op.table, op.flags)).collect();
        assert_eq!(operations, expected);
        assert_eq!(program.coefficients, [three]);
    }
}
