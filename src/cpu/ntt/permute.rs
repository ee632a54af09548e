//! The bit-reversal permutation in place.

use ark_ff::MontConfig;
use rayon::prelude::*;

use super::shared::Shared;
use crate::cpu::field::prepared::Field;

/// Tiles are `2^TILE` elements square: a row is 256 bytes, two tiles are 4 KiB.
const TILE: u32 = 3;
const SIDE: usize = 1 << TILE;

/// The lowest `bits` bits of `x` in reverse.
#[inline(always)]
pub fn reverse(x: usize, bits: u32) -> usize {
    x.reverse_bits().checked_shr(usize::BITS - bits).unwrap_or(0)
}

/// Swaps elements `i` and `reverse(i)` for all `i`; the length is `2^log_n`.
///
/// An index is read as `(high, middle, low)` with `TILE` bits in `high` and `low`. The elements that share `middle` are
/// a tile, whose mirror image is the tile of `reverse(middle)` transposed; so pairs of tiles are exchanged through
/// two small buffers, and every cache line is fetched once (L. Carter and K. S. Gatlin, "Towards an optimal
/// bit-reversal permutation program").
pub fn bit_reverse<C: MontConfig<4>>(data: &mut [Field<C>], log_n: u32, parallel: bool) {
    if log_n < 2 * TILE {
        for i in 0..data.len() {
            let j = reverse(i, log_n);
            if i < j {
                data.swap(i, j);
            }
        }
        return;
    }
    let middle_bits = log_n - 2 * TILE;
    let stride = 1 << (log_n - TILE);
    let data = Shared::new(data);
    let exchange = |middle: usize| {
        let mirrored = reverse(middle, middle_bits);
        if middle > mirrored {
            return;
        }
        let row = |middle: usize, high: usize| high * stride + middle * SIDE;
        let load = |middle: usize| -> [[Field<C>; SIDE]; SIDE] {
            // SAFETY: the tiles of `middle` and `mirrored` belong to this call alone: no other call passes the test
            // above with one of the two. Rows end within the data, being aligned parts of `2^TILE` elements of it.
            std::array::from_fn(|high| unsafe { data.read(row(middle, high)) })
        };
        let save = |middle: usize, tile: &[[Field<C>; SIDE]; SIDE]| {
            for high in 0..SIDE {
                let column = reverse(high, TILE);
                let values: [Field<C>; SIDE] = std::array::from_fn(|low| tile[reverse(low, TILE)][column]);
                // SAFETY: as for reading.
                unsafe { data.write(row(middle, high), values) };
            }
        };
        let tile = load(middle);
        if middle != mirrored {
            let other = load(mirrored);
            save(middle, &other);
        }
        save(mirrored, &tile);
    };
    if parallel {
        (0..1 << middle_bits).into_par_iter().with_min_len(64).for_each(exchange);
    } else {
        (0..1 << middle_bits).for_each(exchange);
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;

    use super::*;

    #[test]
    fn permutes_every_length() {
        for log_n in 0..=15 {
            for parallel in [false, true] {
                let mut data: Vec<Fr> = (0..1u64 << log_n).map(Fr::from).collect();
                bit_reverse(&mut data, log_n, parallel);
                for (i, x) in data.iter().enumerate() {
                    let j = (0..log_n).filter(|b| i >> b & 1 == 1).map(|b| 1 << (log_n - 1 - b)).sum::<u64>();
                    assert_eq!(*x, Fr::from(j), "log_n = {log_n}, i = {i}");
                }
            }
        }
    }
}
