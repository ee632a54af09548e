//! Integer matrices.

use ark_ff::{AdditiveGroup, Field};

use super::{Outcome, Output, Random, Sample, agree, junk, patterns, settle, upload};
use crate::matrix::MAX_INNER;
use crate::{Fr, Int, Len, Matrix};

fn bind_rows<I: Int, B: Matrix>(backend: &B, m: &[I], weight: &[Fr], out: usize) -> Outcome<Fr> {
    let (m, weight) = (upload(backend, m), upload(backend, weight));
    let mut out = Output::new(backend, &junk(out));
    let result = backend.bind_rows(B::view(&m), B::view(&weight), &mut out.view());
    settle(backend, result, &[out])
}

fn bind_cols<I: Int, B: Matrix>(backend: &B, m: &[I], weight: &[Fr], out: usize) -> Outcome<Fr> {
    let (m, weight) = (upload(backend, m), upload(backend, weight));
    let mut out = Output::new(backend, &junk(out));
    let result = backend.bind_cols(B::view(&m), B::view(&weight), &mut out.view());
    settle(backend, result, &[out])
}

fn gemm<B: Matrix>(backend: &B, inner: usize, a: &[i8], b: &[i8], out: usize) -> Outcome<i32> {
    let (a, b) = (upload(backend, a), upload(backend, b));
    let mut out = Output::new(backend, &vec![0xbad; out]);
    let result = backend.gemm(inner, B::view(&a), B::view(&b), &mut out.view());
    settle(backend, result, &[out])
}

/// Both bindings of one matrix.
fn bindings<I: Sample + Int, B: Matrix>(backend: &B, m: &[I], shape: (usize, usize), weights: [&[Fr]; 2]) {
    let ((rows, cols), [left, right]) = (shape, weights);
    let entries = std::any::type_name::<I>();
    agree!(backend, bind_rows(m, left, cols), "{rows} x {cols} of {entries}");
    agree!(backend, bind_cols(m, right, rows), "{rows} x {cols} of {entries}");
}

/// Empty, thin, odd and square matrices of every integer type.
pub fn shapes<B: Matrix>(backend: &B) {
    fn of<I: Sample + Int, B: Matrix>(backend: &B) {
        let mut random = Random::new();
        for shape @ (rows, cols) in [
            (0, 0),
            (0, 5),
            (5, 0),
            (1, 1),
            (1, 9),
            (9, 1),
            (2, 2),
            (3, 5),
            (7, 8),
            (8, 7),
            (17, 33),
            (33, 64),
            (64, 10),
            (65, 31),
            (1, 300),
            (300, 1),
            (129, 3),
        ] {
            let m: Vec<I> = random.mixed(rows * cols);
            bindings(backend, &m, shape, [&random.mixed::<Fr>(rows), &random.mixed::<Fr>(cols)]);
        }
    }
    of::<i8, B>(backend);
    of::<i16, B>(backend);
    of::<i32, B>(backend);
    of::<i64, B>(backend);
    of::<u8, B>(backend);
    of::<u16, B>(backend);
    of::<u32, B>(backend);
    of::<u64, B>(backend);
}

/// Constant matrices of each extreme against extreme weights, where sums grow fastest.
pub fn extremes<B: Matrix>(backend: &B) {
    fn of<I: Sample + Int, B: Matrix>(backend: &B) {
        let mut random = Random::new();
        for (rows, cols) in [(3, 70), (70, 3)] {
            for m in patterns::<I>(&mut random, rows * cols) {
                for weight in [-Fr::ONE, Fr::ZERO, Fr::from(2u64).pow([253])] {
                    bindings(backend, &m, (rows, cols), [&vec![weight; rows], &vec![weight; cols]]);
                }
            }
        }
    }
    of::<i8, B>(backend);
    of::<i16, B>(backend);
    of::<i32, B>(backend);
    of::<i64, B>(backend);
    of::<u8, B>(backend);
    of::<u16, B>(backend);
    of::<u32, B>(backend);
    of::<u64, B>(backend);
}

/// A binding of rows, one of columns and a product over parts of buffers that begin at their second element.
fn of_parts<I: Int, B: Matrix>(backend: &B, m: &[I], weight: &[Fr], a: &[i8], inner: usize) -> Outcome<Fr> {
    let (m, weight, a) = (upload(backend, m), upload(backend, weight), upload(backend, a));
    let (m, weight) = (B::view(&m), B::view(&weight));
    let (m, weight) = (B::slice(m, 1..m.len())?, B::slice(weight, 1..weight.len())?);
    let out = vec![Fr::ZERO; m.len() / weight.len() + 1];
    let mut bound = Output::<B, Fr>::new(backend, &[&out[..], &out[..]].concat());
    let (mut rows, mut cols) = B::split_mut(bound.view(), out.len())?;
    for (view, of_rows) in [(&mut rows, true), (&mut cols, false)] {
        let (_, mut after) = B::split_mut(B::reborrow(view), 1)?;
        if of_rows {
            backend.bind_rows(m, weight, &mut after)?;
        } else {
            backend.bind_cols(m, weight, &mut after)?;
        }
    }
    drop((rows, cols));
    let a = B::slice(B::view(&a), 1..a.len())?;
    let side = a.len() / inner;
    let mut product = Output::<B, i32>::new(backend, &vec![0; side * side]);
    backend.gemm(inner, a, a, &mut product.view())?;
    let mut outcome = settle(backend, Ok(()), &[bound])?;
    outcome.extend(settle(backend, Ok(()), &[product])?.into_iter().map(Fr::from));
    Ok(outcome)
}

/// Entries that do not begin where a word of several does.
pub fn parts<B: Matrix>(backend: &B) {
    fn of<I: Sample + Int, B: Matrix>(backend: &B) {
        let mut random = Random::new();
        for (rows, cols) in [(3, 8), (16, 16), (40, 12)] {
            let (m, weight): (Vec<I>, Vec<Fr>) = (random.values(1 + rows * cols), random.mixed(1 + cols));
            let a: Vec<i8> = random.values(1 + rows * cols);
            // The matrix as one of `cols` rows, and as one of `cols` columns.
            let entries = std::any::type_name::<I>();
            agree!(backend, of_parts(&m, &weight, &a, cols), "{rows} x {cols} of {entries}");
        }
    }
    of::<i8, B>(backend);
    of::<u16, B>(backend);
    of::<i32, B>(backend);
    of::<u64, B>(backend);
}

/// Integer products of odd shapes and extreme entries.
pub fn products<B: Matrix>(backend: &B) {
    let mut random = Random::new();
    for (rows, inner, cols) in [
        (0, 0, 0),
        (0, 3, 0),
        (0, 3, 4),
        (4, 3, 0),
        (1, 1, 1),
        (1, 7, 1),
        (3, 1, 5),
        (2, 3, 4),
        (5, 8, 3),
        (17, 33, 9),
        (32, 64, 10),
        (33, 65, 31),
        (1, 129, 40),
        (40, 129, 1),
        (64, 64, 64),
    ] {
        let (a, b): (Vec<i8>, Vec<i8>) = (random.mixed(rows * inner), random.mixed(inner * cols));
        agree!(backend, gemm(inner, &a, &b, rows * cols), "{rows} x {inner} x {cols}");
        for (a, b) in [(-128, -128), (-128, 127), (127, 127), (0, -128)] {
            let (a, b) = (vec![a; rows * inner], vec![b; inner * cols]);
            agree!(backend, gemm(inner, &a, &b, rows * cols), "{rows} x {inner} x {cols}, constant");
        }
    }
    for value in [-128, 127] {
        let a = vec![-128; MAX_INNER];
        let b = vec![value; MAX_INNER];
        agree!(backend, gemm(MAX_INNER, &a, &b, 1), "the longest inner product");
    }
}

/// Lengths that make no matrices, inner dimensions that are zero or too long.
pub fn refusals<B: Matrix>(backend: &B) {
    let mut random = Random::new();
    for case in 0..300 {
        let (rows, cols) = (random.below(5), random.below(5));
        let (m, weight, out) = (random.near(rows * cols), random.near(rows), random.near(cols));
        let context = format!("case {case}: {m} entries, weight of {weight}, {out} outputs");
        let (matrix, weight): (Vec<i16>, Vec<Fr>) = (random.values(m), random.values(weight));
        agree!(backend, bind_rows(&matrix, &weight, out), "{context}");
        agree!(backend, bind_cols(&matrix, &weight, out), "{context}");
        let inner = random.below(4);
        let (a, b, out) = (random.near(rows * inner), random.near(inner * cols), random.near(rows * cols));
        let inner = random.near(inner);
        let context = format!("case {case}: inner {inner}, lengths {a}, {b}, {out}");
        agree!(backend, gemm(inner, &random.values::<i8>(a), &random.values::<i8>(b), out), "{context}");
    }
    let long = vec![1i8; MAX_INNER + 1];
    agree!(backend, gemm(MAX_INNER + 1, &long, &long, 1), "an inner dimension too long");
    agree!(backend, gemm(usize::MAX, &[1], &[1], 1), "an absurd inner dimension");
}

/// Beyond short sums.
pub mod long {
    use super::*;

    /// Matrices long in one or both directions, all entries extreme: accumulators must not overflow.
    pub fn deep_sums<B: Matrix>(backend: &B) {
        fn of<I: Sample + Int, B: Matrix>(backend: &B) {
            let mut random = Random::new();
            let worst = Fr::edges()[2];
            for shape @ (rows, cols) in [(70_001, 1), (1, 70_001), (1025, 130), (130, 1025)] {
                let m: Vec<I> = random.mixed(rows * cols);
                bindings(backend, &m, shape, [&random.mixed::<Fr>(rows), &random.mixed::<Fr>(cols)]);
                for edge in [I::edges()[2], I::edges()[3]] {
                    bindings(
                        backend,
                        &vec![edge; rows * cols],
                        shape,
                        [&vec![worst; rows], &vec![worst; cols]],
                    );
                }
            }
        }
        of::<i8, B>(backend);
        of::<i16, B>(backend);
        of::<i32, B>(backend);
        of::<u64, B>(backend);
        let mut random = Random::new();
        for (rows, inner, cols) in [(130, 500, 70), (3, 4099, 5), (257, 64, 129)] {
            let (a, b): (Vec<i8>, Vec<i8>) = (random.mixed(rows * inner), random.mixed(inner * cols));
            agree!(backend, gemm(inner, &a, &b, rows * cols), "{rows} x {inner} x {cols}");
        }
        let zero = vec![Fr::ZERO; 5000];
        bindings::<i32, _>(backend, &vec![i32::MIN; 15_000], (3, 5000), [&zero[..3], &zero]);
    }
}
