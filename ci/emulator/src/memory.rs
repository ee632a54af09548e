//! The device's memory: an address space of its own, in which nothing is where the host would look for it.
//!
//! Addresses are handed out once and never again, so that a freed pointer stays recognisable for ever; what is bounded
//! is the sum of the live bytes. Allocations are a [`RED_ZONE`] apart: an index that runs past the end of one lands
//! between two, never in a neighbour. Every byte has a shadow bit that says whether it was ever written.

mod region;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

pub(crate) use region::Region;

/// Distance, in bytes, kept free behind every allocation.
pub const RED_ZONE: u64 = 1 << 20;

/// Allocations start at multiples of this.
pub const ALIGNMENT: u64 = 256;

/// First address of device memory. Neither programs nor libraries of the host live there.
const BASE: u64 = 0x0200_0000_0000;

/// Start of the window through which generic addresses reach shared memory.
pub(crate) const SHARED_WINDOW: u64 = 0x0100_0000_0000;
/// Start of the window through which generic addresses reach the thread's local memory.
pub(crate) const LOCAL_WINDOW: u64 = 0x0110_0000_0000;
/// Start of the window through which generic addresses reach the kernel's parameters.
pub(crate) const PARAM_WINDOW: u64 = 0x0120_0000_0000;
/// Size of each window.
pub(crate) const WINDOW: u64 = 1 << 32;

/// Why an operation on device memory was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The live bytes would exceed the device's memory, or the host has none left to back them.
    #[error("out of device memory: {requested} bytes asked for, {free} free")]
    OutOfMemory {
        /// Bytes asked for.
        requested: u64,
        /// Bytes that were free.
        free: u64,
    },
    /// An allocation of no bytes.
    #[error("an allocation of zero bytes")]
    ZeroSize,
    /// The range is not inside one live allocation.
    #[error("{bytes} bytes at {ptr:#x} are outside every allocation")]
    OutOfBounds {
        /// First address of the range.
        ptr: u64,
        /// Its length.
        bytes: u64,
    },
    /// The range lies in memory that has been freed.
    #[error("{bytes} bytes at {ptr:#x} are in an allocation of {size} bytes at {base:#x} that was freed")]
    UseAfterFree {
        /// First address of the range.
        ptr: u64,
        /// Its length.
        bytes: u64,
        /// Start of the freed allocation.
        base: u64,
        /// Size of the freed allocation.
        size: u64,
    },
    /// `free` of something that is not the start of a live allocation.
    #[error("{ptr:#x} is not the start of an allocation")]
    NotAnAllocation {
        /// The pointer given.
        ptr: u64,
    },
    /// A 32-bit fill of an address that is not a multiple of four.
    #[error("{ptr:#x} is not aligned to {align} bytes")]
    Misaligned {
        /// The pointer given.
        ptr: u64,
        /// The alignment needed.
        align: u64,
    },
}

/// Whose allocation it is: a leak check looks only at the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Asked for by the program.
    User,
    /// A variable of a loaded module.
    Module,
}

/// One allocation, as [`DeviceMemory::live`] lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// First address.
    pub ptr: u64,
    /// Size in bytes, as asked for.
    pub bytes: u64,
    /// Whose it is.
    pub owner: Owner,
    /// The how-manieth allocation of this memory it was, from zero.
    pub serial: u64,
}

/// An allocation together with what backs it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) info: Allocation,
    pub(crate) region: Region,
}

impl Block {
    /// Offset of `[ptr, ptr + bytes)` inside the block, if it lies there.
    #[inline]
    pub(crate) fn offset(&self, ptr: u64, bytes: u64) -> Option<usize> {
        let offset = ptr.wrapping_sub(self.info.ptr);
        (offset < self.info.bytes && bytes <= self.info.bytes - offset).then_some(offset as usize)
    }
}

#[derive(Debug)]
struct Table {
    /// Live allocations by ascending address.
    live: Vec<Arc<Block>>,
    /// Freed ranges: start to size.
    freed: Arc<BTreeMap<u64, u64>>,
    next: u64,
    serial: u64,
    used: u64,
}

/// The memory of one device.
#[derive(Debug)]
pub struct DeviceMemory {
    total: u64,
    table: RwLock<Table>,
}

/// What a launch sees of the memory: the allocations that were live when it began.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) blocks: Vec<Arc<Block>>,
    freed: Arc<BTreeMap<u64, u64>>,
}

fn footprint(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

fn find(blocks: &[Arc<Block>], ptr: u64) -> Option<usize> {
    let above = blocks.partition_point(|block| block.info.ptr <= ptr);
    above.checked_sub(1)
}

fn miss(freed: &BTreeMap<u64, u64>, ptr: u64, bytes: u64) -> MemoryError {
    match freed.range(..=ptr).next_back() {
        Some((&base, &size)) if ptr - base < size => MemoryError::UseAfterFree { ptr, bytes, base, size },
        _ => MemoryError::OutOfBounds { ptr, bytes },
    }
}

impl View {
    /// Index of the block that holds all of `[ptr, ptr + bytes)`.
    pub(crate) fn locate(&self, ptr: u64, bytes: u64) -> Result<usize, MemoryError> {
        match find(&self.blocks, ptr) {
            Some(index) if self.blocks[index].offset(ptr, bytes).is_some() => Ok(index),
            _ => Err(miss(&self.freed, ptr, bytes)),
        }
    }

    /// The live allocation that begins nearest below `ptr`, for messages.
    pub(crate) fn nearest(&self, ptr: u64) -> Option<Allocation> {
        find(&self.blocks, ptr).map(|index| self.blocks[index].info)
    }
}

impl DeviceMemory {
    /// A memory of `total` bytes, nothing of it allocated.
    pub fn new(total: u64) -> Self {
        let table = Table { live: Vec::new(), freed: Arc::default(), next: BASE, serial: 0, used: 0 };
        Self { total, table: RwLock::new(table) }
    }

    fn read_table(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        // A panic while the lock is held leaves the table whole: every update is a few assignments.
        self.table.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write_table(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Allocates `bytes` bytes at a multiple of [`ALIGNMENT`]; they count as never written.
    ///
    /// # Errors
    ///
    /// [`MemoryError::ZeroSize`], [`MemoryError::OutOfMemory`].
    pub fn alloc(&self, bytes: u64) -> Result<u64, MemoryError> {
        self.alloc_for(bytes, Owner::User)
    }

    /// [`Self::alloc`] on behalf of `owner`.
    ///
    /// # Errors
    ///
    /// As [`Self::alloc`].
    pub fn alloc_for(&self, bytes: u64, owner: Owner) -> Result<u64, MemoryError> {
        if bytes == 0 {
            return Err(MemoryError::ZeroSize);
        }
        let mut table = self.write_table();
        let free = self.total - table.used;
        let out = MemoryError::OutOfMemory { requested: bytes, free };
        if bytes > free || footprint(bytes) > free {
            return Err(out);
        }
        let region = Region::new(bytes as usize).ok_or(out)?;
        let info = Allocation { ptr: table.next, bytes, owner, serial: table.serial };
        table.next += (footprint(bytes) + RED_ZONE).next_multiple_of(ALIGNMENT);
        table.serial += 1;
        table.used += footprint(bytes);
        table.live.push(Arc::new(Block { info, region }));
        Ok(info.ptr)
    }

    /// Gives the allocation that starts at `ptr` back. Its addresses are never used again.
    ///
    /// # Errors
    ///
    /// [`MemoryError::UseAfterFree`] for a second `free`, [`MemoryError::NotAnAllocation`] for any other address.
    pub fn free(&self, ptr: u64) -> Result<(), MemoryError> {
        let mut table = self.write_table();
        match table.live.binary_search_by_key(&ptr, |block| block.info.ptr) {
            Ok(index) => {
                let info = table.live.remove(index).info;
                table.used -= footprint(info.bytes);
                Arc::make_mut(&mut table.freed).insert(info.ptr, info.bytes);
                Ok(())
            }
            Err(_) => match miss(&table.freed, ptr, 0) {
                error @ MemoryError::UseAfterFree { .. } => Err(error),
                _ => Err(MemoryError::NotAnAllocation { ptr }),
            },
        }
    }

    fn locate(&self, ptr: u64, bytes: u64) -> Result<(Arc<Block>, usize), MemoryError> {
        let table = self.read_table();
        let block = find(&table.live, ptr).map(|index| &table.live[index]);
        match block.and_then(|block| Some((block, block.offset(ptr, bytes)?))) {
            Some((block, offset)) => Ok((Arc::clone(block), offset)),
            None => Err(miss(&table.freed, ptr, bytes)),
        }
    }

    /// Copies `to.len()` bytes from `ptr` to the host. Bytes never written read as zero.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`], [`MemoryError::UseAfterFree`].
    pub fn read(&self, ptr: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        if to.is_empty() {
            return Ok(());
        }
        let (block, offset) = self.locate(ptr, to.len() as u64)?;
        block.region.read(offset, to);
        Ok(())
    }

    /// Copies `from` to the device, at `ptr`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`], [`MemoryError::UseAfterFree`].
    pub fn write(&self, ptr: u64, from: &[u8]) -> Result<(), MemoryError> {
        if from.is_empty() {
            return Ok(());
        }
        let (block, offset) = self.locate(ptr, from.len() as u64)?;
        block.region.write(offset, from);
        block.region.mark_written(offset, from.len());
        Ok(())
    }

    /// Sets `count` bytes at `ptr` to `value`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`], [`MemoryError::UseAfterFree`].
    pub fn fill8(&self, ptr: u64, value: u8, count: u64) -> Result<(), MemoryError> {
        self.fill(ptr, &[value; 64], count)
    }

    /// Sets `count` little-endian 16-bit words at `ptr` to `value`.
    ///
    /// # Errors
    ///
    /// As [`Self::fill8`], and [`MemoryError::Misaligned`].
    pub fn fill16(&self, ptr: u64, value: u16, count: u64) -> Result<(), MemoryError> {
        self.fill_words(ptr, &value.to_le_bytes(), count)
    }

    /// Sets `count` little-endian 32-bit words at `ptr` to `value`.
    ///
    /// # Errors
    ///
    /// As [`Self::fill8`], and [`MemoryError::Misaligned`].
    pub fn fill32(&self, ptr: u64, value: u32, count: u64) -> Result<(), MemoryError> {
        self.fill_words(ptr, &value.to_le_bytes(), count)
    }

    fn fill_words(&self, ptr: u64, word: &[u8], count: u64) -> Result<(), MemoryError> {
        let align = word.len() as u64;
        if !ptr.is_multiple_of(align) {
            return Err(MemoryError::Misaligned { ptr, align });
        }
        let bytes = count.checked_mul(align).ok_or(MemoryError::OutOfBounds { ptr, bytes: u64::MAX })?;
        self.fill(ptr, &word.repeat(64), bytes)
    }

    /// Fills `bytes` bytes with repetitions of `pattern`.
    fn fill(&self, ptr: u64, pattern: &[u8], bytes: u64) -> Result<(), MemoryError> {
        if bytes == 0 {
            return Ok(());
        }
        let (block, offset) = self.locate(ptr, bytes)?;
        for start in (0..bytes as usize).step_by(pattern.len()) {
            let end = (bytes as usize).min(start + pattern.len());
            block.region.write(offset + start, &pattern[..end - start]);
        }
        block.region.mark_written(offset, bytes as usize);
        Ok(())
    }

    /// Copies `bytes` bytes from `src` to `dst`, both on the device; the ranges may overlap. What was never written at the
    /// source counts as never written at the destination.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`], [`MemoryError::UseAfterFree`].
    pub fn copy(&self, dst: u64, src: u64, bytes: u64) -> Result<(), MemoryError> {
        if bytes == 0 {
            return Ok(());
        }
        let (source, from) = self.locate(src, bytes)?;
        let (target, to) = self.locate(dst, bytes)?;
        let mut buffer = vec![0; bytes as usize];
        source.region.read(from, &mut buffer);
        let written = source.region.written_runs(from, bytes as usize);
        target.region.write(to, &buffer);
        target.region.forget(to, bytes as usize);
        for run in written {
            target.region.mark_written(to + run.start, run.len());
        }
        Ok(())
    }

    /// Free and total bytes.
    pub fn info(&self) -> (u64, u64) {
        (self.total - self.read_table().used, self.total)
    }

    /// Every live allocation, by ascending address.
    pub fn live(&self) -> Vec<Allocation> {
        self.read_table().live.iter().map(|block| block.info).collect()
    }

    /// The allocation that holds `ptr`.
    ///
    /// # Errors
    ///
    /// [`MemoryError::OutOfBounds`], [`MemoryError::UseAfterFree`].
    pub fn containing(&self, ptr: u64) -> Result<Allocation, MemoryError> {
        self.locate(ptr, 1).map(|(block, _)| block.info)
    }

    /// What a launch that begins now may touch.
    pub(crate) fn view(&self) -> View {
        let table = self.read_table();
        View { blocks: table.live.clone(), freed: Arc::clone(&table.freed) }
    }
}
