//! A backend that is wrong on purpose, to see that [`Checked`](crate::Checked) and the conformance suite notice.

use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::Field;

use crate::backend::{Len, Memory};
use crate::curve::Curve;
use crate::delegate::operations;
use crate::element::{Element, Fr, Int, Key, Scalar};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::lookup::Scan;
use crate::ntt::{Direction, Transform};
use crate::sumcheck::{Form, Term};
use crate::{Checked, G1, Lookup, Matrix, Msm, Ntt, Reference, Sumcheck, Timed, Vector};

/// The reference with one operation spoiled.
#[derive(Clone, Copy)]
struct Broken {
    op: &'static str,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The last element it writes is zero, or what it returns is off by one.
    WrongOutput,
    /// It refuses every input.
    Refusal,
}

impl Host for Broken {
    fn host_name(&self) -> &str {
        "broken"
    }

    fn host_join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        (a(), b())
    }
}

/// What an operation returns, spoiled.
trait Spoil {
    fn spoil(&mut self) {}
}
impl Spoil for () {}
impl Spoil for Fr {
    fn spoil(&mut self) {
        *self += Fr::ONE;
    }
}
impl Spoil for Vec<Fr> {
    fn spoil(&mut self) {
        self.iter_mut().rev().take(1).for_each(Spoil::spoil);
    }
}

fn zero_last<T: Element>(values: &mut [T]) {
    values.iter_mut().rev().take(1).for_each(|value| *value = T::ZEROED);
}

/// Mutable arguments are lent, because they are spoiled afterwards.
macro_rules! pass {
    ($arg:ident: out) => {
        &mut *$arg
    };
    ($arg:ident: half) => {
        &mut *$arg
    };
    ($arg:ident: batch) => {
        &mut *$arg
    };
    ($arg:ident: $read:ident) => {
        $arg
    };
}

macro_rules! zero {
    ($arg:ident: out) => {
        zero_last($arg)
    };
    // The last element of what keeps a meaning.
    ($arg:ident: half) => {{
        let half = $arg.len() / 2;
        zero_last(&mut $arg[..half])
    }};
    // Sumcheck tables are spoiled through the round's result.
    ($arg:ident: batch) => {
        if $arg.len() == 1 {
            zero_last($arg[0])
        }
    };
    ($arg:ident: $read:ident) => {};
}
macro_rules! broken {
    ($self:ident, $family:literal, $trait:path, $op:ident, [$($arg:ident: $kind:ident $ty:ty),*]) => {{
        let spoiled = $self.op == stringify!($op);
        if spoiled && $self.fault == Fault::Refusal {
            return Err(Error::Shape { op: "broken", what: "length", expected: 0, got: 1 });
        }
        let mut result = <Reference as $trait>::$op(&Reference, $(pass!($arg: $kind)),*)?;
        if spoiled {
            result.spoil();
            $(zero!($arg: $kind);)*
        }
        Ok(result)
    }};
}

impl Ntt for Broken {
    type Domain = <Reference as Ntt>::Domain;
    operations! { Ntt, broken }

    fn domain(&self, log_n: u32) -> Result<Self::Domain> {
        Reference.domain(log_n)
    }
}

impl<C: Curve> Msm<C> for Broken {
    type Bases = Vec<Affine<C>>;
    operations! { Msm, broken }

    fn bases(&self, points: &[Affine<C>], budget: usize) -> Result<Self::Bases> {
        Reference.bases(points, budget)
    }
}

impl Lookup for Broken {
    type Table<T: Key> = Vec<T>;
    operations! { Lookup, broken }

    fn table<T: Key>(&self, rows: &[T]) -> Result<Vec<T>> {
        <Reference as Lookup>::table(&Reference, rows)
    }
}

impl Sumcheck for Broken {
    operations! { Round, broken }
    operations! { Sumcheck, broken }
}

impl Matrix for Broken {
    operations! { Matrix, broken }
}

impl Vector for Broken {
    operations! { Vector, broken }
}

/// Every operation of the list with its family.
const OPERATIONS: [(&str, &str); 21] = [
    ("ntt", "ntt"),
    ("msm", "msm"),
    ("lookup", "multiplicities"),
    ("lookup", "logup"),
    ("lookup", "add_fractions"),
    ("lookup", "prefix_product"),
    ("lookup", "prefix_sum"),
    ("lookup", "permute"),
    ("sumcheck", "sumcheck_round"),
    ("sumcheck", "eq_table"),
    ("sumcheck", "bind"),
    ("sumcheck", "evaluate"),
    ("matrix", "bind_rows"),
    ("matrix", "bind_cols"),
    ("matrix", "gemm"),
    ("vector", "fill"),
    ("vector", "linear_combination"),
    ("vector", "add_scaled"),
    ("vector", "hadamard"),
    ("vector", "batch_inverse"),
    ("vector", "powers"),
];

/// Calls every operation once, on vectors without zeros.
fn tour<B: crate::Backend>(backend: &B) -> Result<()> {
    let ones = [Fr::ONE; 4];
    let a = backend.upload("a", &[2u64, 3, 5, 7].map(Fr::from))?;
    let a = B::view(&a);
    let m = backend.upload("m", &[1i8, 2, 3, 4])?;
    let m = B::view(&m);
    let mut x = backend.upload("x", &ones)?;
    let mut y = backend.upload("y", &ones)?;
    let mut half = backend.upload("half", &ones[..2])?;
    let mut product = backend.upload("product", &[9i32; 4])?;
    let mut counts = backend.upload("counts", &[9u32; 4])?;
    let (x, y, half) = (&mut B::view_mut(&mut x), &mut B::view_mut(&mut y), &mut B::view_mut(&mut half));
    backend.fill(Fr::from(3u64), x)?;
    backend.hadamard(a, a, x)?;
    backend.linear_combination(&[(Fr::from(2u64), m)], x)?;
    backend.add_scaled(Fr::from(2u64), m, x)?;
    backend.batch_inverse(x)?;
    backend.powers(Fr::ONE, Fr::from(2u64), x)?;
    let table = backend.table(a)?;
    backend.multiplicities(&table, &[a], &mut B::view_mut(&mut counts))?;
    backend.logup(Fr::from(100u64), a, Some(a), x)?;
    let (_, q) = B::split(a, 2)?;
    backend.add_fractions(None, a, half, &mut B::split_mut(B::reborrow(y), 2)?.0)?;
    backend.prefix_product(Scan::Inclusive, x)?;
    backend.prefix_sum(Scan::Inclusive, x)?;
    backend.permute(a, a, x, y)?;
    backend.ntt(&backend.domain(2)?, Transform::new(Direction::Forward), &mut [B::reborrow(x)])?;
    let bases = Msm::<G1>::bases(backend, &[G1::GENERATOR; 2], 0)?;
    let mut sum = backend.upload("sum", &[G1::GENERATOR])?;
    backend.msm(&bases, &[q], &mut B::view_mut(&mut sum))?;
    backend.eq_table(&[2u64, 3].map(Fr::from), Fr::ONE, x)?;
    let mut form = Form::new(2, vec![Term { coefficient: Fr::ONE, factors: vec![0, 1] }]);
    backend.sumcheck_round(&mut form, &mut [B::reborrow(x), B::reborrow(y)], None)?;
    backend.sumcheck_round(&mut form, &mut [B::reborrow(x), B::reborrow(y)], Some(Fr::from(5u64)))?;
    backend.copy(a, x)?;
    backend.bind(x, Fr::from(5u64))?;
    backend.evaluate(a, &ones[..2])?;
    backend.bind_rows(m, q, half)?;
    backend.bind_cols(m, q, half)?;
    backend.gemm(2, m, m, &mut B::view_mut(&mut product))
}

#[test]
fn a_lockstep_pair_names_the_operation_that_differs() {
    assert_eq!(tour(&Checked::new(Reference, Broken { op: "", fault: Fault::WrongOutput })), Ok(()));
    for (_, op) in OPERATIONS {
        for fault in [Fault::WrongOutput, Fault::Refusal] {
            let broken = Broken { op, fault };
            let results = [tour(&Checked::new(Reference, broken)), tour(&Checked::new(broken, Reference))];
            for result in results {
                let Err(Error::Diverged { op: found, .. }) = result else {
                    panic!("{op}, {fault:?}: {result:?}")
                };
                assert_eq!(found, op, "{fault:?}");
            }
        }
    }
}

#[test]
fn a_lockstep_pair_passes_on_what_both_refuse() -> Result<()> {
    let pair = Checked::new(Reference, Reference);
    let mut vector = pair.upload("vector", &[Fr::ONE; 3])?;
    let length = vector.len();
    let refused = pair.bind(&mut Checked::<Reference, Reference>::view_mut(&mut vector), Fr::ONE);
    assert!(matches!(refused, Err(Error::Shape { op: "bind", got, .. }) if got == length));
    Ok(())
}

#[test]
fn every_operation_is_timed() {
    let timed = Timed::new(Reference);
    assert_eq!(tour(&timed), Ok(()));
    let report = timed.report();
    for (family, op) in OPERATIONS {
        assert!(report.iter().any(|t| (t.family, t.operation) == (family, op)), "{family} {op}");
    }
}

/// Each fault makes a case of its family panic.
#[cfg(feature = "conformance")]
#[test]
fn the_suite_notices_every_fault() {
    use crate::conformance::short_cases;
    let panics = |broken: Broken, family: &str| {
        short_cases::<Broken>()
            .into_iter()
            .filter(|case| case.family == family)
            .any(|case| std::panic::catch_unwind(|| (case.run)(&broken)).is_err())
    };
    for (family, op) in OPERATIONS {
        for fault in [Fault::WrongOutput, Fault::Refusal] {
            assert!(panics(Broken { op, fault }, family), "{op}: {fault:?} went unnoticed");
        }
    }
}
