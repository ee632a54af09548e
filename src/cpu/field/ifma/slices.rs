//! Slices whose length need not be a multiple of eight.

use std::arch::x86_64::*;

use super::constants::Modulus;
use super::layout::{Words, load, store};

/// Elements `from..from + 8` of a slice, what lies beyond its end replaced by `padding`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn load_at<F: Modulus>(values: &[F], from: usize, padding: F) -> Words {
    let rest = values.get(from..).unwrap_or(&[]);
    // Not the vectors but the elements are what the rare case makes, or the vectors would have to lie in memory for it.
    let padded;
    let eight = match rest.first_chunk() {
        Some(eight) => eight,
        None => {
            padded = pad(rest, padding);
            &padded
        }
    };
    load(eight)
}

/// Writes the words, which must be below `p`, to elements `from..from + 8` of a slice as far as it has them.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
pub(crate) fn store_at<F: Modulus>(words: &Words, values: &mut [F], from: usize) {
    let rest = values.get_mut(from..).unwrap_or(&mut []);
    if rest.len() < 8 {
        store_part(*words, rest);
    } else if let Some(eight) = rest.first_chunk_mut() {
        store(words, eight);
    }
}

/// Asks for elements `from..from + 8` of a slice, which need not exist, to be brought to the first-level cache. To be
/// asked for [`AHEAD`] elements before they are used: the processor does not look far enough ahead by itself past so
/// many products, and runs of several slices at once are too many for its prefetchers.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T], from: usize) {
    let first = values.as_ptr().wrapping_add(from).cast::<i8>();
    for line in 0..4 {
        // SAFETY: a hint, for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(64 * line)) };
    }
}

/// How far ahead memory is [asked for](prefetch), in elements: 2 KiB.
pub(crate) const AHEAD: usize = 64;

#[cold]
#[inline(never)]
fn pad<F: Modulus>(values: &[F], padding: F) -> [F; 8] {
    let mut eight = [padding; 8];
    eight[..values.len()].copy_from_slice(values);
    eight
}

/// Takes the words by value, for the same reason as [`load_at`].
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
fn store_part<F: Modulus>(words: Words, values: &mut [F]) {
    let mut eight = [F::zero(); 8];
    store(&words, &mut eight);
    values.copy_from_slice(&eight[..values.len()]);
}
