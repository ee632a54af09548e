//! A ring of page-locked host memory that uploads pass through.
//!
//! A copy from page-locked memory runs while the host goes on; one from ordinary memory makes the host wait for the
//! driver. So the bytes are copied into the ring, which is quick, and from there to the device when the stream comes to it. The
//! host waits only when the ring is full.

use std::collections::VecDeque;
use std::ops::Range;

use cust::event::{Event, EventFlags};
use cust::stream::Stream;

use super::raw::{self, Outcome};

/// Size of a ring: what may be under way at a time.
const CAPACITY: usize = 4 << 20;

/// The longest piece, so that filling one overlaps with copying others.
const PIECE: usize = 1 << 20;

/// Pieces start at multiples of this.
const ALIGNMENT: usize = 256;

/// The ring of one stream. Allocated when first used.
#[derive(Default)]
pub(super) struct Staging {
    memory: Option<Pinned>,
    /// Where the next piece starts, if it fits.
    head: usize,
    /// The pieces under way, oldest first.
    pending: VecDeque<Piece>,
}

struct Piece {
    start: usize,
    /// Passed when the piece has been copied.
    copied: Event,
}

impl Staging {
    /// Enqueues a copy of `bytes` to device memory. They may change as soon as this returns.
    ///
    /// # Safety
    /// `bytes.len()` bytes at `to` are allocated and stay so until the stream has come past this. All calls are given the same
    /// stream.
    pub unsafe fn upload(&mut self, to: u64, bytes: &[u8], stream: &Stream) -> Outcome {
        for (k, piece) in bytes.chunks(PIECE).enumerate() {
            let place = self.reserve(piece.len())?;
            let copied = Event::new(EventFlags::DISABLE_TIMING)?;
            let staged = self.memory()?.fill(place.clone(), piece);
            // SAFETY: the device's side by the contract above; the ring's piece is not reserved again before `copied` has
            // passed, nor freed before the stream has been waited for.
            unsafe { raw::copy_in(to + (k * PIECE) as u64, staged, piece.len(), stream)? };
            if let Err(error) = copied.record(stream) {
                // Without the event nobody could tell when the piece is free.
                raw::synchronize(stream)?;
                return Err(error.into());
            }
            self.head = place.end;
            self.pending.push_back(Piece { start: place.start, copied });
        }
        Ok(())
    }

    fn memory(&mut self) -> Outcome<&mut Pinned> {
        let memory = match self.memory.take() {
            Some(memory) => memory,
            None => Pinned::new()?,
        };
        Ok(self.memory.insert(memory))
    }

    /// A free part of the ring for `bytes <= PIECE`, rounded up. Waits for the oldest pieces if there is none.
    fn reserve(&mut self, bytes: usize) -> Outcome<Range<usize>> {
        let len = bytes.next_multiple_of(ALIGNMENT);
        loop {
            let Some(oldest) = self.pending.front() else {
                return Ok(0..len);
            };
            // In use is `oldest..head`, or all but `head..oldest`; the head stays below the oldest in the latter case, so that
            // they are equal only in the former.
            let start = match oldest.start <= self.head {
                true if self.head + len <= CAPACITY => Some(self.head),
                true => (len < oldest.start).then_some(0),
                false => (self.head + len < oldest.start).then_some(self.head),
            };
            if let Some(start) = start {
                return Ok(start..start + len);
            }
            oldest.copied.synchronize()?;
            self.pending.pop_front();
        }
    }
}

/// Page-locked memory, [`CAPACITY`] bytes.
struct Pinned {
    start: *mut u8,
}

// SAFETY: the memory belongs to this value alone and is written through `&mut`.
unsafe impl Send for Pinned {}

impl Pinned {
    fn new() -> Outcome<Self> {
        Ok(Self { start: raw::allocate_host(CAPACITY)? })
    }

    /// Copies `bytes` to a part of the ring, and returns its address.
    fn fill(&mut self, place: Range<usize>, bytes: &[u8]) -> *const u8 {
        assert!(place.end <= CAPACITY && bytes.len() <= place.len());
        // SAFETY: the part is within the allocation (asserted), which is this value's own.
        unsafe {
            let start = self.start.add(place.start);
            start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            start
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: from `allocate_host`, freed here alone; the owner of the ring has waited for its stream.
        if let Err(failure) = unsafe { raw::free_host(self.start) } {
            log::debug!("page-locked memory was not freed: {failure:?}");
        }
    }
}
