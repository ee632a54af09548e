// Sums of field elements over the lanes of a warp and the threads of a block.
//
// Addition modulo p is exact, so the order of summation shows in no canonical result.
#pragma once

#include <cstdint>

#include "thread/field.cuh"

namespace zkmill {

// The sum of `value` over each run of `width` lanes, valid in the run's first lane. `width` is a power of two up to 32; all
// lanes of the warp call it.
template <class F>
__device__ __forceinline__ F warp_sum(F value, uint32_t width = 32) {
#pragma unroll 1
    for (uint32_t step = width / 2; step > 0; step /= 2) {
        F other;
#pragma unroll
        for (int i = 0; i < 8; i++) other.limb[i] = __shfl_down_sync(0xffffffff, value.limb[i], step, width);
        value = value + other;
    }
    return value;
}

// Shared memory for `COUNT` sums over a block of `THREADS` threads in one dimension.
template <class F, int THREADS, int COUNT>
struct BlockSums {
    static constexpr int WARPS = THREADS / 32;
    static_assert(THREADS % 32 == 0 && COUNT <= THREADS, "whole warps, and a thread for each sum");

    F warps[COUNT][WARPS];

    // The sum of `values[k]` over the block is returned by thread k. All threads call it; a barrier has to come before the
    // next call.
    __device__ __forceinline__ F sum(const F (&values)[COUNT]) {
#pragma unroll
        for (int k = 0; k < COUNT; k++) {
            F total = warp_sum(values[k]);
            if (threadIdx.x % 32 == 0) total.store_lazy(&warps[k][threadIdx.x / 32]);
        }
        __syncthreads();
        F total = F::zero();
        if (threadIdx.x < COUNT) {
#pragma unroll 1
            for (int w = 0; w < WARPS; w++) total = total + F::load(&warps[threadIdx.x][w]);
        }
        return total;
    }
};

}  // namespace zkmill
