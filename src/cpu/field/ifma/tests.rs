//! Every routine against ark's field: edge values in all combinations and a million random ones.

use std::arch::x86_64::_mm512_setr_epi64;

use ark_bn254::{Fq, Fr};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::constants::MASK;
use super::pair::{dot_factors_pair, square_columns_pair};
use super::*;

const RANDOM: usize = 1 << 20;

/// Runs a test body where the processor can, and says so where it cannot.
macro_rules! on_ifma {
    ($($name:ident => $body:ident;)*) => {$(
        #[test]
        fn $name() {
            if Ifma::new().is_none() {
                eprintln!("SKIPPED: this processor has no AVX-512 IFMA");
                return;
            }
            // SAFETY: the features are present.
            unsafe {
                $body::<Fq>();
                $body::<Fr>();
            }
        }
    )*};
}

on_ifma! {
    products_agree => products;
    squares_agree => squares;
    sums_agree => sums;
    products_by_constants_agree => constants;
    reductions_agree => reductions;
    memory_round_trips => memory;
    gathers_and_scatters => pointers;
    inversions_agree => inversions;
}

/// `limbs` as a field element: `sum limb_i 2^(52 i)`.
fn value<F: Modulus>(limbs: &[u64; 5]) -> F {
    limbs.iter().rev().fold(F::zero(), |sum, &limb| sum * F::from(1u64 << 52) + F::from(limb))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn lanes(columns: &Columns) -> [[u64; 5]; 8] {
    let vectors: [[u64; 8]; 5] = columns.map(|column| {
        let mut lanes = [0; 8];
        // SAFETY: eight words.
        unsafe { std::arch::x86_64::_mm512_storeu_si512(lanes.as_mut_ptr().cast(), column) };
        lanes
    });
    std::array::from_fn(|lane| std::array::from_fn(|limb| vectors[limb][lane]))
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0x1f3a)
}

/// `k p + small` and `k p + random` for multiples below the bound, with the extremes `0`, `B p - 1` and all limbs full.
fn samples<F: Modulus, const B: usize>(rng: &mut ChaCha20Rng, random: usize) -> Vec<[u64; 5]> {
    let plus = |k: usize, residue: [u64; 5]| {
        let mut carry = 0;
        std::array::from_fn(|i| {
            carry += Constants::<F>::MULTIPLES[k][i] + residue[i];
            let limb = carry & ((1 << 52) - 1);
            carry >>= 52;
            limb
        })
    };
    let residue = |x: F| relimb(x.into_bigint().0);
    let edges = [F::zero(), F::one(), -F::one(), F::from(2u64), -F::from(2u64), F::from(2u64).pow([208])];
    let mut samples: Vec<_> =
        [0, 1.min(B - 1), B / 2, B - 1].iter().flat_map(|&k| edges.map(|e| plus(k, residue(e)))).collect();
    samples.extend((0..random).map(|i| plus(i % B, residue(F::rand(rng)))));
    while samples.len() % 8 != 0 {
        samples.push(plus(B - 1, residue(-F::one())));
    }
    samples
}

/// Pairs of every edge with every edge, then of random values.
fn pairs<F: Modulus, const A: usize, const B: usize>(random: usize) -> Vec<([u64; 5], [u64; 5])> {
    let mut rng = rng();
    let (a, b) = (samples::<F, A>(&mut rng, 0), samples::<F, B>(&mut rng, 0));
    let mut pairs: Vec<_> = a.iter().flat_map(|&a| b.iter().map(move |&b| (a, b))).collect();
    pairs.extend(samples::<F, A>(&mut rng, random).into_iter().zip(samples::<F, B>(&mut rng, random)));
    assert_eq!(pairs.len() % 8, 0);
    pairs
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn vectors<F: Modulus, const A: usize, const B: usize>(
    pairs: &[([u64; 5], [u64; 5])],
) -> (Lazy<F, A>, Lazy<F, B>) {
    let (a, b): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let vector = |v: Vec<[u64; 5]>| from_lanes(&v.try_into().unwrap());
    (Lazy::new(vector(a)), Lazy::new(vector(b)))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn products<F: Modulus>() {
    products_within::<F, 1, 1, 2>(RANDOM / 4);
    products_within::<F, 9, 8, 2>(RANDOM / 2);
    products_within::<F, 84, 2, 4>(RANDOM / 8);
    products_within::<F, 83, 83, 84>(RANDOM / 8);
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn products_within<F: Modulus, const A: usize, const B: usize, const C: usize>(random: usize) {
    let scale = F::from(2u64).pow([260]).inverse().unwrap();
    for pairs in pairs::<F, A, B>(random).chunks(8) {
        let (a, b) = vectors::<F, A, B>(pairs);
        let product: Lazy<F, C> = a.mul(&b);
        // The same of stale limbs: what lies above bit 51 must not count.
        let stale = Factor::<F, A>::from_limbs(add(a.limbs(), &broadcast(&[0xabc << 52; 5])));
        // And one lane further in the second product of a pair.
        let order = _mm512_setr_epi64(1, 2, 3, 4, 5, 6, 7, 0);
        let c = Factor::<F, A>::from_limbs(a.permute(order).into_limbs());
        let d = b.permute(order);
        let (again, second) = mul_pair::<F, _, _, C>(&stale, &b, &c, &d);
        let (again, second) = (again.carry::<C>(), second.carry::<C>());
        let factors = dot_factors_pair::<F, 1>([[[stale.limbs(), b.limbs()]], [[c.limbs(), d.limbs()]]]);
        let factors = factors.map(|limbs| lanes(&limbs).map(|limbs| limbs.map(|limb| limb & MASK)));
        for (i, (a, b)) in pairs.iter().enumerate() {
            let expected = value::<F>(a) * value::<F>(b) * scale;
            assert_eq!(value::<F>(&lanes(product.limbs())[i]), expected, "{a:x?} * {b:x?}");
            assert_eq!(value::<F>(&lanes(again.limbs())[i]), expected, "{a:x?} * {b:x?} of stale limbs");
            assert_eq!(lanes(again.limbs())[i], lanes(second.limbs())[(i + 7) % 8]);
            assert_eq!(lanes(again.limbs())[i], factors[0][i]);
            assert_eq!(lanes(again.limbs())[i], factors[1][(i + 7) % 8]);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn squares<F: Modulus>() {
    let scale = F::from(2u64).pow([260]).inverse().unwrap();
    for values in samples::<F, 8>(&mut rng(), RANDOM).chunks(8) {
        let a = Lazy::<F, 8>::new(from_lanes(values.try_into().unwrap()));
        let square: Lazy<F, 2> = a.square();
        let order = _mm512_setr_epi64(1, 2, 3, 4, 5, 6, 7, 0);
        let pair = square_columns_pair::<F, 3>(a.limbs(), a.permute(order).limbs());
        let [lifted, second] = pair.map(|columns| lanes(Wide::<F, 0, 8>::new(columns).carry::<8>().limbs()));
        for (i, (a, s)) in values.iter().zip(lanes(square.limbs())).enumerate() {
            assert_eq!(value::<F>(&s), value::<F>(a).square() * scale, "{a:x?} squared");
            assert_eq!(value::<F>(&lifted[i]), value::<F>(&s), "{a:x?} squared, in a pair");
            assert!(lifted[i][4] >= Constants::<F>::MULTIPLES[6][4], "not six times the modulus more");
            assert_eq!(lifted[i], second[(i + 7) % 8]);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn sums<F: Modulus>() {
    for pairs in pairs::<F, 9, 6>(RANDOM).chunks(8) {
        let (a, b) = vectors::<F, 9, 6>(pairs);
        let sum = lanes(a.add::<6, 15>(b).carry::<15>().limbs());
        let difference = lanes(a.sub(b).carry::<15>().limbs());
        let four = lanes(b.wide().quadruple::<0, 24>().carry::<24>().limbs());
        let negated: Wide<F, 1, 15> = a.wide().add(b.negate_lanes(0x5a));
        let negated = lanes(negated.carry::<16>().limbs());
        let (forth, back): (Wide<F, 6, 9>, Wide<F, 9, 6>) = (a.sub(b), b.sub(a));
        let both: Wide<F, 12, 18> = forth.sub(back);
        let both = lanes(both.carry::<30>().limbs());
        for (i, (a, b)) in pairs.iter().map(|(a, b)| (value::<F>(a), value::<F>(b))).enumerate() {
            assert_eq!(value::<F>(&sum[i]), a + b);
            assert_eq!(value::<F>(&difference[i]), a - b);
            assert_eq!(value::<F>(&four[i]), b.double().double());
            assert_eq!(value::<F>(&negated[i]), if 0x5a >> i & 1 == 1 { a - b } else { a + b });
            assert_eq!(value::<F>(&both[i]), (a - b).double());
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn constants<F: Modulus>() {
    let mut rng = rng();
    let edges = [F::zero(), F::one(), -F::one(), F::rand(&mut rng), F::rand(&mut rng)];
    for (k, &w) in edges.iter().enumerate() {
        let next = edges[(k + 1) % edges.len()];
        let (v, w, x) = (Prepared::new(w), Prepared::new(next), w);
        let mut each = edges;
        each.rotate_left(k);
        let each: [F; 8] = std::array::from_fn(|l| each[l % 5]);
        let many = PreparedLanes::new(&factors(&each).widen());
        let lift = broadcast(&Constants::<F>::MULTIPLES[3]);
        for values in samples::<F, 84>(&mut rng, RANDOM / 5).chunks(8) {
            let a = Lazy::<F, 84>::new(from_lanes(values.try_into().unwrap()));
            let one = lanes(v.mul(&a).carry::<6>().limbs());
            let swapped = a.permute(partner());
            let [s, t] = mul_centred(&[*a.limbs(), *swapped.limbs()], &w);
            let [s, t] = [s, t].map(|t| lanes(Lazy::<F, 6>::new(carry(&add(&t, &lift))).limbs()));
            let m = many.mul(&a);
            let m = lanes(Lazy::<F, 2>::new(clean(m.limbs())).limbs());
            for (l, a) in values.iter().enumerate() {
                assert_eq!(value::<F>(&one[l]), value::<F>(a) * x);
                assert_eq!(value::<F>(&s[l]), value::<F>(a) * next);
                assert_eq!(value::<F>(&t[l]), value::<F>(&values[l ^ 1]) * next);
                assert_eq!(value::<F>(&m[l]), value::<F>(a) * each[l]);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn partner() -> std::arch::x86_64::__m512i {
    std::arch::x86_64::_mm512_setr_epi64(1, 0, 3, 2, 5, 4, 7, 6)
}

/// Masks stale bits, as carrying does.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn clean(limbs: &Columns) -> Columns {
    let mask = std::arch::x86_64::_mm512_set1_epi64((1 << 52) - 1);
    limbs.map(|limb| std::arch::x86_64::_mm512_and_si512(limb, mask))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn reductions<F: Modulus>() {
    for values in samples::<F, 83>(&mut rng(), RANDOM / 2).chunks(8) {
        let a = Lazy::<F, 83>::new(from_lanes(values.try_into().unwrap()));
        let reduced = lanes(a.wide().reduce().limbs());
        let canonical = lanes(a.canonical().limbs());
        let again = lanes(a.wide().canonical().limbs());
        let suspects = a.maybe_zero_lanes();
        for (l, v) in values.iter().enumerate() {
            let expected = value::<F>(v);
            assert_eq!(value::<F>(&reduced[l]), expected);
            assert_eq!(canonical[l], relimb(expected.into_bigint().0), "{v:x?}");
            assert_eq!(canonical[l], again[l]);
            assert!(!expected.is_zero() || suspects >> l & 1 == 1);
        }
    }
    // Negative columns: differences of everything with everything.
    for pairs in pairs::<F, 40, 40>(RANDOM / 2).chunks(8) {
        let (a, b) = vectors::<F, 40, 40>(pairs);
        let reduced = lanes(a.sub(b).reduce().limbs());
        for (l, (a, b)) in pairs.iter().enumerate() {
            assert_eq!(value::<F>(&reduced[l]), value::<F>(a) - value::<F>(b));
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn memory<F: Modulus>() {
    let mut rng = rng();
    let edges = [F::zero(), F::one(), -F::one(), F::from(1u64 << 52)];
    for i in 0..RANDOM / 8 {
        let elements: [F; 8] =
            std::array::from_fn(|l| if i < 8 { edges[(i + l) % 4] } else { F::rand(&mut rng) });
        let words = load(&elements);
        let a = Lazy::<F, 2>::from_lazy_words(&words);
        let shifted =
            lanes(Lazy::<F, 16>::new(clean(Factor::<F, 16>::from_elements(&words).limbs())).limbs());
        let montgomery = F::from(2u64).pow([256]);
        for (l, limbs) in lanes(a.limbs()).iter().enumerate() {
            let element = elements[LANE_ORDER[l]];
            assert_eq!(value::<F>(limbs), element * montgomery);
            assert_eq!(value::<F>(&shifted[l]), element * montgomery * F::from(16u64));
        }
        let mut back = [F::zero(); 8];
        store(&a.into_words(), &mut back);
        assert_eq!(back, elements);
    }
    // 2^256 - 1 fits the words.
    let full = Lazy::<F, 6>::new(limbs_of_words(&[std::arch::x86_64::_mm512_set1_epi64(-1); 4]));
    let words = words_of_limbs(full.limbs())
        .map(|w| std::arch::x86_64::_mm512_cmpeq_epi64_mask(w, std::arch::x86_64::_mm512_set1_epi64(-1)));
    assert_eq!(words, [0xff; 4]);
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn pointers<F: Modulus>() {
    let mut rng = rng();
    let elements: Vec<F> = (0..64).map(|_| F::rand(&mut rng)).collect();
    for step in 1..9 {
        let from = std::array::from_fn(|l| &raw const elements[l * step % 61]);
        // SAFETY: the pointers are to elements.
        let words = unsafe { gather(&from.map(|p| p.cast_mut().cast())) };
        let mut natural = [F::zero(); 8];
        store(&words, &mut natural);
        // `store` undoes the order of `load`, which `gather` does not have.
        let mut expected = [F::zero(); 8];
        for l in 0..8 {
            expected[LANE_ORDER[l]] = elements[l * step % 61];
        }
        assert_eq!(natural, expected);
        let mut back = vec![F::zero(); 64];
        let base = back.as_mut_ptr();
        // SAFETY: the indices are below 64 and distinct.
        unsafe { scatter(&words, &std::array::from_fn(|l| base.add(l * step % 61).cast())) };
        for (i, b) in back.iter().enumerate() {
            let written = (0..8).any(|l| l * step % 61 == i);
            assert_eq!(*b, if written { elements[i] } else { F::zero() });
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn inversions<F: Modulus>() {
    let mut rng = rng();
    let r = F::from(2u64).pow([260]);
    for _ in 0..1000 {
        let values: [[F; 8]; CHAINS] = std::array::from_fn(|_| std::array::from_fn(|_| F::rand(&mut rng)));
        let inverses = invert_chains::<F, 256>(&values.map(|lanes| factors(&lanes).widen()));
        for (values, inverses) in values.iter().zip(&inverses) {
            for (value_, inverse) in values.iter().zip(lanes(inverses.limbs())) {
                assert_eq!(value::<F>(&inverse) * r * value_, F::from(2u64).pow([256]) * r);
            }
        }
    }
}

/// Lane `l` has the limbs `lanes[l]`.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn from_lanes(lanes: &[[u64; 5]; 8]) -> Columns {
    let mut columns = broadcast(&lanes[0]);
    for (i, column) in columns.iter_mut().enumerate() {
        let l = lanes.map(|limbs| limbs[i] as i64);
        *column = std::arch::x86_64::_mm512_setr_epi64(l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7]);
    }
    columns
}

/// Eight field elements as factors of [`mul`](mul): `x 2^260`, so that a product with an integer `a` is
/// `a x mod p`.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn factors<F: Modulus>(values: &[F; 8]) -> Lazy<F, 1> {
    let r = F::from_bigint(ark_ff::BigInt(power_of_two::<F>(260))).unwrap_or_else(F::zero);
    Lazy::new(from_lanes(&values.map(|value| relimb((value * r).into_bigint().0))))
}
