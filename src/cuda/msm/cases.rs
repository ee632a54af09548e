//! Sums that do not fit into memory at once, on threads that share every bucket.

use ark_ec::short_weierstrass::Projective;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::UniformRand;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::conformance::Case;
use crate::{Cuda, Error, Fr, G1, G1Affine, Memory, Msm, Scalar};

/// The cases of the family `msm` that only this backend has.
pub(in crate::cuda) fn cases() -> Vec<Case<Cuda>> {
    vec![
        Case { family: "msm", name: "parts", run: parts },
        Case { family: "msm", name: "passes", run: passes },
        Case { family: "msm", name: "no_memory", run: no_memory },
    ]
}

/// `G, 2G, 3G, ..`
fn multiples(len: usize) -> Vec<G1Affine> {
    let sums: Vec<_> = std::iter::successors(Some(G1Affine::generator().into_group()), |point| {
        Some(*point + G1Affine::generator())
    })
    .take(len)
    .collect();
    Projective::normalize_batch(&sums)
}

/// The sums of `rows` over `G, 2G, 3G, ..` by their logarithms.
fn expected<S: Scalar>(rows: &[Vec<S>]) -> Vec<G1Affine> {
    let logarithm =
        |row: &Vec<S>| row.iter().zip(1u64..).map(|(s, k)| s.to_field() * Fr::from(k)).sum::<Fr>();
    rows.iter().map(|row| (G1Affine::generator() * logarithm(row)).into_affine()).collect()
}

fn sums<S: Scalar>(cuda: &Cuda, points: &[G1Affine], rows: &[Vec<S>]) -> Result<Vec<G1Affine>, Error> {
    let bases = Msm::<G1>::bases(cuda, points, 0)?;
    let rows = rows.iter().map(|row| cuda.upload("scalars", row)).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = rows.iter().map(Cuda::view).collect();
    let mut out = cuda.alloc("sums", rows.len())?;
    cuda.msm(&bases, &views, &mut Cuda::view_mut(&mut out))?;
    cuda.to_vec(Cuda::view(&out))
}

/// A value of its own with little memory.
fn limited(bytes: usize) -> Cuda {
    Cuda::new().expect("there is one already").with_memory_limit(bytes)
}

/// One item whose entries are sorted in several parts, its buckets being kept in between.
fn parts(_: &Cuda) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let points = multiples(3000);
    let rows = [(0..3000).map(|_| Fr::rand(&mut rng)).collect::<Vec<_>>()];
    let cuda = limited(3 << 20);
    assert_eq!(sums(&cuda, &points, &rows).expect("it fits in parts"), expected(&rows));
}

/// A batch whose items take turns.
fn passes(_: &Cuda) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let points = multiples(100);
    let rows: Vec<Vec<i16>> =
        (0..300).map(|k| (0..k % 100).map(|_| rng.next_u32() as i16).collect()).collect();
    let cuda = limited(2 << 20);
    assert_eq!(sums(&cuda, &points, &rows).expect("it fits in passes"), expected(&rows));
}

/// Too little memory for anything is an error, after which the backend works.
fn no_memory(_: &Cuda) {
    let points = multiples(2000);
    let rows = [vec![7u64; 2000]];
    let cuda = limited(200_000);
    assert!(matches!(sums(&cuda, &points, &rows), Err(Error::OutOfMemory { .. })));
    let cuda = cuda.with_memory_limit(usize::MAX);
    assert_eq!(sums(&cuda, &points, &rows).expect("there is memory now"), expected(&rows));
}
