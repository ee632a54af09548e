// Sizes that the kernels of the multi-scalar multiplication are compiled with. `src/cuda/msm/plan.rs` launches by the same.
#pragma once

namespace zkmill {
namespace tuning {

// Threads of a block that cuts scalars into digits; each takes one scalar.
constexpr int digit_threads = 256;

// One pass of the radix sort: a block sorts a tile by one digit of at most `sort_bits` bits.
constexpr int sort_bits = 8;
constexpr int sort_threads = 256;
constexpr int sort_items = 16;
constexpr int sort_tile = sort_threads * sort_items;
static_assert(sort_threads == 1 << sort_bits, "one thread per bin");

// Threads of a block that works on points. A block of G1 or G2 points that are combined fills 32 KB of shared memory.
//
// Of the 65536 registers of a multiprocessor a thread that accumulates takes 104 on G1 and up to 255 on G2: four blocks and two run
// at a time, 512 and 256 threads, which `Group::THREADS` has. Entries are dealt out to as many threads as the whole card runs,
// so that one wave of blocks does it all; more threads would make a second wave that is partly empty.
constexpr int accumulate_threads = 128;
constexpr int combine_bytes = 32768;
constexpr int point_threads = 64;

}  // namespace tuning
}  // namespace zkmill
