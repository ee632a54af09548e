//! Sums that do not fit into memory at once, and what no short sum comes to.

use ark_ec::short_weierstrass::Projective;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::UniformRand;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::plan::{self, Pass};
use super::{Grid, SORT_SCAN};
use crate::conformance::Case;
use crate::{Cuda, Error, Fr, G1, G1Affine, Memory, Msm, Scalar};

/// The cases of the family `msm` that only this backend has.
pub(in crate::cuda) fn cases() -> Vec<Case<Cuda>> {
    vec![
        Case { family: "msm", name: "parts", run: parts },
        Case { family: "msm", name: "passes", run: passes },
        Case { family: "msm", name: "little_memory", run: little_memory },
        Case { family: "msm", name: "rows_dropped_in_forks", run: rows_dropped_in_forks },
        Case { family: "msm", name: "no_memory", run: no_memory },
        Case { family: "msm", name: "full_shares", run: full_shares },
        Case { family: "msm", name: "sort_scan", run: sort_scan },
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

/// The sums with so little memory that `cut`, of the first pass, holds.
fn cut_sums<S: Scalar>(cuda: &Cuda, rows: &[Vec<S>], budget: usize, cut: impl Fn(&Pass) -> bool) {
    let points = multiples(rows.iter().map(Vec::len).max().unwrap_or(0));
    let bases = Msm::<G1>::bases(cuda, &points, 0).expect("few bases");
    let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
    let pass = cuda.plan::<G1, S>(&bases, &lengths, 0, budget).expect("a type with a kernel");
    assert!(cut(&pass), "the budget no longer leads to what is tested: {pass:?}");
    let uploaded: Vec<_> = rows.iter().map(|row| cuda.upload("scalars", row).expect("an upload")).collect();
    let views: Vec<_> = uploaded.iter().map(Cuda::view).collect();
    let mut out = cuda.alloc("sums", rows.len()).expect("a small buffer");
    cuda.msm_within(&bases, &views, &mut Cuda::view_mut(&mut out), budget).expect("it fits");
    assert_eq!(cuda.to_vec(Cuda::view(&out)).expect("a download"), expected(rows));
}

/// A value of its own with little memory.
fn limited(bytes: usize) -> Cuda {
    Cuda::new().expect("there is one already").with_memory_limit(bytes)
}

/// One item whose entries are sorted in several parts, its buckets, up to the last one, being kept in between.
fn parts(cuda: &Cuda) {
    let several = |pass: &Pass| pass.parts().count() > 1;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    cut_sums(cuda, &[(0..3000).map(|_| Fr::rand(&mut rng)).collect()], 1 << 20, several);
    cut_sums(cuda, &[[-128i8, 127, 0, 1, -1].into_iter().cycle().take(3000).collect()], 1 << 16, several);
}

/// A batch whose items take turns.
fn passes(cuda: &Cuda) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let rows: Vec<Vec<i16>> =
        (0..300).map(|k| (0..k % 100).map(|_| rng.next_u32() as i16).collect()).collect();
    cut_sums(cuda, &rows, 1 << 20, |pass| pass.items.len() < rows.len() / 2);
}

/// Any limit is enough for the right sums or an error.
fn little_memory(_: &Cuda) {
    let points = multiples(3000);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let rows = [(0..3000).map(|_| Fr::rand(&mut rng)).collect::<Vec<_>>()];
    let expected = expected(&rows);
    let limits = std::iter::successors(Some(8 << 20), |limit| Some(limit / 3 * 2));
    let fitted = limits.map_while(|limit| match sums(&limited(limit), &points, &rows) {
        Err(Error::OutOfMemory { .. }) => None,
        sums => {
            assert_eq!(sums, Ok(expected.clone()), "{limit} bytes");
            Some(limit)
        }
    });
    let fitted = fitted.count();
    assert!(fitted > 2, "{fitted} limits were enough");
}

/// Scalars, whose addresses alone reach the device, go in a fork that still works on them.
fn rows_dropped_in_forks(cuda: &Cuda) {
    let points = multiples(50);
    let bases = Msm::<G1>::bases(cuda, &points, 0).expect("few bases");
    let rows = [(0..50).map(|k| k - 20).collect::<Vec<i8>>()];
    let row = cuda.upload("scalars", &rows[0]).expect("an upload");
    cuda.sync().expect("nothing fails");
    let (out, ()) = cuda
        .join(
            |fork| {
                let mut out = fork.alloc("sums", 1)?;
                fork.msm(&bases, &[Cuda::view(&row)], &mut Cuda::view_mut(&mut out))?;
                drop(row);
                Ok(out)
            },
            |_| Ok(()),
        )
        .expect("nothing fails");
    assert_eq!(cuda.to_vec(Cuda::view(&out)).expect("a download"), expected(&rows));
}

/// As many entries as the threads of one block, or of several, add up: the last one too ends two runs.
fn full_shares(cuda: &Cuda) {
    // A run that ends with a share, and begins within the one before.
    let mut row = vec![2u8; 2 * plan::MIN_SHARE];
    row[..plan::MIN_SHARE / 2].fill(1);
    let rows = [row];
    assert_eq!(sums(cuda, &multiples(rows[0].len()), &rows).expect("it fits"), expected(&rows));
    for share in [plan::MIN_SHARE, 2 * plan::MIN_SHARE] {
        let len = share * plan::tuning::ACCUMULATE_THREADS as usize;
        let points = multiples(len + 1);
        for len in [len - 1, len, len + 1] {
            // One entry each, however they are cut.
            let mut row = vec![1u8; len];
            row[len - 2..].fill(2);
            let rows = [row];
            assert_eq!(sums(cuda, &points, &rows).expect("it fits"), expected(&rows), "{len} scalars");
        }
    }
}

/// Longer rows of counts than one block takes at once, which only long inputs have.
fn sort_scan(cuda: &Cuda) {
    const DIGITS: usize = 3;
    for tiles in [1usize, 255, 256, 257, 700] {
        let counts: Vec<u32> = (0..DIGITS * tiles).map(|i| (i * i % 101) as u32).collect();
        let scanned = cuda.upload("counts", &counts).expect("an upload");
        let totals = cuda.scratch::<u32>("totals", DIGITS).expect("a small buffer");
        let grid = Grid::new(DIGITS as u32, plan::tuning::SORT_THREADS);
        cuda.launch(SORT_SCAN, grid, &[&scanned, &(tiles as u32), &totals]).expect("a launch");
        let (scanned, totals) = (cuda.to_vec(Cuda::view(&scanned)), cuda.to_vec(Cuda::view(&totals)));
        let (scanned, totals) = (scanned.expect("a download"), totals.expect("a download"));
        let rows = counts.chunks(tiles).zip(scanned.chunks(tiles)).zip(&totals);
        for (digit, ((counts, scanned), total)) in rows.enumerate() {
            let mut before = 0;
            for (count, scanned) in counts.iter().zip(scanned) {
                assert_eq!(*scanned, before, "digit {digit} of {tiles} tiles");
                before += count;
            }
            assert_eq!(*total, before, "digit {digit} of {tiles} tiles");
        }
    }
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
