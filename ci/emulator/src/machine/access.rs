//! Loads, stores and atomics: addresses, checks, counting, and the memory itself.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::alu::Lanes;
use super::fault::{Fault, FaultKind, Space};
use super::race::Access;
use super::shared::Look;
use super::state::Launch;
use super::step::Step;
use super::touched::Mode;
use crate::isa::{Address, Atomic, AtomicOp, CopyAsync, LANES, Load, MemSpace, Port, Scalar, Store};
use crate::memory::{LOCAL_WINDOW, MemoryError, PARAM_WINDOW, Region, SHARED_WINDOW, WINDOW};

type Result<T> = std::result::Result<T, Box<Fault>>;

/// The lanes of a mask, ascending.
#[inline(always)]
pub(super) fn lanes(mask: u32) -> impl Iterator<Item = usize> + Clone {
    (0..LANES).filter(move |lane| mask >> lane & 1 == 1)
}

fn region_load(region: &Region, offset: usize, bytes: u32) -> u64 {
    match bytes {
        1 => u64::from(region.load8(offset)),
        2 => u64::from(region.load16(offset)),
        4 => u64::from(region.load32(offset)),
        _ => region.load64(offset),
    }
}

fn region_store(region: &Region, offset: usize, bytes: u32, value: u64) {
    match bytes {
        1 => region.store8(offset, value as u8),
        2 => region.store16(offset, value as u16),
        4 => region.store32(offset, value as u32),
        _ => region.store64(offset, value),
    }
}

/// What an atomic operation leaves in memory that held `old`.
fn atomic_result(op: AtomicOp, ty: Scalar, old: u64, b: u64, c: u64) -> u64 {
    macro_rules! typed {
        ($t:ty, $s:ty) => {{
            let (old, b, c) = (old as $t, b as $t, c as $t);
            let signed = ty.is_signed();
            u64::from(match op {
                AtomicOp::Add => old.wrapping_add(b),
                AtomicOp::Min if signed => (old as $s).min(b as $s) as $t,
                AtomicOp::Max if signed => (old as $s).max(b as $s) as $t,
                AtomicOp::Min => old.min(b),
                AtomicOp::Max => old.max(b),
                AtomicOp::And => old & b,
                AtomicOp::Or => old | b,
                AtomicOp::Xor => old ^ b,
                AtomicOp::Exchange => b,
                AtomicOp::CompareSwap => {
                    if old == b {
                        c
                    } else {
                        old
                    }
                }
                AtomicOp::Inc => {
                    if old >= b {
                        0
                    } else {
                        old + 1
                    }
                }
                AtomicOp::Dec => {
                    if old == 0 || old > b {
                        b
                    } else {
                        old - 1
                    }
                }
            })
        }};
    }
    match (ty, op) {
        (Scalar::F32, AtomicOp::Add) => {
            u64::from((f32::from_bits(old as u32) + f32::from_bits(b as u32)).to_bits())
        }
        (Scalar::F64, AtomicOp::Add) => (f64::from_bits(old) + f64::from_bits(b)).to_bits(),
        _ if ty.is_wide() => typed!(u64, i64),
        _ => typed!(u32, i32),
    }
}

impl Launch<'_> {
    /// Notes accesses to device memory, if that is asked for.
    #[inline]
    fn note(&self, block: usize, mode: Mode, mask: u32, offsets: &[usize; LANES], bytes: u32) {
        if let Some(touched) = &self.touched {
            touched.note(&self.view, block, mode, mask, offsets, bytes);
        }
    }

    #[inline]
    fn note_one(&self, block: usize, mode: Mode, offset: usize, bytes: u32) {
        self.note(block, mode, 1, &[offset; LANES], bytes);
    }
}

impl Step<'_, '_> {
    /// Every lane's address; those of idle lanes mean nothing.
    fn addresses(&self, address: &Address) -> [u64; LANES] {
        let offset = address.offset as u64;
        if address.wide {
            self.r64(address.row).0.map(|base| base.wrapping_add(offset))
        } else {
            // Addresses of 32 bits wrap around in 32 bits.
            self.r32(address.row).0.map(|base| u64::from(base.wrapping_add(offset as u32)))
        }
    }

    /// Splits `active` by the memory that its addresses are in, and makes the addresses count from that memory's start.
    fn spaces(&self, space: MemSpace, active: u32, addresses: &[u64; LANES]) -> [(Space, u32, u64); 4] {
        let none = [(Space::Global, 0, 0); 4];
        let only = |space| {
            let mut all = none;
            all[0] = (space, active, 0);
            all
        };
        match space {
            MemSpace::Global | MemSpace::Const => only(Space::Global),
            MemSpace::Shared => only(Space::Shared),
            MemSpace::Local => only(Space::Local),
            MemSpace::Param => only(Space::Param),
            MemSpace::Generic => {
                let within = |start: u64| {
                    lanes(active)
                        .filter(|&i| addresses[i].wrapping_sub(start) < WINDOW)
                        .fold(0, |m, i| m | 1 << i)
                };
                let (shared, local, param) =
                    (within(SHARED_WINDOW), within(LOCAL_WINDOW), within(PARAM_WINDOW));
                [
                    (Space::Global, active & !(shared | local | param), 0),
                    (Space::Shared, shared, SHARED_WINDOW),
                    (Space::Local, local, LOCAL_WINDOW),
                    (Space::Param, param, PARAM_WINDOW),
                ]
            }
        }
    }

    fn aligned(&self, space: Space, mask: u32, addresses: &[u64; LANES], bytes: u32) -> Result<()> {
        match lanes(mask).find(|&i| !addresses[i].is_multiple_of(u64::from(bytes))) {
            None => Ok(()),
            Some(i) => Err(self.fault(i, FaultKind::Misaligned { space, address: addresses[i], bytes })),
        }
    }

    fn out_of_bounds(
        &self,
        space: Space,
        lane: usize,
        address: u64,
        bytes: u32,
        near: Option<String>,
    ) -> Box<Fault> {
        self.fault(lane, FaultKind::OutOfBounds { space, address, bytes, near })
    }

    /// Index of the view's block that holds a lane's access.
    fn block_of(&mut self, lane: usize, address: u64, bytes: u32) -> Result<usize> {
        let view = &self.launch.view;
        let recent = self.worker.recent;
        if view.blocks.get(recent).is_some_and(|block| block.offset(address, u64::from(bytes)).is_some()) {
            return Ok(recent);
        }
        match view.locate(address, u64::from(bytes)) {
            Ok(index) => {
                self.worker.recent = index;
                Ok(index)
            }
            Err(error @ MemoryError::UseAfterFree { .. }) => {
                Err(self.fault(lane, FaultKind::UseAfterFree(error)))
            }
            Err(_) => {
                let near = view.nearest(address).map(|near| {
                    let past = address - near.ptr;
                    let end = past
                        .checked_sub(near.bytes)
                        .map_or(String::new(), |past| format!(", {past} past its end"));
                    format!(": byte {past} of the {} bytes at {:#x}{end}", near.bytes, near.ptr)
                });
                Err(self.out_of_bounds(Space::Global, lane, address, bytes, near))
            }
        }
    }

    /// Takes from `rest` the lanes whose accesses lie in the block of the first of them.
    fn next_block(&mut self, rest: &mut u32, addresses: &[u64; LANES], bytes: u32) -> Result<(usize, u32)> {
        let first = rest.trailing_zeros() as usize;
        let index = self.block_of(first, addresses[first], bytes)?;
        let block = &self.launch.view.blocks[index];
        let inside = addresses.iter().enumerate().fold(0, |mask, (i, &address)| {
            mask | u32::from(block.offset(address, u64::from(bytes)).is_some()) << i
        });
        let taken = *rest & inside;
        *rest &= !inside;
        Ok((index, taken))
    }

    /// Sectors of a request to device memory.
    fn count_global(&mut self, mask: u32, addresses: &[u64; LANES]) {
        if !self.launch.options.count {
            return;
        }
        // No access is wider than a sector, or lies across two.
        let mut sectors: Vec<u64> = lanes(mask).map(|i| addresses[i] / 32).collect();
        sectors.sort_unstable();
        sectors.dedup();
        self.worker.counters.global_requests += 1;
        self.worker.counters.global_sectors += sectors.len() as u64;
    }

    /// Bank conflicts of a request to shared memory: wide accesses go half or a quarter of a warp at a time.
    fn count_shared(&mut self, mask: u32, addresses: &[u64; LANES], bytes: u32) {
        if !self.launch.options.count {
            return;
        }
        self.worker.counters.shared_requests += 1;
        let together = match bytes {
            0..=4 => 32,
            8 => 16,
            _ => 8,
        };
        for start in (0..LANES).step_by(together) {
            let part = (u32::MAX >> (32 - together)) << start;
            let mut words: Vec<u64> = lanes(mask & part)
                .flat_map(|i| (0..u64::from(bytes.div_ceil(4))).map(move |k| (i, k)))
                .map(|(i, k)| addresses[i] / 4 + k)
                .collect();
            words.sort_unstable();
            words.dedup();
            let mut load = [0u64; 32];
            words.iter().for_each(|word| load[(word % 32) as usize] += 1);
            self.worker.counters.shared_conflicts +=
                load.iter().max().map_or(0, |most| most.saturating_sub(1));
        }
    }

    /// A read of memory that was never written: a fault, unless nobody looks for it, or the instruction is trusted.
    #[cold]
    fn unwritten(&self, lane: usize, space: Space, address: u64, bytes: u32) -> Result<()> {
        if !self.launch.options.checks.init || self.launch.trusts(self.at()) {
            return Ok(());
        }
        Err(self.fault(lane, FaultKind::Uninitialised { space, address, bytes }))
    }

    /// Refuses a shared or local range that is outside, or read before it was written.
    fn look_shared(&self, lane: usize, offset: u64, bytes: u32, reads: bool) -> Result<()> {
        match self.common.shared.look(offset, bytes) {
            Look::Outside => Err(self.out_of_bounds(Space::Shared, lane, offset, bytes, None)),
            Look::NeverWritten if reads => self.unwritten(lane, Space::Shared, offset, bytes),
            _ => Ok(()),
        }
    }

    fn look_local(&self, lane: usize, offset: u64, bytes: u32) -> Result<u32> {
        let end = offset.saturating_add(u64::from(bytes));
        if end > u64::from(self.warp.local.bytes()) {
            return Err(self.out_of_bounds(Space::Local, lane, offset, bytes, None));
        }
        Ok(offset as u32)
    }

    fn write_port(&mut self, port: Port, ty: Scalar, lane: usize, raw: u64) {
        let value = match ty {
            Scalar::S8 => raw as i8 as u64,
            Scalar::S16 => raw as i16 as u64,
            Scalar::S32 => raw as i32 as u64,
            _ => raw,
        };
        if port.wide {
            self.r64_mut(port.row).0[lane] = value;
        } else {
            self.r32_mut(port.row).0[lane] =
                if port.bits == 16 { value as u32 & 0xFFFF } else { value as u32 };
        }
    }

    fn read_port(&self, port: Port, lane: usize) -> u64 {
        if port.wide { self.r64(port.row).0[lane] } else { u64::from(self.r32(port.row).0[lane]) }
    }

    pub(super) fn load(&mut self, load: &Load, active: u32) -> Result<()> {
        let all = self.addresses(&load.address);
        let size = load.ty.bytes();
        let bytes = size * load.to.len() as u32;
        for (space, mask, start) in self.spaces(load.space, active, &all) {
            if mask == 0 {
                continue;
            }
            let addresses = all.map(|address| address.wrapping_sub(start));
            self.aligned(space, mask, &addresses, bytes)?;
            match space {
                Space::Global => self.load_global(load, mask, &addresses, bytes)?,
                Space::Shared => {
                    self.count_shared(mask, &addresses, bytes);
                    for lane in lanes(mask) {
                        self.look_shared(lane, addresses[lane], bytes, true)?;
                    }
                    self.track(Space::Shared, mask, &addresses, bytes, Access::Read, load.order, None)?;
                    for (k, port) in load.to.iter().enumerate() {
                        let Some(port) = *port else { continue };
                        for lane in lanes(mask) {
                            let raw =
                                self.common.shared.load(addresses[lane] + k as u64 * u64::from(size), size);
                            self.write_port(port, load.ty, lane, raw);
                        }
                    }
                }
                Space::Local => {
                    for lane in lanes(mask) {
                        let offset = self.look_local(lane, addresses[lane], bytes)?;
                        for (k, port) in load.to.iter().enumerate() {
                            let (raw, written) = self.warp.local.load(lane, offset + k as u32 * size, size);
                            if !written {
                                self.unwritten(lane, space, addresses[lane], bytes)?;
                            }
                            if let Some(port) = *port {
                                self.write_port(port, load.ty, lane, raw);
                            }
                        }
                    }
                }
                Space::Param => {
                    for lane in lanes(mask) {
                        let offset = addresses[lane];
                        let params = self.launch.params;
                        let range = usize::try_from(offset)
                            .ok()
                            .and_then(|at| params.get(at..at.checked_add(bytes as usize)?));
                        let Some(range) = range else {
                            return Err(self.out_of_bounds(space, lane, offset, bytes, None));
                        };
                        for (port, raw) in load.to.iter().zip(range.chunks(size as usize)) {
                            let mut value = [0; 8];
                            value[..raw.len()].copy_from_slice(raw);
                            if let Some(port) = *port {
                                self.write_port(port, load.ty, lane, u64::from_le_bytes(value));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn load_global(&mut self, load: &Load, mask: u32, addresses: &[u64; LANES], bytes: u32) -> Result<()> {
        // Constants have a cache of their own.
        if load.space != MemSpace::Const {
            self.count_global(mask, addresses);
        }
        self.track(Space::Global, mask, addresses, bytes, Access::Read, load.order, None)?;
        let size = load.ty.bytes();
        let mut rest = mask;
        while rest != 0 {
            let (index, taken) = self.next_block(&mut rest, addresses, bytes)?;
            let launch = self.launch;
            let block = &launch.view.blocks[index];
            let offsets = addresses.map(|address| address.wrapping_sub(block.info.ptr) as usize);
            if !block.region.is_complete() {
                let missing = lanes(taken).find(|&i| !block.region.is_written(offsets[i], bytes as usize));
                if let Some(lane) = missing {
                    self.unwritten(lane, Space::Global, addresses[lane], bytes)?;
                }
            }
            launch.note(index, Mode::Read, taken, &offsets, bytes);
            for (k, port) in load.to.iter().enumerate() {
                let Some(port) = *port else { continue };
                let skip = k * size as usize;
                match (size, port.wide) {
                    (4, false) => {
                        let row = self.r32_mut(port.row);
                        for lane in lanes(taken) {
                            row.0[lane] = block.region.load32(offsets[lane] + skip);
                        }
                    }
                    (8, true) => {
                        let row = self.r64_mut(port.row);
                        for lane in lanes(taken) {
                            row.0[lane] = block.region.load64(offsets[lane] + skip);
                        }
                    }
                    _ => {
                        for lane in lanes(taken) {
                            let raw = region_load(&block.region, offsets[lane] + skip, size);
                            self.write_port(port, load.ty, lane, raw);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn store(&mut self, store: &Store, active: u32) -> Result<()> {
        let all = self.addresses(&store.address);
        let size = store.ty.bytes();
        let bytes = size * store.from.len() as u32;
        self.worker.idle = 0;
        for (space, mask, start) in self.spaces(store.space, active, &all) {
            if mask == 0 {
                continue;
            }
            let addresses = all.map(|address| address.wrapping_sub(start));
            self.aligned(space, mask, &addresses, bytes)?;
            match space {
                Space::Global => self.store_global(store, mask, &addresses, bytes)?,
                Space::Shared => {
                    self.count_shared(mask, &addresses, bytes);
                    for lane in lanes(mask) {
                        self.look_shared(lane, addresses[lane], bytes, false)?;
                    }
                    let values = self.race_values(store);
                    self.track(Space::Shared, mask, &addresses, bytes, Access::Write, store.order, values)?;
                    for (k, &port) in store.from.iter().enumerate() {
                        for lane in lanes(mask) {
                            let value = self.read_port(port, lane);
                            self.common.shared.store(
                                addresses[lane] + k as u64 * u64::from(size),
                                size,
                                value,
                            );
                        }
                    }
                }
                Space::Local => {
                    for lane in lanes(mask) {
                        let offset = self.look_local(lane, addresses[lane], bytes)?;
                        for (k, &port) in store.from.iter().enumerate() {
                            let value = self.read_port(port, lane);
                            self.warp.local.store(lane, offset + k as u32 * size, size, value);
                        }
                    }
                }
                Space::Param => {
                    let lane = mask.trailing_zeros() as usize;
                    return Err(self.fault(lane, FaultKind::ReadOnly { space, address: addresses[lane] }));
                }
            }
        }
        Ok(())
    }

    /// For the race check, the values of a store of one element: writing what is there already is no race.
    fn race_values(&self, store: &Store) -> Option<[u64; LANES]> {
        match *store.from {
            [port] if self.common.race.is_some() => {
                Some(std::array::from_fn(|lane| self.read_port(port, lane)))
            }
            _ => None,
        }
    }

    fn writable(&self, index: usize, lane: usize, address: u64) -> Result<()> {
        if self.launch.read_only[index] {
            return Err(self.fault(lane, FaultKind::ReadOnly { space: Space::Global, address }));
        }
        Ok(())
    }

    fn store_global(&mut self, store: &Store, mask: u32, addresses: &[u64; LANES], bytes: u32) -> Result<()> {
        self.count_global(mask, addresses);
        let values = self.race_values(store);
        let size = store.ty.bytes();
        let mut rest = mask;
        while rest != 0 {
            let (index, taken) = self.next_block(&mut rest, addresses, bytes)?;
            let first = taken.trailing_zeros() as usize;
            self.writable(index, first, addresses[first])?;
            self.track(Space::Global, taken, addresses, bytes, Access::Write, store.order, values)?;
            let launch = self.launch;
            let block = &launch.view.blocks[index];
            let offsets = addresses.map(|address| address.wrapping_sub(block.info.ptr) as usize);
            launch.note(index, Mode::Write, taken, &offsets, bytes);
            for (k, &port) in store.from.iter().enumerate() {
                let skip = k * size as usize;
                match (size, port.wide) {
                    (4, false) => {
                        let row = self.r32(port.row);
                        for lane in lanes(taken) {
                            block.region.store32(offsets[lane] + skip, row.0[lane]);
                        }
                    }
                    (8, true) => {
                        let row = self.r64(port.row);
                        for lane in lanes(taken) {
                            block.region.store64(offsets[lane] + skip, row.0[lane]);
                        }
                    }
                    _ => {
                        for lane in lanes(taken) {
                            let value = self.read_port(port, lane);
                            region_store(&block.region, offsets[lane] + skip, size, value);
                        }
                    }
                }
            }
            if !block.region.is_complete() {
                // Neighbouring lanes mostly write one run of bytes.
                let consecutive = taken == u32::MAX
                    && (1..LANES).all(|lane| offsets[lane] == offsets[0] + lane * bytes as usize);
                if consecutive {
                    block.region.mark_written(offsets[0], LANES * bytes as usize);
                } else {
                    lanes(taken).for_each(|lane| block.region.mark_written(offsets[lane], bytes as usize));
                }
            }
        }
        Ok(())
    }

    pub(super) fn atomic(&mut self, atomic: &Atomic, active: u32) -> Result<()> {
        let all = self.addresses(&atomic.address);
        let bytes = atomic.ty.bytes();
        let wide = atomic.ty.is_wide();
        let rows = |step: &Self, row| {
            if wide { *step.r64(row) } else { Lanes(step.r32(row).0.map(u64::from)) }
        };
        let (b, c) = (rows(self, atomic.b), rows(self, atomic.c));
        let mut olds = [0u64; LANES];
        let mut changed = false;
        // An exchange may be what initialises.
        let reads = atomic.op != AtomicOp::Exchange;
        for (space, mask, start) in self.spaces(atomic.space, active, &all) {
            if mask == 0 {
                continue;
            }
            let addresses = all.map(|address| address.wrapping_sub(start));
            self.aligned(space, mask, &addresses, bytes)?;
            match space {
                Space::Global => self.count_global(mask, &addresses),
                Space::Shared => self.count_shared(mask, &addresses, bytes),
                _ => {}
            }
            for lane in lanes(mask) {
                let address = addresses[lane];
                let new = |old| atomic_result(atomic.op, atomic.ty, old, b.0[lane], c.0[lane]);
                let old = match space {
                    Space::Global => {
                        let index = self.block_of(lane, address, bytes)?;
                        self.writable(index, lane, address)?;
                        let block = &self.launch.view.blocks[index];
                        let offset = (address - block.info.ptr) as usize;
                        if reads && !block.region.is_written(offset, bytes as usize) {
                            self.unwritten(lane, space, address, bytes)?;
                        }
                        self.launch.note_one(index, Mode::Atomic, offset, bytes);
                        block.region.mark_written(offset, bytes as usize);
                        if wide {
                            let word = block.region.atomic64(offset);
                            word.fetch_update(SeqCst, Relaxed, |old| Some(new(old))).unwrap_or_else(|old| old)
                        } else {
                            let word = block.region.atomic32(offset);
                            let update = |old| Some(new(u64::from(old)) as u32);
                            u64::from(word.fetch_update(SeqCst, Relaxed, update).unwrap_or_else(|old| old))
                        }
                    }
                    Space::Shared => {
                        self.look_shared(lane, address, bytes, reads)?;
                        let old = self.common.shared.load(address, bytes);
                        self.common.shared.store(address, bytes, new(old));
                        old
                    }
                    Space::Local | Space::Param => {
                        let what = format!("atomic operation on {space} memory");
                        return Err(self.fault(lane, FaultKind::Unsupported(what)));
                    }
                };
                changed |= new(old) != old;
                olds[lane] = old;
            }
            self.track(space, mask, &addresses, bytes, Access::Atomic, atomic.order, None)?;
        }
        if changed {
            self.worker.idle = 0;
        }
        if let Some(d) = atomic.d {
            for lane in lanes(active) {
                if wide {
                    self.r64_mut(d).0[lane] = olds[lane];
                } else {
                    self.r32_mut(d).0[lane] = olds[lane] as u32;
                }
            }
        }
        Ok(())
    }

    pub(super) fn copy_async(&mut self, copy: &CopyAsync, active: u32) -> Result<()> {
        let (to, from) = (self.addresses(&copy.to), self.addresses(&copy.from));
        let bytes = copy.bytes;
        self.worker.idle = 0;
        self.aligned(Space::Shared, active, &to, bytes)?;
        self.aligned(Space::Global, active, &from, bytes)?;
        self.count_global(active, &from);
        self.count_shared(active, &to, bytes);
        self.track(Space::Global, active, &from, bytes, Access::Read, crate::isa::Order::Weak, None)?;
        self.track(Space::Shared, active, &to, bytes, Access::Write, crate::isa::Order::Weak, None)?;
        for lane in lanes(active) {
            let source = copy.source.map_or(bytes, |row| self.r32(row).0[lane].min(bytes));
            self.look_shared(lane, to[lane], bytes, false)?;
            let mut data = [0; 16];
            if source > 0 {
                let index = self.block_of(lane, from[lane], source)?;
                let block = &self.launch.view.blocks[index];
                let offset = (from[lane] - block.info.ptr) as usize;
                if !block.region.is_written(offset, source as usize) {
                    self.unwritten(lane, Space::Global, from[lane], source)?;
                }
                self.launch.note_one(index, Mode::Read, offset, source);
                block.region.read(offset, &mut data[..source as usize]);
            }
            for (k, word) in data[..bytes as usize].as_chunks::<4>().0.iter().enumerate() {
                self.common.shared.store(to[lane] + 4 * k as u64, 4, u64::from(u32::from_le_bytes(*word)));
            }
        }
        Ok(())
    }

    /// Bytes at a generic address, as `printf` reads them.
    pub(super) fn peek(&mut self, lane: usize, address: u64, bytes: u32) -> Result<u64> {
        let mut addresses = [0; LANES];
        addresses[lane] = address;
        for (space, mask, start) in self.spaces(MemSpace::Generic, 1 << lane, &addresses) {
            if mask == 0 {
                continue;
            }
            let offset = address - start;
            self.aligned(space, mask, &addresses, bytes)?;
            return Ok(match space {
                Space::Global => {
                    let index = self.block_of(lane, address, bytes)?;
                    let block = &self.launch.view.blocks[index];
                    region_load(&block.region, (address - block.info.ptr) as usize, bytes)
                }
                Space::Shared => {
                    self.look_shared(lane, offset, bytes, true)?;
                    self.common.shared.load(offset, bytes)
                }
                Space::Local => {
                    let offset = self.look_local(lane, offset, bytes)?;
                    self.warp.local.load(lane, offset, bytes).0
                }
                Space::Param => return Err(self.out_of_bounds(space, lane, offset, bytes, None)),
            });
        }
        Ok(0)
    }
}
