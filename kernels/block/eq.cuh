// Values of the equality polynomial eq(z, x) = prod_i (z_i x_i + (1 - z_i) (1 - x_i)), from tables over four coordinates.
//
// The 2^k values over k coordinates are outer products of k / 4 tables of 16 values. A block makes these tables from the
// coordinates themselves: 4k values of three multiplications each, all at once, instead of reading 2^k values that a launch
// before it has made. A value is then k / 4 - 1 multiplications.
#pragma once

#include <cstdint>

#include "thread/field.cuh"

namespace zkmill {

// Coordinates that a kernel takes by value: more than any memory has room for.
constexpr int MAX_VARIABLES = 40;

// How the bits of an index are shared out, from the most significant on: rows, which a thread visits one after the other,
// blocks, and threads of a block.
struct Split {
    uint32_t row_bits;
    uint32_t block_bits;
    uint32_t thread_bits;
};

// The factors of eq over the three parts of a split. In shared memory.
struct EqTables {
    static constexpr int TABLES = MAX_VARIABLES / 4 + 3;

    Fr values[16 * TABLES];

    // The tables over coordinates point[0], .., point[rows + blocks + threads - 1], all threads of the block together. A
    // barrier has to follow.
    __device__ __forceinline__ void fill(const Fr* point, Split split) {
        Fr* next = values;
        next = fill_part(next, point, split.row_bits);
        next = fill_part(next, point + split.row_bits, split.block_bits);
        fill_part(next, point + split.row_bits + split.block_bits, split.thread_bits);
    }

    __device__ __forceinline__ Fr row(Split split, uint64_t index) const { return product(values, split.row_bits, index); }

    __device__ __forceinline__ Fr block(Split split, uint64_t index) const {
        return product(values + 16 * tables(split.row_bits), split.block_bits, index);
    }

    __device__ __forceinline__ Fr thread(Split split, uint64_t index) const {
        return product(values + 16 * (tables(split.row_bits) + tables(split.block_bits)), split.thread_bits, index);
    }

  private:
    static __device__ __forceinline__ uint32_t tables(uint32_t bits) { return (bits + 3) / 4; }

    // Table t is over the bits 4t, .., 4t + 3 of an index, bit 0 being that of the last coordinate.
    static __device__ __forceinline__ Fr* fill_part(Fr* part, const Fr* point, uint32_t bits) {
        uint32_t count = 16 * tables(bits);
        for (uint32_t entry = threadIdx.x; entry < count; entry += blockDim.x) {
            Fr value = Fr::one();
#pragma unroll 1
            for (uint32_t i = 0; i < 4; i++) {
                uint32_t bit = entry / 16 * 4 + i;
                if (bit < bits) {
                    Fr coordinate = Fr::load(point + (bits - 1 - bit));
                    Fr factor = entry >> i & 1 ? coordinate : Fr::one() - coordinate;
                    value = i == 0 ? factor : value * factor;
                }
            }
            value.store_lazy(part + entry);
        }
        return part + count;
    }

    static __device__ __forceinline__ Fr product(const Fr* part, uint32_t bits, uint64_t index) {
        if (bits == 0) return Fr::one();
        Fr value = Fr::load(part + index % 16);
#pragma unroll 1
        for (uint32_t table = 1; table < tables(bits); table++) {
            index /= 16;
            value = value * Fr::load(part + 16 * table + index % 16);
        }
        return value;
    }
};

// Copies a kernel's parameter block to shared memory, where dynamic indices cost nothing. A barrier has to follow.
template <class T>
__device__ __forceinline__ void stage(T& shared, const T& parameter) {
    static_assert(sizeof(T) % sizeof(uint4) == 0, "copied in 16-byte words");
    const uint4* from = reinterpret_cast<const uint4*>(&parameter);
    uint4* to = reinterpret_cast<uint4*>(&shared);
    for (uint32_t i = threadIdx.x; i < sizeof(T) / sizeof(uint4); i += blockDim.x) to[i] = from[i];
}

}  // namespace zkmill
