// Butterflies (a, b) -> (a + b, a - b) of lazy values, and short transforms of a thread's eight elements.
//
// Lazy results cost a reduction each. *Open* ones, below 4p, do not: a product takes them. 2p - b serves both the sum, as
// a - (2p - b), whose reduction looks at the sign alone, and the open difference a + (2p - b). (Cf. D. Harvey, "Faster arithmetic for
// number-theoretic transforms", 2014.)
#pragma once

#include "thread/chain.cuh"
#include "thread/field.cuh"
#include "thread/prepared.cuh"

namespace zkmill {

// a + b below 4p.
template <class F>
__device__ __forceinline__ F add_unreduced(const F& a, const F& b) {
    F sum;
    sum.limb[0] = chain::add(a.limb[0], b.limb[0]);
#pragma unroll
    for (int i = 1; i < 7; i++) sum.limb[i] = chain::addc(a.limb[i], b.limb[i]);
    sum.limb[7] = chain::last_add(a.limb[7], b.limb[7]);
    return sum;
}

// a - b, lazy; b may be 2p.
template <class F>
__device__ __forceinline__ F subtract(const F& a, const F& b) {
    constexpr Limbs m = F::twice_modulus;
    F difference;
    difference.limb[0] = chain::sub(a.limb[0], b.limb[0]);
#pragma unroll
    for (int i = 1; i < 7; i++) difference.limb[i] = chain::subc(a.limb[i], b.limb[i]);
    difference.limb[7] = chain::last_sub(a.limb[7], b.limb[7]);
    asm volatile(
        "{\n\t"
        ".reg .pred below;\n\t"
        // In [-2p, 2p): the highest bit is the sign.
        "setp.lt.s32 below, %7, 0;\n\t"
        "@below add.cc.u32 %0, %0, %8;\n\t"
        "@below addc.cc.u32 %1, %1, %9;\n\t"
        "@below addc.cc.u32 %2, %2, %10;\n\t"
        "@below addc.cc.u32 %3, %3, %11;\n\t"
        "@below addc.cc.u32 %4, %4, %12;\n\t"
        "@below addc.cc.u32 %5, %5, %13;\n\t"
        "@below addc.cc.u32 %6, %6, %14;\n\t"
        "@below addc.u32 %7, %7, %15;\n\t"
        "}"
        : "+r"(difference.limb[0]), "+r"(difference.limb[1]), "+r"(difference.limb[2]), "+r"(difference.limb[3]),
          "+r"(difference.limb[4]), "+r"(difference.limb[5]), "+r"(difference.limb[6]), "+r"(difference.limb[7])
        : "n"(m.v[0]), "n"(m.v[1]), "n"(m.v[2]), "n"(m.v[3]), "n"(m.v[4]), "n"(m.v[5]), "n"(m.v[6]), "n"(m.v[7]));
    return difference;
}

template <class F>
__device__ __forceinline__ void butterfly(F& a, F& b) {
    F sum = add_unreduced(a, b);
    b = subtract(a, b);
    a = sum.template reduced<2>();
}

// The difference times a factor.
template <class F>
__device__ __forceinline__ void butterfly(F& a, F& b, const Prepared<F>& factor) {
    F opposite = b.opposite_factor();
    b = factor * add_unreduced(a, opposite);
    a = subtract(a, opposite);
}

// Both open.
template <class F>
__device__ __forceinline__ void open_butterfly(F& a, F& b) {
    F difference = add_unreduced(a, b.opposite_factor());
    a = add_unreduced(a, b);
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
