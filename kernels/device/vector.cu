// Element-wise operations on vectors over Fr: src/vector.rs says what each computes.
//
// All vectors are in global memory, canonical, of `n` elements, n > 0. Kernels with a loop over groups run with any grid of whole
// warps; a warp handles groups of 32 consecutive elements by turns (warp/coalesced.cuh).
#include "block/inverse.cuh"
#include "thread/field.cuh"
#include "warp/coalesced.cuh"

namespace zkmill {

constexpr int THREADS = 256;
// Of a multiprocessor. Without a bound ptxas spills in some kernels that use few registers.
constexpr int BLOCKS = 3;

// A 256-bit integer, not reduced.
struct alignas(16) Big {
    uint32_t limb[8];
};

// How a scalar enters a product c x. Integers are shifted by 2^(bits - 1) if they are signed, so that they are not negative: the
// host takes the shift's part, c 2^(bits - 1), off the result.
template <class T>
struct Scalar {
    static constexpr bool is_signed = T(-1) < T(0);
    static constexpr int words = sizeof(T) <= 4 ? 1 : 2;

    static __device__ __forceinline__ uint64_t shifted(const T* vector, uint64_t i) {
        // Modulo 2^64; the cast cuts to the type's width.
        uint64_t half = is_signed ? uint64_t(1) << (8 * sizeof(T) - 1) : 0;
        uint64_t mask = ~uint64_t(0) >> (64 - 8 * sizeof(T));
        return (uint64_t(vector[i]) + half) & mask;
    }

    // The integer as the right-hand side of a Montgomery multiplication; the left-hand side is c R.
    static __device__ __forceinline__ Fr operand(const T* vector, uint64_t first, uint32_t count) {
        uint64_t x = place_in_group() < count ? shifted(vector, first + place_in_group()) : 0;
        return Fr{{uint32_t(x), uint32_t(x >> 32), 0, 0, 0, 0, 0, 0}};
    }
};
template <>
struct Scalar<Fr> {
    static __device__ __forceinline__ Fr operand(const Fr* vector, uint64_t first, uint32_t count) {
        return load_coalesced(vector + first, count);
    }
};
template <>
struct Scalar<Big> {
    static __device__ __forceinline__ Fr operand(const Big* vector, uint64_t first, uint32_t count) {
        return load_coalesced(reinterpret_cast<const Fr*>(vector) + first, count);
    }
};

// A sum of products of field elements below p with integers, not reduced: 2^32 products with 64-bit integers fit.
struct WideSum {
    uint32_t limb[11];

    static __device__ __forceinline__ WideSum zero() { return WideSum{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}; }

    // Adds c x 2^(32 SHIFT).
    template <int SHIFT>
    __device__ __forceinline__ void add(const Fr& c, uint32_t x) {
        uint32_t* s = limb + SHIFT;
        uint32_t top = SHIFT == 0 ? limb[10] : 0;
        asm volatile(
            "mad.lo.cc.u32 %0, %11, %15, %0;\n\t"
            "madc.hi.cc.u32 %1, %11, %15, %1;\n\t"
            "madc.lo.cc.u32 %2, %12, %15, %2;\n\t"
            "madc.hi.cc.u32 %3, %12, %15, %3;\n\t"
            "madc.lo.cc.u32 %4, %13, %15, %4;\n\t"
            "madc.hi.cc.u32 %5, %13, %15, %5;\n\t"
            "madc.lo.cc.u32 %6, %14, %15, %6;\n\t"
            "madc.hi.cc.u32 %7, %14, %15, %7;\n\t"
            "addc.cc.u32 %8, %8, 0;\n\t"
            "addc.cc.u32 %9, %9, 0;\n\t"
            "addc.u32 %10, %10, 0;"
            : "+r"(s[0]), "+r"(s[1]), "+r"(s[2]), "+r"(s[3]), "+r"(s[4]), "+r"(s[5]), "+r"(s[6]), "+r"(s[7]),
              "+r"(s[8]), "+r"(s[9]), "+r"(top)
            : "r"(c.limb[0]), "r"(c.limb[2]), "r"(c.limb[4]), "r"(c.limb[6]), "r"(x));
        asm volatile(
            "mad.lo.cc.u32 %0, %10, %14, %0;\n\t"
            "madc.hi.cc.u32 %1, %10, %14, %1;\n\t"
            "madc.lo.cc.u32 %2, %11, %14, %2;\n\t"
            "madc.hi.cc.u32 %3, %11, %14, %3;\n\t"
            "madc.lo.cc.u32 %4, %12, %14, %4;\n\t"
            "madc.hi.cc.u32 %5, %12, %14, %5;\n\t"
            "madc.lo.cc.u32 %6, %13, %14, %6;\n\t"
            "madc.hi.cc.u32 %7, %13, %14, %7;\n\t"
            "addc.cc.u32 %8, %8, 0;\n\t"
            "addc.u32 %9, %9, 0;"
            : "+r"(s[1]), "+r"(s[2]), "+r"(s[3]), "+r"(s[4]), "+r"(s[5]), "+r"(s[6]), "+r"(s[7]), "+r"(s[8]),
              "+r"(s[9]), "+r"(top)
            : "r"(c.limb[1]), "r"(c.limb[3]), "r"(c.limb[5]), "r"(c.limb[7]), "r"(x));
        if (SHIFT == 0) limb[10] = top;
    }

    // The sum modulo p: low + high 2^256 = (low R + high R^2) / R.
    __device__ __forceinline__ Fr reduced() const {
        constexpr Limbs s = Fr::montgomery_squared;
        Fr low = {{limb[0], limb[1], limb[2], limb[3], limb[4], limb[5], limb[6], limb[7]}};
        Fr high = {{limb[8], limb[9], limb[10], 0, 0, 0, 0, 0}};
        Fr square = {{s.v[0], s.v[1], s.v[2], s.v[3], s.v[4], s.v[5], s.v[6], s.v[7]}};
        // Left-hand sides are below p, so that right-hand sides may be any 256 bits.
        return Fr::dot(square, high, Fr::one(), low);
    }
};

// out[i] = value. One thread writes half an element.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) vector_fill(Fr value, Fr* out, uint64_t n) {
    bool upper = threadIdx.x % 2 != 0;
    uint4 half = make_uint4(upper ? value.limb[4] : value.limb[0], upper ? value.limb[5] : value.limb[1],
                            upper ? value.limb[6] : value.limb[2], upper ? value.limb[7] : value.limb[3]);
    uint64_t stride = uint64_t(gridDim.x) * THREADS;
    for (uint64_t i = uint64_t(blockIdx.x) * THREADS + threadIdx.x; i < 2 * n; i += stride) {
        reinterpret_cast<uint4*>(out)[i] = half;
    }
}

// out[i] = a[i] b[i]. `out` may not be `a` or `b`.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    vector_hadamard(const Fr* a, const Fr* b, Fr* out, uint64_t n) {
    for_each_group(n, [&](uint64_t first, uint32_t count) {
        Fr product = load_coalesced(a + first, count) * load_coalesced(b + first, count);
        store_coalesced(out + first, count, product);
    });
}

// out[i] = scale base^i; `step` is base^(threads of the grid). A thread raises `base` to its first index, then goes on in steps.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    vector_powers(Fr scale, Fr base, Fr step, Fr* out, uint64_t n) {
    uint64_t thread = uint64_t(blockIdx.x) * THREADS + threadIdx.x;
    Fr power = scale * base.pow(thread / GROUP * GROUP + place_in_group());
    for_each_group(n, [&](uint64_t first, uint32_t count) {
        store_coalesced(out + first, count, power);
        power = power * step;
    });
}

// Elements that a thread of vector_batch_inverse handles.
constexpr int INVERSES = 16;

// Replaces each value by its inverse, zeros staying. A block handles THREADS * INVERSES consecutive values.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) vector_batch_inverse(Fr* values, uint64_t n) {
    using Inverse = BlockInverse<Fr, THREADS>;
    __shared__ Inverse::Storage storage;
    uint64_t start = uint64_t(blockIdx.x) * (THREADS * INVERSES) + threadIdx.x / GROUP * GROUP;
    auto first = [&](int i) { return start + uint64_t(i) * THREADS; };
    auto count = [&](int i) { return first(i) < n ? uint32_t(min(uint64_t(GROUP), n - first(i))) : 0; };
    Inverse(storage).invert_each<INVERSES>(
        [&](int i) { return load_coalesced(values + first(i), count(i)); },
        [&](int i, const Fr& inverse) { store_coalesced(values + first(i), count(i), inverse); });
}

// out[i] += coefficient x[i] - shift. For scalars other than Fr, `coefficient` is c R.
template <class T>
__device__ __forceinline__ void add_scaled(const Fr& coefficient, const Fr& shift, const T* vector, Fr* out, uint64_t n) {
    for_each_group(n, [&](uint64_t first, uint32_t count) {
        // The coefficient is below p, so that the other operand may be any 256 bits.
        Fr product = coefficient * Scalar<T>::operand(vector, first, count);
        store_coalesced(out + first, count, load_coalesced(out + first, count) + product - shift);
    });
}

// out[i] = sum_k coefficients[k] vectors[k][i] - shift, of integers: products are added up and reduced once.
template <class T>
__device__ __forceinline__ void combine(const Fr* coefficients, const T* const* vectors, uint32_t terms, const Fr& shift,
                                        Fr* out, uint64_t n) {
    for_each_group(n, [&](uint64_t first, uint32_t count) {
        WideSum sum = WideSum::zero();
        for (uint32_t k = 0; k < terms; k++) {
            Fr x = Scalar<T>::operand(vectors[k], first, count);
            Fr coefficient = Fr::load(coefficients + k);
            sum.add<0>(coefficient, x.limb[0]);
            if (Scalar<T>::words == 2) sum.add<1>(coefficient, x.limb[1]);
        }
        store_coalesced(out + first, count, sum.reduced() - shift);
    });
}

// The same of 256-bit values: two products at a time share a reduction. For Big, the coefficients are c R; `shift` is not used.
template <class T>
__device__ __forceinline__ void combine_wide(const Fr* coefficients, const T* const* vectors, uint32_t terms, Fr* out,
                                             uint64_t n) {
    for_each_group(n, [&](uint64_t first, uint32_t count) {
        Fr sum = Fr::zero();
        uint32_t k = 0;
        for (; k + 1 < terms; k += 2) {
            Fr x = Scalar<T>::operand(vectors[k], first, count), y = Scalar<T>::operand(vectors[k + 1], first, count);
            sum = sum + Fr::dot(Fr::load(coefficients + k), x, Fr::load(coefficients + k + 1), y);
        }
        if (k < terms) sum = sum + Fr::load(coefficients + k) * Scalar<T>::operand(vectors[k], first, count);
        store_coalesced(out + first, count, sum);
    });
}

#define ZKMILL_ADD_SCALED(T, suffix)                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                           \
        vector_add_scaled_##suffix(Fr coefficient, Fr shift, const T* vector, Fr* out, uint64_t n) {        \
        add_scaled(coefficient, shift, vector, out, n);                                                     \
    }
#define ZKMILL_INTEGER(T, suffix)                                                                           \
    ZKMILL_ADD_SCALED(T, suffix)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                           \
        vector_combine_##suffix(const Fr* coefficients, const T* const* vectors, uint32_t terms, Fr shift,  \
                                Fr* out, uint64_t n) {                                                      \
        combine(coefficients, vectors, terms, shift, out, n);                                               \
    }
#define ZKMILL_WIDE(T, suffix)                                                                              \
    ZKMILL_ADD_SCALED(T, suffix)                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)                                           \
        vector_combine_##suffix(const Fr* coefficients, const T* const* vectors, uint32_t terms, Fr shift,  \
                                Fr* out, uint64_t n) {                                                      \
        combine_wide(coefficients, vectors, terms, out, n);                                                 \
    }

ZKMILL_INTEGER(int8_t, i8)
ZKMILL_INTEGER(int16_t, i16)
ZKMILL_INTEGER(int32_t, i32)
ZKMILL_INTEGER(int64_t, i64)
ZKMILL_INTEGER(uint8_t, u8)
ZKMILL_INTEGER(uint16_t, u16)
ZKMILL_INTEGER(uint32_t, u32)
ZKMILL_INTEGER(uint64_t, u64)
ZKMILL_WIDE(Fr, fr)
ZKMILL_WIDE(Big, big)

}  // namespace zkmill
