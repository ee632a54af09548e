//! The bytes behind one allocation, and the shadow bit of each.
//!
//! Blocks of a grid run on several host threads, and nothing keeps a faulty kernel from racing; so every access is an atomic
//! one (relaxed: the plain instruction of the host, at no cost).

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::iter;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

#[derive(Debug)]
pub(crate) struct Region {
    data: NonNull<u8>,
    layout: Layout,
    bytes: usize,
    /// One bit per byte: ever written?
    written: Box<[AtomicU64]>,
    /// All bytes are written: set when seen, saves the look at the bits.
    complete: AtomicBool,
}

// SAFETY: the memory behind `data` belongs to this value alone and is reached only through atomics.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `data` came from `alloc_zeroed` with this layout and is freed once.
        unsafe { dealloc(self.data.as_ptr(), self.layout) }
    }
}

macro_rules! accessors {
    ($($atomic:ident, $word:ident, $reference:ident, $load:ident, $store:ident;)*) => {$(
        /// The word at `offset`, which must be aligned and in range.
        #[inline(always)]
        pub(crate) fn $reference(&self, offset: usize) -> &$atomic {
            const SIZE: usize = size_of::<$word>();
            assert!(offset.is_multiple_of(SIZE) && offset + SIZE <= self.layout.size());
            // SAFETY: in bounds and aligned by the assertion (the region is aligned to 256); the bytes were zeroed, hence
            // initialised, and no reference other than to atomics is ever made. Accesses of different sizes may
            // overlap when a kernel races; on the host's hardware such an access is an ordinary one.
            unsafe { $atomic::from_ptr(self.data.as_ptr().add(offset).cast()) }
        }

        #[inline(always)]
        pub(crate) fn $load(&self, offset: usize) -> $word {
            self.$reference(offset).load(Relaxed)
        }

        #[inline(always)]
        pub(crate) fn $store(&self, offset: usize, value: $word) {
            self.$reference(offset).store(value, Relaxed)
        }
    )*};
}

impl Region {
    /// Zeroed memory of `bytes` bytes, none of them written; `None` when the host has no more.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        // Whole words, so that the last bytes can be reached with wide accesses by the host's copies.
        let layout = Layout::from_size_align(bytes.next_multiple_of(8), 256).ok()?;
        // SAFETY: the layout's size is not zero: an allocation has at least one byte.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let written = (0..bytes.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Some(Self { data, layout, bytes, written, complete: AtomicBool::new(false) })
    }

    accessors! {
        AtomicU8, u8, atomic8, load8, store8;
        AtomicU16, u16, atomic16, load16, store16;
        AtomicU32, u32, atomic32, load32, store32;
        AtomicU64, u64, atomic64, load64, store64;
    }

    /// Copies the bytes from `offset` on.
    pub(crate) fn read(&self, offset: usize, to: &mut [u8]) {
        let head = (offset.next_multiple_of(8) - offset).min(to.len());
        let (first, rest) = to.split_at_mut(head);
        for (i, byte) in first.iter_mut().enumerate() {
            *byte = self.load8(offset + i);
        }
        let mut at = offset + head;
        let (words, last) = rest.as_chunks_mut::<8>();
        for word in words {
            *word = self.load64(at).to_le_bytes();
            at += 8;
        }
        for (i, byte) in last.iter_mut().enumerate() {
            *byte = self.load8(at + i);
        }
    }

    /// Overwrites the bytes from `offset` on; the shadow is the caller's to mark.
    pub(crate) fn write(&self, offset: usize, from: &[u8]) {
        let head = (offset.next_multiple_of(8) - offset).min(from.len());
        let (first, rest) = from.split_at(head);
        for (i, &byte) in first.iter().enumerate() {
            self.store8(offset + i, byte);
        }
        let mut at = offset + head;
        let (words, last) = rest.as_chunks::<8>();
        for word in words {
            self.store64(at, u64::from_le_bytes(*word));
            at += 8;
        }
        for (i, &byte) in last.iter().enumerate() {
            self.store8(at + i, byte);
        }
    }

    /// The parts of `[offset, offset + bytes)` that lie in one shadow word each: the word's index and the bits.
    fn shadow(offset: usize, bytes: usize) -> impl Iterator<Item = (usize, u64)> {
        let end = offset + bytes;
        (offset / 64..end.div_ceil(64)).map(move |word| {
            let low = offset.saturating_sub(word * 64);
            let high = (end - word * 64).min(64);
            let ones = u64::MAX >> (64 - (high - low));
            (word, ones << low)
        })
    }

    /// Whether a check of the shadow can be left out.
    #[inline(always)]
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Relaxed)
    }

    /// Notes that `[offset, offset + bytes)`, which is not empty, has been written.
    #[inline]
    pub(crate) fn mark_written(&self, offset: usize, bytes: usize) {
        if self.is_complete() {
            return;
        }
        for (word, bits) in Self::shadow(offset, bytes) {
            // Most stores hit bytes that are marked already; the read spares them the locked update.
            if self.written[word].load(Relaxed) & bits != bits {
                self.written[word].fetch_or(bits, Relaxed);
            }
        }
        if offset == 0 && bytes == self.bytes {
            self.complete.store(true, Relaxed);
        }
    }

    /// Makes `[offset, offset + bytes)` count as never written.
    pub(crate) fn forget(&self, offset: usize, bytes: usize) {
        if self.complete.swap(false, Relaxed) {
            self.written.iter().for_each(|word| word.store(u64::MAX, Relaxed));
        }
        for (word, bits) in Self::shadow(offset, bytes) {
            self.written[word].fetch_and(!bits, Relaxed);
        }
    }

    /// Whether all of `[offset, offset + bytes)`, which is not empty, has been written.
    #[inline]
    pub(crate) fn is_written(&self, offset: usize, bytes: usize) -> bool {
        self.is_complete()
            || Self::shadow(offset, bytes).all(|(word, bits)| self.written[word].load(Relaxed) & bits == bits)
    }

    /// The written parts of `[offset, offset + bytes)`, relative to `offset`.
    pub(crate) fn written_runs(&self, offset: usize, bytes: usize) -> Vec<Range<usize>> {
        if self.is_written(offset, bytes) {
            return iter::once(0..bytes).collect();
        }
        let mut runs: Vec<Range<usize>> = Vec::new();
        for i in (0..bytes).filter(|&i| self.is_written(offset + i, 1)) {
            match runs.last_mut() {
                Some(run) if run.end == i => run.end += 1,
                _ => runs.push(i..i + 1),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::Region;

    #[test]
    fn bytes_and_shadow_agree_at_every_offset() {
        for offset in 0..70 {
            for bytes in 1..140 {
                let region = Region::new(256).unwrap();
                let data: Vec<u8> = (0..bytes).map(|i| i as u8 + 1).collect();
                region.write(offset, &data);
                region.mark_written(offset, bytes);
                let mut back = vec![0; 256];
                region.read(0, &mut back);
                for (i, &byte) in back.iter().enumerate() {
                    let inside = (offset..offset + bytes).contains(&i);
                    assert_eq!(byte, if inside { data[i - offset] } else { 0 });
                    assert_eq!(region.is_written(i, 1), inside);
                }
                assert!(region.written_runs(0, 256).into_iter().eq(std::iter::once(offset..offset + bytes)));
            }
        }
    }

    #[test]
    fn a_complete_region_can_forget() {
        let region = Region::new(100).unwrap();
        region.mark_written(0, 100);
        assert!(region.is_complete());
        region.forget(10, 5);
        assert_eq!(region.written_runs(0, 100), [0..10, 15..100]);
    }
}
