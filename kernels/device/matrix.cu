// Integer matrices times field vectors, and times each other. Matrices are row-major.
//
// Both bindings are sums of `weight * entry` over many entries, in integers: the Montgomery form of a weight, an integer
// below p, is cut into eight digits of 32 bits, signed so that they fit a signed multiplier; an entry into 16-bit parts,
// of which the last has its sign. A product of a digit and a part is below 2^47, so 2^16 of them fit a 64-bit sum, and each is
// one wide multiply-add: 8 an i8 or i16 entry, 16 an i32, 32 an i64. One carry propagation and one reduction a sum
// of thousands of entries make the field element.
#include <cstdint>
#include <type_traits>

#include "block/reduce.cuh"
#include "thread/field.cuh"

namespace zkmill {

constexpr int THREADS = 128;
// Of a multiprocessor. Without a bound ptxas spills in some kernels that use few registers.
constexpr int BLOCKS = 3;

// Weights cut into digits at a time, by all threads of a block together.
constexpr int TILE = 256;

// Per type of entry: 16-bit parts, and entries that a thread loads at once.
template <class T>
struct Entry {
    static constexpr int PARTS = (sizeof(T) + 1) / 2;
    static constexpr int RUN = 4 / PARTS;

    // Part `part` of an entry; the entry is the sum of part * 2^(16 part).
    static __device__ __forceinline__ int32_t part(T entry, int part) {
        if (part == PARTS - 1) return int32_t(entry >> (16 * part));
        return uint16_t(entry >> (16 * part));
    }
};

// Whether rows of `cols` entries are whole words of N entries each.
template <class T, int N>
__device__ __forceinline__ bool are_words(const T* m, uint64_t cols) {
    return cols % N == 0 && reinterpret_cast<uintptr_t>(m) % (N * sizeof(T)) == 0;
}

// RUN entries from `from` on, those beyond `count` zero. `aligned` promises that they are all there and can be loaded as one
// word.
template <class T>
__device__ __forceinline__ void load_run(T (&run)[Entry<T>::RUN], const T* from, int64_t count, bool aligned) {
    constexpr int RUN = Entry<T>::RUN;
    if (aligned) {
        using Word = std::conditional_t<sizeof(T) * RUN == 4, uint32_t, uint64_t>;
        Word word = *reinterpret_cast<const Word*>(from);
#pragma unroll
        for (int i = 0; i < RUN; i++) run[i] = T(word >> (8 * sizeof(T) * (i % RUN)));
    } else {
#pragma unroll
        for (int i = 0; i < RUN; i++) run[i] = i < count ? from[i] : T(0);
    }
}

// The digits of a tile of weights, in [-2^31, 2^31).
struct Digits {
    int4 low[TILE];
    int4 high[TILE];

    // Sets the digits at `position`. The top limb of a value below p is below 2^30 and leaves no carry.
    __device__ __forceinline__ void set(int position, const Fr& weight) {
        int32_t digit[8];
        uint32_t carry = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            uint32_t sum = weight.limb[i] + carry;
            digit[i] = int32_t(sum);
            carry = (weight.limb[i] | sum) >> 31;
        }
        low[position] = make_int4(digit[0], digit[1], digit[2], digit[3]);
        high[position] = make_int4(digit[4], digit[5], digit[6], digit[7]);
    }

    __device__ __forceinline__ void get(int32_t (&digit)[8], int position) const {
        int4 a = low[position], b = high[position];
        digit[0] = a.x, digit[1] = a.y, digit[2] = a.z, digit[3] = a.w;
        digit[4] = b.x, digit[5] = b.y, digit[6] = b.z, digit[7] = b.w;
    }
};

// sums[8 part + j] += digit[j] * part of the entry
template <class T>
__device__ __forceinline__ void accumulate(int64_t* sums, const int32_t (&digit)[8], T entry) {
#pragma unroll
    for (int part = 0; part < Entry<T>::PARTS; part++) {
        int32_t factor = Entry<T>::part(entry, part);
#pragma unroll
        for (int j = 0; j < 8; j++) sums[8 * part + j] += int64_t(digit[j]) * factor;
    }
}

// The element whose Montgomery form is sum_{part, j} sums[8 part + j] * 2^(16 part + 32 j) modulo p.
//
// Carries go up 16 bits at a time, the distance of parts, so that no shift overflows. What lies beyond 2^256 comes back
// as a multiple of R = 2^256 mod p: one Montgomery product with R^2.
template <int PARTS, class Sum>
__device__ __forceinline__ Fr combine(const Sum* sums) {
    constexpr int HALVES = 2 * 8 + PARTS - 1;
    __int128 carry = 0;
    Fr low;
#pragma unroll
    for (int j = 0; j < 8; j++) low.limb[j] = 0;
#pragma unroll
    for (int half = 0; half < 16; half++) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) {
            int twice = half - part;
            if (twice >= 0 && twice % 2 == 0) carry += sums[8 * part + twice / 2];
        }
        low.limb[half / 2] |= (uint32_t(carry) & 0xffff) << (16 * (half % 2));
        carry >>= 16;
    }
#pragma unroll
    for (int half = 16; half < HALVES; half++) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) {
            int twice = half - part;
            if (twice % 2 == 0 && twice / 2 < 8) carry += __int128(sums[8 * part + twice / 2]) << (16 * (half - 16));
        }
    }
    bool negative = carry < 0;
    unsigned __int128 over = negative ? -carry : carry;
    constexpr Limbs r2 = Fr::montgomery_squared;
    Fr r_squared = {{r2.v[0], r2.v[1], r2.v[2], r2.v[3], r2.v[4], r2.v[5], r2.v[6], r2.v[7]}};
    Fr high = Fr{{uint32_t(over), uint32_t(over >> 32), uint32_t(over >> 64), uint32_t(over >> 96), 0, 0, 0, 0}} *
              r_squared;
    // Below 2^256 < 6p.
    low = low.template reduced<2>().template reduced<2>();
    return negative ? low - high : low + high;
}

// Part of out[c] = sum_r weight[r] * m[r][c] for a `rows` x `cols` matrix: block b works on column tile b % tiles and on the rows of
// chunk b / tiles, whose sums it writes to out[chunk][c].
//
// A thread has RUN neighbouring columns. 2^lane_bits threads share them where the matrix is narrow, each with every
// 2^lane_bits-th row, so that a warp reads one contiguous piece of the matrix either way. A chunk has at most 2^15 rows a thread.
template <class T>
__device__ __forceinline__ void matrix_bind_rows(const T* m, const Fr* weight, Fr* out, uint64_t rows, uint64_t cols,
                                                 uint64_t chunk_rows, uint32_t tiles, uint32_t lane_bits) {
    constexpr int PARTS = Entry<T>::PARTS, RUN = Entry<T>::RUN;
    bool aligned = are_words<T, RUN>(m, cols);
    __shared__ Digits digits;
    __shared__ Fr lanes[THREADS];
    uint32_t groups = THREADS >> lane_bits;
    uint32_t group = threadIdx.x % groups, lane = threadIdx.x / groups;
    uint64_t column = (uint64_t(blockIdx.x % tiles) * groups + group) * RUN;
    uint64_t chunk = blockIdx.x / tiles;
    int64_t width = int64_t(cols) - int64_t(column);

    int64_t sums[RUN][8 * PARTS];
#pragma unroll
    for (int i = 0; i < RUN; i++) {
#pragma unroll
        for (int j = 0; j < 8 * PARTS; j++) sums[i][j] = 0;
    }
    uint64_t end = min(rows, (chunk + 1) * chunk_rows);
    for (uint64_t start = chunk * chunk_rows; start < end; start += TILE) {
        __syncthreads();
        uint32_t count = uint32_t(min(end - start, uint64_t(TILE)));
        for (uint32_t i = threadIdx.x; i < count; i += THREADS) digits.set(i, Fr::load(weight + start + i));
        __syncthreads();
        if (width > 0) {
            const T* from = m + start * cols + column;
#pragma unroll 4
            for (uint32_t i = lane; i < count; i += 1u << lane_bits) {
                T run[RUN];
                load_run(run, from + i * cols, width, aligned);
                int32_t digit[8];
                digits.get(digit, i);
#pragma unroll
                for (int k = 0; k < RUN; k++) accumulate(sums[k], digit, run[k]);
            }
        }
    }
#pragma unroll 1
    for (int k = 0; k < RUN; k++) {
        Fr sum = combine<PARTS>(sums[0]);
        // The next column's sums move up: an index known only at run time would put all of them into memory.
#pragma unroll
        for (int i = 0; i + 1 < RUN; i++) {
#pragma unroll
            for (int j = 0; j < 8 * PARTS; j++) sums[i][j] = sums[i + 1][j];
        }
        if (lane_bits > 0) {
            __syncthreads();
            sum.store_lazy(&lanes[threadIdx.x]);
            for (uint32_t step = 1u << (lane_bits - 1); step > 0; step /= 2) {
                __syncthreads();
                if (lane < step) {
                    sum = sum + Fr::load(&lanes[threadIdx.x + step * groups]);
                    sum.store_lazy(&lanes[threadIdx.x]);
                }
            }
        }
        if (lane == 0 && k < width) sum.store(out + chunk * cols + column + k);
    }
}

// out[c] = sum_k partials[k][c] over `chunks` rows of `cols` elements. `lanes` neighbouring threads share a column.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    matrix_sum(const Fr* partials, Fr* out, uint64_t chunks, uint64_t cols, uint32_t lanes) {
    uint64_t thread = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    uint64_t column = thread / lanes;
    uint32_t lane = uint32_t(thread % lanes);
    Fr sum = Fr::zero();
    if (column < cols) {
        for (uint64_t k = lane; k < chunks; k += lanes) sum = sum + Fr::load(partials + k * cols + column);
    }
    sum = warp_sum(sum, lanes);
    if (lane == 0 && column < cols) sum.store(out + column);
}

// Lanes that share rows in matrix_bind_cols: few enough that what they have summed is put together in few steps, many
// enough that they read whole 32-byte sectors.
constexpr int LANES = 8;
// 64-bit sums in the registers of a thread.
constexpr int SUMS = 32;

// Puts the sums of eight lanes together. Each step halves what a lane has left: it keeps one half, adding its partner's, and
// gives the other away. In the end lane l has sums 4l, .., 4l + 3 of all eight.
template <int LEFT, int STEP>
__device__ __forceinline__ void share(int64_t (&sums)[SUMS], uint32_t lane) {
    bool upper = lane & STEP;
#pragma unroll
    for (int i = 0; i < LEFT; i++) {
        int64_t give = upper ? sums[i] : sums[i + LEFT];
        int64_t keep = upper ? sums[i + LEFT] : sums[i];
        sums[i] = keep + __shfl_xor_sync(0xffffffff, give, STEP);
    }
    if constexpr (STEP > 1) share<LEFT / 2, STEP / 2>(sums, lane);
}

// Part of out[r] = sum_c m[r][c] * weight[c] for a `rows` x `cols` matrix: block b works on row tile b % tiles and on the columns of
// chunk b / tiles. It leaves integers, sums[chunk][r][part][j], for matrix_reduce.
//
// Eight lanes share SUMS / (8 PARTS) rows, and a digit that a lane has fetched serves all of them. A chunk has at most 2^15
// columns.
template <class T>
__device__ __forceinline__ void matrix_bind_cols(const T* m, const Fr* weight, int64_t* out, uint64_t rows,
                                                 uint64_t cols, uint64_t chunk_cols, uint32_t tiles) {
    constexpr int PARTS = Entry<T>::PARTS, RUN = Entry<T>::RUN, ROWS = SUMS / (8 * PARTS);
    bool aligned = are_words<T, RUN>(m, cols);
    __shared__ Digits digits;
    uint32_t lane = threadIdx.x % LANES;
    uint64_t row = (uint64_t(blockIdx.x % tiles) * (THREADS / LANES) + threadIdx.x / LANES) * ROWS;
    uint64_t chunk = blockIdx.x / tiles;
    int present = rows > row ? int(min(rows - row, uint64_t(ROWS))) : 0;

    int64_t sums[SUMS];
#pragma unroll
    for (int i = 0; i < SUMS; i++) sums[i] = 0;
    uint64_t end = min(cols, (chunk + 1) * chunk_cols);
    for (uint64_t start = chunk * chunk_cols; start < end; start += TILE) {
        __syncthreads();
        // A lane's columns are RUN neighbours; the same one of all lanes lie side by side, free of bank conflicts.
        for (uint32_t i = threadIdx.x; i < TILE; i += THREADS) {
            Fr value = start + i < end ? Fr::load(weight + start + i) : Fr::zero();
            digits.set(i / (LANES * RUN) * (LANES * RUN) + i % RUN * LANES + i / RUN % LANES, value);
        }
        __syncthreads();
        for (uint32_t first = 0; first < TILE && start + first < end; first += LANES * RUN) {
            uint64_t column = start + first + lane * RUN;
            int64_t width = int64_t(end) - int64_t(column);
            T run[ROWS][RUN];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                bool here = r < present && width > 0;
                load_run(run[r], here ? m + (row + r) * cols + column : m, here ? width : 0, here && aligned);
            }
#pragma unroll
            for (int k = 0; k < RUN; k++) {
                int32_t digit[8];
                digits.get(digit, first + k * LANES + lane);
#pragma unroll
                for (int r = 0; r < ROWS; r++) accumulate(sums + r * 8 * PARTS, digit, run[r][k]);
            }
        }
    }
    share<SUMS / 2, LANES / 2>(sums, lane);
    if (int(lane) * (SUMS / LANES) / (8 * PARTS) < present) {
        int64_t* to = out + (chunk * rows + row) * 8 * PARTS + lane * (SUMS / LANES);
#pragma unroll
        for (int i = 0; i < SUMS / LANES; i += 2) {
            reinterpret_cast<longlong2*>(to)[i / 2] = make_longlong2(sums[i], sums[i + 1]);
        }
    }
}

// out[r] from sums[chunk][r][part][j]. `lanes` neighbouring threads share a row.
template <int PARTS>
__device__ __forceinline__ void matrix_reduce(const int64_t* sums, Fr* out, uint64_t chunks, uint64_t rows,
                                              uint32_t lanes) {
    uint64_t thread = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    uint64_t row = thread / lanes;
    uint32_t lane = uint32_t(thread % lanes);
    __int128 totals[8 * PARTS];
#pragma unroll
    for (int i = 0; i < 8 * PARTS; i++) totals[i] = 0;
    if (row < rows) {
        for (uint64_t chunk = lane; chunk < chunks; chunk += lanes) {
            const longlong2* from = reinterpret_cast<const longlong2*>(sums + (chunk * rows + row) * 8 * PARTS);
#pragma unroll
            for (int i = 0; i < 4 * PARTS; i++) {
                longlong2 pair = from[i];
                totals[2 * i] += pair.x;
                totals[2 * i + 1] += pair.y;
            }
        }
    }
    Fr sum = warp_sum(combine<PARTS>(totals), lanes);
    if (lane == 0 && row < rows) sum.store(out + row);
}

#define ZKMILL_BIND(SUFFIX, TYPE)                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) matrix_bind_rows_##SUFFIX(                         \
        const TYPE* m, const Fr* weight, Fr* out, uint64_t rows, uint64_t cols, uint64_t chunk_rows, uint32_t tiles, \
        uint32_t lane_bits) {                                                                                        \
        matrix_bind_rows<TYPE>(m, weight, out, rows, cols, chunk_rows, tiles, lane_bits);                            \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                    \
        matrix_bind_cols_##SUFFIX(const TYPE* m, const Fr* weight, int64_t* out, uint64_t rows, uint64_t cols,       \
                                  uint64_t chunk_cols, uint32_t tiles) {                                             \
        matrix_bind_cols<TYPE>(m, weight, out, rows, cols, chunk_cols, tiles);                                       \
    }
ZKMILL_BIND(i8, int8_t)
ZKMILL_BIND(i16, int16_t)
ZKMILL_BIND(i32, int32_t)
ZKMILL_BIND(i64, int64_t)
ZKMILL_BIND(u8, uint8_t)
ZKMILL_BIND(u16, uint16_t)
ZKMILL_BIND(u32, uint32_t)
ZKMILL_BIND(u64, uint64_t)
#undef ZKMILL_BIND

#define ZKMILL_REDUCE(PARTS)                                                                                      \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                                 \
        matrix_reduce_##PARTS(const int64_t* sums, Fr* out, uint64_t chunks, uint64_t rows, uint32_t lanes) {     \
        matrix_reduce<PARTS>(sums, out, chunks, rows, lanes);                                                     \
    }
ZKMILL_REDUCE(1)
ZKMILL_REDUCE(2)
ZKMILL_REDUCE(4)
#undef ZKMILL_REDUCE

// Integer product: tiles of SIDE x SIDE results, DEPTH of the inner dimension at a time.
constexpr int SIDE = 64;
constexpr int DEPTH = 64;
constexpr int WORDS = DEPTH / 4;

// Four entries from `from` on, those from `count` on zero, as the bytes of a word.
__device__ __forceinline__ uint32_t load_bytes(const int8_t* from, int64_t count, bool aligned) {
    if (aligned && count >= 4) return *reinterpret_cast<const uint32_t*>(from);
    uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (i < count) word |= uint32_t(uint8_t(from[i])) << (8 * i);
    }
    return word;
}

// out[r][c] (+)= sum_k a[r][k] * b[k][c] over the k of one of `splits` parts of the inner dimension, each of `part` entries (a
// multiple of DEPTH); with several parts the sums are added atomically to zeroed results, which is exact in any order.
//
// Block b has result tile b % (row_tiles * col_tiles) and part b / (row_tiles * col_tiles). Shared memory holds words of four
// consecutive k: those of `a` as they come, those of `b` from 4 x 4 transpositions. A thread has 8 x 4 results, for which three
// 16-byte reads feed 32 four-way dot products.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    matrix_gemm_i8(const int8_t* a, const int8_t* b, int32_t* out, uint64_t rows, uint64_t inner, uint64_t cols,
                   uint64_t part, uint32_t col_tiles, uint32_t tiles, uint32_t splits) {
    // Rows of 64 words, padded against bank conflicts where a column of words is written.
    __shared__ int32_t a_tile[WORDS][SIDE + 4];
    __shared__ int32_t b_tile[WORDS][SIDE + 4];
    bool a_aligned = are_words<int8_t, 4>(a, inner), b_aligned = are_words<int8_t, 4>(b, cols);
    uint32_t tile = blockIdx.x % tiles;
    uint64_t first_row = uint64_t(tile / col_tiles) * SIDE, first_col = uint64_t(tile % col_tiles) * SIDE;
    uint64_t start = uint64_t(blockIdx.x / tiles) * part, end = min(inner, start + part);
    uint32_t my_row = threadIdx.x / 16 * 8, my_col = threadIdx.x % 16 * 4;

    int32_t sums[8][4] = {};
    for (uint64_t k = start; k < end; k += DEPTH) {
        __syncthreads();
        // a: a warp reads the words of two rows.
#pragma unroll 4
        for (uint32_t i = threadIdx.x; i < SIDE * WORDS; i += THREADS) {
            uint32_t row = i / WORDS, word = i % WORDS;
            uint64_t from = k + 4 * word;
            bool here = first_row + row < rows && from < end;
            a_tile[word][row] =
                here ? load_bytes(a + (first_row + row) * inner + from, int64_t(end - from), a_aligned) : 0;
        }
        // b: a thread reads four columns of four rows.
#pragma unroll 2
        for (uint32_t i = threadIdx.x; i < SIDE / 4 * WORDS; i += THREADS) {
            uint32_t col = i % (SIDE / 4) * 4, word = i / (SIDE / 4);
            int64_t width = int64_t(cols) - int64_t(first_col + col);
            uint32_t line[4];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                uint64_t from = k + 4 * word + j;
                bool here = from < end && width > 0;
                line[j] = here ? load_bytes(b + from * cols + first_col + col, width, b_aligned) : 0;
            }
            uint32_t low01 = __byte_perm(line[0], line[1], 0x5140), high01 = __byte_perm(line[0], line[1], 0x7362);
            uint32_t low23 = __byte_perm(line[2], line[3], 0x5140), high23 = __byte_perm(line[2], line[3], 0x7362);
            *reinterpret_cast<int4*>(&b_tile[word][col]) =
                make_int4(int32_t(__byte_perm(low01, low23, 0x5410)), int32_t(__byte_perm(low01, low23, 0x7632)),
                          int32_t(__byte_perm(high01, high23, 0x5410)), int32_t(__byte_perm(high01, high23, 0x7632)));
        }
        __syncthreads();
#pragma unroll 4
        for (int word = 0; word < WORDS; word++) {
            int4 top = *reinterpret_cast<const int4*>(&a_tile[word][my_row]);
            int4 bottom = *reinterpret_cast<const int4*>(&a_tile[word][my_row + 4]);
            int4 right = *reinterpret_cast<const int4*>(&b_tile[word][my_col]);
            int32_t left[8] = {top.x, top.y, top.z, top.w, bottom.x, bottom.y, bottom.z, bottom.w};
#pragma unroll
            for (int r = 0; r < 8; r++) {
                sums[r][0] = __dp4a(left[r], right.x, sums[r][0]);
                sums[r][1] = __dp4a(left[r], right.y, sums[r][1]);
                sums[r][2] = __dp4a(left[r], right.z, sums[r][2]);
                sums[r][3] = __dp4a(left[r], right.w, sums[r][3]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 8; r++) {
        uint64_t row = first_row + my_row + r;
        if (row >= rows) break;
#pragma unroll
        for (int c = 0; c < 4; c++) {
            uint64_t col = first_col + my_col + c;
            if (col >= cols) break;
            if (splits > 1) {
                atomicAdd(out + row * cols + col, sums[r][c]);
            } else {
                out[row * cols + col] = sums[r][c];
            }
        }
    }
}

}  // namespace zkmill
