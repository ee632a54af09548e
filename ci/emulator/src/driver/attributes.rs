//! The device attributes (`CUdevice_attribute`) of a model.

use super::model::{MAX_BLOCK, MAX_GRID, MAX_THREADS_PER_BLOCK, Model, SHARED_PER_BLOCK, WARP};

/// Highest number that `cuda.h` of CUDA 13.0 gives to an attribute.
const LAST: i32 = 147;

/// Registers of a block and of a multiprocessor, on every device from sm_75.
const REGISTERS: u32 = 65536;

/// The value of an attribute; `None` if there is no attribute of that number. What this driver does not have (textures, managed
/// memory, IPC, ...) is zero, as on a device without it.
pub fn attribute(model: &Model, number: i32) -> Option<i32> {
    let value = match number {
        1 => MAX_THREADS_PER_BLOCK,
        2..=4 => MAX_BLOCK[(number - 2) as usize],
        5..=7 => MAX_GRID[(number - 5) as usize],
        8 => SHARED_PER_BLOCK,
        9 => 64 << 10, // TOTAL_CONSTANT_MEMORY
        10 => WARP,
        11 => i32::MAX as u32, // MAX_PITCH
        12 | 82 => REGISTERS,
        13 => model.clock,
        14 => 512, // TEXTURE_ALIGNMENT
        15 => 1,   // GPU_OVERLAP
        16 => model.multiprocessors,
        31 => 1,      // CONCURRENT_KERNELS
        32 => 0,      // ECC_ENABLED
        33 | 50 => 0, // PCI_BUS_ID, PCI_DOMAIN_ID
        36 => model.memory_clock,
        37 => model.bus_width,
        38 => model.l2,
        39 => model.threads_per_multiprocessor,
        40 => 3,  // ASYNC_ENGINE_COUNT
        41 => 1,  // UNIFIED_ADDRESSING
        51 => 32, // TEXTURE_PITCH_ALIGNMENT
        75 => model.capability / 10,
        76 => model.capability % 10,
        78..=80 => 1, // STREAM_PRIORITIES_, GLOBAL_L1_CACHE_, LOCAL_L1_CACHE_SUPPORTED
        81 => model.shared_per_multiprocessor,
        90 => 1, // COMPUTE_PREEMPTION_SUPPORTED
        95 => 1, // COOPERATIVE_LAUNCH
        97 => model.shared_optin(),
        99 => 1, // HOST_REGISTER_SUPPORTED
        106 => model.blocks_per_multiprocessor,
        111 => model.shared_reserved,
        115 => 1, // MEMORY_POOLS_SUPPORTED
        _ if (1..=LAST).contains(&number) => 0,
        _ => return None,
    };
    Some(value as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_those_of_the_model() {
        let model = Model::by_name("sm_86").unwrap();
        assert_eq!(attribute(&model, 75), Some(8));
        assert_eq!(attribute(&model, 76), Some(6));
        assert_eq!(attribute(&model, 4), Some(64));
        assert_eq!(attribute(&model, 5), Some(i32::MAX));
        assert_eq!(attribute(&model, 97), Some(99 << 10));
        assert_eq!(attribute(&model, 83), Some(0));
        assert_eq!(attribute(&model, 0), None);
        assert_eq!(attribute(&model, LAST + 1), None);
    }
}
