//! Module images: from what a program hands to `cuModuleLoadData` to the PTX text in it.
//!
//! An image is PTX text, or a fat binary: a header, then entries, each PTX or machine code for one architecture, plain or
//! compressed (nvcc 13 compresses with Zstandard by default and with LZ4 for `--compress-mode=speed`). The layout, little-endian:
//!
//! | | header, 16 bytes | | entry, 64 bytes and more |
//! |---|---|---|---|
//! | 0 | magic `0xba55ed50` (u32) | 0 | kind: 1 PTX, 2 ELF (u16) |
//! | 6 | size of the header (u16) | 4 | size of the entry's header (u32) |
//! | 8 | size of all entries (u64) | 8 | size of the payload, padded (u64) |
//! | | | 16 | size of the payload if compressed (u32) |
//! | | | 28 | architecture, as in `sm_90` (u32) |
//! | | | 40 | flags: bit 13 LZ4, bit 15 Zstandard (u64) |
//! | | | 56 | size of the payload when decompressed (u64) |
//!
//! NVIDIA does not document the format; the table is what `fatbinary` of CUDA 13.0 writes.

use std::io::Read;

use super::status::Status;

const FAT_MAGIC: u32 = 0xba55_ed50;
/// A fat binary as the compiler embeds it in a program: magic, version, pointer to the fat binary.
const WRAPPER_MAGIC: u32 = 0x4662_43b1;
const ELF_MAGIC: u32 = u32::from_le_bytes(*b"\x7fELF");
const HEADER: usize = 16;
const KIND_PTX: u16 = 1;
const FLAG_LZ4: u64 = 1 << 13;
const FLAG_ZSTD: u64 = 1 << 15;
/// No PTX is larger; a size beyond it is a damaged image.
const MAX_TEXT: u64 = 1 << 30;

/// Why an image cannot be loaded: a status for the caller and a sentence for the person.
pub type Refusal = (Status, String);

fn invalid(why: impl Into<String>) -> Refusal {
    (Status::InvalidImage, why.into())
}

/// The PTX of the image at `image`, for a device of compute capability `capability`.
///
/// # Errors
///
/// `InvalidImage` for what is none, `NoBinaryForGpu` if the device can run nothing in it, `InvalidPtx` if the PTX is not text.
///
/// # Safety
///
/// `image` points to a whole image: NUL-terminated text, or a fat binary as long as its header says.
pub unsafe fn ptx_of(image: *const u8, capability: u32) -> Result<String, Refusal> {
    // SAFETY: every image is at least four bytes long: a text of fewer cannot be PTX, and is read only up to its NUL.
    let magic = unsafe { first_word(image) };
    match magic {
        FAT_MAGIC => {
            // SAFETY: the caller vouches for the header and for as many bytes as it says.
            let bytes = unsafe {
                let header = std::slice::from_raw_parts(image, HEADER);
                let length = number(header, 8, 8).and_then(|size| usize::try_from(size).ok());
                let start = number(header, 6, 2).unwrap_or(0) as usize;
                let total = length.and_then(|length| length.checked_add(start));
                let total = total.filter(|&total| start >= HEADER && total <= isize::MAX as usize);
                std::slice::from_raw_parts(image, total.ok_or_else(|| invalid("a fat binary with a damaged header"))?)
            };
            choose(bytes, capability)
        }
        WRAPPER_MAGIC => {
            // SAFETY: a wrapper holds, at offset 8, a pointer to a fat binary.
            let inner = unsafe { image.add(8).cast::<*const u8>().read_unaligned() };
            if inner.is_null() {
                return Err(invalid("a fat binary wrapper around nothing"));
            }
            // SAFETY: as above.
            if unsafe { first_word(inner) } != FAT_MAGIC {
                return Err(invalid("a fat binary wrapper around something else"));
            }
            // SAFETY: a fat binary, by its magic number.
            unsafe { ptx_of(inner, capability) }
        }
        ELF_MAGIC => Err((
            Status::NoBinaryForGpu,
            "the image is machine code (a cubin), which only a GPU can run: build PTX (-ptx, or code=compute_XX)".into(),
        )),
        _ => {
            // SAFETY: anything else is text, which its caller ends with a NUL.
            let text = unsafe { std::ffi::CStr::from_ptr(image.cast()) };
            let text = text.to_str().map_err(|_| (Status::InvalidPtx, "the PTX is not UTF-8".to_owned()))?;
            if !text.contains(".version") {
                return Err(invalid("the image is neither PTX nor a fat binary"));
            }
            Ok(text.to_owned())
        }
    }
}

/// The first four bytes, or fewer if a NUL comes before, as a little-endian word.
///
/// # Safety
///
/// `image` is readable up to its first NUL or for four bytes.
unsafe fn first_word(image: *const u8) -> u32 {
    let mut word = [0; 4];
    for (offset, byte) in word.iter_mut().enumerate() {
        // SAFETY: no earlier byte was the NUL that may end the image.
        *byte = unsafe { *image.add(offset) };
        if *byte == 0 {
            break;
        }
    }
    u32::from_le_bytes(word)
}

/// The little-endian number of `width` bytes at `offset`.
fn number(bytes: &[u8], offset: usize, width: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(width)?)?;
    Some(field.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The PTX entry for the highest architecture that the device has.
fn choose(bytes: &[u8], capability: u32) -> Result<String, Refusal> {
    let damaged = || invalid("a fat binary with a damaged entry");
    let mut offset = number(bytes, 6, 2).ok_or_else(damaged)? as usize;
    let mut best: Option<(u64, &[u8])> = None;
    let mut seen = Vec::new();
    while offset < bytes.len() {
        let entry = &bytes[offset..];
        let header = number(entry, 4, 4).ok_or_else(damaged)?;
        let payload = number(entry, 8, 8).ok_or_else(damaged)?;
        let length = header.checked_add(payload).and_then(|length| usize::try_from(length).ok());
        let entry =
            length.filter(|_| header >= 64).and_then(|length| entry.get(..length)).ok_or_else(damaged)?;
        let architecture = number(entry, 28, 4).ok_or_else(damaged)?;
        if number(entry, 0, 2) == Some(u64::from(KIND_PTX)) {
            seen.push(format!("compute_{architecture}"));
            let fits = architecture <= u64::from(capability);
            if fits && best.is_none_or(|(highest, _)| architecture > highest) {
                best = Some((architecture, entry));
            }
        } else {
            seen.push(format!("machine code for sm_{architecture}"));
        }
        offset += entry.len();
    }
    match best {
        Some((_, entry)) => text_of(entry),
        None => Err((
            Status::NoBinaryForGpu,
            format!("no PTX for sm_{capability} in the fat binary; it holds: {}", seen.join(", ")),
        )),
    }
}

/// The text of a PTX entry.
fn text_of(entry: &[u8]) -> Result<String, Refusal> {
    let damaged = || invalid("a PTX entry of a fat binary is damaged");
    let header = number(entry, 4, 4).ok_or_else(damaged)? as usize;
    let compressed = number(entry, 16, 4).ok_or_else(damaged)? as usize;
    let flags = number(entry, 40, 8).ok_or_else(damaged)?;
    let size = number(entry, 56, 8).filter(|&size| size <= MAX_TEXT).ok_or_else(damaged)? as usize;
    let payload = &entry[header..];
    let mut text = if flags & (FLAG_LZ4 | FLAG_ZSTD) == 0 {
        payload.to_vec()
    } else {
        let packed = payload.get(..compressed).ok_or_else(damaged)?;
        let unpacked = if flags & FLAG_LZ4 != 0 {
            lz4_flex::block::decompress(packed, size).map_err(|_| damaged())?
        } else {
            let mut unpacked = Vec::with_capacity(size);
            let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|_| damaged())?;
            decoder.take(MAX_TEXT).read_to_end(&mut unpacked).map_err(|_| damaged())?;
            unpacked
        };
        if unpacked.len() != size {
            return Err(damaged());
        }
        unpacked
    };
    // Payloads are padded with NULs.
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    text.truncate(end);
    String::from_utf8(text).map_err(|_| (Status::InvalidPtx, "the PTX is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u16, architecture: u32, flags: u64, payload: &[u8], size: usize) -> Vec<u8> {
        let padded = payload.len().next_multiple_of(8);
        let mut bytes = vec![0; 64 + padded];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4] = 64;
        bytes[8..16].copy_from_slice(&(padded as u64).to_le_bytes());
        bytes[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes[28..32].copy_from_slice(&architecture.to_le_bytes());
        bytes[40..48].copy_from_slice(&flags.to_le_bytes());
        bytes[56..64].copy_from_slice(&(size as u64).to_le_bytes());
        bytes[64..64 + payload.len()].copy_from_slice(payload);
        bytes
    }

    fn fat(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = FAT_MAGIC.to_le_bytes().to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    fn load(image: &[u8], capability: u32) -> Result<String, Refusal> {
        // SAFETY: the tests pass whole images.
        unsafe { ptx_of(image.as_ptr(), capability) }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        assert_eq!(load(b"//\n.version 9.0\n\0", 90).unwrap(), "//\n.version 9.0\n");
        assert_eq!(load(b"hi\0", 90).unwrap_err().0, Status::InvalidImage);
        assert_eq!(load(b"\0", 90).unwrap_err().0, Status::InvalidImage);
        assert_eq!(load(b"\x7fELF", 90).unwrap_err().0, Status::NoBinaryForGpu);
        assert_eq!(load(b".version \xff\0", 90).unwrap_err().0, Status::InvalidPtx);
    }

    #[test]
    fn the_highest_architecture_that_fits_is_chosen_and_unpacked() {
        let lz4 = lz4_flex::block::compress(b".version 9.0 // 80");
        let image = fat(&[
            entry(1, 75, 0, b".version 9.0 // 75", 0),
            entry(2, 90, 0, b"\x7fELF", 0),
            entry(1, 80, FLAG_LZ4, &lz4, 18),
            entry(1, 100, 0, b".version 9.0 // 100", 0),
        ]);
        assert_eq!(load(&image, 75).unwrap(), ".version 9.0 // 75");
        assert_eq!(load(&image, 90).unwrap(), ".version 9.0 // 80");
        assert_eq!(load(&image, 120).unwrap(), ".version 9.0 // 100");
        let (status, why) = load(&image, 70).unwrap_err();
        assert_eq!(status, Status::NoBinaryForGpu);
        assert!(why.contains("compute_75, machine code for sm_90"), "{why}");
    }

    #[test]
    fn damage_is_told_and_nothing_is_read_beyond_it() {
        let good = fat(&[entry(1, 75, FLAG_LZ4, &lz4_flex::block::compress(&[b'x'; 100]), 100)]);
        assert_eq!(load(&good, 75).unwrap().len(), 100);
        for position in 0..good.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut image = good.clone();
                image[position] = value;
                // The length in the header is the caller's word for how much may be read.
                if !(4..16).contains(&position) && position >= 4 {
                    let _ = choose(&image, 75);
                }
            }
        }
        for length in 16..good.len() {
            assert!(choose(&good[..length], 75).is_err() || length == 16);
        }
    }
}
