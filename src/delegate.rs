//! The operations of the seam as one list, for the backends that are made of other backends.
//!
//! [`operations!`] writes the methods of one trait; a decorator's own macro writes what each of them does, from the
//! operation's name and its arguments, which are tagged by kind:
//!
//! | kind        | type                               |                                                    |
//! |-------------|------------------------------------|----------------------------------------------------|
//! | `value T`   | `T`                                | the same for every backend                         |
//! | `handle T`  | `&T`                               | a prepared table, domain, set of bases             |
//! | `view T`    | `View<T>`                          | read                                               |
//! | `maybe T`   | `Option<View<T>>`                  | read, may be absent                                |
//! | `views T`   | `&[View<T>]`                       | read                                               |
//! | `terms T`   | `&[(Fr, View<T>)]`                 | read                                               |
//! | `out T`     | `&mut ViewMut<T>`                  | written                                            |
//! | `half T`    | `&mut ViewMut<T>`                  | written, only the first half keeps a meaning       |
//! | `batch T`   | `&mut [ViewMut<T>]`                | written                                            |

use crate::error::Result;

/// The part of a compound buffer, view or handle that belongs to one of the backends behind it.
pub(crate) trait Pick<Side> {
    /// That part.
    type Part;

    /// Takes the part out, or refuses in the name of `op` if this value belongs to another backend.
    fn pick(self, op: &'static str) -> Result<Self::Part>;
}

/// The methods of one trait of the seam, each with a body written by the macro `$body`, which is given `self`, the family,
/// the trait, the operation and its arguments.
macro_rules! operations {
    (Copy, $body:ident) => {
        $crate::delegate::methods! { $body "memory" [Memory]
            fn copy[T: Element](from: view T, to: out T) -> ();
        }
    };
    (Ntt, $body:ident) => {
        $crate::delegate::methods! { $body "ntt" [Ntt]
            fn ntt(domain: handle Self::Domain, transform: value Transform, items: batch Fr) -> ();
        }
    };
    (Msm, $body:ident) => {
        $crate::delegate::methods! { $body "msm" [Msm<C>]
            fn msm[S: Scalar<C::ScalarField>](bases: handle Self::Bases, items: views S, sums: out Affine<C>) -> ();
        }
    };
    (Lookup, $body:ident) => {
        $crate::delegate::methods! { $body "lookup" [Lookup]
            fn multiplicities[T: Key](table: handle Self::Table<T>, columns: views T, counts: out u32) -> ();
            fn logup(alpha: value Fr, column: view Fr, numerator: maybe Fr, helper: out Fr) -> ();
            fn add_fractions(p: maybe Fr, q: view Fr, out_p: out Fr, out_q: out Fr) -> ();
            fn prefix_product(scan: value Scan, values: out Fr) -> ();
            fn prefix_sum(scan: value Scan, values: out Fr) -> ();
            fn permute(column: view Fr, table: view Fr, permuted_column: out Fr, permuted_table: out Fr) -> ();
        }
    };
    (Round, $body:ident) => {
        $crate::delegate::methods! { $body "sumcheck" [Sumcheck]
            fn sumcheck_round(form: value &mut Form, tables: batch Fr, challenge: value Option<Fr>) -> Vec<Fr>;
        }
    };
    (Sumcheck, $body:ident) => {
        $crate::delegate::methods! { $body "sumcheck" [Sumcheck]
            fn eq_table(point: value &[Fr], scale: value Fr, table: out Fr) -> ();
            fn bind(table: half Fr, r: value Fr) -> ();
            fn evaluate[T: Scalar](table: view T, point: value &[Fr]) -> Fr;
        }
    };
    (Matrix, $body:ident) => {
        $crate::delegate::methods! { $body "matrix" [Matrix]
            fn bind_rows[I: Int](m: view I, weight: view Fr, product: out Fr) -> ();
            fn bind_cols[I: Int](m: view I, weight: view Fr, product: out Fr) -> ();
            fn gemm(inner: value usize, a: view i8, b: view i8, product: out i32) -> ();
        }
    };
    (Vector, $body:ident) => {
        $crate::delegate::methods! { $body "vector" [Vector]
            fn fill(value: value Fr, vector: out Fr) -> ();
            fn linear_combination[T: Scalar](terms: terms T, sum: out Fr) -> ();
            fn add_scaled[T: Scalar](coefficient: value Fr, vector: view T, sum: out Fr) -> ();
            fn hadamard(a: view Fr, b: view Fr, product: out Fr) -> ();
            fn batch_inverse(values: out Fr) -> ();
            fn powers(scale: value Fr, base: value Fr, vector: out Fr) -> ();
        }
    };
}

/// The methods that [`operations!`] lists.
macro_rules! methods {
    ($body:ident $family:literal [$trait:path] $(
        fn $op:ident $([$T:ident: $bound:path])? ($($arg:ident: $kind:ident $ty:ty),*) -> $result:ty;
    )*) => {$(
        fn $op $(<$T: $bound>)? (&self, $($arg: $crate::delegate::argument!($kind $ty)),*) -> Result<$result> {
            $body!(self, $family, $trait, $op, [$($arg: $kind $ty),*])
        }
    )*};
}

/// The type of an argument of the given kind.
macro_rules! argument {
    (value $ty:ty) => { $ty };
    (handle $ty:ty) => { &$ty };
    (view $ty:ty) => { Self::View<'_, $ty> };
    (maybe $ty:ty) => { Option<Self::View<'_, $ty>> };
    (views $ty:ty) => { &[Self::View<'_, $ty>] };
    (terms $ty:ty) => { &[(Fr, Self::View<'_, $ty>)] };
    (out $ty:ty) => { &mut Self::ViewMut<'_, $ty> };
    (half $ty:ty) => { &mut Self::ViewMut<'_, $ty> };
    (batch $ty:ty) => { &mut [Self::ViewMut<'_, $ty>] };
}

/// Calls an operation of one backend, of type `$inner`, with its parts of compound arguments. Fails before the call if
/// a part is missing.
macro_rules! call {
    ($backend:expr, $trait:path, $op:ident, $side:ty, $inner:ty, [$($arg:ident: $kind:ident $ty:ty),*]) => {
        <$inner as $trait>::$op(
            $backend,
            $($crate::delegate::part!($side, $inner, stringify!($op), $arg: $kind $ty)),*
        )
    };
}

/// One backend's part of an argument of the given kind.
macro_rules! part {
    ($side:ty, $inner:ty, $op:expr, $arg:ident: value $ty:ty) => {
        $arg
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: handle $ty:ty) => {
        $crate::delegate::Pick::<$side>::pick($arg.by_ref(), $op)?
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: view $ty:ty) => {
        $crate::delegate::Pick::<$side>::pick($arg, $op)?
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: maybe $ty:ty) => {
        $arg.map(|view| $crate::delegate::Pick::<$side>::pick(view, $op)).transpose()?
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: views $ty:ty) => {
        &$arg
            .iter()
            .map(|view| $crate::delegate::Pick::<$side>::pick(*view, $op))
            .collect::<Result<Vec<_>>>()?[..]
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: terms $ty:ty) => {
        &$arg
            .iter()
            .map(|(factor, view)| Ok((*factor, $crate::delegate::Pick::<$side>::pick(*view, $op)?)))
            .collect::<Result<Vec<_>>>()?[..]
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: out $ty:ty) => {
        $crate::delegate::Pick::<$side>::pick($arg.by_mut(), $op)?
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: half $ty:ty) => {
        $crate::delegate::Pick::<$side>::pick($arg.by_mut(), $op)?
    };
    ($side:ty, $inner:ty, $op:expr, $arg:ident: batch $ty:ty) => {
        &mut $arg
            .iter_mut()
            .map(|view| {
                let part = $crate::delegate::Pick::<$side>::pick(view.by_mut(), $op)?;
                Ok(<$inner as Memory>::reborrow::<$ty>(part))
            })
            .collect::<Result<Vec<_>>>()?[..]
    };
}

pub(crate) use {argument, call, methods, operations, part};
