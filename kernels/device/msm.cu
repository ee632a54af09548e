// Multi-scalar multiplication: the kernels that work on scalars and digits, for both groups, and those that work on points of
// the first group. `msm.cuh` tells how they play together.
#include <cub/block/block_exchange.cuh>
#include <cub/block/block_load.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_scan.cuh>

#include "device/msm.cuh"
#include "thread/recode.cuh"

namespace zkmill {
namespace msm {

// How magnitudes are cut: into `slices` of `slice_bits` bits, slice j being digits of 2^(slice_bits j) times the bases, and a
// slice into `windows` digits of `bits` bits, the last of which may be shorter.
struct Recoding {
    uint32_t bits, windows, slice_bits, slices;
};

// Shapes: items: pointers to `item_count` scalar arrays; offsets: item_count + 1, the number of scalars before each;
// keys, values: slices x windows x n.
// One thread per scalar, of those numbered first, .., first + n - 1 through all items. Its digit d > 0 or d < 0 of window w in slice
// j has the key of bucket |d| - 1 in group item * windows + w, and as value point i of table j with the sign; zero has the key
// after all groups.
template <class T>
__device__ __forceinline__ void digits(const T* const* items, const uint64_t* offsets, uint32_t item_count, uint64_t first,
                                       uint32_t n, uint32_t bases, Recoding cut, uint32_t* keys, uint32_t* values) {
    uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= n) return;
    uint64_t scalar = first + thread;
    uint32_t item = 0;
    for (uint32_t count = item_count; count > 1;) {
        // The last item that starts at or before the scalar; of several that start there all but the last are empty.
        uint32_t half = count / 2;
        if (offsets[item + half] <= scalar) {
            item += half;
            count -= half;
        } else {
            count = half;
        }
    }
    uint32_t index = uint32_t(scalar - offsets[item]);
    auto value = to_signed(items[item] + index);
    uint32_t none = (item_count * cut.windows) << (cut.bits - 1);
    uint32_t carry = 0;
    keys += thread;
    values += thread;
    for (uint32_t j = 0; j < cut.slices; j++) {
        uint32_t left = cut.slice_bits;
        for (uint32_t w = 0; w < cut.windows; w++) {
            uint32_t width = min(cut.bits, left);
            left -= width;
            int32_t digit = signed_digit(value.take(width), width, carry);
            bool negative = (digit < 0) != value.negative;
            uint32_t bucket = uint32_t(abs(digit)) - 1;
            *keys = digit == 0 ? none : ((item * cut.windows + w) << (cut.bits - 1)) + bucket;
            *values = (j * bases + index) | (negative ? sign_bit : 0);
            keys += n;
            values += n;
        }
    }
}

// A stable least-significant-digit radix sort: for each digit of the keys, counts, offsets and a scatter.

__device__ __forceinline__ uint32_t bin(uint32_t key, uint32_t shift, uint32_t bits) {
    return key >> shift & ((1u << bits) - 1);
}

// Shapes: keys: n; counts: 2^bits x blocks. One block counts the digits of one tile.
extern "C" __global__ void __launch_bounds__(tuning::sort_threads)
    msm_sort_count(const uint32_t* keys, uint32_t n, uint32_t shift, uint32_t bits, uint32_t* counts) {
    __shared__ uint32_t histogram[tuning::sort_threads];
    histogram[threadIdx.x] = 0;
    __syncthreads();
    uint64_t tile = uint64_t(blockIdx.x) * tuning::sort_tile;
#pragma unroll
    for (int k = 0; k < tuning::sort_items; k++) {
        uint64_t i = tile + k * tuning::sort_threads + threadIdx.x;
        if (i < n) atomicAdd(&histogram[bin(keys[i], shift, bits)], 1);
    }
    __syncthreads();
    if (threadIdx.x < 1u << bits) counts[size_t(threadIdx.x) * gridDim.x + blockIdx.x] = histogram[threadIdx.x];
}

// Shapes: counts: gridDim.x x tiles; totals: gridDim.x. One block turns the counts of one digit into the number of equal digits in
// earlier tiles, and writes that in all tiles.
extern "C" __global__ void __launch_bounds__(tuning::sort_threads)
    msm_sort_scan(uint32_t* counts, uint32_t tiles, uint32_t* totals) {
    using Scan = cub::BlockScan<uint32_t, tuning::sort_threads>;
    __shared__ typename Scan::TempStorage storage;
    counts += size_t(blockIdx.x) * tiles;
    uint32_t before = 0;
    for (uint32_t start = 0; start < tiles; start += tuning::sort_threads) {
        uint32_t i = start + threadIdx.x;
        uint32_t count = i < tiles ? counts[i] : 0, sum, all;
        Scan(storage).ExclusiveSum(count, sum, all);
        if (i < tiles) counts[i] = before + sum;
        before += all;
        __syncthreads();
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = before;
}

// Shapes: keys, values and their outputs: n; counts: 2^bits x blocks, as `msm_sort_scan` leaves them; totals: 2^bits.
// One block sorts one tile by the digit and writes its entries behind those of smaller digits and of earlier tiles.
extern "C" __global__ void __launch_bounds__(tuning::sort_threads)
    msm_sort_scatter(const uint32_t* keys, const uint32_t* values, uint32_t n, uint32_t shift, uint32_t bits,
                     const uint32_t* counts, const uint32_t* totals, uint32_t* keys_out, uint32_t* values_out) {
    using Load = cub::BlockLoad<uint32_t, tuning::sort_threads, tuning::sort_items, cub::BLOCK_LOAD_WARP_TRANSPOSE>;
    using Sort = cub::BlockRadixSort<uint32_t, tuning::sort_threads, tuning::sort_items, uint32_t>;
    using Scan = cub::BlockScan<uint32_t, tuning::sort_threads>;
    __shared__ union {
        typename Load::TempStorage load;
        typename Sort::TempStorage sort;
        typename Scan::TempStorage scan;
    } storage;
    __shared__ uint32_t histogram[tuning::sort_threads];
    // Where the tile's first entry with a digit goes, less its place in the sorted tile.
    __shared__ uint32_t target[tuning::sort_threads];

    uint64_t tile = uint64_t(blockIdx.x) * tuning::sort_tile;
    uint32_t valid = uint32_t(min(uint64_t(tuning::sort_tile), n - tile));
    uint32_t key[tuning::sort_items], value[tuning::sort_items];
    // The padding has the largest digit and comes last, so that it stays last.
    Load(storage.load).Load(keys + tile, key, valid, ~0u);
    __syncthreads();
    Load(storage.load).Load(values + tile, value, valid, 0u);
    histogram[threadIdx.x] = 0;
    __syncthreads();
    Sort(storage.sort).SortBlockedToStriped(key, value, int(shift), int(shift + bits));
#pragma unroll
    for (int k = 0; k < tuning::sort_items; k++) {
        if (k * tuning::sort_threads + threadIdx.x < valid) atomicAdd(&histogram[bin(key[k], shift, bits)], 1);
    }
    __syncthreads();
    uint32_t total = threadIdx.x < 1u << bits ? totals[threadIdx.x] : 0;
    uint32_t place, smaller;
    Scan(storage.scan).ExclusiveSum(histogram[threadIdx.x], place);
    __syncthreads();
    Scan(storage.scan).ExclusiveSum(total, smaller);
    if (threadIdx.x < 1u << bits) {
        target[threadIdx.x] = smaller + counts[size_t(threadIdx.x) * gridDim.x + blockIdx.x] - place;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < tuning::sort_items; k++) {
        uint32_t rank = k * tuning::sort_threads + threadIdx.x;
        if (rank < valid) {
            uint32_t to = target[bin(key[k], shift, bits)] + rank;
            keys_out[to] = key[k];
            values_out[to] = value[k];
        }
    }
}

#define ZKMILL_MSM_DIGITS(suffix, T)                                                                                    \
    extern "C" __global__ void __launch_bounds__(tuning::digit_threads) msm_digits_##suffix(                            \
        const T* const* items, const uint64_t* offsets, uint32_t item_count, uint64_t first, uint32_t n,                \
        uint32_t bases, uint32_t bits, uint32_t windows, uint32_t slice_bits, uint32_t slices, uint32_t* keys,          \
        uint32_t* values) {                                                                                             \
        digits<T>(items, offsets, item_count, first, n, bases, Recoding{bits, windows, slice_bits, slices}, keys,       \
                  values);                                                                                              \
    }
ZKMILL_MSM_DIGITS(i8, int8_t)
ZKMILL_MSM_DIGITS(i16, int16_t)
ZKMILL_MSM_DIGITS(i32, int32_t)
ZKMILL_MSM_DIGITS(i64, int64_t)
ZKMILL_MSM_DIGITS(u8, uint8_t)
ZKMILL_MSM_DIGITS(u16, uint16_t)
ZKMILL_MSM_DIGITS(u32, uint32_t)
ZKMILL_MSM_DIGITS(u64, uint64_t)
ZKMILL_MSM_DIGITS(fr, Fr)
ZKMILL_MSM_DIGITS(big, Big)
#undef ZKMILL_MSM_DIGITS

}  // namespace msm
}  // namespace zkmill

ZKMILL_MSM_KERNELS(g1, zkmill::Fq)
