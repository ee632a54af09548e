//! The integer product of two `i8` matrices.

use rayon::prelude::*;

use super::tile::{COLS, Isa, Pair, ROWS, Strides};

/// Rows of the product that one job works on.
const ROW_BLOCK: usize = 256;

/// Columns of the product that one job works on: a cache line of `b`.
const COL_BLOCK: usize = 64;

/// Rows of `a` up to which packing `b` does not pay.
const FEW: usize = 4;

/// Least columns of a product of [`FEW`] rows that one job works on.
const STRIP: usize = 512;

/// Pairs of the inner dimension packed at a time.
const STEP: usize = 256;

/// `out[r][c] = sum_k a[r][k] * b[k][c]` for shapes `[rows, inner, cols]`, all non-zero or all empty.
///
/// A job packs a strip of `b` as pairs of neighbouring rows and widens eight rows of `a` at a time.
pub(super) fn gemm(isa: Isa, shape: [usize; 3], a: &[i8], b: &[i8], out: &mut [i32]) {
    let [rows, _, cols] = shape;
    if out.is_empty() {
        return;
    }
    if rows <= FEW {
        return few_rows(isa, shape, a, b, out);
    }
    let strips = cols.div_ceil(COL_BLOCK);
    let blocks: Vec<Vec<i32>> = (0..rows.div_ceil(ROW_BLOCK) * strips)
        .into_par_iter()
        .map(|job| block(isa, shape, job / strips * ROW_BLOCK, job % strips * COL_BLOCK, a, b))
        .collect();
    out.par_chunks_mut(ROW_BLOCK * cols).zip(blocks.par_chunks(strips)).for_each(|(out, strips)| {
        for (r, out) in out.chunks_exact_mut(cols).enumerate() {
            for (out, strip) in out.chunks_mut(COL_BLOCK).zip(strips) {
                out.copy_from_slice(&strip[r * COL_BLOCK..][..out.len()]);
            }
        }
    });
}

/// The same for [`FEW`] rows: sums of multiples of the rows of `b`, read as they lie.
fn few_rows(isa: Isa, [_, inner, cols]: [usize; 3], a: &[i8], b: &[i8], out: &mut [i32]) {
    let strip = cols.div_ceil(rayon::current_num_threads()).max(STRIP);
    for (a, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(cols)) {
        out.par_chunks_mut(strip).enumerate().for_each(|(k, out)| isa.combine(a, &b[k * strip..], cols, out));
    }
}

/// The product's block at row `top` and column `left`, with rows of [`COL_BLOCK`] entries.
fn block(isa: Isa, [rows, inner, cols]: [usize; 3], top: usize, left: usize, a: &[i8], b: &[i8]) -> Vec<i32> {
    let height = ROW_BLOCK.min(rows - top);
    let width = COL_BLOCK.min(cols - left);
    let mut out = vec![0i32; height.next_multiple_of(ROWS) * COL_BLOCK];
    let mut packed_a: Vec<Pair> = vec![[0; 2]; ROWS * STEP];
    let mut packed_b: Vec<[Pair; COLS]> = vec![[[0; 2]; COLS]; COL_BLOCK / COLS * STEP];
    for from in (0..inner).step_by(2 * STEP) {
        let depth = (2 * STEP).min(inner - from);
        let pairs = depth.div_ceil(2);
        for (j, packed) in packed_b.chunks_exact_mut(STEP).take(width.div_ceil(COLS)).enumerate() {
            let width = COLS.min(width - j * COLS);
            let row = |k: usize| &b[k * cols + left + j * COLS..][..width];
            for (k, packed) in packed[..pairs].iter_mut().enumerate() {
                let k = from + 2 * k;
                let odd = if k + 1 < inner { row(k + 1) } else { &[0; COLS][..width] };
                packed.iter_mut().zip(row(k)).zip(odd).for_each(|((pair, &even), &odd)| {
                    *pair = [i16::from(even), i16::from(odd)];
                });
            }
        }
        for (i, out) in out.chunks_exact_mut(ROWS * COL_BLOCK).enumerate() {
            let first = i * ROWS;
            for (r, packed) in (first..height).zip(packed_a.chunks_exact_mut(STEP)) {
                let packed = packed.as_flattened_mut();
                let row = &a[(top + r) * inner + from..][..depth];
                packed.iter_mut().zip(row).for_each(|(packed, &entry)| *packed = i16::from(entry));
                packed[depth..].fill(0);
            }
            for (j, packed_b) in packed_b.chunks_exact(STEP).take(width.div_ceil(COLS)).enumerate() {
                let tile = isa.tile(&packed_a, Strides { row: STEP, pair: 1 }, &packed_b[..pairs]);
                for (out, sums) in out.chunks_exact_mut(COL_BLOCK).zip(&tile) {
                    out[j * COLS..][..COLS].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::MAX_INNER;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    fn check(isa: Isa, [rows, inner, cols]: [usize; 3], mut entry: impl FnMut() -> i8) {
        let a: Vec<i8> = (0..rows * inner).map(|_| entry()).collect();
        let b: Vec<i8> = (0..inner * cols).map(|_| entry()).collect();
        let mut out = vec![7; rows * cols];
        gemm(isa, [rows, inner, cols], &a, &b, &mut out);
        for (index, &out) in out.iter().enumerate() {
            let (r, c) = (index / cols, index % cols);
            let product = |k: usize| i64::from(a[r * inner + k]) * i64::from(b[k * cols + c]);
            assert_eq!(
                i64::from(out),
                (0..inner).map(product).sum::<i64>(),
                "{isa:?} {rows} x {inner} x {cols}, entry {index}"
            );
        }
    }

    #[test]
    fn every_shape_is_the_definition() {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        for isa in Isa::available() {
            for shape in [
                [0, 0, 0],
                [1, 1, 1],
                [1, 2, 1],
                [2, 3, 5],
                [8, 16, 16],
                [9, 17, 65],
                [1, 1025, 130],
                [300, 70, 3],
                [257, 513, 17],
                [FEW + 1, 1, 1],
                [FEW + 1, 2, 1],
                [FEW + 2, 3, 5],
                [FEW + 1, 1025, 130],
                [FEW, 40, 2 * STRIP + 30],
            ] {
                check(isa, shape, || rng.next_u32() as i8);
            }
        }
    }

    #[test]
    fn the_largest_sums_fit() {
        for isa in Isa::available() {
            check(isa, [2, MAX_INNER, 2], || i8::MIN);
            check(isa, [FEW + 1, MAX_INNER, 2], || i8::MIN);
        }
        for rows in [1, FEW + 1] {
            let mut drawn = 0;
            check(Isa::detect(), [rows, MAX_INNER, 1], || {
                drawn += 1;
                if drawn <= rows * MAX_INNER { i8::MIN } else { i8::MAX }
            });
        }
    }

    #[test]
    fn every_number_of_threads_gives_the_same() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut rng = ChaCha20Rng::seed_from_u64(7);
            pool.install(|| {
                check(Isa::detect(), [270, 33, 190], || rng.next_u32() as i8);
                check(Isa::detect(), [FEW, 33, 3 * STRIP + 1], || rng.next_u32() as i8);
            });
        }
    }
}
