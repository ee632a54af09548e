// Prefix scans of whole arrays in one launch: each block scans one tile and learns what lies before it by looking back at its
// predecessors (Merrill and Garland, "Single-pass parallel prefix scan with decoupled look-back", 2016).
//
// A tile publishes its total as soon as it knows it, and the total of everything up to its end once it knows that. A tile
// combines the totals of its predecessors, nearest first, until it meets one of the latter kind. Tiles are handed out by
// a counter in the order in which blocks start, so that a block waits only for blocks that run.
//
// In a block the scan of the threads' totals is done by one warp ("raking"): a product of field elements is some 170
// instructions, and a scan by every thread would double the block's number of products. Per element that is two
// combinations, and per thread 2 + 6 / SEGMENT more.
//
// CUB has the same algorithm (`BlockScan`, `ScanTileState`), but unrolls it: with a field multiplication at each of dozens
// of places the code exceeds the instruction cache. The loops below stay loops.
#pragma once

#include <cstdint>

#include "thread/field.cuh"

namespace zkmill {

// A commutative monoid to scan over: a type, its neutral element and its operation. Field elements are lazy throughout.
struct Product {
    using Value = Fr;
    static __device__ __forceinline__ Fr neutral() { return Fr::one(); }
    static __device__ __forceinline__ Fr combine(const Fr& a, const Fr& b) { return a * b; }
};

struct Sum {
    using Value = Fr;
    static __device__ __forceinline__ Fr neutral() { return Fr::zero(); }
    static __device__ __forceinline__ Fr combine(const Fr& a, const Fr& b) { return a + b; }
};

struct IntegerSum {
    using Value = uint64_t;
    static __device__ __forceinline__ uint64_t neutral() { return 0; }
    static __device__ __forceinline__ uint64_t combine(uint64_t a, uint64_t b) { return a + b; }
};

namespace scan {

constexpr uint32_t ALL = 0xffffffff;
constexpr int THREADS = 128;
// Totals that one lane of the raking warp combines.
constexpr int SEGMENT = THREADS / 32;

__device__ __forceinline__ Fr fetch(Fr* p) { return Fr::load(p); }
__device__ __forceinline__ uint64_t fetch(uint64_t* p) { return *p; }
__device__ __forceinline__ void put(Fr* p, const Fr& value) { value.store_lazy(p); }
__device__ __forceinline__ void put(uint64_t* p, uint64_t value) { *p = value; }

__device__ __forceinline__ uint64_t shuffle_up(uint64_t value, int distance) {
    return __shfl_up_sync(ALL, value, distance);
}
__device__ __forceinline__ Fr shuffle_up(Fr value, int distance) {
#pragma unroll
    for (uint32_t& limb : value.limb) limb = __shfl_up_sync(ALL, limb, distance);
    return value;
}
__device__ __forceinline__ uint64_t shuffle_xor(uint64_t value, int distance) {
    return __shfl_xor_sync(ALL, value, distance);
}
__device__ __forceinline__ Fr shuffle_xor(Fr value, int distance) {
#pragma unroll
    for (uint32_t& limb : value.limb) limb = __shfl_xor_sync(ALL, limb, distance);
    return value;
}

__device__ __forceinline__ uint32_t acquire(const uint32_t* p) {
    uint32_t value;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
    return value;
}
__device__ __forceinline__ void release(uint32_t* p, uint32_t value) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}

// What a tile has published.
enum State : uint32_t { NOTHING = 0, TOTAL = 1, PREFIX = 2 };

// What the blocks of one scan share, in global memory.
template <class Value>
struct Tiles {
    // The number of tiles handed out, then the state of each tile. All zero at the launch.
    uint32_t* states;
    // The totals of the tiles, then their prefixes: the total of everything up to a tile's end.
    Value* values;
    uint32_t count;

    __device__ __forceinline__ Value* total(uint32_t tile) const { return values + tile; }
    __device__ __forceinline__ Value* prefix(uint32_t tile) const { return values + count + tile; }
    __device__ __forceinline__ uint32_t* state(uint32_t tile) const { return states + 1 + tile; }
};

template <class Value>
struct Shared {
    // Segments lie 16 bytes apart, so that the lanes of the raking warp meet in no bank.
    static constexpr int STRIDE = SEGMENT * sizeof(Value) + 16;
    alignas(16) unsigned char bytes[32 * STRIDE];
    uint32_t tile;

    __device__ __forceinline__ Value* at(int thread) {
        int offset = thread / SEGMENT * STRIDE + thread % SEGMENT * int(sizeof(Value));
        return reinterpret_cast<Value*>(bytes + offset);
    }
};

// What lies before a tile. One warp, all lanes; the result is valid in all of them.
template <class M>
__device__ typename M::Value look_back(const Tiles<typename M::Value>& tiles, uint32_t tile) {
    using Value = typename M::Value;
    const int lane = threadIdx.x % 32;
    Value before = M::neutral();
    for (int64_t nearest = int64_t(tile) - 1;; nearest -= 32) {
        const int64_t mine = nearest - lane;
        // Lane by lane further back; of lanes without a tile the nearest ends the search.
        uint32_t state, prefixes, missing;
        do {
            state = mine >= 0 ? acquire(tiles.state(uint32_t(mine))) : PREFIX;
            prefixes = __ballot_sync(ALL, state == PREFIX);
            missing = __ballot_sync(ALL, state == NOTHING);
        } while (missing & ((prefixes & -prefixes) - 1));
        // The lanes up to the first prefix; all of them if there is none.
        const uint32_t wanted = ((prefixes & -prefixes) << 1) - 1;
        Value value = M::neutral();
        if (mine >= 0 && wanted >> lane & 1) {
            value = fetch(state == PREFIX ? tiles.prefix(uint32_t(mine)) : tiles.total(uint32_t(mine)));
        }
#pragma unroll 1
        for (int distance = 16; distance > 0; distance /= 2) {
            value = M::combine(value, shuffle_xor(value, distance));
        }
        before = M::combine(before, value);
        if (prefixes != 0) return before;
    }
}

// The combination of all threads' values in the array before the calling thread's, of which there is one a thread.
// All threads of the block.
template <class M>
__device__ typename M::Value exclusive(const Tiles<typename M::Value>& tiles, Shared<typename M::Value>& shared,
                                       uint32_t tile, const typename M::Value& value) {
    using Value = typename M::Value;
    put(shared.at(threadIdx.x), value);
    __syncthreads();
    if (threadIdx.x < 32) {
        const int lane = threadIdx.x, first = lane * SEGMENT;
        Value sum = fetch(shared.at(first));
#pragma unroll 1
        for (int i = 1; i < SEGMENT; i++) sum = M::combine(sum, fetch(shared.at(first + i)));
#pragma unroll 1
        for (int distance = 1; distance < 32; distance *= 2) {
            Value both = M::combine(shuffle_up(sum, distance), sum);
            if (lane >= distance) sum = both;
        }
        // `sum` is now that of all segments up to this one; the last lane's is the tile's total.
        if (lane == 31 && tile != 0) {
            put(tiles.total(tile), sum);
            release(tiles.state(tile), TOTAL);
        }
        Value before = shuffle_up(sum, 1);
        if (tile == 0) {
            if (lane == 0) before = M::neutral();
        } else {
            Value outside = look_back<M>(tiles, tile);
            before = M::combine(outside, lane == 0 ? M::neutral() : before);
            sum = M::combine(outside, sum);
        }
        if (lane == 31) {
            put(tiles.prefix(tile), sum);
            release(tiles.state(tile), PREFIX);
        }
#pragma unroll 1
        for (int i = 0; i < SEGMENT; i++) {
            Value own = fetch(shared.at(first + i));
            put(shared.at(first + i), before);
            if (i + 1 < SEGMENT) before = M::combine(before, own);
        }
    }
    __syncthreads();
    return fetch(shared.at(threadIdx.x));
}

// The body of a kernel that scans `n` values, `items` a thread, with THREADS threads a block and one block for each
// THREADS * items values. `load(i)` gives value i, and is called twice so that values need not wait in registers;
// `emit(i, before, value)` gets the combination of all values before i and value i itself, and returns the combination
// of both, which it may have needed.
template <class M, class Load, class Emit>
__device__ __forceinline__ void run(const Tiles<typename M::Value>& tiles, uint64_t n, uint32_t items, Load load,
                                    Emit emit) {
    using Value = typename M::Value;
    __shared__ Shared<Value> shared;
    if (threadIdx.x == 0) shared.tile = atomicAdd(tiles.states, 1u);
    __syncthreads();
    const uint32_t tile = shared.tile;
    const uint64_t first = (uint64_t(tile) * THREADS + threadIdx.x) * items;
    const uint64_t end = first + items < n ? first + items : n;

    Value value = first < n ? load(first) : M::neutral();
#pragma unroll 1
    for (uint64_t i = first + 1; i < end; i++) value = M::combine(value, load(i));
    Value before = exclusive<M>(tiles, shared, tile, value);
#pragma unroll 1
    for (uint64_t i = first; i < end; i++) before = emit(i, before, load(i));
}

}  // namespace scan
}  // namespace zkmill
