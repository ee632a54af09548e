//! Where the elements of several transforms abreast lie in memory.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use crate::cpu::field::ifma::*;

/// Where element `index` of each of `8 G` transforms lies. Lane `l` of vector `g` is transform `8 g + LANE_ORDER[l]`.
///
/// A trait rather than an enumeration, so that the loops over `index` do not choose and values stay in registers.
pub(super) trait Place<const G: usize>: Copy {
    /// What [`read`](Self::read) returns is below this multiple of `p`.
    const BOUND: usize;

    /// The eight elements of vector `g`, as columns that are not negative.
    ///
    /// # Safety
    ///
    /// The processor has the tier's features and the elements can be read.
    unsafe fn read<F: Modulus>(&self, index: usize, g: usize) -> Columns;

    /// Asks for the cache lines of all transforms' elements `index`, into the second level: rows are often powers of two apart
    /// and then share few sets of the first. Does nothing for an index beyond the end.
    fn prefetch(&self, index: usize);
}

/// A [`Place`] of canonical elements.
pub(super) trait Elements<const G: usize>: Place<G> {
    /// Writes the eight elements of vector `g`.
    ///
    /// # Safety
    ///
    /// The processor has the tier's features, the elements can be written, and the limbs are below `p`.
    unsafe fn write<F: Modulus>(&self, index: usize, g: usize, limbs: &Columns);
}

/// Transforms side by side, elements `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) origin: *mut u64,
    pub(super) stride: usize,
}

impl Side {
    #[inline(always)]
    fn at(&self, index: usize, g: usize) -> *mut u64 {
        self.origin.wrapping_add(4 * (index * self.stride + 8 * g))
    }
}

impl<const G: usize> Place<G> for Side {
    const BOUND: usize = 1;

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn read<F: Modulus>(&self, index: usize, g: usize) -> Columns {
        // SAFETY: the caller's promise; `F` is four words.
        limbs_of_words(&load(unsafe { &*self.at(index, g).cast::<[F; 8]>() }))
    }

    #[inline(always)]
    fn prefetch(&self, index: usize) {
        // One more, should the first not be aligned.
        prefetch_lines(self.at(index, 0), 4 * G + 1);
    }
}

impl<const G: usize> Elements<G> for Side {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn write<F: Modulus>(&self, index: usize, g: usize, limbs: &Columns) {
        // SAFETY: the caller's promise; `F` is four words.
        store(&words_of_limbs(limbs), unsafe { &mut *self.at(index, g).cast::<[F; 8]>() });
    }
}

/// Each lane's transform contiguous, somewhere.
#[derive(Clone, Copy)]
pub(super) struct Rows<const G: usize>(pub(super) [[*mut u64; 8]; G]);

impl<const G: usize> Rows<G> {
    #[inline(always)]
    fn at(&self, index: usize, g: usize) -> [*mut u64; 8] {
        let mut elements = self.0[g];
        for element in &mut elements {
            *element = element.wrapping_add(4 * index);
        }
        elements
    }
}

impl<const G: usize> Place<G> for Rows<G> {
    const BOUND: usize = 1;

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn read<F: Modulus>(&self, index: usize, g: usize) -> Columns {
        // SAFETY: the caller's promise.
        limbs_of_words(&unsafe { gather(&self.at(index, g)) })
    }

    #[inline(always)]
    fn prefetch(&self, index: usize) {
        // A line holds two elements of a row.
        if index.is_multiple_of(2) {
            for row in self.0.as_flattened() {
                // They may be two lines if the row is not aligned.
                prefetch_lines(row.wrapping_add(4 * index), 1);
                prefetch_lines(row.wrapping_add(4 * index + 7), 1);
            }
        }
    }
}

impl<const G: usize> Elements<G> for Rows<G> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn write<F: Modulus>(&self, index: usize, g: usize, limbs: &Columns) {
        // SAFETY: the caller's promise.
        unsafe { scatter(&words_of_limbs(limbs), &self.at(index, g)) };
    }
}

/// Vectors of unreduced columns; for each `g` those of all `index`es in a row, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) origin: *mut Columns,
    pub(super) stride: usize,
}

impl<const G: usize> Place<G> for Tiles {
    const BOUND: usize = 3;

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2")]
    unsafe fn read<F: Modulus>(&self, index: usize, g: usize) -> Columns {
        // SAFETY: the caller's promise.
        unsafe { self.origin.wrapping_add(g * self.stride + index).read() }
    }

    #[inline(always)]
    fn prefetch(&self, index: usize) {
        for g in 0..G {
            prefetch_lines(self.origin.wrapping_add(g * self.stride + index).cast(), 5);
        }
    }
}

/// Asks for this many cache lines. Does nothing where nothing can be read.
#[inline(always)]
pub(super) fn prefetch_lines(start: *const u64, lines: usize) {
    for line in 0..lines {
        // SAFETY: prefetching does not access memory in the language's sense.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(8 * line).cast()) };
    }
}

/// A pointer that tasks on several threads use disjoint parts behind.
pub(super) struct Shared<T>(pub(super) *mut T);

// SAFETY: the users argue that the parts are disjoint.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Where element `index` lies.
    pub(super) fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}
