//! Slices whose length need not be a multiple of eight.

use super::constants::Modulus;
use super::layout::{Words, load, store};

/// Elements `from..from + 8` of a slice, what lies beyond its end replaced by `padding`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn load_at<F: Modulus>(values: &[F], from: usize, padding: F) -> Words {
    let rest = values.get(from..).unwrap_or(&[]);
    match rest.first_chunk() {
        Some(eight) => load(eight),
        None => load_part(rest, padding),
    }
}

/// Writes the words, which must be below `p`, to elements `from..from + 8` of a slice as far as it has them.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn store_at<F: Modulus>(words: &Words, values: &mut [F], from: usize) {
    let rest = values.get_mut(from..).unwrap_or(&mut []);
    if rest.len() < 8 {
        store_part(words, rest);
    } else if let Some(eight) = rest.first_chunk_mut() {
        store(words, eight);
    }
}

#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn load_part<F: Modulus>(values: &[F], padding: F) -> Words {
    let mut eight = [padding; 8];
    eight[..values.len()].copy_from_slice(values);
    load(&eight)
}

#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn store_part<F: Modulus>(words: &Words, values: &mut [F]) {
    let mut eight = [F::zero(); 8];
    store(words, &mut eight);
    values.copy_from_slice(&eight[..values.len()]);
}
