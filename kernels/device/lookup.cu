// Lookup columns: rows of tables by number, multiplicities, helper columns of logUp, fraction layers, running products and
// sums, and halo2's permuted columns.

#include <cstdint>

#include <cub/block/block_merge_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cuda/functional>

#include "block/inverse.cuh"
#include "block/scan.cuh"
#include "thread/field.cuh"

namespace zkmill {
namespace lookup {

// Threads of a block of the kernels that look up or treat elements one by one, and of those that invert.
constexpr int THREADS = 256;
constexpr int LOGUP_THREADS = 128;

// ---------------------------------------------------------------------------------------------------------------------
// The index of a table: entries that hold `~row` for the first of equal rows and 0 for none, so that cleared memory is
// empty, and the greatest of several is the first row. Row numbers are below 2^32 - 1.
//
// Keys are compared as bit patterns, which is what equality of integers and of canonical field elements is. Integers that
// lie close together index the entries themselves ("direct"); all others are hashed, with linear probing and a load of at
// most 1/4 (a warp waits for the longest of 32 searches), and compared with the row.

// A key of 32 bytes: a field element or a 256-bit integer.
struct Key256 {
    uint32_t word[8];

    __device__ __forceinline__ bool operator==(const Key256& other) const {
        uint32_t differences = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) differences |= word[i] ^ other.word[i];
        return differences == 0;
    }
};

template <class K>
__device__ __forceinline__ K load_key(const K* keys, uint64_t i) {
    return keys[i];
}
template <>
__device__ __forceinline__ Key256 load_key(const Key256* keys, uint64_t i) {
    const uint4* halves = reinterpret_cast<const uint4*>(keys + i);
    uint4 low = halves[0], high = halves[1];
    return Key256{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

__device__ __forceinline__ uint32_t peek(const uint32_t* p) { return *reinterpret_cast<const volatile uint32_t*>(p); }

// atomicMax that leaves memory alone where it holds as much already: one location may be everybody's.
__device__ __forceinline__ void raise(uint32_t* p, uint32_t value) {
    if (peek(p) < value) atomicMax(p, value);
}

// What a key's bits have in common with unsigned numbers after the flip of the sign bit: their order.
template <class K>
__device__ __forceinline__ uint64_t ordered(K key, uint64_t flip) {
    return K(key ^ K(flip));
}

// extent = {greatest ~ordered, greatest ordered} over the rows. The two must be zero at the launch.
template <class K>
__device__ void extent(const K* rows, uint64_t n, uint64_t flip, unsigned long long* result) {
    using Reduce = cub::BlockReduce<uint64_t, THREADS>;
    __shared__ typename Reduce::TempStorage shared[2];
    uint64_t least = 0, most = 0;
    for (uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x; i < n; i += uint64_t(gridDim.x) * THREADS) {
        uint64_t key = ordered(rows[i], flip);
        least = max(least, ~key);
        most = max(most, key);
    }
    least = Reduce(shared[0]).Reduce(least, cuda::maximum<uint64_t>{});
    most = Reduce(shared[1]).Reduce(most, cuda::maximum<uint64_t>{});
    if (threadIdx.x == 0) {
        atomicMax(result, static_cast<unsigned long long>(least));
        atomicMax(result + 1, static_cast<unsigned long long>(most));
    }
}

// Entries by the key's distance from `first`.
template <class K>
struct Direct {
    uint64_t flip, first, length;
    uint32_t* entries;

    // The place of a key's entry, or no less than `length`.
    __device__ __forceinline__ uint64_t place(K key) const { return ordered(key, flip) - first; }

    __device__ __forceinline__ void insert(K key, uint32_t row) const { raise(entries + place(key), ~row); }

    __device__ __forceinline__ uint32_t find(K key) const {
        uint64_t at = place(key);
        return at < length ? entries[at] : 0;
    }
};

// Random numbers that make the hash of one table.
struct Seeds {
    uint64_t word[4];
};

// Entries by hash. `shift` is 64 less the binary logarithm of their number.
template <class K>
struct Hashed {
    const K* rows;
    Seeds low, high;
    uint32_t shift;
    uint32_t* entries;

    __device__ __forceinline__ uint64_t next(uint64_t place) const { return (place + 1) & (~uint64_t(0) >> shift); }

    // Multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast", 2014), whose sums stay arithmetic
    // progressions where keys are; the multiplication at the end scatters those.
    static __device__ __forceinline__ uint64_t scatter(uint64_t sum) {
        sum ^= sum >> 32;
        return sum * 0x9e3779b97f4a7c15;
    }
    __device__ __forceinline__ uint64_t place(const Key256& key) const {
        uint64_t sum = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) sum += low.word[i] * key.word[i] + high.word[i] * key.word[4 + i];
        return scatter(sum) >> shift;
    }
    __device__ __forceinline__ uint64_t place(uint64_t key) const {
        return scatter(low.word[0] * uint32_t(key) + low.word[1] * uint32_t(key >> 32)) >> shift;
    }

    // An entry once taken stays with its key, so that equal rows meet in one.
    __device__ __forceinline__ void insert(const K& key, uint32_t row) const {
        for (uint64_t at = place(key);; at = next(at)) {
            uint32_t entry = peek(entries + at);
            if (entry == 0) entry = atomicCAS(entries + at, 0u, ~row);
            if (entry == 0) return;
            if (load_key(rows, ~entry) == key) {
                if (entry < ~row) atomicMax(entries + at, ~row);
                return;
            }
        }
    }

    __device__ __forceinline__ uint32_t find(const K& key) const {
        uint64_t at = place(key);
        uint32_t entry = entries[at];
        while (entry != 0 && !(load_key(rows, ~entry) == key)) {
            at = next(at);
            entry = entries[at];
        }
        return entry;
    }
};

// One thread a row.
template <class K, class Index>
__device__ __forceinline__ void index_rows(const K* rows, uint64_t n, const Index& index) {
    uint64_t row = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    if (row < n) index.insert(load_key(rows, row), uint32_t(row));
}

// A column to look up: its keys, and the number of keys in all columns before it.
struct Column {
    const void* keys;
    uint64_t before;
};

// Rows that a block counts for itself, a power of two.
constexpr uint32_t CACHED = 2048;

// counts[row] += 1 for each of the `n` keys of `columns`, of which there are `width`; `stranger` becomes the greatest
// ~(number of a key) over the keys that no row has. Both must be zero at the launch. Keys are numbered by column, then row.
//
// A block counts rows in shared memory, the first to come for each place, and only the others one by one in global
// memory. What comes often comes early, so neither a small table nor one favourite row of a large one makes the device
// wait for one address.
template <class K, class Index>
__device__ void count(const Column* columns, uint64_t width, uint64_t n, const Index& index, uint32_t* counts,
                      uint32_t* stranger) {
    __shared__ uint32_t owners[CACHED], tallies[CACHED];
    for (uint32_t i = threadIdx.x; i < CACHED; i += THREADS) owners[i] = tallies[i] = 0;
    __syncthreads();

    uint64_t column = 0, begin = 0, end = 0;
    const K* keys = nullptr;
    for (uint64_t first = uint64_t(blockIdx.x) * THREADS; first < n; first += uint64_t(gridDim.x) * THREADS) {
        const uint64_t i = first + threadIdx.x;
        uint32_t entry = 0;
        if (i < n) {
            if (i >= end) {
                // On to the column of key i, the last that begins at i or before.
                for (uint64_t high = width; high - column > 1;) {
                    const uint64_t middle = (column + high) / 2;
                    if (columns[middle].before <= i) {
                        column = middle;
                    } else {
                        high = middle;
                    }
                }
                keys = static_cast<const K*>(columns[column].keys);
                begin = columns[column].before;
                end = column + 1 < width ? columns[column + 1].before : n;
            }
            entry = index.find(load_key(keys, i - begin));
            if (entry == 0) raise(stranger, ~uint32_t(i));
        }
        // Searches end at different times; the warp goes on together.
        __syncwarp();
        if (entry != 0) {
            const uint32_t place = entry % CACHED;
            uint32_t owner = peek(owners + place);
            if (owner == 0) {
                owner = atomicCAS(owners + place, 0u, entry);
                if (owner == 0) owner = entry;
            }
            if (owner == entry) {
                atomicAdd(tallies + place, 1u);
            } else {
                atomicAdd(counts + uint32_t(~entry), 1u);
            }
        }
        __syncwarp();
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < CACHED; i += THREADS) {
        if (tallies[i] != 0) atomicAdd(counts + uint32_t(~owners[i]), tallies[i]);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Sorting the rows of a table, for halo2's permuted columns: a merge sort of row numbers, whose keys stay where they
// are. Runs of SORTED numbers come from CUB; each pass then merges pairs of runs (Green, McColl, Bader, "GPU merge path",
// 2012). The numbers are padded to a multiple of SORTED by rows whose keys come last.

constexpr int SORT_THREADS = 128;
constexpr int SORT_ITEMS = 8;
constexpr uint32_t SORTED = SORT_THREADS * SORT_ITEMS;
constexpr uint32_t ALL_ONES = 0xffffffff;

// Whether a < b as little-endian integers: the borrow of a - b, which takes no branches.
__device__ __forceinline__ bool less(const Key256& a, const Key256& b) {
    uint32_t borrow;
    asm volatile(
        "{\n\t"
        ".reg .u32 unused;\n\t"
        "sub.cc.u32 unused, %1, %9;\n\t"
        "subc.cc.u32 unused, %2, %10;\n\t"
        "subc.cc.u32 unused, %3, %11;\n\t"
        "subc.cc.u32 unused, %4, %12;\n\t"
        "subc.cc.u32 unused, %5, %13;\n\t"
        "subc.cc.u32 unused, %6, %14;\n\t"
        "subc.cc.u32 unused, %7, %15;\n\t"
        "subc.cc.u32 unused, %8, %16;\n\t"
        "subc.u32 %0, 0, 0;\n\t"
        "}"
        : "=r"(borrow)
        : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(a.word[4]), "r"(a.word[5]), "r"(a.word[6]),
          "r"(a.word[7]), "r"(b.word[0]), "r"(b.word[1]), "r"(b.word[2]), "r"(b.word[3]), "r"(b.word[4]), "r"(b.word[5]),
          "r"(b.word[6]), "r"(b.word[7]));
    return borrow != 0;
}

// The order of row numbers by their keys.
struct Before {
    const Key256* keys;

    __device__ __forceinline__ bool operator()(uint32_t a, uint32_t b) const {
        return less(load_key(keys, a), load_key(keys, b));
    }
};

// How many of the first `diagonal` numbers of two merged runs come from `a`: the least i with
// b[diagonal - 1 - i] before a[i]. One warp, which tries 32 places at a time; the result is valid in all lanes.
__device__ uint32_t split(const uint32_t* a, uint32_t a_length, const uint32_t* b, uint32_t b_length, uint32_t diagonal,
                          Before before) {
    const uint32_t lane = threadIdx.x % 32;
    uint32_t low = diagonal > b_length ? diagonal - b_length : 0, high = min(diagonal, a_length);
    while (low < high) {
        const uint32_t step = (high - low - 1) / 32 + 1;
        const uint64_t mine = low + uint64_t(step) * lane;
        const bool more = mine < high && !before(b[diagonal - 1 - mine], a[mine]);
        const uint32_t passed = __popc(__ballot_sync(0xffffffff, more));
        if (passed == 0) break;
        high = uint32_t(min(uint64_t(high), low + uint64_t(step) * passed));
        low += step * (passed - 1) + 1;
    }
    return low;
}

}  // namespace lookup
}  // namespace zkmill

using namespace zkmill;
using namespace zkmill::lookup;

// Integer keys by width in bits. `rows`: n keys. `flip`: the sign bit if the type has one.
#define EXTENT(BITS, K)                                                                                            \
    extern "C" __global__ void __launch_bounds__(lookup::THREADS)                                                  \
        lookup_extent_##BITS(const K* rows, uint64_t n, uint64_t flip, unsigned long long* result) {               \
        extent(rows, n, flip, result);                                                                             \
    }
EXTENT(32, uint32_t)
EXTENT(64, uint64_t)

// Fills the entries of a direct index. `first`: the least key, flipped; `length`: the number of entries.
// Then: counts the keys of the columns.
#define DIRECT(BITS, K)                                                                                            \
    extern "C" __global__ void __launch_bounds__(lookup::THREADS) lookup_index_direct_##BITS(                      \
        const K* rows, uint64_t n, uint64_t flip, uint64_t first, uint64_t length, uint32_t* entries) {            \
        index_rows(rows, n, Direct<K>{flip, first, length, entries});                                              \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(lookup::THREADS)                                                  \
        lookup_count_direct_##BITS(uint64_t flip, uint64_t first, uint64_t length, uint32_t* entries,              \
                                   const Column* columns, uint64_t width, uint64_t n, uint32_t* counts,            \
                                   uint32_t* stranger) {                                                           \
        count<K>(columns, width, n, Direct<K>{flip, first, length, entries}, counts, stranger);                    \
    }
DIRECT(8, uint8_t)
DIRECT(16, uint16_t)
DIRECT(32, uint32_t)
DIRECT(64, uint64_t)

// The same with a hashed index of 2^(64 - shift) entries.
#define HASHED(BITS, K)                                                                                            \
    extern "C" __global__ void __launch_bounds__(lookup::THREADS) lookup_index_hashed_##BITS(                      \
        const K* rows, uint64_t n, Seeds low, Seeds high, uint32_t shift, uint32_t* entries) {                     \
        index_rows(rows, n, Hashed<K>{rows, low, high, shift, entries});                                           \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(lookup::THREADS)                                                  \
        lookup_count_hashed_##BITS(const K* rows, Seeds low, Seeds high, uint32_t shift, uint32_t* entries,        \
                                   const Column* columns, uint64_t width, uint64_t n, uint32_t* counts,            \
                                   uint32_t* stranger) {                                                           \
        count<K>(columns, width, n, Hashed<K>{rows, low, high, shift, entries}, counts, stranger);                 \
    }
HASHED(32, uint32_t)
HASHED(64, uint64_t)
HASHED(256, Key256)

// out[i] = numerator[i] / (alpha - column[i]), 0 at a pole; no numerator (null) means ones.
//
// A block takes `items` elements a thread, LOGUP_THREADS apart, and inverts their product once (see block/inverse.cuh). Until
// then out[i] is the product of the thread's elements before i, lazy.
extern "C" __global__ void __launch_bounds__(LOGUP_THREADS)
    lookup_logup(Fr alpha, const Fr* column, const Fr* numerator, uint64_t n, uint32_t items, Fr* out) {
    using Inverse = BlockInverse<Fr, LOGUP_THREADS>;
    __shared__ typename Inverse::Storage shared;
    const uint64_t start = uint64_t(blockIdx.x) * LOGUP_THREADS * items, first = start + threadIdx.x;
    const uint64_t end = min(start + uint64_t(LOGUP_THREADS) * items, n);
    Fr product = Fr::one();
#pragma unroll 1
    for (uint64_t i = first; i < end; i += LOGUP_THREADS) {
        const Fr denominator = alpha - Fr::load(column + i);
        product.store_lazy(out + i);
        if (!denominator.is_zero()) product = product * denominator;
    }
    Fr inverse = Inverse(shared).invert_nonzero(product);
    if (first >= end) return;
#pragma unroll 1
    for (uint64_t i = first + (end - 1 - first) / LOGUP_THREADS * LOGUP_THREADS;; i -= LOGUP_THREADS) {
        const Fr denominator = alpha - Fr::load(column + i);
        Fr quotient = Fr::zero();
        if (!denominator.is_zero()) {
            quotient = inverse * Fr::load(out + i);
            if (numerator != nullptr) quotient = quotient * Fr::load(numerator + i);
            inverse = inverse * denominator;
        }
        quotient.store(out + i);
        if (i == first) break;
    }
}

// (out_p, out_q)[i] = (p[i] q[i + n] + p[i + n] q[i], q[i] q[i + n]), one thread a pair; no numerator (null) means ones.
extern "C" __global__ void __launch_bounds__(lookup::THREADS)
    lookup_add_fractions(const Fr* p, const Fr* q, uint64_t n, Fr* out_p, Fr* out_q) {
    uint64_t i = uint64_t(blockIdx.x) * lookup::THREADS + threadIdx.x;
    if (i >= n) return;
    Fr q0 = Fr::load(q + i), q1 = Fr::load(q + n + i);
    (q0 * q1).store(out_q + i);
    if (p == nullptr) {
        (q0 + q1).store(out_p + i);
    } else {
        Fr::dot(Fr::load(p + i), q1, Fr::load(p + n + i), q0).store(out_p + i);
    }
}

// values[i] = the product (sum) of values 0..=i, or 0..i if not `inclusive`, in place. `states`: 1 + gridDim.x zeros,
// `partial`: 2 gridDim.x elements. See `scan::run` for the shape of the launch.
template <class M>
__device__ void prefix(Fr* values, uint64_t n, uint32_t items, uint32_t inclusive, uint32_t* states, Fr* partial) {
    scan::run<M>(
        scan::Tiles<Fr>{states, partial, gridDim.x}, n, items, [=](uint64_t i) { return Fr::load(values + i); },
        [=](uint64_t i, const Fr& before, const Fr& value) {
            Fr both = M::combine(before, value);
            if (inclusive) {
                both.store(values + i);
            } else {
                before.store(values + i);
            }
            return both;
        });
}

extern "C" __global__ void __launch_bounds__(scan::THREADS)
    lookup_prefix_product(Fr* values, uint64_t n, uint32_t items, uint32_t inclusive, uint32_t* states, Fr* partial) {
    prefix<Product>(values, n, items, inclusive, states, partial);
}

extern "C" __global__ void __launch_bounds__(scan::THREADS)
    lookup_prefix_sum(Fr* values, uint64_t n, uint32_t items, uint32_t inclusive, uint32_t* states, Fr* partial) {
    prefix<Sum>(values, n, items, inclusive, states, partial);
}

// keys[i] = the integer that table[i] stands for; from n to the grid's end, which is a multiple of SORTED, an integer greater
// than all of those. One thread a key.
extern "C" __global__ void __launch_bounds__(lookup::THREADS)
    lookup_sort_keys(const Fr* table, uint64_t n, Fr* keys) {
    const uint64_t i = uint64_t(blockIdx.x) * lookup::THREADS + threadIdx.x;
    Fr key{{ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES}};
    if (i < n) key = Fr::load(table + i).from_montgomery();
    key.store_lazy(keys + i);
}

// order = the row numbers from 0 on in runs of SORTED, each sorted by key; a block sorts one run.
extern "C" __global__ void __launch_bounds__(SORT_THREADS, 4)
    lookup_sort_runs(const Key256* keys, uint32_t* order) {
    using Sort = cub::BlockMergeSort<uint32_t, SORT_THREADS, SORT_ITEMS>;
    __shared__ typename Sort::TempStorage shared;
    const uint64_t first = uint64_t(blockIdx.x) * SORTED + threadIdx.x * SORT_ITEMS;
    uint32_t rows[SORT_ITEMS];
#pragma unroll
    for (int i = 0; i < SORT_ITEMS; i++) rows[i] = uint32_t(first + i);
    Sort(shared).StableSort(rows, Before{keys});
#pragma unroll
    for (int i = 0; i < SORT_ITEMS; i++) order[first + i] = rows[i];
}

// Merges pairs of sorted runs of `run` numbers, of `n` in all; both are multiples of SORTED, of which a block writes one.
extern "C" __global__ void __launch_bounds__(SORT_THREADS)
    lookup_sort_merge(const Key256* keys, uint64_t n, uint64_t run, const uint32_t* from, uint32_t* to) {
    __shared__ uint32_t shared[SORTED], splits[2];
    const Before before{keys};
    const uint64_t first = uint64_t(blockIdx.x) * SORTED, start = first / (2 * run) * (2 * run);
    const uint32_t a_length = uint32_t(min(run, n - start));
    const uint32_t b_length = uint32_t(min(run, n - start - a_length));
    const uint32_t *a = from + start, *b = a + a_length;
    const uint32_t begin = uint32_t(first - start);
    if (threadIdx.x < 64) {
        const uint32_t which = threadIdx.x / 32;
        const uint32_t at = split(a, a_length, b, b_length, begin + which * SORTED, before);
        if (threadIdx.x % 32 == 0) splits[which] = at;
    }
    __syncthreads();
    // The parts of the two runs that this block merges.
    const uint32_t a_begin = splits[0], a_count = splits[1] - a_begin, b_begin = begin - a_begin;
    for (uint32_t i = threadIdx.x; i < SORTED; i += SORT_THREADS) {
        shared[i] = i < a_count ? a[a_begin + i] : b[b_begin + (i - a_count)];
    }
    __syncthreads();

    // Each thread merges what gives its SORT_ITEMS numbers, with both next keys in registers.
    const uint32_t diagonal = threadIdx.x * SORT_ITEMS;
    uint32_t x = cub::MergePath(shared, shared + a_count, a_count, SORTED - a_count, diagonal, before);
    uint32_t y = a_count + diagonal - x;
    // Past the end of a part any key will do.
    uint32_t x_row = shared[min(x, SORTED - 1)], y_row = shared[min(y, SORTED - 1)];
    Key256 x_key = load_key(keys, x_row), y_key = load_key(keys, y_row);
    uint32_t rows[SORT_ITEMS];
#pragma unroll
    for (int i = 0; i < SORT_ITEMS; i++) {
        // Of equal keys those of the first run go first.
        const bool second = (less(y_key, x_key) | (x >= a_count)) & (y < SORTED);
        rows[i] = second ? y_row : x_row;
        x += !second;
        y += second;
        const uint32_t row = shared[min(second ? y : x, SORTED - 1)];
        const Key256 key = load_key(keys, row);
        x_row = second ? x_row : row;
        y_row = second ? row : y_row;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            x_key.word[j] = second ? x_key.word[j] : key.word[j];
            y_key.word[j] = second ? key.word[j] : y_key.word[j];
        }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SORT_ITEMS; i++) shared[diagonal + i] = rows[i];
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < SORTED; i += SORT_THREADS) to[first + i] = shared[i];
}

// Splits the sorted rows into those that the column uses and the others: used row v, in ascending order, is rows[v] and
// fills the column from place starts[v] on; unused row u is rows[n - 1 - u]. `used`: how many are used.
//
// A scan of pairs (count, whether it is positive) in the halves of one word, neither of which overflows.
extern "C" __global__ void __launch_bounds__(scan::THREADS)
    lookup_permute_ranks(const uint32_t* order, const uint32_t* counts, uint64_t n, uint32_t items, uint32_t* rows,
                         uint32_t* starts, uint32_t* used, uint32_t* states, uint64_t* partial) {
    scan::run<IntegerSum>(
        scan::Tiles<uint64_t>{states, partial, gridDim.x}, n, items,
        [=](uint64_t i) {
            uint32_t count = counts[order[i]];
            return uint64_t(count != 0) << 32 | count;
        },
        [=](uint64_t i, uint64_t before, uint64_t value) {
            const uint32_t rank = uint32_t(before >> 32);
            rows[value != 0 ? rank : n - 1 - (i - rank)] = order[i];
            if (value != 0) starts[rank] = uint32_t(before);
            if (i == n - 1) *used = rank + (value != 0);
            return before + value;
        });
}

// The permuted columns from that, one thread a place.
extern "C" __global__ void __launch_bounds__(lookup::THREADS)
    lookup_permute_fill(const Fr* table, uint64_t n, const uint32_t* rows, const uint32_t* starts, const uint32_t* used,
                        Fr* permuted_column, Fr* permuted_table) {
    const uint64_t i = uint64_t(blockIdx.x) * lookup::THREADS + threadIdx.x;
    if (i >= n) return;
    // The last used row that starts at i or before; starts[v] >= v.
    uint64_t low = 0, high = min(uint64_t(*used), i + 1);
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (starts[middle] <= i) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const Fr value = Fr::load(table + rows[low]);
    value.store_lazy(permuted_column + i);
    if (starts[low] == i) {
        value.store_lazy(permuted_table + i);
    } else {
        // Of the places up to this one, low + 1 are starts.
        Fr::load(table + rows[n - 1 - (i - (low + 1))]).store_lazy(permuted_table + i);
    }
}
