// The number-theoretic transform over Fr: src/ntt.rs says what is computed.
//
// Decimation in frequency. Let n = R C, i = r C + c and k = k1 + R k2, w of order n:
//
//     y[k] = sum_c w^(C-th root: c k2) ( w^(c k1) sum_r x[r C + c] (w^C)^(r k1) )
//
// that is: R-point transforms of the columns, a twiddle factor w^(c k1) for each element, and C-point transforms of the rows.
// A *pass* does the columns, and their factors, for one R of 2^7 to 2^10; the rows are left to the later passes. Values go through
// global memory once a pass, one to three times in all. Written back in place, with k1 bit-reversed, the passes leave y in
// bit-reversed order. For natural order k1 is written in order, and the last pass, whose "columns" are contiguous, writes
// its outputs across: y[k1 + R k2] for neighbouring k1, so that nothing is permuted for its own sake.
//
// Decimation in time is the same network backwards: bit-reversed evaluations to coefficients, factors before the columns.
//
// Within a pass a block has a *tile* in shared memory: W neighbouring columns of R rows, 2^8 to 2^11 elements. A thread takes 8
// elements into registers, does 3 levels of butterflies (or 2, or 1), multiplies by the roots of the next levels and puts
// them back. A radix-8 step costs 5 multiplications inside and 7 by roots, where 12 butterflies would cost 12; factors 1 are skipped
// where they are the same for a whole step. In all n/2 log n - n multiplications, and n for every pass but the last.
//
// Values are lazy from the first read to the last write. Reads and writes of global memory are 16 bytes a lane, side by side.
#include <cstdint>

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
    const Root* __restrict__ low;
    const Root* __restrict__ high;
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
    uint32_t log_rows;
    uint32_t log_columns;
    // Tiles with the same `outer`.
    uint32_t log_tiles;
    // log_low of the twiddle factors, and the exponent's shift: c k1 << twiddle_shift.
    uint32_t log_twiddles, twiddle_shift;
    // log_low of the scale.
    uint32_t log_scale;
    uint32_t inverse;
    // Rows are written (DIF) in natural instead of in bit-reversed order.
    uint32_t natural;
    // Results are canonical instead of lazy.
    uint32_t last;
    // Items of the batch: with whole transforms in a tile, columns are items.
    uint32_t items;
    uint32_t padding;
};
static_assert(sizeof(Pass) == 272, "the host's twin has this layout");

// The tables of a pass.
struct Tables {
    // roots[e] = w^e, w of order 2^log_roots, at least that of the pass.
    const Root* __restrict__ roots;
    // Of the exponent of the twiddle factors modulo 2^log_n, negated for the inverse.
    Factors twiddles;
    // Of the index of a coefficient: powers of the coset's representative, 1/n.
    Factors scale;
};

constexpr int ELEMENTS = 8;
constexpr int MAX_THREADS = 256;

extern __shared__ uint4 shared[];

// The tile: the low halves of its elements, then the high halves.
//
// A quarter of a warp reads or writes 8 words of 16 bytes at a time, at addresses that differ in 3 bits of the index: the lowest
// bits, bits above those of a step's digit, or the bits of the rows and the half. The exclusive or makes the banks differ in most
// of these cases. Addresses are linear over GF(2) in the index: that of a | b, without common bits, is the exclusive or of both.
struct Tile {
    // Bytes of one plane of halves.
    uint32_t plane;

    __device__ __forceinline__ explicit Tile(uint32_t size) : plane(16 * size) {}

    // Of the low half, in bytes.
    static __device__ __forceinline__ uint32_t address(uint32_t e) {
        return (e ^ ((e >> 2 ^ e >> 3 ^ e >> 6) & 7)) << 4;
    }
    // Of the half that is asked for.
    __device__ __forceinline__ uint32_t address(uint32_t e, uint32_t upper) const {
        return address(e) ^ (upper ? upper_half() : 0);
    }

    static __device__ __forceinline__ uint4& at(uint32_t address) {
        return *reinterpret_cast<uint4*>(reinterpret_cast<char*>(shared) + address);
    }

    __device__ __forceinline__ Fr load(uint32_t address) const {
        uint4 low = at(address), high = at(address ^ upper_half());
        return Fr{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
    }

    __device__ __forceinline__ void store(uint32_t address, const Fr& x) const {
        at(address) = make_uint4(x.limb[0], x.limb[1], x.limb[2], x.limb[3]);
        at(address ^ upper_half()) = make_uint4(x.limb[4], x.limb[5], x.limb[6], x.limb[7]);
    }

  private:
    __device__ __forceinline__ uint32_t upper_half() const { return plane ^ 7 << 4; }
};

__device__ __forceinline__ uint32_t reverse_bits(uint32_t x, uint32_t bits) { return __brev(x) >> (32 - bits); }

// Sum and difference without the reduction: below 4p. A product takes such a value.
__device__ __forceinline__ Fr add_unreduced(const Fr& a, const Fr& b) {
    Fr sum = a;
    asm volatile(
        "add.cc.u32 %0, %0, %8;\n\t"
        "addc.cc.u32 %1, %1, %9;\n\t"
        "addc.cc.u32 %2, %2, %10;\n\t"
        "addc.cc.u32 %3, %3, %11;\n\t"
        "addc.cc.u32 %4, %4, %12;\n\t"
        "addc.cc.u32 %5, %5, %13;\n\t"
        "addc.cc.u32 %6, %6, %14;\n\t"
        "addc.u32 %7, %7, %15;"
        : "+r"(sum.limb[0]), "+r"(sum.limb[1]), "+r"(sum.limb[2]), "+r"(sum.limb[3]), "+r"(sum.limb[4]),
          "+r"(sum.limb[5]), "+r"(sum.limb[6]), "+r"(sum.limb[7])
        : "r"(b.limb[0]), "r"(b.limb[1]), "r"(b.limb[2]), "r"(b.limb[3]), "r"(b.limb[4]), "r"(b.limb[5]),
          "r"(b.limb[6]), "r"(b.limb[7]));
    return sum;
}

// a - b + 2p
__device__ __forceinline__ Fr subtract_unreduced(const Fr& a, const Fr& b) {
    constexpr Limbs m = Fr::twice_modulus;
    Fr twice = {{m.v[0], m.v[1], m.v[2], m.v[3], m.v[4], m.v[5], m.v[6], m.v[7]}};
    Fr difference = add_unreduced(a, twice);
    asm volatile(
        "sub.cc.u32 %0, %0, %8;\n\t"
        "subc.cc.u32 %1, %1, %9;\n\t"
        "subc.cc.u32 %2, %2, %10;\n\t"
        "subc.cc.u32 %3, %3, %11;\n\t"
        "subc.cc.u32 %4, %4, %12;\n\t"
        "subc.cc.u32 %5, %5, %13;\n\t"
        "subc.cc.u32 %6, %6, %14;\n\t"
        "subc.u32 %7, %7, %15;"
        : "+r"(difference.limb[0]), "+r"(difference.limb[1]), "+r"(difference.limb[2]), "+r"(difference.limb[3]),
          "+r"(difference.limb[4]), "+r"(difference.limb[5]), "+r"(difference.limb[6]), "+r"(difference.limb[7])
        : "r"(b.limb[0]), "r"(b.limb[1]), "r"(b.limb[2]), "r"(b.limb[3]), "r"(b.limb[4]), "r"(b.limb[5]),
          "r"(b.limb[6]), "r"(b.limb[7]));
    return difference;
}

__device__ __forceinline__ void butterfly(Fr& a, Fr& b) {
    Fr difference = a - b;
    a = a + b;
    b = difference;
}

// A butterfly whose difference goes into a product.
__device__ __forceinline__ void butterfly(Fr& a, Fr& b, const Root& factor) {
    Fr difference = subtract_unreduced(a, b);
    a = a + b;
    b = factor * difference;
}

// The transforms of 2^LOG elements each that are side by side in x, but for their last level; outputs are bit-reversed.
// Decimation in frequency.
template <int LOG>
__device__ __forceinline__ void upper_levels_dif(Fr (&x)[ELEMENTS], const Root (&eighths)[3]) {
    if (LOG == 3) {
        butterfly(x[0], x[4]);
        butterfly(x[1], x[5], eighths[0]);
        butterfly(x[2], x[6], eighths[1]);
        butterfly(x[3], x[7], eighths[2]);
    }
    if (LOG >= 2) {
#pragma unroll
        for (int i = 0; i < ELEMENTS; i += 4) {
            butterfly(x[i], x[i + 2]);
            butterfly(x[i + 1], x[i + 3], eighths[1]);
        }
    }
}

__device__ __forceinline__ void last_level_dif(Fr (&x)[ELEMENTS]) {
#pragma unroll
    for (int i = 0; i < ELEMENTS; i += 2) butterfly(x[i], x[i + 1]);
}

// The same where products follow for all outputs but the first of a transform.
template <int LOG>
__device__ __forceinline__ void last_level_dif_unreduced(Fr (&x)[ELEMENTS]) {
#pragma unroll
    for (int i = 0; i < ELEMENTS; i += 2) {
        Fr difference = subtract_unreduced(x[i], x[i + 1]);
        x[i] = i % (1 << LOG) == 0 ? x[i] + x[i + 1] : add_unreduced(x[i], x[i + 1]);
        x[i + 1] = difference;
    }
}

// Whole transforms from bit-reversed inputs: decimation in time.
template <int LOG>
__device__ __forceinline__ void transform_dit(Fr (&x)[ELEMENTS], const Root (&eighths)[3]) {
#pragma unroll
    for (int i = 0; i < ELEMENTS; i += 4) {
        butterfly(x[i], x[i + 1]);
        if (LOG == 1) {
            butterfly(x[i + 2], x[i + 3]);
        } else {
            butterfly(x[i + 2], x[i + 3], eighths[1]);
        }
    }
    if (LOG == 2) {
#pragma unroll
        for (int i = 0; i < ELEMENTS; i += 4) {
            butterfly(x[i], x[i + 2]);
            butterfly(x[i + 1], x[i + 3]);
        }
    }
    if (LOG == 3) {
        butterfly(x[0], x[2]);
        butterfly(x[1], x[3]);
        butterfly(x[4], x[6], eighths[1]);
        Fr difference = subtract_unreduced(x[5], x[7]);
        x[5] = eighths[0] * add_unreduced(x[5], x[7]);
        x[7] = eighths[2] * difference;
#pragma unroll
        for (int i = 0; i < 4; i++) butterfly(x[i], x[i + 4]);
    }
}

// Multiplies by the roots between this step and the one at sub-transforms of 2^(log_length - LOG) elements: output j of a
// 2^LOG-point transform at offset r by w^(j r), w of order 2^log_length. x is in bit-reversed order.
template <int LOG>
__device__ __forceinline__ void multiply_by_roots(Fr (&x)[ELEMENTS], const Pass& pass, const Root* roots,
                                                  uint32_t log_length,
                                                  const uint32_t (&offset)[ELEMENTS >> LOG]) {
    uint32_t mask = (1u << pass.log_roots) - 1;
#pragma unroll
    for (int group = 0; group < ELEMENTS >> LOG; group++) {
        uint32_t exponent = offset[group] << (pass.log_roots - log_length);
        if (pass.inverse) exponent = 0 - exponent;
#pragma unroll
        for (int i = 1; i < 1 << LOG; i++) {
            const int j = LOG == 1 ? i : LOG == 2 ? (i & 1) << 1 | i >> 1 : (i & 1) << 2 | (i & 2) | i >> 2;
            Fr& y = x[(group << LOG) + i];
            y = Root::load(roots + (exponent * j & mask)) * y;
        }
    }
}

// LOG levels of the column transforms of the tile, those within sub-transforms of 2^log_length rows.
template <int LOG, bool DIF>
__device__ __forceinline__ void step(const Tile& tile, const Pass& pass, const Root* roots, uint32_t log_length,
                                     bool canonical) {
    // Bits of the index below the digit that the thread has all values of: the column, and the offset in the sub-transform.
    const uint32_t below = pass.log_columns + log_length - LOG;
    uint32_t digits[LOG];
#pragma unroll
    for (int bit = 0; bit < LOG; bit++) digits[bit] = Tile::address(1u << (below + bit));
    Fr x[ELEMENTS];
    uint32_t first[ELEMENTS >> LOG], offset[ELEMENTS >> LOG];
    auto address = [&](uint32_t result, int i) {
#pragma unroll
        for (int bit = 0; bit < LOG; bit++) {
            if (i >> bit & 1) result ^= digits[bit];
        }
        return result;
    };
#pragma unroll
    for (int group = 0; group < ELEMENTS >> LOG; group++) {
        uint32_t rest = threadIdx.x + group * blockDim.x;
        uint32_t low = rest & ((1u << below) - 1);
        first[group] = Tile::address((rest ^ low) << LOG | low);
        offset[group] = low >> pass.log_columns;
#pragma unroll
        for (int i = 0; i < 1 << LOG; i++) x[(group << LOG) + i] = tile.load(address(first[group], i));
    }
    if (DIF) {
        upper_levels_dif<LOG>(x, pass.eighths);
        if (log_length > LOG) {
            last_level_dif_unreduced<LOG>(x);
            multiply_by_roots<LOG>(x, pass, roots, log_length, offset);
        } else {
            last_level_dif(x);
        }
    } else {
        if (log_length > LOG) multiply_by_roots<LOG>(x, pass, roots, log_length, offset);
        transform_dit<LOG>(x, pass.eighths);
    }
    if (canonical) {
#pragma unroll
        for (int i = 0; i < ELEMENTS; i++) x[i] = x[i].canonical();
    }
#pragma unroll
    for (int group = 0; group < ELEMENTS >> LOG; group++) {
#pragma unroll
        for (int i = 0; i < 1 << LOG; i++) {
            tile.store(address(first[group], i), x[(group << LOG) + i]);
        }
    }
    __syncthreads();
}

// The levels of the step at the top of sub-transforms of 2^log_length: 3, but 2 + 2 for the last 4.
__device__ __forceinline__ uint32_t levels(uint32_t log_length) {
    return log_length == 4 ? 2 : min(log_length, 3u);
}

template <bool DIF>
__device__ __forceinline__ void run_step(const Tile& tile, const Pass& pass, const Root* roots, uint32_t log_length,
                                         uint32_t log, bool canonical) {
    if (log == 3) {
        step<3, DIF>(tile, pass, roots, log_length, canonical);
    } else if (log == 2) {
        step<2, DIF>(tile, pass, roots, log_length, canonical);
    } else {
        step<1, DIF>(tile, pass, roots, log_length, canonical);
    }
}

// The column transforms of the tile, with canonical or lazy results.
template <bool DIF>
__device__ __forceinline__ void transform_columns(const Tile& tile, const Pass& pass, const Root* roots, bool canonical) {
    if (DIF) {
#pragma unroll 1
        for (uint32_t log_length = pass.log_rows; log_length > 0;) {
            uint32_t log = levels(log_length);
            run_step<DIF>(tile, pass, roots, log_length, log, canonical && log_length == log);
            log_length -= log;
        }
    } else {
        // The same steps from the last to the first.
#pragma unroll 1
        for (uint32_t done = 0; done < pass.log_rows;) {
            uint32_t log_length = pass.log_rows, log = levels(log_length);
            while (log_length - log > done) {
                log_length -= log;
                log = levels(log_length);
            }
            run_step<DIF>(tile, pass, roots, log_length, log, canonical && log_length == pass.log_rows);
            done = log_length;
        }
    }
}

__device__ __forceinline__ void scale_by(Fr& x, const Factors& factors, uint32_t e) {
    if (factors.low) x = Root::load(factors.low + (e & ((1u << factors.log_low) - 1))) * x;
    if (factors.high) x = Root::load(factors.high + (e >> factors.log_low)) * x;
}

// Which tile this block has: first column and offset in the item.
struct Position {
    uint32_t outer, first_column;

    __device__ __forceinline__ explicit Position(const Pass& pass)
        : outer(blockIdx.x >> pass.log_tiles),
          first_column((blockIdx.x & ((1u << pass.log_tiles) - 1)) << pass.log_columns) {}

    __device__ __forceinline__ uint32_t index(const Place& place, uint32_t column, uint32_t row) const {
        return outer << place.outer | (first_column + column) << place.column | row << place.row;
    }
};

// Multiplies the elements of the tile by the twiddle factors and the scale, as far as there are such. `reversed`: rows are in
// bit-reversed order now.
template <bool BATCH>
__device__ __forceinline__ void multiply_tile(const Tile& tile, const Pass& pass, const Position& position,
                                              const Place& place, bool reversed, const Factors& twiddles,
                                              const Factors& scale, bool canonical) {
    if (!twiddles && !scale) return;
#pragma unroll 1
    for (int i = 0; i < ELEMENTS; i++) {
        uint32_t e = threadIdx.x + i * blockDim.x;
        uint32_t column = e & ((1u << pass.log_columns) - 1), row = e >> pass.log_columns;
        if (reversed) row = reverse_bits(row, pass.log_rows);
        Fr x = tile.load(Tile::address(e));
        if (twiddles) {
            uint32_t exponent = row * (position.first_column + column) << pass.twiddle_shift;
            if (pass.inverse) exponent = 0 - exponent;
            scale_by(x, twiddles, exponent & ((1u << pass.log_n) - 1));
        }
        if (scale) scale_by(x, scale, BATCH ? row : position.index(place, column, row));
        tile.store(Tile::address(e), canonical ? x.canonical() : x);
    }
    __syncthreads();
}

// Copies between the tile and global memory, half an element a lane and step. `move` gets the column, the place in
// the item (in halves) and the address in the tile.
//
// Bit j of the number of a half goes to one bit of its place and, by an exclusive or, into its address in the tile, so that the steps
// can run through the numbers in Gray's order and change both by one exclusive or.
template <bool BATCH, class Move>
__device__ __forceinline__ void copy_tile(const Tile& tile, const Pass& pass, const Position& position,
                                          const Place& place, bool reversed, Move move) {
    struct Half {
        uint32_t column, offset, address;
    };
    auto half = [&](uint32_t number) {
        uint32_t upper = number & 1, e = number >> 1;
        // Along whichever direction is contiguous.
        uint32_t column, row;
        if (place.row == 0) {
            row = e & ((1u << pass.log_rows) - 1);
            column = e >> pass.log_rows;
        } else {
            column = e & ((1u << pass.log_columns) - 1);
            row = e >> pass.log_columns;
        }
        uint32_t tile_row = reversed ? reverse_bits(row, pass.log_rows) : row;
        uint32_t offset = BATCH ? row : column << place.column | row << place.row;
        return Half{column, offset << 1 | upper, tile.address(column | tile_row << pass.log_columns, upper)};
    };
    uint32_t start = BATCH ? 0 : position.index(place, 0, 0) << 1;
    Half at = half(threadIdx.x), change[4];
#pragma unroll
    for (int j = 0; j < 4; j++) change[j] = half(blockDim.x << j);
#pragma unroll
    for (int i = 0; i < 2 * ELEMENTS; i++) {
        if (i > 0) {
            const Half& flip = change[i & 1 ? 0 : i & 2 ? 1 : i & 4 ? 2 : 3];
            at.offset ^= flip.offset;
            at.address ^= flip.address;
            if (BATCH) at.column ^= flip.column;
        }
        move(position.first_column + at.column, start + at.offset, at.address);
    }
}

// A pass over tiles of 8 blockDim.x elements, 2^log_rows rows of 2^log_columns columns, which take 32 bytes of dynamic shared memory
// an element. Block (x, y) has tile x of item y; with BATCH a tile is whole transforms, and its columns are items.
//
// source[i] and target[i] are item i of 2^log_n elements; where the two are the same array, the pass is in place.
template <bool DIF, bool BATCH>
__device__ __forceinline__ void run_pass(const Fr* const* source, Fr* const* target, const Pass& pass,
                                         const Tables& tables) {
    const Tile tile(ELEMENTS * blockDim.x);
    const Position position(pass);
    auto exists = [&](uint32_t column) { return !BATCH || column < pass.items; };

    const Fr* input = BATCH ? nullptr : source[blockIdx.y];
    copy_tile<BATCH>(tile, pass, position, pass.in, false, [&](uint32_t column, uint32_t offset, uint32_t at) {
        uint4 half = make_uint4(0, 0, 0, 0);
        if (exists(column)) half = reinterpret_cast<const uint4*>(BATCH ? source[column] : input)[offset];
        Tile::at(at) = half;
    });
    __syncthreads();

    // The scale belongs to coefficients: the inputs of a forward transform, the outputs of an inverse.
    const Factors none = {nullptr, nullptr, 0};
    const Factors scale_in = pass.inverse ? none : tables.scale, scale_out = pass.inverse ? tables.scale : none;
    multiply_tile<BATCH>(tile, pass, position, pass.in, !DIF, DIF ? none : tables.twiddles, scale_in, false);
    transform_columns<DIF>(tile, pass, tables.roots, pass.last && !scale_out);
    multiply_tile<BATCH>(tile, pass, position, pass.out, DIF, DIF ? tables.twiddles : none, scale_out, pass.last);

    Fr* output = BATCH ? nullptr : target[blockIdx.y];
    copy_tile<BATCH>(tile, pass, position, pass.out, DIF && pass.natural,
                     [&](uint32_t column, uint32_t offset, uint32_t at) {
                         if (exists(column)) {
                             reinterpret_cast<uint4*>(BATCH ? target[column] : output)[offset] = Tile::at(at);
                         }
                     });
}

#define ZKMILL_PASS(name, dif, batch)                                                                              \
    extern "C" __global__ void __launch_bounds__(MAX_THREADS, 2)                                                   \
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
extern "C" __global__ void __launch_bounds__(MAX_THREADS) ntt_prepare(const Fr* values, Root* prepared, uint64_t n) {
    uint64_t i = uint64_t(blockIdx.x) * MAX_THREADS + threadIdx.x;
    if (i < n) Root::of(Fr::load(values + i)).store(prepared + i);
}

}  // namespace zkmill
