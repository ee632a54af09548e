// Batch inversion by the threads of one block.
//
// Montgomery's trick (Montgomery 1987, section 10.3.1): the product of all values is inverted once, and products with the other
// values lead back to each inverse. Within a thread along a chain, between threads along a binary tree in shared memory,
// whose upper levels are whole warps: three multiplications a value in all, and one inversion a block.
#pragma once

#include "thread/inverse.cuh"

namespace zkmill {

// `F`: a field. `THREADS`: the block's size, a power of two. Every thread of the block must make every call.
template <class F, int THREADS>
class BlockInverse {
    static_assert(THREADS >= 1 && (THREADS & (THREADS - 1)) == 0, "the tree is complete");

  public:
    // Shared memory; may be reused after a __syncthreads().
    struct Storage {
        // A node at i has its children at 2i and 2i + 1, thread t's leaf is at THREADS + t. Low and high halves apart, so that
        // neighbouring lanes read neighbouring 16-byte words.
        uint4 low[2 * THREADS], high[2 * THREADS];
    };

    __device__ __forceinline__ explicit BlockInverse(Storage& storage) : storage(storage) {}

    // The inverse of each thread's value, none of which may be zero. 3 (1 - 1 / THREADS) multiplications a thread.
    __device__ F invert_nonzero(const F& value) {
        const int thread = threadIdx.x;
        put(THREADS + thread, value);
        __syncthreads();
        for (int width = THREADS / 2; width > 0; width /= 2) {
            if (thread < width) put(width + thread, get(2 * (width + thread)) * get(2 * (width + thread) + 1));
            __syncthreads();
        }
        if (thread == 0) put(1, get(1).inverse());
        __syncthreads();
        // From products to inverses: that of a node times the product of its sibling.
        for (int width = 2; width <= THREADS; width *= 2) {
            F inverse;
            if (thread < width) inverse = get((width + thread) / 2) * get((width + thread) ^ 1);
            __syncthreads();
            if (thread < width) put(width + thread, inverse);
            __syncthreads();
        }
        return get(THREADS + thread);
    }

    // Replaces `values` of all threads by their inverses; zeros stay zero. 3 multiplications a value.
    template <int COUNT>
    __device__ __forceinline__ void invert(F (&values)[COUNT]) {
        invert_each<COUNT>([&](int i) { return values[i]; }, [&](int i, const F& inverse) { values[i] = inverse; });
    }

    // The same for values that `get(i)` reads, twice each, and inverses that `set(i, inverse)` takes, from the last to the
    // first, `i` below COUNT. More than four products are kept in local memory: then `i` is no constant.
    template <int COUNT, class Get, class Set>
    __device__ __forceinline__ void invert_each(Get get, Set set) {
        static_assert(COUNT >= 1 && COUNT <= 32, "a bit for each value");
        constexpr int unroll = COUNT <= 4 ? COUNT : 1;
        // before[i] is the product of the values before i, zeros left out.
        F before[COUNT];
        F product = F::one();
        uint32_t zeros = 0;
#pragma unroll unroll
        for (int i = 0; i < COUNT; i++) {
            before[i] = product;
            F value = get(i);
            if (value.is_zero()) {
                zeros |= 1u << i;
            } else {
                product = product * value;
            }
        }
        F inverse = invert_nonzero(product);
#pragma unroll unroll
        for (int i = COUNT - 1; i >= 0; i--) {
            // Calls stand outside of branches: `get` and `set` may exchange data between lanes.
            F value = get(i), result = F::zero();
            if (!(zeros >> i & 1)) {
                result = inverse * before[i];
                inverse = inverse * value;
            }
            set(i, result);
        }
    }

  private:
    Storage& storage;

    __device__ __forceinline__ F get(int node) const {
        uint4 low = storage.low[node], high = storage.high[node];
        return F{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
    }

    __device__ __forceinline__ void put(int node, const F& value) {
        storage.low[node] = make_uint4(value.limb[0], value.limb[1], value.limb[2], value.limb[3]);
        storage.high[node] = make_uint4(value.limb[4], value.limb[5], value.limb[6], value.limb[7]);
    }
};

}  // namespace zkmill
