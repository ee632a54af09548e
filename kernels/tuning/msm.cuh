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
constexpr int accumulate_threads = 128;
constexpr int combine_bytes = 32768;
constexpr int point_threads = 64;

}  // namespace tuning
}  // namespace zkmill
