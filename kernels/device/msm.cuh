// The kernels of the multi-scalar multiplication that work on points, for either curve.
//
// sum_i s_i P_i by buckets (Pippenger): scalars are cut into signed digits (`msm_digits_*`), the pairs of bucket and point are
// sorted by bucket (`msm_sort_*`), each bucket's points are added up (accumulate, combine), buckets are weighted by their digits
// (reduce), and windows by their places (finish). A *group* is the 2^(c-1) buckets, of digits 1, 2, .., of one window of one
// item. An *entry* is such a pair.
//
// Work is dealt out by entries and not by buckets: every thread adds equally many, whatever the scalars. A run of entries of one
// bucket that lies within a thread's share is written straight to the bucket; the first and the last run of a share, which
// neighbours may share, go to *slots*, sorted as the entries are, and are combined afterwards. So every bucket is written at most
// once, without atomics, and the order of all additions is fixed.
#pragma once

#include "thread/curve.cuh"
#include "tuning/msm.cuh"

namespace zkmill {
namespace msm {

// The sign of an entry's value; the other bits are the index of the point.
constexpr uint32_t sign_bit = 1u << 31;

// The number of keys below `bound` among `n` sorted ones.
__device__ __forceinline__ uint32_t lower_bound(const uint32_t* keys, uint32_t n, uint32_t bound) {
    uint32_t low = 0;
    while (n > 0) {
        uint32_t half = n / 2;
        if (keys[low + half] < bound) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

// Shapes: keys, values: entries; buckets: none (the value of the key `none`, which zero digits have); slots: two per thread.
// One thread adds an equal share of the entries, at least `share` of them, and writes the buckets that lie within it, and its two
// slots. Buckets without entries are not written.
template <class F>
__device__ __forceinline__ void accumulate(const Affine<F>* bases, const uint32_t* keys, const uint32_t* values,
                                           uint32_t entries, uint32_t none, uint32_t share, Xyzz<F>* buckets,
                                           uint32_t* slot_keys, Xyzz<F>* slots) {
    __shared__ uint32_t shared_count;
    if (threadIdx.x == 0) shared_count = lower_bound(keys, entries, none);
    __syncthreads();
    uint32_t count = shared_count;
    uint32_t threads = gridDim.x * blockDim.x;
    uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
    share = max(share, (count + threads - 1) / threads);
    uint64_t first = uint64_t(thread) * share;
    uint32_t length = first < count ? uint32_t(min(uint64_t(share), count - first)) : 0;
    keys += first;
    values += first;
    slots += 2 * size_t(thread);
    slot_keys += 2 * size_t(thread);

    uint32_t current = none;
    bool within = false;
    Xyzz<F> sum = Xyzz<F>::identity();
    // The same number of rounds for all lanes. Runs end in different rounds on different lanes: they must come together
    // again for the next addition.
    for (uint32_t i = 0; i < share; i++) {
        __syncwarp();
        if (i >= length) continue;
        uint32_t key = keys[i];
        uint32_t value = values[i];
        Affine<F> point = Affine<F>::load(bases + (value & ~sign_bit)).negated_if(value & sign_bit);
        if (key == current) {
            sum.add_mixed(point);
        } else {
            if (current != none) {
                sum.store(within ? buckets + current : slots);
                if (!within) slot_keys[0] = current;
                within = true;
            }
            sum = Xyzz<F>::from(point);
            current = key;
        }
    }
    if (length == 0) {
        slot_keys[0] = none;
        slot_keys[1] = none;
        return;
    }
    sum.store(slots + within);
    slot_keys[within] = current;
    if (!within) {
        // One run fills the share: the second slot continues it, so that equal keys stay together.
        Xyzz<F>::identity().store(slots + 1);
        slot_keys[1] = current;
    }
}

// Shapes: keys, slots: n; next_keys, next: two per block; dynamic shared memory: one point and one key per thread.
// One block adds up runs of equal keys among as many slots as it has threads, by a tree: at most one addition a slot, in a number
// of steps that is logarithmic in the length of the longest run. Runs that lie within the block go to their buckets; those of its
// first and last slot go on to `next`, or to their buckets as well if the block is the only one.
//
// Two slots with equal keys are joined at the level of the tree where their intervals meet. Level 0 joins slot 2k + 1, the end of
// one share, with slot 2k + 2, the start of the next: where buckets are small, that is all. So slot s is the tree's leaf s + 1.
template <class F>
__device__ __forceinline__ void combine(const uint32_t* keys, const Xyzz<F>* slots, uint32_t n, uint32_t none,
                                        Xyzz<F>* buckets, uint32_t* next_keys, Xyzz<F>* next) {
    extern __shared__ uint4 shared[];
    uint32_t threads = blockDim.x, t = threadIdx.x;
    Xyzz<F>* sums = reinterpret_cast<Xyzz<F>*>(shared);
    uint32_t* run = reinterpret_cast<uint32_t*>(sums + threads);

    size_t slot = size_t(blockIdx.x) * threads + t;
    uint32_t key = slot < n ? keys[slot] : none;
    run[t] = key;
    if (key != none) Xyzz<F>::load(slots + slot).store(sums + t);
    __syncthreads();

    bool starts = key != none && (t == 0 || run[t - 1] != key);
    // But for the last slot: if it continues a run it is the second slot of its pair, the identity.
    bool continues = key != none && !starts && t + 1 < threads;
    for (uint32_t width = 1; width < threads; width *= 2) {
        // Whether a slot is yet to be joined with the one before it.
        if (!__syncthreads_or(continues && (t + 1) % width == 0)) break;
        // Within [middle - width, middle + width) a run that ends a half has its sum in its first slot there.
        uint32_t middle = (2 * t + 1) * width - 1;
        if (middle == 0 || middle >= threads) continue;
        uint32_t joint = run[middle];
        if (joint == none || run[middle - 1] != joint) continue;
        uint32_t first = max(lower_bound(run, middle, joint), middle - min(middle, width));
        add(sums[first], sums[middle]);
    }

    // The loop's last barrier is behind its last addition, unless there were additions on all levels.
    __syncthreads();
    bool only = gridDim.x == 1;
    bool last = run[threads - 1] == key;
    next += 2 * size_t(blockIdx.x);
    next_keys += 2 * size_t(blockIdx.x);
    if (!only && t == 0) next_keys[0] = key;
    if (!only && t == threads - 1) next_keys[1] = key;
    if (!starts) return;
    Xyzz<F> sum = Xyzz<F>::load(sums + t);
    if (only || (t > 0 && !last)) {
        sum.store(buckets + key);
        return;
    }
    sum.store(next + (t > 0));
    // One run fills the block: the second slot continues it.
    if (t == 0 && last) Xyzz<F>::identity().store(next + 1);
}

// Shapes: buckets, more: n. buckets += more, one bucket per thread.
template <class F>
__device__ __forceinline__ void merge(Xyzz<F>* buckets, const Xyzz<F>* more, size_t n) {
    size_t i = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Xyzz<F> sum = Xyzz<F>::load(buckets + i);
    Xyzz<F> other = Xyzz<F>::load(more + i);
    add(sum, other);
    sum.store(buckets + i);
}

// Shapes: buckets: nodes << log_arity; sums, weighted: nodes.
// One thread takes 2^log_arity neighbouring buckets B_0, B_1, ..: sums = sum_j B_j, weighted = sum_j (j + 1) B_j, by running
// sums from the last bucket: two additions each.
template <class F>
__device__ __forceinline__ void reduce_buckets(const Xyzz<F>* buckets, size_t nodes, uint32_t log_arity, Xyzz<F>* sums,
                                               Xyzz<F>* weighted) {
    size_t node = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (node >= nodes) return;
    Xyzz<F> sum = Xyzz<F>::identity(), weight = sum;
    buckets += node << log_arity;
    for (uint32_t j = 1u << log_arity; j-- > 0;) {
        Xyzz<F> bucket = Xyzz<F>::load(buckets + j);
        add(sum, bucket);
        add(weight, sum);
    }
    sum.store(sums + node);
    weight.store(weighted + node);
}

// Shapes: sums, weighted: nodes << log_arity; sums_out, weighted_out: nodes.
// As `reduce_buckets`, of what it and this function wrote: one thread takes 2^log_arity neighbours (S_j, T_j), each over
// 2^log_width buckets. Their bucket b has weight b + 1 in T_j and j 2^log_width + b + 1 in the whole:
// sums_out = sum_j S_j, weighted_out = sum_j T_j + 2^log_width sum_j j S_j.
template <class F>
__device__ __forceinline__ void reduce_nodes(const Xyzz<F>* sums, const Xyzz<F>* weighted, size_t nodes,
                                             uint32_t log_arity, uint32_t log_width, Xyzz<F>* sums_out,
                                             Xyzz<F>* weighted_out) {
    size_t node = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (node >= nodes) return;
    Xyzz<F> sum = Xyzz<F>::identity(), weight = sum;
    sums += node << log_arity;
    weighted += node << log_arity;
    for (uint32_t j = 1u << log_arity; j-- > 1;) {
        Xyzz<F> child = Xyzz<F>::load(sums + j);
        add(sum, child);
        add(weight, sum);
    }
    Xyzz<F> child = Xyzz<F>::load(sums);
    add(sum, child);
    for (uint32_t i = 0; i < log_width; i++) twice(weight);
    for (uint32_t j = 0; j < 1u << log_arity; j++) {
        child = Xyzz<F>::load(weighted + j);
        add(weight, child);
    }
    sum.store(sums_out + node);
    weight.store(weighted_out + node);
}

// Shapes: windows: items x count; out: items.
// One thread per item: out = sum_w 2^(bits w) windows[w] by Horner's rule, as a canonical affine point.
template <class F>
__device__ __forceinline__ void finish(const Xyzz<F>* windows, uint32_t items, uint32_t count, uint32_t bits,
                                       Affine<F>* out) {
    uint32_t item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= items) return;
    windows += size_t(item) * count;
    Xyzz<F> sum = Xyzz<F>::load(windows + count - 1);
    for (uint32_t w = count - 1; w-- > 0;) {
        twice(sum, bits);
        Xyzz<F> window = Xyzz<F>::load(windows + w);
        add(sum, window);
    }
    sum.to_affine().store(out + item);
}

// Shapes: tables: slices x n, of which the first n are given.
// One thread per point: tables[j][i] = 2^(bits j) tables[0][i]. Eight at a time are computed with a common denominator's powers left
// over, which one inversion then gives all of.
template <class F>
__device__ __forceinline__ void multiples(Affine<F>* tables, uint32_t n, uint32_t slices, uint32_t bits) {
    constexpr uint32_t AT_ONCE = 8;
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Affine<F> point = Affine<F>::load(tables + i);
    for (uint32_t first = 1; first < slices; first += AT_ONCE) {
        uint32_t count = min(AT_ONCE, slices - first);
        // Multiple k is (x / z^2, y / z^3), where z is the product of factors[0] to factors[k].
        F factors[AT_ONCE], all = F::one();
        for (uint32_t k = 0; k < count; k++) {
            factors[k] = twice(point.x, point.y, bits);
            all = all * factors[k];
            Affine<F>* to = tables + size_t(first + k) * n + i;
            point.x.store_lazy(&to->x);
            point.y.store_lazy(&to->y);
        }
        // 1/z of the last multiple, and then of those before. The identity stays zero.
        F inverse = all.inverse();
        for (uint32_t k = count; k-- > 0;) {
            Affine<F>* to = tables + size_t(first + k) * n + i;
            Affine<F> multiple = Affine<F>::load(to);
            F square = inverse.square();
            multiple = Affine<F>{multiple.x * square, multiple.y * (square * inverse)};
            multiple.store(to);
            if (k == count - 1) point = multiple;
            inverse = inverse * factors[k];
        }
    }
}

}  // namespace msm
}  // namespace zkmill

// The entry points for one curve over the field F, with names that end in `_suffix`. Each is the function above of the same name.
#define ZKMILL_MSM_KERNELS(suffix, F)                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::accumulate_threads) msm_accumulate_##suffix(           \
        const zkmill::Affine<F>* bases, const uint32_t* keys, const uint32_t* values, uint32_t entries, uint32_t none,  \
        uint32_t share, zkmill::Xyzz<F>* buckets, uint32_t* slot_keys, zkmill::Xyzz<F>* slots) {                        \
        zkmill::msm::accumulate(bases, keys, values, entries, none, share, buckets, slot_keys, slots);                  \
    }                                                                                                                   \
    extern "C" __global__ void                                                                                          \
    __launch_bounds__(zkmill::tuning::combine_bytes / sizeof(zkmill::Xyzz<F>)) msm_combine_##suffix(                    \
        const uint32_t* keys, const zkmill::Xyzz<F>* slots, uint32_t n, uint32_t none, zkmill::Xyzz<F>* buckets,        \
        uint32_t* next_keys, zkmill::Xyzz<F>* next) {                                                                   \
        zkmill::msm::combine(keys, slots, n, none, buckets, next_keys, next);                                           \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::point_threads)                                         \
        msm_merge_##suffix(zkmill::Xyzz<F>* buckets, const zkmill::Xyzz<F>* more, size_t n) {                           \
        zkmill::msm::merge(buckets, more, n);                                                                           \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::point_threads) msm_reduce_buckets_##suffix(            \
        const zkmill::Xyzz<F>* buckets, size_t nodes, uint32_t log_arity, zkmill::Xyzz<F>* sums,                        \
        zkmill::Xyzz<F>* weighted) {                                                                                    \
        zkmill::msm::reduce_buckets(buckets, nodes, log_arity, sums, weighted);                                         \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::point_threads) msm_reduce_nodes_##suffix(              \
        const zkmill::Xyzz<F>* sums, const zkmill::Xyzz<F>* weighted, size_t nodes, uint32_t log_arity,                 \
        uint32_t log_width, zkmill::Xyzz<F>* sums_out, zkmill::Xyzz<F>* weighted_out) {                                 \
        zkmill::msm::reduce_nodes(sums, weighted, nodes, log_arity, log_width, sums_out, weighted_out);                 \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::point_threads) msm_finish_##suffix(                    \
        const zkmill::Xyzz<F>* windows, uint32_t items, uint32_t count, uint32_t bits, zkmill::Affine<F>* out) {        \
        zkmill::msm::finish(windows, items, count, bits, out);                                                          \
    }                                                                                                                   \
    extern "C" __global__ void __launch_bounds__(zkmill::tuning::point_threads)                                         \
        msm_multiples_##suffix(zkmill::Affine<F>* tables, uint32_t n, uint32_t slices, uint32_t bits) {                 \
        zkmill::msm::multiples(tables, n, slices, bits);                                                                \
    }
