//! Multi-scalar multiplication in both groups.

use std::marker::PhantomData;

use ark_ec::CurveGroup;
use ark_ec::short_weierstrass::{Affine, Projective, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt, Fp, PrimeField};

use super::{Outcome, Output, Random, Refusal, Sample, agree, compare, patterns, settle, upload};
use crate::{Curve, Fq, Fr, G1, G1Affine, G2, G2Affine, Len, Msm, Scalar};

/// The sums of `rows` over prepared `points`, written into `out` points.
fn sums<C: Curve<ScalarField = Fr>, S: Scalar, B: Msm<C>>(
    backend: &B,
    points: &[Affine<C>],
    budget: usize,
    rows: &[Vec<S>],
    out: usize,
) -> Outcome<Affine<C>> {
    let bases = backend.bases(points, budget)?;
    assert_eq!(bases.len(), points.len());
    let rows: Vec<_> = rows.iter().map(|row| upload(backend, row)).collect();
    let views: Vec<_> = rows.iter().map(|row| B::view(row)).collect();
    let mut out = Output::new(backend, &vec![C::GENERATOR; out]);
    let result = backend.msm(&bases, &views, &mut out.view());
    settle(backend, result, &[out])
}

/// `a_i G` with `a_0 = start`, `a_i = a_{i-1} + step`, and the `a_i`.
fn progression<C: Curve<ScalarField = Fr>>(start: Fr, step: Fr, len: usize) -> (Vec<Affine<C>>, Vec<Fr>) {
    let generator = Projective::from(C::GENERATOR);
    let (mut point, difference) = (generator * start, generator * step);
    let mut logarithm = start;
    let (mut points, mut logarithms) = (Vec::with_capacity(len), Vec::with_capacity(len));
    for _ in 0..len {
        points.push(point);
        logarithms.push(logarithm);
        point += difference;
        logarithm += step;
    }
    (Projective::normalize_batch(&points), logarithms)
}

/// Points among which sums meet every case of the addition law.
fn points<C: Curve<ScalarField = Fr>>(
    random: &mut Random,
    len: usize,
) -> [(&'static str, Vec<Affine<C>>); 6] {
    let multiples = progression::<C>(Fr::from(1u64), Fr::from(1u64), len).0;
    let scattered = progression::<C>(random.field(), random.field(), len).0;
    let point = Projective::from(C::GENERATOR) * random.field();
    let (point, identity) = (point.into_affine(), Affine::identity());
    let other = (point + C::GENERATOR).into_affine();
    let cycle = |of: &[Affine<C>]| of.iter().copied().cycle().take(len).collect();
    [
        ("G, 2G, 3G, ..", multiples),
        ("scattered points", scattered),
        ("one point", cycle(&[point])),
        ("opposite points", cycle(&[point, -point])),
        ("identities", cycle(&[identity])),
        ("a mixture", cycle(&[point, identity, point, -point, other, -other, identity, other])),
    ]
}

/// Every kind of points with every kind of scalars, short lengths.
pub fn edges<B: Msm<G1> + Msm<G2>>(backend: &B) {
    fn group<C: Curve<ScalarField = Fr>, S: Sample, B: Msm<C>>(backend: &B, lengths: &[usize]) {
        let mut random = Random::new();
        for &len in lengths {
            for (kind, points) in points::<C>(&mut random, len) {
                let rows = patterns::<S>(&mut random, len);
                let scalars = std::any::type_name::<S>();
                let out = rows.len();
                agree!(
                    backend,
                    sums(&points, 0, &rows, out),
                    "{}: {len} points, {kind}, patterns of {scalars}",
                    C::NAME
                );
            }
        }
    }
    group::<G1, Fr, B>(backend, &[0, 1, 2, 3, 7, 16, 33]);
    group::<G1, BigInt<4>, B>(backend, &[1, 5]);
    group::<G1, i8, B>(backend, &[0, 1, 2, 9, 31, 65]);
    group::<G2, Fr, B>(backend, &[0, 1, 2, 8]);
    group::<G2, i8, B>(backend, &[1, 2, 17]);
}

/// Every scalar type, extremes included.
pub fn widths<B: Msm<G1> + Msm<G2>>(backend: &B) {
    fn width<S: Sample, B: Msm<G1> + Msm<G2>>(backend: &B) {
        let mut random = Random::new();
        let scalars = std::any::type_name::<S>();
        for len in [1, 4, 30] {
            let rows = [random.mixed::<S>(len), random.values(len), vec![S::edges()[2]; len]];
            let [.., (_, points)] = points::<G1>(&mut random, len);
            agree!(backend, sums(&points, 0, &rows, 3), "G1, {len} of {scalars}");
            let (points, _) = progression::<G2>(random.field(), random.field(), len.min(5));
            agree!(backend, sums(&points, 0, &[random.mixed::<S>(len.min(5))], 1), "G2, {scalars}");
        }
    }
    width::<i8, B>(backend);
    width::<i16, B>(backend);
    width::<i32, B>(backend);
    width::<i64, B>(backend);
    width::<u8, B>(backend);
    width::<u16, B>(backend);
    width::<u32, B>(backend);
    width::<u64, B>(backend);
    width::<BigInt<4>, B>(backend);
    width::<Fr, B>(backend);
}

/// Uneven rows, no rows, empty rows, many short rows.
pub fn batches<B: Msm<G1> + Msm<G2>>(backend: &B) {
    let mut random = Random::new();
    let (points, _) = progression::<G1>(random.field(), random.field(), 40);
    agree!(backend, sums::<G1, Fr, _>(&points, 0, &[], 0), "no rows");
    agree!(backend, sums::<G1, Fr, _>(&[], 0, &vec![vec![]; 3], 3), "empty rows, no points");
    for (rows, longest) in [(1usize, 40usize), (2, 40), (9, 40), (33, 12), (400, 3)] {
        let lengths: Vec<usize> = (0..rows).map(|_| random.below(longest + 1)).collect();
        let narrow: Vec<Vec<i8>> = lengths.iter().map(|&len| random.mixed(len)).collect();
        agree!(backend, sums(&points, 0, &narrow, rows), "{rows} rows of i8, lengths {lengths:?}");
        let wide: Vec<Vec<Fr>> = lengths.iter().take(60).map(|&len| random.mixed(len)).collect();
        agree!(backend, sums(&points, 0, &wide, wide.len()), "rows of Fr, lengths {lengths:?}");
    }
    let (points, _) = progression::<G2>(random.field(), random.field(), 6);
    let rows: Vec<Vec<i16>> = (0..20).map(|k| random.mixed(k % 7)).collect();
    agree!(backend, sums(&points, 0, &rows, 20), "G2, 20 rows");
}

/// Precomputed multiples change the cost, not the sums.
pub fn budgets<B: Msm<G1> + Msm<G2>>(backend: &B) {
    let mut random = Random::new();
    for len in [1usize, 2, 33] {
        let [.., (_, points)] = points::<G1>(&mut random, len);
        let rows = [random.mixed::<Fr>(len), random.mixed(len / 2)];
        let narrow = [random.mixed::<i8>(len), random.mixed(len)];
        let point = size_of::<G1Affine>();
        for budget in [0, 1, point * len, 3 * point * len, 40 * point * len, 1 << 30, usize::MAX] {
            agree!(backend, sums(&points, budget, &rows, 2), "{len} points, budget {budget}");
            agree!(backend, sums(&points, budget, &narrow, 2), "{len} points, i8, budget {budget}");
        }
        let (points, _) = progression::<G2>(random.field(), random.field(), len.min(4));
        let rows = [random.mixed::<Fr>(len.min(4))];
        agree!(backend, sums(&points, 1 << 20, &rows, 1), "G2, {len} points, budget 2^20");
    }
}

/// Few distinct points and scalars in longer sums, where buckets meet equal and opposite points again and again.
pub fn collisions<B: Msm<G1> + Msm<G2>>(backend: &B) {
    let mut random = Random::new();
    for len in [127usize, 256, 257] {
        let few = [1u64, 2, 3].map(|k| (Projective::<G1>::from(G1::GENERATOR) * Fr::from(k)).into_affine());
        let choices = [few[0], few[1], few[2], -few[0], -few[1], -few[2], Affine::identity()];
        let points: Vec<G1Affine> = (0..len).map(|_| random.pick(&choices)).collect();
        let few: Vec<Fr> = random.mixed(4);
        let rows = [(0..len).map(|_| random.pick(&few)).collect(), random.mixed(len), vec![few[0]; len]];
        agree!(backend, sums(&points, 0, &rows, 3), "{len} points");
        let rows: Vec<Vec<i16>> =
            (0..4).map(|_| (0..len).map(|_| random.pick(&[1, -1, 2, 256])).collect()).collect();
        agree!(backend, sums(&points, 0, &rows, 4), "{len} points, i16");
        // Sums that cancel: every point with its opposite, under equal scalars.
        let cancelling: Vec<G1Affine> = points.iter().flat_map(|&point| [point, -point]).collect();
        let scalars: Vec<Fr> = random.values::<Fr>(len).into_iter().flat_map(|s| [s, s]).collect();
        let zero = sums(backend, &cancelling, 0, &[scalars], 1);
        compare("sums", &zero, &Ok(vec![Affine::identity()]), &|| format!("{len} cancelling pairs"));
    }
}

/// Points off the curve, coordinates not below the modulus, rows longer than the bases, `out` of another length.
pub fn refusals<B: Msm<G1> + Msm<G2>>(backend: &B) {
    let mut random = Random::new();
    let (points, _) = progression::<G1>(random.field(), random.field(), 6);
    for case in 0..150 {
        let count = random.below(7);
        let rows: Vec<Vec<i8>> = (0..random.below(5)).map(|_| random.values_near(count)).collect();
        let out = random.near(rows.len());
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        agree!(
            backend,
            sums(&points[..count], 0, &rows, out),
            "case {case}: {count} points, rows of {lengths:?}, {out} outputs"
        );
    }
    fn refused<C: Curve<ScalarField = Fr>, B: Msm<C>>(backend: &B, bad: Affine<C>, what: &str) {
        for index in [0, 3] {
            let mut points = vec![C::GENERATOR; 4];
            points[index] = bad;
            for budget in [0, 1 << 20] {
                let refusal = backend.bases(&points, budget).err().map(Refusal::from);
                assert_eq!(refusal, Some(Refusal::Invalid { index }), "{} {what} at {index}", C::NAME);
            }
        }
    }
    let big: Fq = Fp(Fq::MODULUS, PhantomData);
    let (g1, g2) = (G1::GENERATOR, G2::GENERATOR);
    refused(backend, G1Affine::new_unchecked(g1.x, g1.y.double()), "off the curve");
    refused(backend, G1Affine::new_unchecked(Fq::from(0u64), g1.y), "off the curve");
    refused(backend, G2Affine::new_unchecked(g2.x, g2.y.double()), "off the curve");
    // x = 1 has y = 2 on the curve; the same point with x = 1 + p is not canonical. `Fp` holds Montgomery limbs, so
    // add p to those.
    let mut limbs = g1.x.0;
    ark_ff::BigInteger::add_with_carry(&mut limbs, &Fq::MODULUS);
    refused(
        backend,
        G1Affine::new_unchecked(Fp(limbs, PhantomData), g1.y),
        "with a coordinate above the modulus",
    );
    refused(backend, G1Affine::new_unchecked(g1.x, big), "with a coordinate equal to the modulus");
    let mut bad = g2;
    bad.x.c1 = big;
    refused(backend, bad, "with a coordinate equal to the modulus");
}

/// Beyond the reference's reach.
pub mod long {
    use super::*;

    /// Bases with known logarithms `a_i`: the sum is `(sum_i s_i a_i) G`.
    pub fn known_logarithms<B: Msm<G1> + Msm<G2>>(backend: &B) {
        fn check<C: Curve<ScalarField = Fr>, S: Sample, B: Msm<C>>(backend: &B, len: usize, budget: usize) {
            let mut random = Random::new();
            let (points, logarithms) = progression::<C>(random.field(), random.field(), len);
            let rows = [
                random.mixed::<S>(len),
                random.values(len),
                random.values(len / 3),
                vec![S::edges()[2]; len],
            ];
            let got = sums(backend, &points, budget, &rows, rows.len());
            let expected: Vec<Affine<C>> = rows
                .iter()
                .map(|row| row.iter().zip(&logarithms).map(|(s, a)| s.to_field() * a).sum::<Fr>())
                .map(|sum| (Projective::from(C::GENERATOR) * sum).into_affine())
                .collect();
            let scalars = std::any::type_name::<S>();
            compare("sums", &got, &Ok(expected), &|| {
                format!("{} {len} of {scalars}, budget {budget}", C::NAME)
            });
        }
        for len in [1000, 4095, 4097, 1 << 14] {
            check::<G1, Fr, B>(backend, len, 0);
            check::<G1, i8, B>(backend, len, 0);
        }
        check::<G1, Fr, B>(backend, 2000, 1 << 22);
        check::<G1, i16, B>(backend, 2000, 1 << 22);
        check::<G1, BigInt<4>, B>(backend, 3000, 0);
        check::<G1, u64, B>(backend, 3000, 0);
        check::<G1, i32, B>(backend, 3000, 0);
        check::<G1, u8, B>(backend, 1 << 16, 0);
        check::<G2, Fr, B>(backend, 2049, 0);
        check::<G2, i8, B>(backend, 2049, 1 << 20);
    }
}
