//! A block's shared memory, and what is known of each of its bytes.

use crate::ptx::SharedLayout;

/// State of a byte.
const NEVER_WRITTEN: u8 = 0;
const WRITTEN: u8 = 1;
/// Between variables.
const RED_ZONE: u8 = 2;

/// Whether a range may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Fine,
    NeverWritten,
    Outside,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    data: Vec<u8>,
    state: Vec<u8>,
}

impl Shared {
    /// As a block finds it: nothing written.
    pub(super) fn reset(&mut self, layout: &SharedLayout, dynamic: u32) {
        let bytes = (layout.dynamic + dynamic) as usize;
        self.data.clear();
        self.data.resize(bytes, 0);
        self.state.clear();
        self.state.resize(bytes, RED_ZONE);
        for &(start, end) in &layout.ranges {
            self.state[start as usize..end as usize].fill(NEVER_WRITTEN);
        }
        self.state[layout.dynamic as usize..].fill(NEVER_WRITTEN);
    }

    /// Whether `[offset, offset + bytes)` is inside a variable, and written.
    #[inline]
    pub(super) fn look(&self, offset: u64, bytes: u32) -> Look {
        let end = offset.saturating_add(u64::from(bytes));
        if end > self.state.len() as u64 {
            return Look::Outside;
        }
        let state = &self.state[offset as usize..end as usize];
        if state.iter().all(|&state| state == WRITTEN) {
            Look::Fine
        } else if state.contains(&RED_ZONE) {
            Look::Outside
        } else {
            Look::NeverWritten
        }
    }

    /// Up to eight bytes that have been looked at.
    #[inline]
    pub(super) fn load(&self, offset: u64, bytes: u32) -> u64 {
        let mut value = [0; 8];
        value[..bytes as usize].copy_from_slice(&self.data[offset as usize..][..bytes as usize]);
        u64::from_le_bytes(value)
    }

    #[inline]
    pub(super) fn store(&mut self, offset: u64, bytes: u32, value: u64) {
        let range = offset as usize..offset as usize + bytes as usize;
        self.data[range.clone()].copy_from_slice(&value.to_le_bytes()[..bytes as usize]);
        self.state[range].fill(WRITTEN);
    }
}
