// Kernels that are wrong, each in one way, in the line that is marked.
#include <cassert>
#include <cstdint>

extern "C" __global__ void out_of_bounds(uint32_t* data, uint32_t n) {
    data[threadIdx.x + n - 31] = 1;  // BAD: out of bounds
}

extern "C" __global__ void far_out_of_bounds(uint32_t* data) {
    data[1u << 30] = data[0];  // BAD: far away
}

extern "C" __global__ void out_of_shared(uint32_t* data) {
    extern __shared__ uint32_t part[];
    part[threadIdx.x] = data[threadIdx.x];  // BAD: out of shared
    __syncthreads();
    data[threadIdx.x] = part[threadIdx.x ^ 1];
}

extern "C" __global__ void misaligned(uint8_t* data) {
    *(uint32_t*)(data + 2 * threadIdx.x) = 1;  // BAD: misaligned
}

extern "C" __global__ void reads(const uint32_t* data, uint32_t* out) {
    out[threadIdx.x] = data[threadIdx.x];  // BAD: reads
}

extern "C" __global__ void shared_uninitialised(uint32_t* out) {
    __shared__ uint32_t part[64];
    part[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = part[threadIdx.x + 1];  // BAD: shared uninitialised
}

extern "C" __global__ void shared_race(uint32_t* data) {
    __shared__ uint32_t part[64];
    part[threadIdx.x] = data[threadIdx.x];
    data[threadIdx.x] = part[63 - threadIdx.x];  // BAD: shared race
}

extern "C" __global__ void global_race(uint32_t* data) {
    data[threadIdx.x] = blockIdx.x;  // BAD: global race
}

extern "C" __global__ void global_race_in_block(uint32_t* data) {
    data[threadIdx.x] = threadIdx.x;
    uint32_t next = data[threadIdx.x ^ 32];  // BAD: race within a block
    data[threadIdx.x + 64] = next;
}

extern "C" __global__ void no_syncwarp(uint32_t* data) {
    __shared__ uint32_t slots[32];
    slots[threadIdx.x] = data[threadIdx.x];
    data[threadIdx.x] = ((volatile uint32_t*)slots)[threadIdx.x ^ 1];  // BAD: no syncwarp
}

// In a branch, lanes write what other lanes read after it; nothing makes these wait.
extern "C" __global__ void diverged_without_syncwarp(uint32_t* data) {
    __shared__ uint32_t slots[32];
    slots[threadIdx.x] = 0;
    __syncwarp();
    if (threadIdx.x >= 16) {
        ((volatile uint32_t*)slots)[threadIdx.x - 16] = data[threadIdx.x];
    }
    data[threadIdx.x] = ((volatile uint32_t*)slots)[threadIdx.x];
}

extern "C" __global__ void divergent_barrier(uint32_t* data) {
    if (threadIdx.x % 2 == 0) {
        data[threadIdx.x] = 1;
        __syncthreads();  // BAD: divergent barrier
    }
    data[threadIdx.x] = 2;
}

extern "C" __global__ void absent_lanes(uint32_t* data) {
    if (threadIdx.x < 16) {
        data[threadIdx.x] = __shfl_down_sync(0xffffffff, threadIdx.x, 8);  // BAD: absent lanes
    }
    data[threadIdx.x] += 1;
}

extern "C" __global__ void deadlock(volatile uint32_t* flag) {
    while (*flag == 0) {  // BAD: deadlock
    }
}

extern "C" __global__ void asserts(const uint32_t* data) {
    assert(data[threadIdx.x] < 5);  // BAD: asserts
}

extern "C" __global__ void traps(const uint32_t* data) {
    if (data[threadIdx.x] == 5) {
        __trap();  // BAD: traps
    }
}

// Not wrong: for the findings about streams.
extern "C" __global__ void fill(uint32_t* data, uint32_t value) {
    data[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

extern "C" __global__ void add(const uint32_t* a, uint32_t* out) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] += a[i];
}
