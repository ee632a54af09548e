// Field elements between global memory and the lanes of a warp, without half-used sectors.
//
// A lane that reads its own element makes two 16-byte requests, each of which touches every 32-byte sector of the warp's 1024
// bytes and uses half of it. Here the warp reads 512 consecutive bytes at a time, and pairs of lanes exchange halves.
#pragma once

#include "thread/field.cuh"

namespace zkmill {

// Consecutive elements that one warp handles together.
constexpr uint32_t GROUP = 32;

// Which element of a group belongs to this lane: even lanes have the first 16, odd lanes the others.
__device__ __forceinline__ uint32_t place_in_group() {
    uint32_t lane = threadIdx.x % 32;
    return lane / 2 + lane % 2 * 16;
}

__device__ __forceinline__ uint4 exchange_with_neighbour(uint4 word) {
    constexpr uint32_t all = 0xffffffff;
    return make_uint4(__shfl_xor_sync(all, word.x, 1), __shfl_xor_sync(all, word.y, 1),
                      __shfl_xor_sync(all, word.z, 1), __shfl_xor_sync(all, word.w, 1));
}

// Keeps the compiler from making branches of the choices by parity, around loads and stores that all lanes should make at once.
__device__ __forceinline__ void settle(uint4& word) {
    asm volatile("" : "+r"(word.x), "+r"(word.y), "+r"(word.z), "+r"(word.w));
}

// This lane's element of the group that starts at `group`, of which the first `count` exist; zero if it does not. Every
// lane must call.
template <class F>
__device__ __forceinline__ F load_coalesced(const F* group, uint32_t count) {
    const uint4* words = reinterpret_cast<const uint4*>(group);
    uint32_t lane = threadIdx.x % 32;
    bool odd = lane % 2 != 0;
    uint4 first = make_uint4(0, 0, 0, 0), second = first;
    if (lane < 2 * count) first = words[lane];
    if (32 + lane < 2 * count) second = words[32 + lane];
    settle(first);
    settle(second);
    uint4 received = exchange_with_neighbour(odd ? first : second);
    uint4 low = odd ? received : first, high = odd ? second : received;
    return F{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

// Writes the canonical representatives of the lanes' elements to the first `count` of the group. Every lane must call.
template <class F>
__device__ __forceinline__ void store_coalesced(F* group, uint32_t count, const F& element) {
    uint4* words = reinterpret_cast<uint4*>(group);
    uint32_t lane = threadIdx.x % 32;
    bool odd = lane % 2 != 0;
    F value = element.canonical();
    uint4 low = make_uint4(value.limb[0], value.limb[1], value.limb[2], value.limb[3]);
    uint4 high = make_uint4(value.limb[4], value.limb[5], value.limb[6], value.limb[7]);
    uint4 received = exchange_with_neighbour(odd ? low : high);
    uint4 first = odd ? received : low, second = odd ? high : received;
    settle(first);
    settle(second);
    if (lane < 2 * count) words[lane] = first;
    if (32 + lane < 2 * count) words[32 + lane] = second;
}

// Calls `work(first, count)` for every group of a vector of length `n`, in the warps of the grid by turns: `first` is the
// index of the group's first element, `count` how many of its elements exist. Blocks are whole warps.
template <class Work>
__device__ __forceinline__ void for_each_group(uint64_t n, Work work) {
    uint64_t thread = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    uint64_t stride = uint64_t(gridDim.x) * blockDim.x;
    for (uint64_t first = thread / GROUP * GROUP; first < n; first += stride) {
        work(first, uint32_t(min(uint64_t(GROUP), n - first)));
    }
}

}  // namespace zkmill
