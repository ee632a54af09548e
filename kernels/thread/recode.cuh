// Scalars of any type as sign and magnitude, and magnitudes as signed digits.
#pragma once

#include <type_traits>

#include "thread/field.cuh"

namespace zkmill {

// Any 256-bit integer.
struct alignas(16) Big {
    uint32_t limb[8];
};

// (-1)^negative * magnitude, little-endian limbs.
template <int N>
struct Signed {
    uint32_t limb[N];
    bool negative;

    // The lowest `bits` bits, which are shifted out; 0 < bits < 32.
    __device__ __forceinline__ uint32_t take(uint32_t bits) {
        uint32_t low = limb[0] & ((1u << bits) - 1);
#pragma unroll
        for (int i = 0; i < N; i++) limb[i] = __funnelshift_r(limb[i], i + 1 < N ? limb[i + 1] : 0, bits);
        return low;
    }
};

template <class T>
__device__ __forceinline__ std::enable_if_t<std::is_integral<T>::value, Signed<2>> to_signed(const T* p) {
    T value = *p;
    uint64_t magnitude = uint64_t(value);
    bool negative = false;
    if constexpr (std::is_signed<T>::value) {
        negative = value < 0;
        // The sign is extended to 64 bits first: the magnitude of the least value of a type is right.
        magnitude = negative ? 0 - uint64_t(int64_t(value)) : uint64_t(value);
    }
    return Signed<2>{{uint32_t(magnitude), uint32_t(magnitude >> 32)}, negative};
}

// The representative of least magnitude of a canonical integer: `value` or `value - r`.
__device__ __forceinline__ Signed<8> nearest(const Fr& value) {
    constexpr Limbs r = Fr::modulus;
    Signed<8> nearest;
    // r - value, which is the smaller one if value > (r - 1) / 2.
    uint32_t opposite[8];
    asm volatile(
        "sub.cc.u32 %0, %8, %16;\n\t"
        "subc.cc.u32 %1, %9, %17;\n\t"
        "subc.cc.u32 %2, %10, %18;\n\t"
        "subc.cc.u32 %3, %11, %19;\n\t"
        "subc.cc.u32 %4, %12, %20;\n\t"
        "subc.cc.u32 %5, %13, %21;\n\t"
        "subc.cc.u32 %6, %14, %22;\n\t"
        "subc.u32 %7, %15, %23;"
        : "=&r"(opposite[0]), "=&r"(opposite[1]), "=&r"(opposite[2]), "=&r"(opposite[3]), "=&r"(opposite[4]),
          "=&r"(opposite[5]), "=&r"(opposite[6]), "=&r"(opposite[7])
        : "n"(r.v[0]), "n"(r.v[1]), "n"(r.v[2]), "n"(r.v[3]), "n"(r.v[4]), "n"(r.v[5]), "n"(r.v[6]), "n"(r.v[7]),
          "r"(value.limb[0]), "r"(value.limb[1]), "r"(value.limb[2]), "r"(value.limb[3]), "r"(value.limb[4]),
          "r"(value.limb[5]), "r"(value.limb[6]), "r"(value.limb[7]));
    nearest.negative = false;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        if (opposite[i] != value.limb[i]) nearest.negative = opposite[i] < value.limb[i];
    }
#pragma unroll
    for (int i = 0; i < 8; i++) nearest.limb[i] = nearest.negative ? opposite[i] : value.limb[i];
    return nearest;
}

__device__ __forceinline__ Signed<8> to_signed(const Fr* p) { return nearest(Fr::load(p).from_montgomery()); }

__device__ __forceinline__ Signed<8> to_signed(const Big* p) {
    constexpr Limbs r = Fr::modulus;
    Fr value = Fr::load(reinterpret_cast<const Fr*>(p));
    // 2^256 < 6r.
    for (int k = 0; k < 5; k++) {
        Fr less;
        uint64_t difference = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            difference = uint64_t(value.limb[i]) - r.v[i] - (difference >> 63);
            less.limb[i] = uint32_t(difference);
        }
        if (difference >> 63) break;
        value = less;
    }
    return nearest(value);
}

// A digit of `width` bits with its carry: [0, 2^width] to [-2^(width-1), 2^(width-1)] and the next carry.
__device__ __forceinline__ int32_t signed_digit(uint32_t digit, uint32_t width, uint32_t& carry) {
    digit += carry;
    carry = digit > 1u << (width - 1);
    return int32_t(digit) - int32_t(carry << width);
}

}  // namespace zkmill
