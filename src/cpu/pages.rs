//! Large buffers on large pages.

use std::mem::MaybeUninit;

/// Asks the system to back a buffer by pages of 2 MiB, best before it is written to. No effect but on time.
///
/// A kernel that reads at random from many small pages spends more time on finding pages than on the data.
pub(crate) fn advise_large<T>(buffer: &mut Vec<T>) {
    advise(buffer.spare_capacity_mut());
}

#[cfg(target_os = "linux")]
fn advise<T>(memory: &mut [MaybeUninit<T>]) {
    const PAGE: usize = 1 << 21;
    let range = memory.as_mut_ptr_range();
    let (start, end) = (range.start.addr().next_multiple_of(PAGE), range.end.addr());
    let length = end.saturating_sub(start) & !(PAGE - 1);
    if length > 0 {
        let first = range.start.with_addr(start);
        // SAFETY: the pages lie within `memory`; the advice changes neither their content nor whether they are mapped.
        // It may be refused, which does not matter.
        let _ = unsafe { libc::madvise(first.cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_: &mut [MaybeUninit<T>]) {}

#[cfg(test)]
mod tests {
    use super::advise_large;

    #[test]
    fn contents_stay() {
        for len in [0, 1, 1 << 16, 5 << 20] {
            let mut buffer: Vec<u8> = Vec::with_capacity(2 * len + 3);
            buffer.extend((0..len).map(|i| (i * 7) as u8));
            advise_large(&mut buffer);
            assert!(buffer.iter().enumerate().all(|(i, &byte)| byte == (i * 7) as u8));
            buffer.resize(2 * len + 3, 9);
            assert!(buffer[len..].iter().all(|&byte| byte == 9));
        }
    }
}
