// Sumcheck: rounds, equality tables, binding, evaluation. Tables have their first variable as the most significant bit of
// the index.
#include <cstdint>
#include <type_traits>

#include "block/eq.cuh"
#include "block/reduce.cuh"
#include "thread/field.cuh"

namespace zkmill {

constexpr int THREADS = 128;

// What an operation of a round's program does. The program is the same for all threads, so no warp diverges on it.
enum : uint32_t {
    LOAD = 1 << 0,    // Put the table's line through the current pair into the registers.
    FOLD = 1 << 1,    // Fold it at the challenge first, and write it back.
    FACTOR = 1 << 2,  // Multiply the line's values into the term.
    FIRST = 1 << 3,   // ... which begins with them.
    LAST = 1 << 4,    // ... which is complete then: add it to its group.
    NEGATE = 1 << 5,  // ... with a minus sign.
    FULL = 1 << 6,    // ... at infinity too, the term being of the form's degree.
    OPEN = 1 << 7,    // ... as the group's first.
    CLOSE = 1 << 8,   // Add the group to the sums, weighted.
    SCALED = 1 << 9,  // ... and times its coefficient.
};

struct Operation {
    uint64_t table;
    uint32_t flags;
    uint32_t coefficient;
};

// Programs up to these lengths travel with the launch; longer ones lie in global memory.
constexpr int INLINE_OPERATIONS = 32;
constexpr int INLINE_COEFFICIENTS = 8;

// A round, as the host fills it in.
struct alignas(16) Round {
    Fr challenge;
    Fr coefficients[INLINE_COEFFICIENTS];
    Fr point[MAX_VARIABLES];
    Operation operations[INLINE_OPERATIONS];
    uint64_t long_operations;    // Where the operations are instead, or 0.
    uint64_t long_coefficients;  // Likewise.
    uint64_t pairs;
    Split split;
    uint32_t count;
    uint32_t weighted;
    uint32_t first;    // The first sample's X.
    uint32_t stride;   // From the first sample to the second, 1 or 2; it is 1 between all others.
    uint32_t leading;  // Whether the last sample is at infinity: the leading coefficient.
    uint32_t padding[2];
};

// The line through t(0, y) and t(1, y), at one sample after the other.
struct Line {
    Fr low;
    Fr slope;

    template <int SAMPLES>
    __device__ __forceinline__ Fr next(Fr& at, int sample, const Round& round) const {
        if (sample == SAMPLES - 1 && round.leading) return slope;
        if (sample > 0) at = at + slope;
        if (sample == 1 && round.stride == 2) at = at + slope;
        return at;
    }
};

// One element a thread in shared memory. Halves lie apart, so that neighbouring threads touch neighbouring 16-byte words.
struct Cell {
    uint4 low[THREADS];
    uint4 high[THREADS];

    __device__ __forceinline__ Fr get() const {
        uint4 a = low[threadIdx.x], b = high[threadIdx.x];
        return Fr{{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
    }

    __device__ __forceinline__ void set(const Fr& value) {
        low[threadIdx.x] = make_uint4(value.limb[0], value.limb[1], value.limb[2], value.limb[3]);
        high[threadIdx.x] = make_uint4(value.limb[4], value.limb[5], value.limb[6], value.limb[7]);
    }
};

// One launch a round: `partials[b][k]` is block b's part of the sum over all pairs y of
// eq(point, y) * sum_groups coefficient * sum_terms +- prod t(X_k, y).
//
// With m variables open besides X, pair y of 2^m is t[y] and t[y + 2^m], folded from t[y], .., t[y + 3 * 2^m] where a
// challenge is to be bound; a table is read and folded where the program first needs it, by the thread that owns the pair, so
// the pass is in place. A thread takes pairs that differ only in the row bits of y: weights of the row are multiplied in
// per pair, weights of the thread and the block once at the end. Consecutive threads have consecutive y. A thread's sums are
// needed once a group of terms and lie in shared memory, which leaves the registers to the products.
template <int SAMPLES>
__device__ __forceinline__ void sumcheck_round(const Round& parameter, Fr* partials) {
    __shared__ Round round;
    __shared__ EqTables eq;
    __shared__ BlockSums<Fr, THREADS, SAMPLES> sums;
    __shared__ Cell totals[SAMPLES];

    stage(round, parameter);
    __syncthreads();
    Split split = round.split;
    if (round.weighted) {
        eq.fill(round.point, split);
        __syncthreads();
    }
    const Operation* operations =
        round.long_operations ? reinterpret_cast<const Operation*>(round.long_operations) : round.operations;
    const Fr* coefficients =
        round.long_coefficients ? reinterpret_cast<const Fr*>(round.long_coefficients) : round.coefficients;
    uint64_t pairs = round.pairs;
    uint64_t columns = pairs >> split.row_bits;
    uint64_t column = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    bool row_weights = round.weighted && split.row_bits > 0;

#pragma unroll
    for (int k = 0; k < SAMPLES; k++) totals[k].set(Fr::zero());
    if (column < columns) {
#pragma unroll 1
        for (uint32_t row = 0; row < 1u << split.row_bits; row++) {
            uint64_t pair = row * columns + column;
            Line line;
            Fr product[SAMPLES], group[SAMPLES];
#pragma unroll 1
            for (uint32_t i = 0; i < round.count; i++) {
                uint32_t flags = operations[i].flags;
                if (flags & LOAD) {
                    Fr* table = reinterpret_cast<Fr*>(operations[i].table) + pair;
                    Fr low = Fr::load(table), high = Fr::load(table + pairs);
                    if (flags & FOLD) {
                        Fr low_end = Fr::load(table + 2 * pairs), high_end = Fr::load(table + 3 * pairs);
                        low = (low + (low_end - low) * round.challenge).canonical();
                        high = (high + (high_end - high) * round.challenge).canonical();
                        low.store_lazy(table);
                        high.store_lazy(table + pairs);
                    }
                    line.low = low;
                    line.slope = high - low;
                }
                if (!(flags & FACTOR)) continue;
                Fr at = line.low;
#pragma unroll 1
                for (uint32_t x = 0; x < round.first; x++) at = at + line.slope;
                if (flags & FIRST) {
#pragma unroll
                    for (int k = 0; k < SAMPLES; k++) product[k] = line.next<SAMPLES>(at, k, round);
                } else {
#pragma unroll
                    for (int k = 0; k < SAMPLES; k++) product[k] = product[k] * line.next<SAMPLES>(at, k, round);
                }
                if (!(flags & LAST)) continue;
                if (round.leading && !(flags & FULL)) product[SAMPLES - 1] = Fr::zero();
                if (flags & NEGATE) {
#pragma unroll
                    for (int k = 0; k < SAMPLES; k++) product[k] = -product[k];
                }
#pragma unroll
                for (int k = 0; k < SAMPLES; k++) group[k] = flags & OPEN ? product[k] : group[k] + product[k];
                if (!(flags & CLOSE)) continue;
                if (flags & SCALED || row_weights) {
                    Fr weight = eq.row(split, row);
                    if (flags & SCALED) {
                        Fr coefficient = Fr::load(coefficients + operations[i].coefficient);
                        weight = row_weights ? weight * coefficient : coefficient;
                    }
#pragma unroll
                    for (int k = 0; k < SAMPLES; k++) group[k] = group[k] * weight;
                }
#pragma unroll
                for (int k = 0; k < SAMPLES; k++) totals[k].set(totals[k].get() + group[k]);
            }
        }
    }
    Fr total[SAMPLES];
#pragma unroll
    for (int k = 0; k < SAMPLES; k++) total[k] = totals[k].get();
    if (round.weighted && column < columns) {
        Fr weight = eq.thread(split, threadIdx.x);
#pragma unroll
        for (int k = 0; k < SAMPLES; k++) total[k] = total[k] * weight;
    }
    Fr sum = sums.sum(total);
    if (threadIdx.x < SAMPLES) {
        if (round.weighted && split.block_bits > 0) sum = sum * eq.block(split, blockIdx.x);
        sum.store(partials + uint64_t(blockIdx.x) * SAMPLES + threadIdx.x);
    }
}

#define ZKMILL_ROUND(SAMPLES)                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS, SAMPLES <= 2 ? 4 : SAMPLES <= 4 ? 3 : 2) \
        sumcheck_round_##SAMPLES(const __grid_constant__ Round round, Fr* partials) {   \
        sumcheck_round<SAMPLES>(round, partials);                                       \
    }
ZKMILL_ROUND(1)
ZKMILL_ROUND(2)
ZKMILL_ROUND(3)
ZKMILL_ROUND(4)
ZKMILL_ROUND(5)
#undef ZKMILL_ROUND

// Fewer partial sums: `partials` has `rows` rows of gridDim.y elements; `out`, of gridDim.x such rows, gets in row b the sums
// over the rows congruent to b. One block an element of `out`, its threads a row each at a time.
extern "C" __global__ void __launch_bounds__(THREADS)
    sumcheck_sums(const Fr* partials, uint64_t rows, Fr* out) {
    __shared__ BlockSums<Fr, THREADS, 1> sums;
    Fr total[1] = {Fr::zero()};
    uint64_t step = uint64_t(THREADS) * gridDim.x;
    for (uint64_t row = uint64_t(threadIdx.x) * gridDim.x + blockIdx.x; row < rows; row += step) {
        total[0] = total[0] + Fr::load(partials + row * gridDim.y + blockIdx.y);
    }
    Fr sum = sums.sum(total);
    if (threadIdx.x == 0) sum.store(out + uint64_t(blockIdx.x) * gridDim.y + blockIdx.y);
}

// table[i] += r (table[i + half] - table[i]) for i < half, one thread an element.
extern "C" __global__ void __launch_bounds__(THREADS) sumcheck_bind(Fr* table, uint64_t half, Fr r) {
    uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (i >= half) return;
    Fr low = Fr::load(table + i), high = Fr::load(table + half + i);
    (low + (high - low) * r).store(table + i);
}

// A point, as the host fills it in.
struct alignas(16) Point {
    Fr coordinates[MAX_VARIABLES];
    Fr scale;
    Split split;
    uint32_t padding;
};

// out[x] = scale * eq(point, x). A thread writes the elements that differ only in the row bits of x: one multiplication
// each.
extern "C" __global__ void __launch_bounds__(THREADS)
    sumcheck_eq(const __grid_constant__ Point parameter, Fr* out) {
    __shared__ Point point;
    __shared__ EqTables eq;
    stage(point, parameter);
    __syncthreads();
    Split split = point.split;
    eq.fill(point.coordinates, split);
    __syncthreads();
    uint64_t columns = uint64_t(1) << (split.block_bits + split.thread_bits);
    uint64_t column = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (column >= columns) return;
    Fr value = Fr::load(&point.scale) * eq.thread(split, threadIdx.x);
    if (split.block_bits > 0) value = value * eq.block(split, blockIdx.x);
    uint32_t rows = 1 << split.row_bits;
    for (uint32_t row = 0; row < rows; row++) {
        Fr product = split.row_bits > 0 ? value * eq.row(split, row) : value;
        product.store(out + row * columns + column);
    }
}

// A table's entry as an integer below 2^256 and a sign: field elements are their Montgomery form, integers themselves.
struct Magnitude {
    Fr value;
    bool negative;
};

template <class T>
__device__ __forceinline__ Magnitude magnitude(const T* table, uint64_t i) {
    T entry = table[i];
    bool negative = false;
    if constexpr (std::is_signed_v<T>) negative = entry < 0;
    uint64_t value = negative ? 0 - uint64_t(int64_t(entry)) : uint64_t(entry);
    return {Fr{{uint32_t(value), uint32_t(value >> 32), 0, 0, 0, 0, 0, 0}}, negative};
}

template <>
__device__ __forceinline__ Magnitude magnitude(const Fr* table, uint64_t i) {
    return {Fr::load(table + i), false};
}

// partials[b] is block b's part of sum_x eq(point, x) * table[x] / c, where c is 1 for field elements and R for integers,
// whose Montgomery form the host takes once, of the sum. One multiplication an element.
//
// A 256-bit integer may be beyond 2p. As second factor of a Montgomery product it adds less than the first factor, here
// below 2p, to the result: below 3p.
template <class T>
__device__ __forceinline__ void sumcheck_evaluate(const Point& parameter, const T* table, Fr* partials) {
    __shared__ Point point;
    __shared__ EqTables eq;
    __shared__ BlockSums<Fr, THREADS, 1> sums;
    stage(point, parameter);
    __syncthreads();
    Split split = point.split;
    eq.fill(point.coordinates, split);
    __syncthreads();
    uint64_t columns = uint64_t(1) << (split.block_bits + split.thread_bits);
    uint64_t column = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    Fr total[1] = {Fr::zero()};
    if (column < columns) {
        uint32_t rows = 1 << split.row_bits;
#pragma unroll 1
        for (uint32_t row = 0; row < rows; row++) {
            Magnitude entry = magnitude(table, row * columns + column);
            Fr weight = eq.row(split, row);
            Fr product = (weight * entry.value).template reduced<2>();
            total[0] = entry.negative ? total[0] - product : total[0] + product;
        }
        total[0] = total[0] * eq.thread(split, threadIdx.x);
    }
    Fr sum = sums.sum(total);
    if (threadIdx.x == 0) (sum * eq.block(split, blockIdx.x)).store(partials + blockIdx.x);
}

#define ZKMILL_EVALUATE(SUFFIX, TYPE)                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                      \
        sumcheck_evaluate_##SUFFIX(const __grid_constant__ Point point, const TYPE* table, Fr* partials) {     \
        sumcheck_evaluate<TYPE>(point, table, partials);                                                       \
    }
ZKMILL_EVALUATE(i8, int8_t)
ZKMILL_EVALUATE(i16, int16_t)
ZKMILL_EVALUATE(i32, int32_t)
ZKMILL_EVALUATE(i64, int64_t)
ZKMILL_EVALUATE(u8, uint8_t)
ZKMILL_EVALUATE(u16, uint16_t)
ZKMILL_EVALUATE(u32, uint32_t)
ZKMILL_EVALUATE(u64, uint64_t)
ZKMILL_EVALUATE(fr, Fr)
ZKMILL_EVALUATE(big, Fr)
#undef ZKMILL_EVALUATE

}  // namespace zkmill
