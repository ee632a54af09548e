//! Element-wise operations.

use ark_ff::{AdditiveGroup, BigInt, Field};

use super::{LENGTHS, Outcome, Output, Random, Sample, agree, junk, patterns, settle, upload};
use crate::{Fr, Scalar, Vector};

fn fill<B: Vector>(backend: &B, value: Fr, out: usize) -> Outcome<Fr> {
    let mut out = Output::new(backend, &junk(out));
    let result = backend.fill(value, &mut out.view());
    settle(backend, result, &[out])
}

fn linear_combination<T: Scalar, B: Vector>(backend: &B, terms: &[(Fr, Vec<T>)], out: usize) -> Outcome<Fr> {
    let vectors: Vec<_> = terms.iter().map(|(_, vector)| upload(backend, vector)).collect();
    let terms: Vec<_> =
        terms.iter().zip(&vectors).map(|((factor, _), vector)| (*factor, B::view(vector))).collect();
    let mut out = Output::new(backend, &junk(out));
    let result = backend.linear_combination(&terms, &mut out.view());
    settle(backend, result, &[out])
}

fn add_scaled<T: Scalar, B: Vector>(backend: &B, coefficient: Fr, vector: &[T], out: &[Fr]) -> Outcome<Fr> {
    let vector = upload(backend, vector);
    let mut out = Output::new(backend, out);
    let result = backend.add_scaled(coefficient, B::view(&vector), &mut out.view());
    settle(backend, result, &[out])
}

fn hadamard<B: Vector>(backend: &B, a: &[Fr], b: &[Fr], out: usize) -> Outcome<Fr> {
    let (a, b) = (upload(backend, a), upload(backend, b));
    let mut out = Output::new(backend, &junk(out));
    let result = backend.hadamard(B::view(&a), B::view(&b), &mut out.view());
    settle(backend, result, &[out])
}

fn batch_inverse<B: Vector>(backend: &B, values: &[Fr]) -> Outcome<Fr> {
    let mut out = Output::new(backend, values);
    let result = backend.batch_inverse(&mut out.view());
    settle(backend, result, &[out])
}

fn powers<B: Vector>(backend: &B, scale: Fr, base: Fr, out: usize) -> Outcome<Fr> {
    let mut out = Output::new(backend, &junk(out));
    let result = backend.powers(scale, base, &mut out.view());
    settle(backend, result, &[out])
}

/// Every operation at every length, on constant, extreme and random vectors.
pub fn edges<B: Vector>(backend: &B) {
    let mut random = Random::new();
    for len in LENGTHS {
        let other: Vec<Fr> = random.mixed(len);
        for vector in patterns::<Fr>(&mut random, len) {
            let factor = random.mixed::<Fr>(1)[0];
            agree!(backend, add_scaled(factor, &vector, &other), "length {len}");
            agree!(backend, hadamard(&vector, &other, len), "length {len}");
            agree!(backend, hadamard(&vector, &vector, len), "length {len}, a square");
            agree!(backend, batch_inverse(&vector), "length {len}");
            let terms = [(factor, vector), (-Fr::ONE, other.clone())];
            agree!(backend, linear_combination(&terms, len), "length {len}");
        }
        agree!(backend, linear_combination::<Fr, _>(&[], len), "length {len}, no terms");
        for base in Fr::edges().into_iter().chain([random.field()]) {
            agree!(backend, fill(base, len), "length {len}, {base}");
            for scale in [Fr::ONE, Fr::ZERO, random.field()] {
                agree!(backend, powers(scale, base, len), "length {len}, {scale} times powers of {base}");
            }
        }
        // A single zero among others must stay alone.
        for zero in [0, len / 2, len.saturating_sub(1)] {
            let mut values: Vec<Fr> = random.values(len);
            values.iter_mut().skip(zero).take(1).for_each(|value| *value = Fr::ZERO);
            agree!(backend, batch_inverse(&values), "length {len}, zero at {zero}");
        }
    }
}

/// Combinations of every scalar type, of one to many vectors.
pub fn widths<B: Vector>(backend: &B) {
    fn of<T: Sample, B: Vector>(backend: &B) {
        let mut random = Random::new();
        let values = std::any::type_name::<T>();
        for len in [1, 30, 129] {
            for vector in patterns::<T>(&mut random, len) {
                let out = random.mixed::<Fr>(len);
                let factor = random.mixed::<Fr>(1)[0];
                agree!(backend, add_scaled(factor, &vector, &out), "{len} of {values}");
            }
            for count in [1, 2, 5, 17] {
                let terms: Vec<(Fr, Vec<T>)> =
                    (0..count).map(|_| (random.mixed::<Fr>(1)[0], random.mixed(len))).collect();
                agree!(backend, linear_combination(&terms, len), "{count} vectors, {len} of {values}");
                let worst = vec![(-Fr::ONE, vec![T::edges()[2]; len]); count];
                agree!(
                    backend,
                    linear_combination(&worst, len),
                    "{count} extreme vectors, {len} of {values}"
                );
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
    of::<BigInt<4>, B>(backend);
    of::<Fr, B>(backend);
}

/// Lengths that differ.
pub fn refusals<B: Vector>(backend: &B) {
    let mut random = Random::new();
    for case in 0..200 {
        let len = random.below(5);
        let lengths: [usize; 3] = std::array::from_fn(|_| random.near(len));
        let [a, b, c] = lengths;
        let context = format!("case {case}: {lengths:?}");
        let (x, y, z): (Vec<Fr>, Vec<Fr>, Vec<Fr>) = (random.mixed(a), random.mixed(b), random.mixed(c));
        agree!(backend, hadamard(&x, &y, c), "{context}");
        agree!(backend, add_scaled(Fr::ONE, &x, &z), "{context}");
        agree!(backend, add_scaled(Fr::ONE, &random.mixed::<i8>(a), &z), "{context}");
        agree!(backend, linear_combination(&[(Fr::ONE, x), (-Fr::ONE, y)], c), "{context}");
    }
}

/// Vectors long enough to be split over threads.
pub mod long {
    use super::*;

    /// Every operation at a length that no block divides.
    pub fn long_vectors<B: Vector>(backend: &B) {
        let mut random = Random::new();
        for len in [(1 << 14) - 1, (1 << 14) + 1] {
            let (a, b): (Vec<Fr>, Vec<Fr>) = (random.mixed(len), random.mixed(len));
            let (scale, base) = (random.field(), random.field());
            agree!(backend, hadamard(&a, &b, len), "length {len}");
            agree!(backend, batch_inverse(&a), "length {len}");
            agree!(backend, add_scaled(scale, &a, &b), "length {len}");
            agree!(backend, add_scaled(scale, &random.mixed::<i8>(len), &b), "length {len}, i8");
            agree!(backend, powers(scale, base, len), "length {len}");
            agree!(backend, fill(base, len), "length {len}");
            let terms = [(scale, a), (base, b)];
            agree!(backend, linear_combination(&terms, len), "length {len}");
            let narrow: Vec<(Fr, Vec<i32>)> = (0..3).map(|_| (random.field(), random.mixed(len))).collect();
            agree!(backend, linear_combination(&narrow, len), "length {len}, i32");
        }
    }
}
