// The quadratic extension of BN254's base field, Fq[u] / (u^2 + 1), in the registers of one thread. Lazy as `Field` is.
#pragma once

#include "thread/inverse.cuh"

namespace zkmill {

struct alignas(16) Fq2 {
    Fq c0, c1;

    static __device__ __forceinline__ Fq2 zero() { return Fq2{Fq::zero(), Fq::zero()}; }
    static __device__ __forceinline__ Fq2 one() { return Fq2{Fq::one(), Fq::zero()}; }

    static __device__ __forceinline__ Fq2 load(const Fq2* p) { return Fq2{Fq::load(&p->c0), Fq::load(&p->c1)}; }

    __device__ __forceinline__ void store(Fq2* p) const {
        c0.store(&p->c0);
        c1.store(&p->c1);
    }

    __device__ __forceinline__ void store_lazy(Fq2* p) const {
        c0.store_lazy(&p->c0);
        c1.store_lazy(&p->c1);
    }

    __device__ __forceinline__ bool is_zero() const { return c0.is_zero() && c1.is_zero(); }

    __device__ __forceinline__ Fq2 operator+(const Fq2& other) const { return Fq2{c0 + other.c0, c1 + other.c1}; }
    __device__ __forceinline__ Fq2 operator-(const Fq2& other) const { return Fq2{c0 - other.c0, c1 - other.c1}; }
    __device__ __forceinline__ Fq2 operator-() const { return Fq2{-c0, -c1}; }
    __device__ __forceinline__ Fq2 twice() const { return Fq2{c0.twice(), c1.twice()}; }

    // By the definition: four products, but two reductions. Three products with a reduction each cost as many multiplies and
    // five sums more (Karatsuba).
    __device__ __forceinline__ Fq2 operator*(const Fq2& other) const {
        return Fq2{Fq::dot(c0, other.c0, c1.opposite_factor(), other.c1), Fq::dot(c0, other.c1, c1, other.c0)};
    }

    __device__ __forceinline__ Fq2 square() const { return Fq2{(c0 + c1) * (c0 - c1), (c0 * c1).twice()}; }

    // a b - c d.
    static __device__ __forceinline__ Fq2 cross(const Fq2& a, const Fq2& b, const Fq2& c, const Fq2& d) {
        return a * b - c * d;
    }

    // 1/a; 0 for 0.
    __device__ __forceinline__ Fq2 inverse() const {
        Fq scale = Fq::dot(c0, c0, c1, c1).inverse();
        return Fq2{c0 * scale, -(c1 * scale)};
    }
};

static_assert(sizeof(Fq2) == 64, "the layout of the host's type");

}  // namespace zkmill
