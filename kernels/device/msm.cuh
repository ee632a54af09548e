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
    sum.store(slots + 1);
    slot_keys[1] = current;
    if (!within) {
        // One run fills the share: the first slot belongs to it as well, so that equal keys stay together.
        Xyzz<F>::identity().store(slots);
        slot_keys[0] = current;
    }
}

// Shapes: keys, slots: n; next_keys, next: two per block; dynamic shared memory: one point and one key per thread.
// One block adds up runs of equal keys among as many slots as it has threads: at most one addition a slot, in a number of steps
// that is logarithmic in the length of the longest run. Runs that lie within the block go to their buckets; those of its first and
// last slot go on to `next`, or to their buckets as well if the block is the only one.
//
// In step 2^k the slot at an odd multiple of 2^k from the start of its run is added to the one 2^k before it. Which slots that are
// depends on the runs, so the first threads share them out: few warps work, on all their lanes.
template <class F>
__device__ __forceinline__ void combine(const uint32_t* keys, const Xyzz<F>* slots, uint32_t n, uint32_t none,
                                        Xyzz<F>* buckets, uint32_t* next_keys, Xyzz<F>* next) {
    constexpr uint32_t threads = tuning::combine_bytes / sizeof(Xyzz<F>), steps = 8;
    static_assert(threads % 32 == 0 && threads <= 1u << steps, "whole warps, and a counter for each step");
    extern __shared__ uint4 shared[];
    // The slots that are added to others in a step, in any order, and their number for each step.
    __shared__ uint32_t added[threads], counts[steps];
    uint32_t t = threadIdx.x, lane = t % 32;
    Xyzz<F>* sums = reinterpret_cast<Xyzz<F>*>(shared);
    uint32_t* run = reinterpret_cast<uint32_t*>(sums + threads);

    size_t slot = size_t(blockIdx.x) * threads + t;
    uint32_t key = slot < n ? keys[slot] : none;
    run[t] = key;
    // In the middle of a run every other slot is the identity.
    bool identity = true;
    if (key != none) {
        Xyzz<F> sum = Xyzz<F>::load(slots + slot);
        identity = sum.is_identity();
        sum.store(sums + t);
    }
    if (t < steps) counts[t] = 0;
    __syncthreads();

    // From the start of the run.
    uint32_t place = key != none ? t - lower_bound(run, t, key) : 0;
    for (uint32_t step = 1, k = 0; step < threads; step *= 2, k++) {
        bool adds = (place & (2 * step - 1)) == step && !(step == 1 && identity);
        uint32_t mask = __ballot_sync(~0u, adds), before = 0;
        if (lane == 0) before = atomicAdd(counts + k, __popc(mask));
        before = __shfl_sync(~0u, before, 0) + __popc(mask & ((1u << lane) - 1));
        if (adds) added[before] = t;
        __syncthreads();
        // No run is as long.
        if (counts[k] == 0 && step > 1) break;
        if (t < counts[k]) add(sums[added[t] - step], sums[added[t]]);
        __syncthreads();
    }

    bool starts = key != none && place == 0;
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
    sum.store(next + last);
    // One run fills the block: the first slot belongs to it as well.
    if (t == 0 && last) Xyzz<F>::identity().store(next);
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
