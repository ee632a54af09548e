//! The devices this driver can pass itself off as, and what they can hold.
//!
//! The numbers are those of NVIDIA's data sheets and of the "Compute Capabilities" appendix of the CUDA C++ Programming
//! Guide. They bound launches and answer attribute queries; they do not make anything faster or slower.

/// Threads of a warp, on every device.
pub const WARP: u32 = 32;
/// Threads of a block, on every device.
pub const MAX_THREADS_PER_BLOCK: u32 = 1024;
/// Largest block in each direction, on every device.
pub const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
/// Largest grid in each direction, on every device.
pub const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];
/// Shared memory that a block may have without asking for more, in bytes.
pub const SHARED_PER_BLOCK: u32 = 48 << 10;

/// One model of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Name of the part that the numbers are those of.
    pub part: &'static str,
    /// Compute capability, as in `sm_90`.
    pub capability: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Clock in kHz.
    pub clock: u32,
    /// Memory clock in kHz.
    pub memory_clock: u32,
    /// Width of the memory bus in bits.
    pub bus_width: u32,
    /// Level-2 cache in bytes.
    pub l2: u32,
    /// Shared memory of a multiprocessor in bytes.
    pub shared_per_multiprocessor: u32,
    /// Shared memory that the driver keeps for itself in every block, in bytes.
    pub shared_reserved: u32,
    /// Resident threads of a multiprocessor.
    pub threads_per_multiprocessor: u32,
    /// Resident blocks of a multiprocessor.
    pub blocks_per_multiprocessor: u32,
}

const fn model(
    part: &'static str,
    capability: u32,
    multiprocessors: u32,
    [clock, memory_clock, bus_width]: [u32; 3],
    l2_mib: u32,
    [shared_kib, threads, blocks]: [u32; 3],
) -> Model {
    Model {
        part,
        capability,
        multiprocessors,
        clock,
        memory_clock,
        bus_width,
        l2: l2_mib << 20,
        shared_per_multiprocessor: shared_kib << 10,
        shared_reserved: if capability < 80 { 0 } else { 1 << 10 },
        threads_per_multiprocessor: threads,
        blocks_per_multiprocessor: blocks,
    }
}

/// The models, one for each architecture, in ascending order.
pub const MODELS: [Model; 7] = [
    model("T4", 75, 40, [1_590_000, 5_001_000, 256], 4, [64, 1024, 16]),
    model("A100", 80, 108, [1_410_000, 1_215_000, 5120], 40, [164, 2048, 32]),
    model("A10", 86, 72, [1_695_000, 6_251_000, 384], 6, [100, 1536, 16]),
    model("L4", 89, 58, [2_040_000, 6_251_000, 192], 48, [100, 1536, 24]),
    model("H100", 90, 132, [1_980_000, 2_619_000, 5120], 50, [228, 2048, 32]),
    model("B200", 100, 148, [1_965_000, 3_996_000, 8192], 126, [228, 2048, 32]),
    model("RTX 5090", 120, 170, [2_407_000, 14_001_000, 512], 96, [100, 1536, 24]),
];

impl Model {
    /// The model called `sm_<capability>`.
    pub fn by_name(name: &str) -> Option<Self> {
        let capability: u32 = name.strip_prefix("sm_")?.parse().ok()?;
        MODELS.into_iter().find(|model| model.capability == capability)
    }

    /// Shared memory that a block may ask for at most, in bytes.
    pub fn shared_optin(&self) -> u32 {
        self.shared_per_multiprocessor - self.shared_reserved
    }

    /// How many blocks of `threads` threads with `shared` bytes of shared memory each fit on a multiprocessor at once. Registers,
    /// which the device would count too, are not modelled.
    pub fn occupancy(&self, threads: u32, shared: u32) -> u32 {
        if threads == 0 || threads > MAX_THREADS_PER_BLOCK || shared > self.shared_optin() {
            return 0;
        }
        let by_threads = (self.threads_per_multiprocessor / WARP) / threads.div_ceil(WARP);
        let needed = shared + self.shared_reserved;
        let by_shared = self.shared_per_multiprocessor.checked_div(needed).unwrap_or(u32::MAX);
        self.blocks_per_multiprocessor.min(by_threads).min(by_shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcest_resource_bounds_occupancy() {
        let h100 = Model::by_name("sm_90").unwrap();
        assert_eq!(h100.occupancy(32, 0), 32);
        assert_eq!(h100.occupancy(1024, 0), 2);
        assert_eq!(h100.occupancy(33, 0), 32);
        assert_eq!(h100.occupancy(96, 0), 21);
        assert_eq!(h100.occupancy(128, 100 << 10), 2);
        assert_eq!(h100.occupancy(128, 227 << 10), 1);
        assert_eq!(h100.occupancy(128, (227 << 10) + 1), 0);
        assert_eq!(h100.occupancy(1025, 0), 0);
        let t4 = Model::by_name("sm_75").unwrap();
        assert_eq!(t4.shared_optin(), 64 << 10);
        assert_eq!(t4.occupancy(1024, 0), 1);
        assert_eq!(t4.occupancy(64, 32 << 10), 2);
    }

    #[test]
    fn only_known_architectures_have_a_model() {
        assert!(MODELS.is_sorted_by_key(|model| model.capability));
        assert_eq!(Model::by_name("sm_120").unwrap().part, "RTX 5090");
        assert_eq!(Model::by_name("sm_91"), None);
        assert_eq!(Model::by_name("90"), None);
    }
}
