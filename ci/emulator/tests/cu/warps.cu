// What the lanes of a warp do together.
#include <cstdint>

// Lanes of one parity sum up among themselves, in code that only they run.
extern "C" __global__ void parity_sums(const uint32_t* in, uint32_t* out) {
    uint32_t lane = threadIdx.x % 32;
    uint32_t value = in[threadIdx.x];
    if (lane % 2 == 0) {
        for (int step = 16; step >= 2; step /= 2) {
            value += __shfl_down_sync(0x55555555, value, step);
        }
        value = __shfl_sync(0x55555555, value, 0);
    } else {
        for (int step = 16; step >= 2; step /= 2) {
            value += __shfl_xor_sync(0xaaaaaaaa, value, step);
        }
    }
    out[threadIdx.x] = value;
}

// An inclusive scan, in a loop that lanes leave at different times before.
extern "C" __global__ void scan(const uint32_t* in, uint32_t* out) {
    uint32_t lane = threadIdx.x % 32;
    uint32_t value = in[threadIdx.x];
    uint32_t spin = 0;
    while (spin < lane) {
        spin++;
    }
    __syncwarp();
    for (int step = 1; step < 32; step *= 2) {
        uint32_t below = __shfl_up_sync(0xffffffff, value, step);
        if (lane >= step) {
            value += below;
        }
    }
    out[threadIdx.x] = value + spin - lane;
}

// Votes, matches and reductions: six numbers per lane.
extern "C" __global__ void votes(const uint32_t* in, uint32_t* out) {
    uint32_t value = in[threadIdx.x];
    uint32_t* mine = out + 6 * threadIdx.x;
    mine[0] = __ballot_sync(0xffffffff, value & 1);
    mine[1] = __any_sync(0xffffffff, value == 7);
    mine[2] = __all_sync(0xffffffff, value < 8);
    mine[3] = __match_any_sync(0xffffffff, value);
    mine[4] = __popc(__ballot_sync(0xffffffff, value > 3));
    mine[5] = 0;
    if (value & 1) {
        mine[5] = __activemask() & __ballot_sync(__activemask(), 1);
    }
}

// Lanes exchange through shared memory, with the synchronisation that this needs.
extern "C" __global__ void exchange(uint32_t* data) {
    __shared__ uint32_t slots[32];
    slots[threadIdx.x] = data[threadIdx.x];
    __syncwarp();
    uint32_t other = slots[threadIdx.x ^ 1];
    __syncwarp();
    data[threadIdx.x] = other;
}

// One lane after another takes a lock that the warp shares: only independent thread scheduling gets through.
extern "C" __global__ void locked(uint32_t* lock, uint32_t* value) {
    bool done = false;
    while (!done) {
        if (atomicCAS(lock, 0, 1) == 0) {
            __threadfence();
            volatile uint32_t* guarded = value;
            *guarded = *guarded * 3 + 1;
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
    }
}
