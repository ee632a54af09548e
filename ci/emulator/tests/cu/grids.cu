// Blocks that wait for each other.
#include <cooperative_groups.h>
#include <cstdint>

namespace cg = cooperative_groups;

// Adds to each element its neighbour's, many times: every round needs all of the round before.
extern "C" __global__ void rounds(uint32_t* data, uint32_t* other, uint32_t count) {
    cg::grid_group grid = cg::this_grid();
    uint32_t n = gridDim.x * blockDim.x;
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    for (uint32_t round = 0; round < count; round++) {
        other[i] = data[i] + data[(i + 1) % n];
        grid.sync();
        uint32_t* swap = data;
        data = other;
        other = swap;
    }
}

// Tells the block that an earlier block came before it, as if that were certain.
extern "C" __global__ void in_order(uint32_t* ticket, uint32_t* out) {
    if (threadIdx.x == 0) {
        out[blockIdx.x] = atomicAdd(ticket, 1);
    }
}

// Sums up warp by warp, with a step that trusts the warps to run in their order.
extern "C" __global__ void warps_in_order(uint32_t* out) {
    __shared__ uint32_t ticket;
    if (threadIdx.x == 0) {
        ticket = 0;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
        out[threadIdx.x / 32] = atomicAdd(&ticket, 1);
    }
}
