//! A warp's local memory: the threads' stacks, word by word, so that lanes that use the same offset use one row.

use super::alu::Lanes;
use crate::isa::{LANES, Slot};

/// Most bytes of stack a thread may have.
pub(super) const STACK_LIMIT: u32 = 512 << 10;

#[derive(Debug, Default)]
pub(super) struct Local {
    words: Vec<Lanes<u32>>,
    /// A bit per byte of the word of each lane: ever written?
    written: Vec<[u8; LANES]>,
}

impl Local {
    /// Bytes there are.
    pub(super) fn bytes(&self) -> u32 {
        self.words.len() as u32 * 4
    }

    /// Makes `[start, end)` a fresh frame of `lanes`.
    pub(super) fn enter(&mut self, start: u32, end: u32, lanes: u32) {
        let end = end.div_ceil(4) as usize;
        if self.words.len() < end {
            self.words.resize(end, Lanes([0; LANES]));
            self.written.resize(end, [0; LANES]);
        }
        for row in &mut self.written[start as usize / 4..end] {
            for (lane, bits) in row.iter_mut().enumerate() {
                if lanes >> lane & 1 == 1 {
                    *bits = 0;
                }
            }
        }
    }

    /// Copies what `from` holds to `to`, for `lanes`. Both are whole words.
    pub(super) fn copy(&mut self, from: Slot, to: Slot, lanes: u32) {
        let words = from.bytes.min(to.bytes).div_ceil(4) as usize;
        for word in 0..words {
            let (source, target) = (from.offset as usize / 4 + word, to.offset as usize / 4 + word);
            for lane in (0..LANES).filter(|lane| lanes >> lane & 1 == 1) {
                self.words[target].0[lane] = self.words[source].0[lane];
                self.written[target][lane] = self.written[source][lane];
            }
        }
    }

    /// `bytes` bytes (1, 2, 4 or 8, aligned, in range) of a lane; and whether all were written.
    #[inline]
    pub(super) fn load(&self, lane: usize, offset: u32, bytes: u32) -> (u64, bool) {
        let word = offset as usize / 4;
        let low = u64::from(self.words[word].0[lane]);
        if bytes == 8 {
            let high = u64::from(self.words[word + 1].0[lane]);
            let whole = self.written[word][lane] == 15 && self.written[word + 1][lane] == 15;
            return (high << 32 | low, whole);
        }
        let shift = offset % 4;
        let bits = ((1u32 << bytes) - 1) << shift;
        let value = low >> (8 * shift) & (u64::MAX >> (64 - 8 * bytes));
        (value, u32::from(self.written[word][lane]) & bits == bits)
    }

    /// Overwrites `bytes` bytes of a lane.
    #[inline]
    pub(super) fn store(&mut self, lane: usize, offset: u32, bytes: u32, value: u64) {
        let word = offset as usize / 4;
        if bytes >= 4 {
            self.words[word].0[lane] = value as u32;
            self.written[word][lane] = 15;
            if bytes == 8 {
                self.words[word + 1].0[lane] = (value >> 32) as u32;
                self.written[word + 1][lane] = 15;
            }
            return;
        }
        let shift = 8 * (offset % 4);
        let mask = (u32::MAX >> (32 - 8 * bytes)) << shift;
        let old = self.words[word].0[lane];
        self.words[word].0[lane] = old & !mask | (value as u32) << shift & mask;
        self.written[word][lane] |= (((1u32 << bytes) - 1) << (offset % 4)) as u8;
    }
}
