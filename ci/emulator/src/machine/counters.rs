//! What a launch did, in numbers that do not depend on the host.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Kinds of instruction that the counters tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    /// Multiplications that use the upper half of the product: `.wide`, `.hi`.
    WideMultiply,
    /// Other multiplications, and divisions.
    Multiply,
    /// Additions and subtractions.
    Add,
    /// Bitwise logic, selection, comparison.
    Logic,
    /// Shifts, bit fields, permutations.
    Shift,
    /// Moves between registers.
    Move,
    /// Conversions of width or type.
    Convert,
    /// Loads and stores of global memory.
    Global,
    /// Loads and stores of shared memory.
    Shared,
    /// Loads and stores of local memory.
    Local,
    /// Loads of constants and parameters.
    Constant,
    /// Atomic operations, on any memory.
    Atomic,
    /// Branches, calls, returns.
    Control,
    /// Barriers and fences.
    Barrier,
    /// Exchange between lanes.
    Shuffle,
    /// Floating point.
    Float,
    /// Everything else.
    Other,
}

impl Class {
    /// Number of classes.
    pub const COUNT: usize = Self::Other as usize + 1;
}

/// Instructions of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Once per warp that executed it with any lane.
    pub warp: u64,
    /// Once per lane.
    pub thread: u64,
}

impl AddAssign for Executed {
    fn add_assign(&mut self, other: Self) {
        self.warp += other.warp;
        self.thread += other.thread;
    }
}

macro_rules! classes {
    ($($field:ident: $class:ident;)*) => {
        /// Instructions executed, by class.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Instructions {
            $(#[doc = concat!("[`Class::", stringify!($class), "`].")]
            pub $field: Executed,)*
        }

        impl Instructions {
            /// The entry of `class`.
            pub fn of(&mut self, class: Class) -> &mut Executed {
                match class { $(Class::$class => &mut self.$field,)* }
            }

            /// Sum over all classes.
            pub fn total(&self) -> Executed {
                let mut sum = Executed::default();
                $(sum += self.$field;)*
                sum
            }
        }

        impl AddAssign for Instructions {
            fn add_assign(&mut self, other: Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

classes! {
    wide_multiply: WideMultiply;
    multiply: Multiply;
    add: Add;
    logic: Logic;
    shift: Shift;
    mov: Move;
    convert: Convert;
    global: Global;
    shared: Shared;
    local: Local;
    constant: Constant;
    atomic: Atomic;
    control: Control;
    barrier: Barrier;
    shuffle: Shuffle;
    float: Float;
    other: Other;
}

/// Counts of one launch, or of several summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Launches summed up.
    pub launches: u64,
    /// Blocks run.
    pub blocks: u64,
    /// Threads run.
    pub threads: u64,
    /// PTX instructions by class.
    pub instructions: Instructions,
    /// Warp-wide requests to global memory, loads, stores and atomics.
    pub global_requests: u64,
    /// 32-byte sectors that those touched; a request of 32 neighbouring 4-byte words touches 4.
    pub global_sectors: u64,
    /// Warp-wide requests to shared memory.
    pub shared_requests: u64,
    /// Cycles beyond the unavoidable that those need because words collide in one of the 32 banks.
    pub shared_conflicts: u64,
}

impl Counters {
    /// Mean number of active lanes per warp instruction, at most 32.
    pub fn lanes_per_instruction(&self) -> f64 {
        let total = self.instructions.total();
        total.thread as f64 / (total.warp as f64).max(1.0)
    }

    /// Mean number of sectors per request to global memory.
    pub fn sectors_per_request(&self) -> f64 {
        self.global_sectors as f64 / (self.global_requests as f64).max(1.0)
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.launches += other.launches;
        self.blocks += other.blocks;
        self.threads += other.threads;
        self.instructions += other.instructions;
        self.global_requests += other.global_requests;
        self.global_sectors += other.global_sectors;
        self.shared_requests += other.shared_requests;
        self.shared_conflicts += other.shared_conflicts;
    }
}
