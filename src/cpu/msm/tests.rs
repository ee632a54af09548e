//! Sums against ark's scalar multiplication, one by one.

use super::plan::{Costs, Method, Plan, Stock};
use super::*;
use crate::curve::{G1, G2};
use crate::element::{Fr, Scalar};
use crate::error::Error;
use ark_ec::{AffineRepr, ScalarMul};
use ark_ff::{BigInt, Field, PrimeField, UniformRand};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

type Rng = ChaCha20Rng;

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Random points of the subgroup. Cheap ones: a chain of additions of two random points.
fn points<C: CpuCurve>(len: usize, rng: &mut Rng) -> Vec<Affine<C>> {
    let step = Projective::<C>::rand(rng);
    let mut point = Projective::<C>::rand(rng);
    let chain: Vec<_> = (0..len)
        .map(|_| {
            point += step;
            point
        })
        .collect();
    Projective::normalize_batch(&chain)
}

fn expected<C: CpuCurve, S: Scalar<C::ScalarField>>(bases: &[Affine<C>], scalars: &[S]) -> Affine<C> {
    let terms = bases.iter().zip(scalars).map(|(base, scalar)| *base * scalar.to_field());
    terms.sum::<Projective<C>>().into_affine()
}

fn cpu(threads: usize) -> Cpu {
    Cpu::new().with_threads(threads).unwrap()
}

fn run<C: CpuCurve, S: Scalar<C::ScalarField>>(
    cpu: &Cpu,
    bases: &[Affine<C>],
    budget: usize,
    batch: &[&[S]],
) -> Vec<Affine<C>> {
    let bases = Msm::<C>::bases(cpu, bases, budget).unwrap();
    assert!(bases.spent() <= budget);
    let mut out = vec![Affine::generator(); batch.len()];
    cpu.msm(&bases, batch, &mut &mut out[..]).unwrap();
    out
}

fn check<C: CpuCurve, S: Scalar<C::ScalarField>>(
    cpu: &Cpu,
    bases: &[Affine<C>],
    budget: usize,
    scalars: &[S],
) {
    let got = run(cpu, bases, budget, &[scalars]);
    assert_eq!(got, [expected(bases, scalars)], "{} scalars, budget {budget}", scalars.len());
}

fn edges() -> Vec<Fr> {
    let half = Fr::from_bigint(Fr::MODULUS_MINUS_ONE_DIV_TWO).unwrap();
    let one = Fr::ONE;
    vec![Fr::ZERO, one, -one, half, half + one, half - one, Fr::from(128u64), -Fr::from(129u64), one.double()]
}

fn random<T>(len: usize, rng: &mut Rng, value: impl Fn(u64) -> T) -> Vec<T> {
    (0..len).map(|_| value(rng.next_u64())).collect()
}

fn fields(len: usize, rng: &mut Rng) -> Vec<Fr> {
    (0..len).map(|_| Fr::rand(rng)).collect()
}

fn every_length<C: CpuCurve<ScalarField = Fr>>(lengths: &[usize]) {
    let mut rng = rng(10);
    let cpu = cpu(2);
    for &len in lengths {
        let bases = points::<C>(len, &mut rng);
        check(&cpu, &bases, 0, &fields(len, &mut rng));
        check(&cpu, &bases, 0, &random(len, &mut rng, |word| word as i8));
    }
}

#[test]
fn lengths_g1() {
    every_length::<G1>(&[
        0, 1, 2, 3, 4, 7, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 257, 1000, 1023, 1025,
    ]);
}

#[test]
fn lengths_g2() {
    every_length::<G2>(&[0, 1, 2, 3, 15, 17, 64, 127, 300]);
}

/// Long enough for several chunks, ranges and parallel passes over the scalars.
#[test]
fn long_sum() {
    let mut rng = rng(11);
    let len = (1 << 14) + 1;
    // Multiples of one point: the expected value is a single product.
    let generator = Projective::<G1>::rand(&mut rng);
    let factors = fields(len, &mut rng);
    let bases = generator.batch_mul(&factors);
    let scalars = fields(len, &mut rng);
    let narrow = random(len, &mut rng, |word| word as i16);
    let product = |scalars: &[Fr]| {
        let sum: Fr = factors.iter().zip(scalars).map(|(f, s)| *f * s).sum();
        (generator * sum).into_affine()
    };
    let narrow_fields: Vec<Fr> = narrow.iter().map(|&s| Fr::from(s)).collect();
    for threads in [1, 2, 3, 7] {
        let cpu = cpu(threads);
        assert_eq!(run(&cpu, &bases, 0, &[&scalars]), [product(&scalars)]);
        assert_eq!(run(&cpu, &bases, 0, &[&narrow[..], &narrow[..5000]])[0], product(&narrow_fields));
    }
    // All in one bucket, across chunks; mostly zero; one non-zero.
    let cpu = cpu(3);
    for value in [Fr::ONE, -Fr::from(77u64), scalars[0]] {
        let equal = vec![value; len];
        assert_eq!(run(&cpu, &bases, 0, &[&equal]), [product(&equal)]);
        let mut single = vec![Fr::ZERO; len];
        single[len - 2] = value;
        assert_eq!(run(&cpu, &bases, 0, &[&single]), [product(&single)]);
    }
    // Few large scalars among small ones of both signs.
    let mixed: Vec<Fr> =
        narrow_fields.iter().enumerate().map(|(i, &s)| if i % 500 == 7 { scalars[i] } else { s }).collect();
    assert_eq!(run(&cpu, &bases, 0, &[&mixed]), [product(&mixed)]);
}

fn every_scalar_type<C: CpuCurve<ScalarField = Fr>>(len: usize) {
    let mut rng = rng(12);
    let cpu = cpu(2);
    let bases = points::<C>(len, &mut rng);
    fn with<T: Clone>(mut values: Vec<T>, extremes: &[T]) -> Vec<T> {
        values.splice(..extremes.len(), extremes.iter().cloned());
        values
    }
    let tables = 160 * size_of::<Point<C::Field>>() * len;
    for budget in [0, tables] {
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as i8), &[i8::MIN, i8::MAX, -1, 0, 1]));
        check(
            &cpu,
            &bases,
            budget,
            &with(random(len, &mut rng, |w| w as i16), &[i16::MIN, i16::MAX, -128, 128]),
        );
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as i32), &[i32::MIN, i32::MAX]));
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as i64), &[i64::MIN, i64::MAX]));
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as u8), &[u8::MAX, 0, 128, 127, 129]));
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as u16), &[u16::MAX]));
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w as u32), &[u32::MAX]));
        check(&cpu, &bases, budget, &with(random(len, &mut rng, |w| w), &[u64::MAX, 1 << 63]));
        check(&cpu, &bases, budget, &with(fields(len, &mut rng), &edges()));
        let integers: Vec<BigInt<4>> = fields(len, &mut rng).iter().map(|s| s.into_bigint()).collect();
        let mut above = Fr::MODULUS;
        above.0[0] += 3;
        check(
            &cpu,
            &bases,
            budget,
            &with(integers, &[Fr::MODULUS, above, BigInt([u64::MAX; 4]), BigInt([0; 4])]),
        );
    }
    for extreme in [i64::MIN, i64::MAX] {
        check(&cpu, &bases[..3], 0, &[extreme; 3]);
    }
    check(&cpu, &bases[..3], 0, &[u64::MAX; 3]);
    check(&cpu, &bases[..3], 0, &[i8::MIN; 3]);
}

#[test]
fn scalar_types_g1() {
    every_scalar_type::<G1>(100);
}

#[test]
fn scalar_types_g2() {
    every_scalar_type::<G2>(33);
}

#[test]
fn edge_scalars() {
    let mut rng = rng(13);
    let bases = points::<G1>(97, &mut rng);
    for cpu in [cpu(1), cpu(2)] {
        for scalar in edges() {
            check(&cpu, &bases, 0, &vec![scalar; 97]);
            let mut single = vec![Fr::ZERO; 97];
            single[96] = scalar;
            check(&cpu, &bases, 0, &single);
        }
        check(&cpu, &bases, 0, &[0u8; 97]);
    }
}

/// Bases that make every case of the addition occur, many times over.
fn hostile_bases<C: CpuCurve<ScalarField = Fr>>(len: usize) {
    let mut rng = rng(14);
    let few = points::<C>(4, &mut rng);
    let identity = Affine::<C>::identity();
    let families: [Vec<Affine<C>>; 5] = [
        vec![few[0]; len],
        vec![identity; len],
        (0..len).map(|i| if i % 2 == 0 { few[0] } else { -few[0] }).collect(),
        (0..len).map(|i| [few[0], identity, -few[0], few[1]][i % 4]).collect(),
        (0..len)
            .map(|_| {
                [few[0], few[1], -few[1], few[2], identity, (few[0] + few[1]).into()]
                    [rng.next_u64() as usize % 6]
            })
            .collect(),
    ];
    let units: [Vec<Fr>; 3] = [vec![Fr::ONE; len], vec![-Fr::from(3u64); len], fields(len, &mut rng)];
    let bytes: [Vec<i8>; 2] =
        [random(len, &mut rng, |word| (word % 3) as i8 - 1), random(len, &mut rng, |word| word as i8)];
    for bases in &families {
        let want_units = units.each_ref().map(|scalars| expected(bases, scalars));
        let want_bytes = bytes.each_ref().map(|scalars| expected(bases, scalars));
        for budget in [0, 3 * len * size_of::<Point<C::Field>>(), 200 * len * size_of::<Point<C::Field>>()] {
            for cpu in [cpu(1), cpu(2)] {
                assert_eq!(run(&cpu, bases, budget, &units.each_ref().map(Vec::as_slice)), want_units);
                assert_eq!(run(&cpu, bases, budget, &bytes.each_ref().map(Vec::as_slice)), want_bytes);
                for (scalars, want) in units.iter().zip(want_units) {
                    assert_eq!(run(&cpu, bases, budget, &[scalars]), [want]);
                }
            }
        }
    }
}

#[test]
fn hostile_bases_g1() {
    hostile_bases::<G1>(130);
}

#[test]
fn hostile_bases_g2() {
    hostile_bases::<G2>(37);
}

#[test]
fn batches_of_uneven_items_on_every_budget() {
    let mut rng = rng(15);
    let n = 200;
    let bases = points::<G1>(n, &mut rng);
    let lengths: Vec<usize> = (0..40).map(|k| [0, 1, 2, n, 17, 100, n - 1, 64][k % 8]).collect();
    let narrow: Vec<Vec<i8>> = lengths.iter().map(|&len| random(len, &mut rng, |word| word as i8)).collect();
    let sparse: Vec<Vec<i32>> = lengths
        .iter()
        .map(|&len| random(len, &mut rng, |w| if w % 8 == 0 { (w >> 32) as i32 } else { 0 }))
        .collect();
    let wide: Vec<Vec<Fr>> = lengths.iter().map(|&len| fields(len, &mut rng)).collect();
    let point = n * size_of::<Point<<G1 as CpuCurve>::Field>>();
    fn wanted<S: Scalar>(bases: &[Affine<G1>], items: &[Vec<S>]) -> Vec<Affine<G1>> {
        items.iter().map(|item| expected(bases, item)).collect()
    }
    let want = (wanted(&bases, &narrow), wanted(&bases, &sparse), wanted(&bases, &wide));
    fn batch<S: Scalar>(cpu: &Cpu, bases: &Bases<G1>, items: &[Vec<S>], want: &[Affine<G1>]) {
        let views: Vec<&[S]> = items.iter().map(Vec::as_slice).collect();
        let mut out = vec![Affine::generator(); items.len()];
        cpu.msm(bases, &views, &mut &mut out[..]).unwrap();
        assert_eq!(out, want);
    }
    for points_each in [0, 1, 2, 3, 5, 15, 31, 127, 128, 130, 159, 300, 128 * 5 + 31] {
        for threads in [1, 3] {
            let cpu = cpu(threads);
            // One byte less than a whole multiple must not be exceeded either.
            for budget in [points_each * point, (points_each * point).saturating_sub(1)] {
                let bases = Msm::<G1>::bases(&cpu, &bases, budget).unwrap();
                assert!(bases.spent() <= budget);
                batch(&cpu, &bases, &narrow, &want.0);
                batch(&cpu, &bases, &sparse, &want.1);
                batch(&cpu, &bases, &wide, &want.2);
            }
        }
    }
}

#[test]
fn no_items_and_no_bases() {
    let cpu = cpu(2);
    assert!(run::<G1, Fr>(&cpu, &[], 1 << 20, &[]).is_empty());
    assert_eq!(run::<G1, Fr>(&cpu, &[], 1 << 20, &[&[], &[]]), [Affine::identity(); 2]);
}

#[test]
fn bad_input_is_refused() {
    let cpu = cpu(2);
    let mut rng = rng(16);
    let mut bases = points::<G1>(5, &mut rng);
    let good = Msm::<G1>::bases(&cpu, &bases, 0).unwrap();
    let mut out = [Affine::generator(); 2];
    let item: &[i8] = &[1; 6];
    let error = cpu.msm(&good, &[&item[..5], item], &mut &mut out[..]).unwrap_err();
    assert!(matches!(error, Error::Shape { expected: 5, got: 6, .. }), "{error}");
    let error = cpu.msm(&good, &[&item[..5]], &mut &mut out[..]).unwrap_err();
    assert!(matches!(error, Error::Shape { expected: 1, got: 2, .. }), "{error}");
    assert_eq!(out, [Affine::<G1>::generator(); 2], "nothing is written");
    bases[3].x += ark_bn254::Fq::ONE;
    let error = Msm::<G1>::bases(&cpu, &bases, 0).err().unwrap();
    assert!(matches!(error, Error::Invalid { index: 3, .. }), "{error}");
}

/// The model's choices at sizes where they are known from measurement or by counting.
#[test]
fn plans() {
    let plain = Stock { copies: 1, shift: 254, levels: 0 };
    let mut rng = rng(17);
    let sizes = |len: usize, rng: &mut Rng| {
        Prepared::<Fr, i8>::new(Tier::Portable, &random(len, rng, |word| word as i8), &mut []).0
    };
    // Enough one-byte scalars: one digit each. The last one's weights reach 128.
    let plan = Plan::choose(&sizes(1 << 14, &mut rng), plain, 1, &Costs::PORTABLE).unwrap();
    assert_eq!((plan.digits.len(), plan.ranges, plan.method), (1, 1, Method::Buckets(8)));
    // With a table, and few of them: looked up.
    let tables = Stock { levels: 1, ..plain };
    assert_eq!(
        Plan::choose(&sizes(256, &mut rng), tables, 1, &Costs::PORTABLE).unwrap().method,
        Method::Multiples
    );
    assert_eq!(
        Plan::choose(&sizes(1 << 17, &mut rng), tables, 1, &Costs::PORTABLE).unwrap().method,
        Method::Buckets(8)
    );
    assert!(
        Plan::choose(
            &Prepared::<Fr, i8>::new(Tier::Portable, &[0; 9], &mut []).0,
            plain,
            1,
            &Costs::PORTABLE
        )
        .is_none()
    );
    // One set on many threads is split by ranges.
    let many = Plan::choose(&sizes(1 << 14, &mut rng), plain, 8, &Costs::PORTABLE).unwrap();
    assert!(many.ranges >= 8 && many.sets == 1, "{many:?}");
    // Sets that are no multiple of the threads: the one left over is split.
    let random = |len: usize| {
        let mut counts = [0; 256];
        counts[253] = len;
        digits::Sizes { zeros: 0, counts }
    };
    let odd = Plan::choose(&random(1 << 18), plain, 2, &Costs::LANES).unwrap();
    assert_eq!((odd.sets % 2, odd.rest), (1, 1), "{odd:?}");
    assert_eq!([0, odd.sets - 2, odd.sets - 1].map(|set| odd.ranges(set)), [1, 1, 2]);
    // No slot has more digits than a sort takes.
    let long = Plan::choose(&random(3 << 24), plain, 4, &Costs::LANES).unwrap();
    assert!(
        (0..long.sets).all(|set| (3usize << 24).div_ceil(long.ranges(set)) <= sort::MAX_DIGITS),
        "{long:?}"
    );
    // Shifted copies of 16 bits: one set of buckets takes all digits.
    let scalars = fields(1 << 12, &mut rng);
    let wide = Prepared::<Fr, Fr>::new(Tier::Portable, &scalars, &mut vec![0; 8 * scalars.len()]).0;
    let copies = Stock { copies: 16, shift: 16, levels: 0 };
    let plan = Plan::choose(&wide, copies, 1, &Costs::PORTABLE).unwrap();
    assert!(plan.sets <= 2, "{plan:?}");
}
