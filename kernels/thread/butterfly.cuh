// Butterflies (a, b) -> (a + b, a - b) of lazy values, and short transforms of a thread's eight elements.
//
// Lazy results cost a reduction each. *Open* ones, below 4p, do not: a product takes them. 2p - b serves both the sum, as
// a - (2p - b), whose reduction looks at the sign alone, and the open difference a + (2p - b). (Cf. D. Harvey, "Faster arithmetic for
// number-theoretic transforms", 2014.)
#pragma once

#include "thread/field.cuh"
#include "thread/prepared.cuh"

namespace zkmill {

template <class F>
__device__ __forceinline__ void butterfly(F& a, F& b) {
    F sum = F::add_unreduced(a, b);
    b = a - b;
    a = sum.template reduced<2>();
}

// The difference times a factor.
template <class F>
__device__ __forceinline__ void butterfly(F& a, F& b, const Prepared<F>& factor) {
    F opposite = b.opposite_factor();
    b = factor * F::add_unreduced(a, opposite);
    a = a - opposite;
}

// Both open.
template <class F>
__device__ __forceinline__ void open_butterfly(F& a, F& b) {
    F difference = F::add_unreduced(a, b.opposite_factor());
    a = F::add_unreduced(a, b);
    b = difference;
}

// Eight elements, as transforms of 2^log side by side: eight, four or two. `eighths` are w, w^2 and w^3, w of order 8.
template <class F>
struct Octet {
    F x[8];

    // Decimation in frequency but for the last level, to bit-reversed outputs.
    __device__ __forceinline__ void upper_levels(uint32_t log, const Prepared<F> (&eighths)[3]) {
        if (log == 3) {
            butterfly(x[0], x[4]);
            butterfly(x[1], x[5], eighths[0]);
            butterfly(x[2], x[6], eighths[1]);
            butterfly(x[3], x[7], eighths[2]);
        }
        if (log >= 2) {
#pragma unroll
            for (int i = 0; i < 8; i += 4) {
                butterfly(x[i], x[i + 2]);
                butterfly(x[i + 1], x[i + 3], eighths[1]);
            }
        }
    }
    __device__ __forceinline__ void last_level() {
#pragma unroll
        for (int i = 0; i < 8; i += 2) butterfly(x[i], x[i + 1]);
    }
    __device__ __forceinline__ void open_last_level() {
#pragma unroll
        for (int i = 0; i < 8; i += 2) open_butterfly(x[i], x[i + 1]);
    }

    // Decimation in time, from bit-reversed inputs: the same network backwards, with products after the differences, too.
    __device__ __forceinline__ void all_levels(uint32_t log, const Prepared<F> (&eighths)[3]) {
        if (log == 1) {
            last_level();
            return;
        }
#pragma unroll
        for (int i = 0; i < 8; i += 4) {
            butterfly(x[i], x[i + 1]);
            butterfly(x[i + 2], x[i + 3], eighths[1]);
        }
        butterfly(x[0], x[2]);
        butterfly(x[1], x[3]);
        if (log == 2) {
            butterfly(x[4], x[6]);
            butterfly(x[5], x[7]);
            return;
        }
        butterfly(x[4], x[6], eighths[1]);
        open_butterfly(x[5], x[7]);
        x[5] = eighths[0] * x[5];
        x[7] = eighths[2] * x[7];
#pragma unroll
        for (int i = 0; i < 4; i++) butterfly(x[i], x[i + 4]);
    }
};

}  // namespace zkmill
