//! The fields of the kernels against those of the host: edge values, lazy representatives, random pairs.

use std::marker::PhantomData;

use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, Fp, FpConfig, PrimeField};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::{Cuda, Grid, Kernel, Module};
use crate::Memory;
use crate::conformance::Case;

/// The cases of the family `field`.
pub(super) fn cases() -> Vec<Case<Cuda>> {
    vec![Case { family: "field", name: "fr", run: fr }, Case { family: "field", name: "fq", run: fq }]
}

fn fr(cuda: &Cuda) {
    compare(cuda, Kernel { module: Module::Field, name: "field_operations_fr" }, crate::Fr::inverse);
}

fn fq(cuda: &Cuda) {
    compare(cuda, Kernel { module: Module::Field, name: "field_operations_fq" }, crate::Fq::inverse);
}

/// What [`compare`] expects of each operation of the kernel, in its order.
fn expected<P: FpConfig<4>>(
    x: Fp<P, 4>,
    y: Fp<P, 4>,
    raw: [BigInt<4>; 2],
    inverse: Inverse<P>,
) -> Vec<Fp<P, 4>> {
    let low = raw[0].0[0];
    vec![
        x + y,
        x - y,
        x * y,
        x * x,
        -x,
        x + x,
        x * y + x * x,
        x * y - y * y,
        inverse(&x).unwrap_or(Fp::ZERO),
        x.pow([raw[1].0[0] & 0xffff_ffff]),
        Fp::from(low),
        Fp::from(low.cast_signed()),
        x,
        Fp(x.into_bigint(), PhantomData),
        (0..100).fold(x, |chain, _| chain * y + x),
        Fp(BigInt([u64::from(x == Fp::ZERO) | u64::from(x == y) << 32, (x != y).into(), 0, 0]), PhantomData),
    ]
}

/// Those whose results are canonical.
const CANONICAL: [usize; 2] = [12, 13];

type Inverse<P> = fn(&Fp<P, 4>) -> Option<Fp<P, 4>>;

fn compare<P: FpConfig<4>>(cuda: &Cuda, kernel: Kernel, inverse: Inverse<P>) {
    let modulus = Fp::<P, 4>::MODULUS;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut twice = modulus;
    twice.add_with_carry(&modulus);
    let sum = |mut a: BigInt<4>, b: u64| {
        a.add_with_carry(&BigInt::from(b));
        a
    };
    let difference = |mut a: BigInt<4>, b: u64| {
        a.sub_with_borrow(&BigInt::from(b));
        a
    };
    let edges = [
        BigInt::from(0u64),
        BigInt::from(1u64),
        BigInt::from(u64::from(u32::MAX)),
        BigInt::from(1u64 << 32),
        BigInt::from(1u64 << 63),
        BigInt::from(u64::MAX),
        BigInt([0, 0, 0, 1 << 61]),
        BigInt([u64::MAX, u64::MAX, u64::MAX, (1 << 61) - 1]),
        difference(modulus, 1),
        modulus,
        sum(modulus, 1),
        difference(twice, 2),
        difference(twice, 1),
        Fp::<P, 4>::ONE.0,
    ];
    let mut random = || loop {
        let value = BigInt([(); 4].map(|()| rng.next_u64()));
        if value < twice {
            return value;
        }
    };
    let mut pairs: Vec<[BigInt<4>; 2]> =
        edges.iter().flat_map(|&x| edges.iter().map(move |&y| [x, y])).collect();
    pairs.extend((0..200).map(|_| [random(), random()]));
    // Inverses take another way for each number of zeros at either end.
    for bit in 0..modulus.num_bits() {
        let power = BigInt::from(1u64) << bit;
        let mut opposite = modulus;
        opposite.sub_with_borrow(&power);
        pairs.extend([[power, opposite], [opposite, power]]);
    }

    let reduce = |value: BigInt<4>| {
        let mut reduced = value;
        if reduced >= modulus {
            reduced.sub_with_borrow(&modulus);
        }
        Fp::<P, 4>(reduced, PhantomData)
    };
    let n = pairs.len();
    let side = |k: usize| pairs.iter().map(|pair| pair[k]).collect::<Vec<_>>();
    let a = cuda.upload_scratch("a", &side(0)).expect("an upload");
    let b = cuda.upload_scratch("b", &side(1)).expect("an upload");
    let operations = expected::<P>(Fp::ZERO, Fp::ZERO, [modulus; 2], inverse).len();
    let mut out = cuda.scratch::<BigInt<4>>("out", operations * n).expect("a small buffer");
    cuda.launch(kernel, Grid::covering(n, 64), &[&a, &b, &(n as u32), &Cuda::view_mut(&mut out)])
        .expect("a launch");
    let out = cuda.to_vec(Cuda::view(&out)).expect("a download");
    for (i, &[x, y]) in pairs.iter().enumerate() {
        let expected = expected(reduce(x), reduce(y), [x, y], inverse);
        for (operation, expected) in expected.into_iter().enumerate() {
            let got = out[operation * n + i];
            let bound = if CANONICAL.contains(&operation) { modulus } else { twice };
            assert!(got < bound, "operation {operation} of {x} and {y} is not reduced: {got}");
            assert_eq!(reduce(got), expected, "{}, operation {operation} of {x} and {y}", kernel.name);
        }
    }
}
