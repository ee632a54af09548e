// The number-theoretic transform over Fr: src/ntt.rs says what is computed.
//
// Decimation in frequency. Let n = R C, i = r C + c and k = k1 + R k2, w of order n:
//
//     y[k] = sum_c w^(C-th root: c k2) ( w^(c k1) sum_r x[r C + c] (w^C)^(r k1) )
//
// that is: R-point transforms of the columns, a twiddle factor w^(c k1) for each element, and C-point transforms of the rows.
// A *pass* does the columns, and their factors, for one R of 2^5 to 2^10; the rows are left to the later passes. Values go through
// global memory once a pass, one to three times in all. Written back in place, with k1 bit-reversed, the passes leave y in
// bit-reversed order. For natural order k1 is written in order, and the last pass, whose "columns" are contiguous, writes
// its outputs across: y[k1 + R k2] for neighbouring k1, so that nothing is permuted for its own sake.
//
// Decimation in time is the same network backwards: bit-reversed evaluations to coefficients, factors before the columns.
//
// Within a pass a block has a *tile* in shared memory: W neighbouring columns of R rows, 2^10 elements. In a *step* a thread takes 8
// elements into registers, does 3 levels of butterflies (or the 1 or 2 that are left) and multiplies by the roots of the levels
// below, or by the twiddle factors if there are none. A radix-8 step costs 5 multiplications inside and 7 by roots, where 12
// butterflies would cost 12. Threads with the same offset in a sub-transform, hence the same roots, are neighbours, and where whole
// warps have offset 0 they skip the factors, which are 1. In all n/2 log n - n multiplications, and n for every pass but the last.
//
// Values are lazy from the first read to the last write. Reads and writes of global memory are 16 bytes a lane, side by side.
#include <cstdint>

#include "thread/butterfly.cuh"
#include "thread/field.cuh"
#include "thread/prepared.cuh"

namespace zkmill {

using Root = Prepared<Fr>;

// Where a tile's elements are in an item: element (column, row) of tile (outer, inner) at
// outer << this.outer | (inner W + column) << this.column | row << this.row, each bit of the index having one source.
struct Place {
    uint32_t outer, column, row;
};

// Factors f(e) = low[e mod 2^log_low] high[e / 2^log_low]; a null pointer stands for factors 1.
struct Factors {
    const Root* low;
    const Root* high;
    uint32_t log_low;

    __device__ __forceinline__ explicit operator bool() const { return low || high; }
};

// One pass. Mirrored on the host.
struct Pass {
    // w_8, w_8^2, w_8^3 of the transform's direction.
    Root eighths[3];
    Place in, out;
    uint32_t log_n;
    // The table of roots has the order 2^log_roots.
    uint32_t log_roots;
    // At least 4, unless tiles are whole transforms.
    uint32_t log_rows;
    uint32_t log_columns;
    // Tiles with the same `outer`.
    uint32_t log_tiles;
    // log_low of the twiddle factors.
    uint32_t log_twiddles;
    // log_low of the scale.
    uint32_t log_scale;
    uint32_t inverse;
    // Rows are written (DIF) in natural instead of in bit-reversed order.
    uint32_t natural;
    // Results are canonical instead of lazy.
    uint32_t last;
    // Items of the batch: with whole transforms in a tile, columns are items.
    uint32_t items;
    uint32_t padding[2];
};
static_assert(sizeof(Pass) == 272, "the host's twin has this layout");

// The tables of a pass.
struct Tables {
    // roots[e] = w^e, w of order 2^log_roots, at least that of the pass.
    const Root* roots;
    // Of c k1 modulo what the tables reach to, negated for the inverse.
    Factors twiddles;
    // Of the index of a coefficient: powers of the coset's representative, 1/n.
    Factors scale;
};

constexpr int LOG_TILE = 10;
// Elements of a thread.
constexpr int ELEMENTS = 8;
constexpr int THREADS = (1 << LOG_TILE) / ELEMENTS;
// With these bounds no architecture spills, and the tiles of so many blocks fit most multiprocessors' shared memory.
constexpr int BLOCKS = 3;

extern __shared__ uint4 shared[];

// The tile: the low halves of its elements, then the high halves. Its index has the column in the lowest bits, the row above.
namespace tile {

// What an index's bits from the third on change in the lowest three, hence in the bank: a quarter of a warp reads or writes 8 words
// of 16 bytes at a time, at addresses that differ in 3 bits of the index and the half, and these must not cancel out. They do not for
// any of the shapes of passes of 2^10 elements.
constexpr __host__ __device__ uint32_t swizzle(uint32_t index) { return (index >> 3 ^ index >> 6 ^ index >> 7) & 7; }

// Of the low half of an element, in bytes. Addresses are linear over GF(2) in the index: that of a | b, without common bits, is
// the exclusive or of both.
constexpr __host__ __device__ uint32_t address(uint32_t index) { return (index ^ swizzle(index)) << 4; }

// The high half's address differs from the low half's by exclusive or with UPPER, a part in the bank and one beyond all low halves.
constexpr uint32_t UPPER_BANK = 7 << 4, UPPER_PLANE = 16 << LOG_TILE, UPPER = UPPER_PLANE | UPPER_BANK;

// The addresses of single bits.
__constant__ const uint32_t BITS[LOG_TILE] = {address(1 << 0), address(1 << 1), address(1 << 2), address(1 << 3),
                                              address(1 << 4), address(1 << 5), address(1 << 6), address(1 << 7),
                                              address(1 << 8), address(1 << 9)};

__device__ __forceinline__ uint4& at(uint32_t address) {
    return *reinterpret_cast<uint4*>(reinterpret_cast<char*>(shared) + address);
}

__device__ __forceinline__ Fr load(uint32_t address) {
    // Not as in `store`: the compiler would keep all high halves' addresses in registers from here to there.
    uint4 low = at(address), high = at((address ^ UPPER_BANK) + UPPER_PLANE);
    return Fr{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

__device__ __forceinline__ void store(uint32_t address, const Fr& x) {
    at(address) = make_uint4(x.limb[0], x.limb[1], x.limb[2], x.limb[3]);
    at(address ^ UPPER) = make_uint4(x.limb[4], x.limb[5], x.limb[6], x.limb[7]);
}

}  // namespace tile

__device__ __forceinline__ uint32_t lowest(uint32_t x, uint32_t bits) { return x & ((1u << bits) - 1); }

__device__ __forceinline__ uint32_t reverse_bits(uint32_t x, uint32_t bits) { return __brev(x) >> (32 - bits); }

// Which tile this block has: first column and offset in the item.
struct Position {
    uint32_t outer, first_column;

    __device__ __forceinline__ explicit Position(const Pass& pass)
        : outer(blockIdx.x >> pass.log_tiles),
          first_column(lowest(blockIdx.x, pass.log_tiles) << pass.log_columns) {}

    __device__ __forceinline__ uint32_t index(const Place& place, uint32_t column, uint32_t row) const {
        return outer << place.outer | (first_column + column) << place.column | row << place.row;
    }
};

// Factors of a thread's elements: x[i] has table[start + j unit], where j is i with its bits reversed, and the indices are
// modulo mask + 1. A null pointer stands for factors 1.
struct Multipliers {
    const Root* table;
    uint32_t mask, start, unit;
    // x[0], too.
    bool all;

    // Products for all elements, from OPEN values or lazy ones to lazy ones.
    template <bool OPEN>
    __device__ __forceinline__ void multiply(Fr (&x)[ELEMENTS]) const {
        uint32_t exponent = start;
        if (all) {
            x[0] = Root::load(table + (exponent & mask)) * x[0];
        } else if (OPEN) {
            x[0] = x[0].template reduced<2>();
        }
#pragma unroll
        for (int j = 1; j < ELEMENTS; j++) {
            // The highest bit of a lazy value is zero. It keeps the compiler from loading more factors ahead than the next, for which
            // there are no registers.
            exponent += unit + (j < 2 ? 0 : x[reversed(j - 2)].limb[7] >> 31);
            x[reversed(j)] = Root::load(table + (exponent & mask)) * x[reversed(j)];
        }
    }

  private:
    static constexpr __device__ int reversed(int j) { return (j & 1) << 2 | (j & 2) | j >> 2; }
};

// `log` levels of the column transforms of the tile: the bits of the row from `below` on. Where that is 0 the twiddle factors are
// next to them, with rows in bit-reversed order.
template <bool DIF, bool BATCH>
__device__ __forceinline__ void step(const Pass& pass, const Position& position, const Tables& tables, uint32_t below,
                                     uint32_t log, bool canonical) {
    // A thread has the bits of the index from `first` on, starting at `digit`. The number of the thread is the bits above and then
    // those below, of which the highest are the offset in the sub-transform: threads with the same are neighbours.
    const uint32_t log_tile = pass.log_rows + pass.log_columns;
    const uint32_t digit = pass.log_columns + below, first = min(digit, log_tile - 3), above = log_tile - 3 - first;
    const uint32_t low = threadIdx.x >> above, index = lowest(threadIdx.x, above) << (first + 3) | low;
    uint32_t address[ELEMENTS] = {tile::address(index)};
#pragma unroll
    for (int i = 1; i < ELEMENTS; i++) {
        int bit = i & 4 ? 2 : i & 2 ? 1 : 0;
        // Tiny transforms leave no bits above; there the others are below.
        uint32_t at = digit + bit < log_tile ? digit + bit : digit + bit - 3;
        address[i] = address[i ^ 1 << bit] ^ tile::BITS[at];
    }
    Octet<Fr> octet;
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++) octet.x[i] = tile::load(address[i]);

    if (DIF) octet.upper_levels(log, pass.eighths);
    Multipliers multipliers = {nullptr, 0, 0, 0, false};
    if (below > 0) {
        uint32_t offset = low >> pass.log_columns;
        // Whole warps skip the factors where they are 1.
        bool ones = offset == 0 && above + pass.log_columns >= 5;
        multipliers.table = ones ? nullptr : tables.roots;
        multipliers.mask = (1u << pass.log_roots) - 1;
        multipliers.unit = offset << (pass.log_roots - below - 3);
    } else if (!BATCH) {
        // c k1, where the element's row has the highest bits of k1.
        uint32_t column = position.first_column + lowest(index, pass.log_columns);
        multipliers.table = tables.twiddles.low;
        multipliers.mask = (1u << pass.log_twiddles) - 1;
        multipliers.start = column * reverse_bits(index >> pass.log_columns, pass.log_rows);
        multipliers.unit = column << (pass.log_rows - 3);
        multipliers.all = true;
    }
    if (pass.inverse) {
        multipliers.start = 0 - multipliers.start;
        multipliers.unit = 0 - multipliers.unit;
    }
    if (DIF) {
        if (multipliers.table) {
            octet.open_last_level();
            multipliers.multiply<true>(octet.x);
        } else {
            octet.last_level();
        }
    } else {
        if (multipliers.table) multipliers.multiply<false>(octet.x);
        octet.all_levels(log, pass.eighths);
    }
    if (canonical) {
#pragma unroll
        for (int i = 0; i < ELEMENTS; i++) octet.x[i] = octet.x[i].canonical();
    }
#pragma unroll
    for (int i = 0; i < ELEMENTS; i++) tile::store(address[i], octet.x[i]);
    __syncthreads();
}

// The column transforms of the tile, with canonical or lazy results.
template <bool DIF, bool BATCH>
__device__ __forceinline__ void transform_columns(const Pass& pass, const Position& position, const Tables& tables,
                                                  bool canonical) {
    if (DIF) {
#pragma unroll 1
        for (uint32_t below = pass.log_rows; below > 0;) {
            uint32_t log = min(below, 3u);
            below -= log;
            step<DIF, BATCH>(pass, position, tables, below, log, canonical && below == 0);
        }
    } else {
        // The same steps from the last to the first.
        uint32_t log = (pass.log_rows - 1) % 3 + 1;
#pragma unroll 1
        for (uint32_t below = 0; below < pass.log_rows; log = 3) {
            step<DIF, BATCH>(pass, position, tables, below, log,
                             canonical && below + log == pass.log_rows);
            below += log;
        }
    }
}

// Multiplies the elements of the tile by the factors of `exponent(column, row)`. `reversed`: rows are in bit-reversed order.
template <class Exponent>
__device__ __forceinline__ void scale_tile(const Pass& pass, const Factors& factors, uint32_t log_high, bool reversed,
                                           bool canonical, Exponent exponent) {
#pragma unroll 1
    for (int i = 0; i < ELEMENTS; i++) {
        uint32_t index = threadIdx.x + i * blockDim.x, address = tile::address(index);
        uint32_t column = lowest(index, pass.log_columns), row = index >> pass.log_columns;
        uint32_t e = exponent(column, reversed ? reverse_bits(row, pass.log_rows) : row);
        Fr x = tile::load(address);
        if (factors.low) x = Root::load(factors.low + lowest(e, factors.log_low)) * x;
        if (factors.high) x = Root::load(factors.high + lowest(e >> factors.log_low, log_high)) * x;
        tile::store(address, canonical ? x.canonical() : x);
    }
    __syncthreads();
}

// Copies between the tile and global memory, half an element a lane and step, by calls of `move` with whether there is such an item,
// and the half's addresses in the item and in the tile. Item i is at items[i]; `reversed`: rows of the tile are in bit-reversed order.
template <bool BATCH, class Move, class Element>
__device__ __forceinline__ void copy_tile(const Pass& pass, const Position& position, const Place& place, bool reversed,
                                          Element* const* items) {
    const uint32_t upper = threadIdx.x % 2, half = threadIdx.x / 2;
    const uint32_t log_rows = pass.log_rows, log_columns = pass.log_columns;
    auto address = [&](uint32_t column, uint32_t row) {
        uint32_t tile_row = reversed ? reverse_bits(row, log_rows) : row;
        return tile::address(column | tile_row << log_columns) ^ (upper ? tile::UPPER : 0);
    };
    auto exists = [&](uint32_t column) { return !BATCH || position.first_column + column < pass.items; };
    auto item = [&](uint32_t column, uint32_t row) {
        Element* item = items[BATCH ? min(position.first_column + column, pass.items - 1) : blockIdx.y];
        uint32_t index = BATCH ? row : position.index(place, column, row);
        return reinterpret_cast<typename Move::Word*>(item) + (2 * uint64_t(index) | upper);
    };
    if (BATCH && log_rows < 4) {
#pragma unroll 1
        for (uint32_t i = 0; i < 2 * ELEMENTS; i++) {
            uint32_t e = half + i * (blockDim.x / 2), column = e >> log_rows, row = lowest(e, log_rows);
            Move::move(exists(column), item(column, row), address(column, row));
        }
        return;
    }
    // The steps run through the four highest bits of the row, in Gray's order: each changes one bit. Threads run along whichever
    // direction is contiguous.
    uint32_t low_bits = BATCH || place.row == 0 ? log_rows - 4 : 0;
    uint32_t rest = half >> low_bits;
    uint32_t column = lowest(rest, log_columns), row = rest >> log_columns << low_bits | lowest(half, low_bits);
    bool here = exists(column);
    auto pointer = item(column, row);
    uint32_t at = address(column, row);
    uint64_t stride = uint64_t(2) << (log_rows - 4 + (BATCH ? 0 : place.row));
    uint32_t changes[4];
#pragma unroll
    for (int k = 0; k < 4; k++) changes[k] = tile::BITS[log_columns + (reversed ? 3 - k : log_rows - 4 + k)];
#pragma unroll
    for (int i = 0; i < 2 * ELEMENTS; i++) {
        if (i > 0) {
            int bit = i & 1 ? 0 : i & 2 ? 1 : i & 4 ? 2 : 3;
            pointer += (i ^ i >> 1) >> bit & 1 ? stride << bit : 0 - (stride << bit);
            at ^= changes[bit];
        }
        Move::move(here, pointer, at);
    }
}

struct Read {
    using Word = const uint4;
    static __device__ __forceinline__ void move(bool exists, Word* global, uint32_t address) {
        uint4 word = make_uint4(0, 0, 0, 0);
        if (exists) word = *global;
        tile::at(address) = word;
    }
};

struct Write {
    using Word = uint4;
    static __device__ __forceinline__ void move(bool exists, Word* global, uint32_t address) {
        if (exists) *global = tile::at(address);
    }
};

// A pass over tiles of 8 blockDim.x elements, 2^log_rows rows of 2^log_columns columns; blockDim.x is a power of two from 2 to THREADS.
// Block (x, y) has tile x of item y; with BATCH a tile is whole transforms, and its columns are items.
//
// source[i] and target[i] are item i of 2^log_n elements; where the two are the same array, the pass is in place.
template <bool DIF, bool BATCH>
__device__ __forceinline__ void run_pass(const Fr* const* source, Fr* const* target, const Pass& pass,
                                         const Tables& tables) {
    const Position position(pass);
    copy_tile<BATCH, Read>(pass, position, pass.in, false, source);
    __syncthreads();

    // The scale belongs to coefficients: the inputs of a forward transform, the outputs of an inverse.
    auto scale = [&](const Place& place, bool reversed, bool canonical) {
        scale_tile(pass, tables.scale, 31, reversed, canonical, [&](uint32_t column, uint32_t row) {
            return BATCH ? row : position.index(place, column, row);
        });
    };
    // The second table of twiddle factors; the first is up to the step.
    auto twiddle = [&] {
        const Factors high = {nullptr, tables.twiddles.high, pass.log_twiddles};
        scale_tile(pass, high, pass.log_n - pass.log_twiddles, true, false, [&](uint32_t column, uint32_t row) {
            uint32_t exponent = (position.first_column + column) * row;
            return pass.inverse ? 0 - exponent : exponent;
        });
    };
    bool scaled_before = tables.scale && !pass.inverse, scaled_after = tables.scale && pass.inverse;
    if (scaled_before) scale(pass.in, !DIF, false);
    if (!DIF && !BATCH && tables.twiddles.high) twiddle();
    transform_columns<DIF, BATCH>(pass, position, tables, pass.last && !scaled_after);
    if (DIF && !BATCH && tables.twiddles.high) twiddle();
    if (scaled_after) scale(pass.out, DIF, pass.last);

    copy_tile<BATCH, Write>(pass, position, pass.out, DIF && pass.natural, target);
}

#define ZKMILL_PASS(name, dif, batch)                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                  \
        name(const Fr* const* source, Fr* const* target, Pass pass, const Root* roots, const Root* twiddles_low,     \
             const Root* twiddles_high, const Root* scale_low, const Root* scale_high) {                           \
        Tables tables = {roots, {twiddles_low, twiddles_high, pass.log_twiddles}, {scale_low, scale_high, pass.log_scale}}; \
        run_pass<dif, batch>(source, target, pass, tables);                                                        \
    }

ZKMILL_PASS(ntt_pass_dif, true, false)
ZKMILL_PASS(ntt_pass_dit, false, false)
ZKMILL_PASS(ntt_batch_dif, true, true)
ZKMILL_PASS(ntt_batch_dit, false, true)

// prepared[i] is values[i] for i < n, as a factor for products. One thread does one of them.
extern "C" __global__ void __launch_bounds__(THREADS) ntt_prepare(const Fr* values, Root* prepared, uint64_t n) {
    uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (i < n) Root::of(Fr::load(values + i)).store(prepared + i);
}

}  // namespace zkmill
