//! The suite that every backend must pass (feature `conformance`).
//!
//! Each case runs one operation on the backend under test and on [`Reference`](crate::Reference), or
//! checks it against an identity where lengths are beyond the reference, and panics with a description when they
//! differ. Refusals count as results: an operation must refuse what the reference refuses, with the same kind of
//! error, and leave every buffer as it was. Randomness comes from a fixed seed that a failing case prints.
//!
//! In a crate with a backend of its own:
//!
//! ```
//! use zkmill::Reference;
//! // One #[test] a case, in a module `mine`: `mine::msm::edges` and so on. The expression makes the backend.
//! zkmill::conformance!(mine, Reference);
//! ```
//!
//! A backend that may be missing at run time must not pass for tested. [`short_cases`] and [`long_cases`] list the cases for
//! a harness that can mark them as ignored.

#![forbid(unsafe_code)]

use std::fmt::Debug;

use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{Backend, Element, Error, Fr, Memory, Result, Scalar};

/// Cases of [`Cuda`](crate::Cuda)'s host side.
#[cfg(feature = "cuda")]
pub mod cuda {
    pub use crate::cuda::cases::{cases, fatal_cases, large_cases};
}
pub mod lookup;
pub mod matrix;
pub mod memory;
pub mod msm;
pub mod ntt;
pub mod sumcheck;
pub mod vector;

/// One case of the suite.
pub struct Case<B> {
    /// The module of [`conformance`](mod@crate::conformance) it is in.
    pub family: &'static str,
    /// Its function.
    pub name: &'static str,
    /// The case itself. Panics if the backend is wrong.
    pub run: fn(&B),
}

/// Calls `$crate::$then! { {given} (family extent { cases })* }` with all cases. A family and its
/// long cases stand next to each other.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($then:ident $given:tt) => {
        $crate::$then! { $given
            memory Short { round_trips views refusals foreign_bytes joins }
            ntt Short { edges batches inverses refusals }
            ntt_long Long { evaluations }
            msm Short { edges widths batches budgets collisions refusals }
            msm_long Long { known_logarithms }
            lookup Short { tables helpers fractions scans permutations strangers refusals }
            lookup_long Long { counts columns }
            sumcheck Short { rounds tables_beyond_the_form identities equality evaluations refusals }
            sumcheck_long Long { many_values many_variables }
            matrix Short { shapes extremes parts products refusals }
            matrix_long Long { deep_sums }
            vector Short { edges widths refusals }
            vector_long Long { long_vectors }
        }
    };
}

/// Stamps the suite as named tests into a module: `conformance!(module, expression)`, or
/// `conformance!(module, expression, short)` for a backend too slow for the long cases.
///
/// The expression makes the backend and is evaluated once a test.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $backend:expr) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $crate::__conformance_cases! { __conformance_tests { $backend } }
        }
    };
    ($module:ident, $backend:expr, short) => {
        mod $module {
            #[allow(unused_imports)]
            use super::*;
            $crate::__conformance_cases! { __conformance_short_tests { $backend } }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ $backend:expr } $($family:ident $extent:ident { $($case:ident)* })*) => {$(
        mod $family {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::conformance::cases::$family::$case(&$backend);
                }
            )*
        }
    )*};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_short_tests {
    ({ $backend:expr } $($family:ident Short { $($case:ident)* } $($long:ident Long { $($skipped:ident)* })?)*) => {
        $crate::__conformance_tests! { { $backend } $($family Short { $($case)* })* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_list {
    ({ $cases:ident $wanted:ident } $($family:ident $extent:ident { $($case:ident)* })*) => {
        $($crate::__conformance_list! { @ $wanted $extent $cases $family $($case)* })*
    };
    (@ Short Short $cases:ident $family:ident $($case:ident)*) => {
        $cases.extend([
            $(Case { family: stringify!($family), name: stringify!($case), run: cases::$family::$case }),*
        ]);
    };
    (@ Long Long $cases:ident $family:ident $($case:ident)*) => {
        $cases.extend([
            $(Case { family: stringify!($family), name: stringify!($case), run: cases::$family::$case }),*
        ]);
    };
    (@ $wanted:ident $other:ident $($rest:tt)*) => {};
}

/// The families under the names that the tests get.
#[doc(hidden)]
pub mod cases {
    pub use super::lookup::long as lookup_long;
    pub use super::matrix::long as matrix_long;
    pub use super::msm::long as msm_long;
    pub use super::ntt::long as ntt_long;
    pub use super::sumcheck::long as sumcheck_long;
    pub use super::vector::long as vector_long;
    pub use super::{lookup, matrix, memory, msm, ntt, sumcheck, vector};
}

/// The cases with short inputs, which backends as slow as the reference run too. For harnesses that register tests at run
/// time.
pub fn short_cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    crate::__conformance_cases! { __conformance_list { cases Short } }
    cases
}

/// The cases with lengths up to about `2^18`, where blocked and parallel code takes other paths.
pub fn long_cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    crate::__conformance_cases! { __conformance_list { cases Long } }
    cases
}

/// What kind of refusal an error is. Wording is each backend's own.
#[derive(Debug, PartialEq)]
enum Refusal {
    Shape,
    Invalid { index: usize },
    NotInTable { column: usize, row: usize },
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Shape { .. } => Self::Shape,
            Error::Invalid { index, .. } => Self::Invalid { index },
            Error::NotInTable { column, row } => Self::NotInTable { column, row },
            other => Self::Other(other),
        }
    }
}

/// All outputs of an operation one after the other, or its refusal.
type Outcome<T> = Result<Vec<T>, Refusal>;

/// Runs the same helper on the backend and on the reference, with arguments evaluated once, and compares the outcomes.
macro_rules! agree {
    ($backend:expr, $helper:ident $(::<$($generic:ty),*>)? ($($arg:expr),* $(,)?), $($context:tt)+) => {
        agree!(@ $backend, [$helper $(::<$($generic),*>)?], [], ($($arg,)*), $($context)+)
    };
    (@ $backend:expr, $helper:tt, [$($known:ident)*], ($first:expr, $($rest:expr,)*), $($context:tt)+) => {
        match $first {
            // Hygiene makes this a new name at each step.
            arg => agree!(@ $backend, $helper, [$($known)* arg], ($($rest,)*), $($context)+),
        }
    };
    (@ $backend:expr, [$($helper:tt)+], [$($arg:ident)*], (), $($context:tt)+) => {
        $crate::conformance::compare(
            stringify!($($helper)+),
            &$($helper)+($backend, $($arg),*),
            &$($helper)+(&$crate::Reference, $($arg),*),
            &|| format!($($context)+),
        )
    };
}
use agree;

fn compare<T: PartialEq + Debug>(
    what: &str,
    got: &Outcome<T>,
    expected: &Outcome<T>,
    context: &dyn Fn() -> String,
) {
    match (got, expected) {
        (Ok(got), Ok(expected)) => {
            assert_eq!(got.len(), expected.len(), "{what}: number of outputs ({})", context());
            if let Some(i) = (0..got.len()).find(|&i| got[i] != expected[i]) {
                let (got, expected) = (&got[i], &expected[i]);
                panic!("{what}: output {i} is {got:?}, not {expected:?} ({})", context());
            }
        }
        (Err(got), Err(expected)) => assert_eq!(got, expected, "{what}: refusal ({})", context()),
        (Ok(_), Err(expected)) => panic!("{what}: accepted what is {expected:?} ({})", context()),
        (Err(got), Ok(_)) => panic!("{what}: refused a good input with {got:?} ({})", context()),
    }
}

/// A host slice on the backend.
fn upload<B: Memory, T: Element>(backend: &B, host: &[T]) -> B::Buffer<T> {
    backend.upload("conformance input", host).expect("a small upload succeeds")
}

fn download<B: Memory, T: Element>(backend: &B, view: B::View<'_, T>) -> Vec<T> {
    backend.to_vec(view).expect("a small download succeeds")
}

/// A buffer that an operation writes, and what was in it before.
struct Output<B: Memory, T: Element> {
    buffer: B::Buffer<T>,
    before: Vec<T>,
}

impl<B: Memory, T: Element> Output<B, T> {
    fn new(backend: &B, before: &[T]) -> Self {
        Self { buffer: upload(backend, before), before: before.to_vec() }
    }

    fn view(&mut self) -> B::ViewMut<'_, T> {
        B::view_mut(&mut self.buffer)
    }
}

/// The outputs after an operation. After a refused argument they must be what they were.
fn settle<B: Memory, T: Element>(backend: &B, result: Result<()>, outputs: &[Output<B, T>]) -> Outcome<T> {
    if let Err(Error::NotInTable { column, row }) = result {
        // What the outputs hold then is unspecified, and need not be the same on two backends.
        return Err(Error::NotInTable { column, row }.into());
    }
    let after: Vec<Vec<T>> =
        outputs.iter().map(|output| download(backend, B::view(&output.buffer))).collect();
    if let Err(error @ (Error::Shape { .. } | Error::Invalid { .. } | Error::Foreign { .. })) = &result {
        for (k, (after, output)) in after.iter().zip(outputs).enumerate() {
            assert_eq!(*after, output.before, "output {k} changed although the call failed: {error}");
        }
    }
    result?;
    Ok(after.concat())
}

/// What output buffers hold before: values that no zeroing or adding to zero would give.
fn junk(len: usize) -> Vec<Fr> {
    (0..len as u64).map(|i| Fr::from(i + 0xbad)).collect()
}

/// Reproducible choices. Prints its seed when the case that owns it panics.
struct Random {
    rng: ChaCha8Rng,
}

const SEED: u64 = 0x7a6b_6d69_6c6c;

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("conformance: the randomness was ChaCha8 seeded with {SEED:#x}");
        }
    }
}

impl Random {
    fn new() -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(SEED) }
    }

    fn word(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// `len`, or sometimes a length that is wrong.
    fn near(&mut self, len: usize) -> usize {
        match self.below(10) {
            0 => 0,
            1 => len + 1,
            2 => len.saturating_sub(1),
            3 => 2 * len,
            _ => len,
        }
    }

    fn value<T: Sample>(&mut self) -> T {
        T::random(self)
    }

    fn values<T: Sample>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| self.value()).collect()
    }

    /// Random values, [`near`](Random::near) `len` of them.
    fn values_near<T: Sample>(&mut self, len: usize) -> Vec<T> {
        let len = self.near(len);
        self.values(len)
    }

    fn field(&mut self) -> Fr {
        self.value()
    }

    /// Random values with edges among them.
    fn mixed<T: Sample>(&mut self, len: usize) -> Vec<T> {
        let edges = T::edges();
        (0..len).map(|_| if self.one_in(3) { self.pick(&edges) } else { self.value() }).collect()
    }
}

/// Scalars with values worth trying.
trait Sample: Scalar {
    /// Zero, one, and the values at which widths and signs end.
    fn edges() -> Vec<Self>;

    fn random(random: &mut Random) -> Self;
}

macro_rules! sample_integers {
    ($($int:ty),*) => {$(
        impl Sample for $int {
            fn edges() -> Vec<Self> {
                vec![0, 1, <$int>::MIN, <$int>::MAX, <$int>::MIN + 1, (<$int>::MAX >> 1) + 1]
            }

            fn random(random: &mut Random) -> Self {
                random.word() as $int
            }
        }
    )*};
}
sample_integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Sample for BigInt<4> {
    fn edges() -> Vec<Self> {
        let modulus = Fr::MODULUS;
        let mut below = modulus;
        below.sub_with_borrow(&BigInt::from(1u64));
        let mut above = modulus;
        above.add_with_carry(&BigInt::from(1u64));
        let mut twice = modulus;
        twice.mul2();
        let top = BigInt([0, 0, 0, 1 << 63]);
        vec![BigInt::from(0u64), BigInt::from(1u64), below, modulus, above, twice, top, BigInt([u64::MAX; 4])]
    }

    fn random(random: &mut Random) -> Self {
        BigInt(std::array::from_fn(|_| random.word()))
    }
}

impl Sample for Fr {
    fn edges() -> Vec<Self> {
        let half = Fr::from_bigint(Fr::MODULUS_MINUS_ONE_DIV_TWO).expect("below the modulus");
        let word = Fr::from(u64::MAX);
        let one = Fr::ONE;
        vec![
            Fr::ZERO,
            one,
            -one,
            half,
            half + one,
            word + one,
            -word,
            Fr::from(2u64).pow([253]),
            -Fr::from(128u64),
            // In Montgomery form as signed 32-bit digits a carry runs through all of it.
            ark_ff::Fp(BigInt([!0 << 31, !0, !0, !0 >> 3 ^ 1 << 60]), std::marker::PhantomData),
        ]
    }

    fn random(random: &mut Random) -> Self {
        BigInt::random(random).to_field()
    }
}

/// Vectors of one length: all equal to each edge, the edges in turn, random ones, mostly zeros.
fn patterns<T: Sample>(random: &mut Random, len: usize) -> Vec<Vec<T>> {
    let edges = T::edges();
    let mut patterns: Vec<Vec<T>> = edges.iter().map(|&edge| vec![edge; len]).collect();
    patterns.push(edges.iter().copied().cycle().take(len).collect());
    patterns.push(random.values(len));
    patterns.push((0..len).map(|_| if random.one_in(5) { random.value() } else { T::ZEROED }).collect());
    patterns
}

/// Lengths around which loops, blocks and halves end.
const LENGTHS: [usize; 13] = [0, 1, 2, 3, 7, 8, 9, 31, 32, 33, 127, 128, 129];
