//! Which device memory a launch touches, word by word: what an order between launches has to respect.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::access::lanes;
use crate::isa::LANES;
use crate::memory::View;

/// Bytes that one bit stands for.
const WORD: usize = 4;

/// How memory is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Changed by atomic operations, which need no order among themselves.
    Atomic,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Atomic];
}

/// What a launch touched of one allocation in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Where the allocation begins.
    pub base: u64,
    /// How it was touched.
    pub mode: Mode,
    /// The addresses, in ascending runs of whole words (but for the end of the allocation).
    pub ranges: Vec<Range<u64>>,
}

type Bits = Box<[AtomicU64]>;

/// A bit for each word of each block of a view, and each mode; made when first needed.
#[derive(Debug)]
pub(super) struct Touched {
    blocks: Vec<[OnceLock<Bits>; 3]>,
}

impl Touched {
    pub(super) fn new(view: &View) -> Self {
        Self { blocks: view.blocks.iter().map(|_| Default::default()).collect() }
    }

    /// Notes the accesses of the lanes in `mask`, of `bytes` bytes each and aligned to them, at `offsets` of a block.
    pub(super) fn note(
        &self,
        view: &View,
        block: usize,
        mode: Mode,
        mask: u32,
        offsets: &[usize; LANES],
        bytes: u32,
    ) {
        let bits = self.blocks[block][mode as usize].get_or_init(|| {
            let words = (view.blocks[block].info.bytes as usize).div_ceil(64 * WORD);
            std::iter::repeat_with(|| AtomicU64::new(0)).take(words).collect()
        });
        let set = |at: usize, ones: u64| {
            if bits[at].load(Relaxed) & ones != ones {
                bits[at].fetch_or(ones, Relaxed);
            }
        };
        // No access is wider than four words; neighbouring lanes mostly fall into the same 64.
        let ones = (1u64 << bytes.div_ceil(WORD as u32)) - 1;
        let (mut at, mut gathered) = (0, 0);
        for lane in lanes(mask) {
            let word = offsets[lane] / WORD;
            if word / 64 != at {
                if gathered != 0 {
                    set(at, gathered);
                }
                (at, gathered) = (word / 64, 0);
            }
            gathered |= ones << (word % 64);
        }
        if gathered != 0 {
            set(at, gathered);
        }
    }

    /// What was touched, by ascending address of the allocations.
    pub(super) fn into_touches(self, view: &View) -> Vec<Touch> {
        let mut touches = Vec::new();
        for (block, modes) in view.blocks.iter().zip(self.blocks) {
            let (base, end) = (block.info.ptr, block.info.ptr + block.info.bytes);
            let address = |word: usize| end.min(base + (word * WORD) as u64);
            for (mode, bits) in Mode::ALL.into_iter().zip(modes) {
                let Some(bits) = bits.into_inner() else { continue };
                let mut ranges: Vec<Range<u64>> = Vec::new();
                for (at, word) in bits.iter().map(|word| word.load(Relaxed)).enumerate() {
                    let mut rest = word;
                    while rest != 0 {
                        let low = rest.trailing_zeros();
                        let high = low + (rest >> low).trailing_ones();
                        let run = address(64 * at + low as usize)..address(64 * at + high as usize);
                        match ranges.last_mut() {
                            Some(last) if last.end == run.start => last.end = run.end,
                            _ => ranges.push(run),
                        }
                        rest &= u64::MAX.checked_shl(high).unwrap_or(0);
                    }
                }
                if !ranges.is_empty() {
                    touches.push(Touch { base, mode, ranges });
                }
            }
        }
        touches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::DeviceMemory;

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
    fn touched_words_come_back_as_runs() {
        let memory = DeviceMemory::new(1 << 20);
        let first = memory.alloc(1000).unwrap();
        let second = memory.alloc(6).unwrap();
        let view = memory.view();
        let touched = Touched::new(&view);
        let mut offsets = std::array::from_fn(|lane| 128 + 4 * lane);
        touched.note(&view, 0, Mode::Read, u32::MAX, &offsets, 4);
        touched.note(&view, 0, Mode::Write, 0b1001, &offsets, 4);
        offsets[0] = 256;
        touched.note(&view, 0, Mode::Read, 1, &offsets, 16);
        offsets[0] = 5;
        touched.note(&view, 1, Mode::Atomic, 1, &offsets, 1);
        let touch = |base: u64, mode, offsets: &[Range<u64>]| {
            let ranges = offsets.iter().map(|range| base + range.start..base + range.end);
            Touch { base, mode, ranges: ranges.collect() }
        };
        let expected = [
            touch(first, Mode::Read, &[128..272]),
            touch(first, Mode::Write, &[128..132, 140..144]),
            touch(second, Mode::Atomic, &[4..6]),
        ];
        assert_eq!(touched.into_touches(&view), expected);
    }
}
