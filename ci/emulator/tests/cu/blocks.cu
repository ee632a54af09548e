// CUB's collectives of a block and of a warp.
#include <cstdint>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/warp/warp_reduce.cuh>

constexpr int THREADS = 128;
constexpr int ITEMS = 4;

extern "C" __global__ void __launch_bounds__(THREADS) block_scan(const uint32_t* in, uint32_t* out, uint32_t* sum) {
    using Scan = cub::BlockScan<uint32_t, THREADS>;
    __shared__ typename Scan::TempStorage storage;
    uint32_t items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        items[i] = in[threadIdx.x * ITEMS + i];
    }
    uint32_t total;
    Scan(storage).ExclusiveSum(items, items, total);
    for (int i = 0; i < ITEMS; i++) {
        out[threadIdx.x * ITEMS + i] = items[i];
    }
    if (threadIdx.x == 0) {
        *sum = total;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) block_sort(const uint32_t* in, uint32_t* keys, uint32_t* ranks) {
    using Sort = cub::BlockRadixSort<uint32_t, THREADS, ITEMS, uint32_t>;
    __shared__ typename Sort::TempStorage storage;
    uint32_t key[ITEMS], rank[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        rank[i] = threadIdx.x * ITEMS + i;
        key[i] = in[rank[i]];
    }
    Sort(storage).Sort(key, rank);
    for (int i = 0; i < ITEMS; i++) {
        keys[threadIdx.x * ITEMS + i] = key[i];
        ranks[threadIdx.x * ITEMS + i] = rank[i];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) block_reduce(const uint32_t* in, uint32_t* out) {
    using Reduce = cub::BlockReduce<uint32_t, THREADS>;
    using Warp = cub::WarpReduce<uint32_t>;
    __shared__ typename Reduce::TempStorage storage;
    __shared__ typename Warp::TempStorage warps[THREADS / 32];
    uint32_t value = in[threadIdx.x];
    uint32_t sum = Reduce(storage).Sum(value);
    if (threadIdx.x == 0) {
        out[0] = sum;
    }
    uint32_t least = Warp(warps[threadIdx.x / 32]).Reduce(value, [](uint32_t a, uint32_t b) { return a < b ? a : b; });
    if (threadIdx.x % 32 == 0) {
        out[1 + threadIdx.x / 32] = least;
    }
}
