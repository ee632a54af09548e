// Points of a short Weierstrass curve y^2 = x^3 + b over F, Fq or Fq2: both groups of BN254.
//
// The identity is all zero, in both representations.
#pragma once

#include "thread/field.cuh"
#include "thread/fq2.cuh"

namespace zkmill {

// The layout of the host's points.
template <class F>
struct Affine {
    F x, y;

    static __device__ __forceinline__ Affine load(const Affine* p) { return Affine{F::load(&p->x), F::load(&p->y)}; }

    __device__ __forceinline__ void store(Affine* p) const {
        x.store(&p->x);
        y.store(&p->y);
    }

    // Neither curve has a point with x = y = 0.
    __device__ __forceinline__ bool is_identity() const { return x.is_zero() && y.is_zero(); }

    __device__ __forceinline__ Affine negated_if(bool negate) const {
        F opposite = -y;
        return negate ? Affine{x, opposite} : *this;
    }
};

template <class F>
struct Xyzz;
template <class F>
__device__ __noinline__ void add(Xyzz<F>& a, const Xyzz<F>& b);
template <class F>
__device__ __noinline__ void twice(Xyzz<F>& a);

// (x / zz, y / zzz) with zz^3 = zzz^2. The formulas are those of Bernstein and Lange's database at hyperelliptic.org/EFD,
// "XYZZ coordinates with a4=0": madd-2008-s, add-2008-s, dbl-2008-s-1. In them a b - c d is one reduction where F can.
template <class F>
struct Xyzz {
    F x, y, zz, zzz;

    static __device__ __forceinline__ Xyzz identity() { return Xyzz{F::zero(), F::zero(), F::zero(), F::zero()}; }

    static __device__ __forceinline__ Xyzz from(const Affine<F>& point) {
        if (point.is_identity()) return identity();
        return Xyzz{point.x, point.y, F::one(), F::one()};
    }

    static __device__ __forceinline__ Xyzz load(const Xyzz* p) {
        return Xyzz{F::load(&p->x), F::load(&p->y), F::load(&p->zz), F::load(&p->zzz)};
    }

    // Scratch memory holds lazy coordinates.
    __device__ __forceinline__ void store(Xyzz* p) const {
        x.store_lazy(&p->x);
        y.store_lazy(&p->y);
        zz.store_lazy(&p->zz);
        zzz.store_lazy(&p->zzz);
    }

    __device__ __forceinline__ bool is_identity() const { return zz.is_zero(); }

    // *this += point, 8M + 2S. All cases that the formula does not cover have u2 = x, an identity on the left with its
    // zeros among them; they, and an identity on the right, are off the hot path.
    __device__ __forceinline__ void add_mixed(const Affine<F>& point) {
        F p = point.x * zz - x;
        F r = point.y * zzz - y;
        if (__builtin_expect(p.is_zero(), 0)) {
            add_special(point, r);
            return;
        }
        if (__builtin_expect(point.is_identity(), 0)) return;
        F pp = p.square();
        F ppp = p * pp;
        F q = x * pp;
        zz = zz * pp;
        zzz = zzz * ppp;
        F sum = q.twice() + ppp;
        x = r.square() - sum;
        y = F::cross(r, q - x, y, ppp);
    }

    // The canonical affine point; one inversion.
    __device__ __forceinline__ Affine<F> to_affine() const {
        F inverse = zzz.inverse();
        F root = zz * inverse;
        return Affine<F>{x * root.square(), y * inverse};
    }

  private:
    // *this += point where x / zz is the point's x or *this is the identity; r tells equal from opposite points.
    __device__ __forceinline__ void add_special(const Affine<F>& point, const F& r) {
        if (is_identity()) {
            *this = from(point);
        } else if (point.is_identity()) {
            // x = 0, which no multiple of a generator has, but some point of the twist may.
        } else if (r.is_zero()) {
            Xyzz doubled = from(point);
            zkmill::twice(doubled);
            *this = doubled;
        } else {
            *this = identity();
        }
    }
};

// The step from (x / z^2, y / z^3) to its double, whose denominators have u z for z; 4M + 2S and 1M + 1S for the powers of u. The identity
// has u = 0 and stays; no other point does, as neither curve has points of order two.
template <class F>
struct Doubling {
    // 2y, its square and its cube.
    F u, v, w;

    __device__ __forceinline__ explicit Doubling(const F& y) : u(y.twice()), v(u.square()), w(u * v) {}

    // `y` is the one above.
    __device__ __forceinline__ void apply(F& x, F& y) const {
        F s = x * v;
        F xx = x.square();
        F m = xx.twice() + xx;
        x = m.square() - s.twice();
        y = F::cross(m, s - x, w, y);
    }
};

// a = 2a, 6M + 3S.
template <class F>
__device__ __noinline__ void twice(Xyzz<F>& a) {
    F x = F::load(&a.x), y = F::load(&a.y);
    Doubling<F> doubling(y);
    (F::load(&a.zz) * doubling.v).store_lazy(&a.zz);
    (F::load(&a.zzz) * doubling.w).store_lazy(&a.zzz);
    doubling.apply(x, y);
    x.store_lazy(&a.x);
    y.store_lazy(&a.y);
}

// (x, y) = 2^times (x, y) as `Doubling` has it; the factor of z. 5M + 3S a time.
template <class F>
__device__ __noinline__ F twice(F& x, F& y, uint32_t times) {
    F factor = F::one();
    for (uint32_t i = 0; i < times; i++) {
        Doubling<F> doubling(y);
        doubling.apply(x, y);
        factor = factor * doubling.u;
    }
    return factor;
}

// a = 2^times a, 5M + 3S a time and 3M + 1S.
template <class F>
__device__ __forceinline__ void twice(Xyzz<F>& a, uint32_t times) {
    F factor = twice(a.x, a.y, times);
    F square = factor.square();
    a.zz = a.zz * square;
    a.zzz = a.zzz * (square * factor);
}

// a = a + b, 12M + 2S; any points.
template <class F>
__device__ __noinline__ void add(Xyzz<F>& a, const Xyzz<F>& b) {
    if (b.is_identity()) return;
    if (a.is_identity()) {
        a = b;
        return;
    }
    F azz = F::load(&a.zz), azzz = F::load(&a.zzz), bzz = F::load(&b.zz), bzzz = F::load(&b.zzz);
    F u = F::load(&a.x) * bzz;
    F s = F::load(&a.y) * bzzz;
    F p = F::load(&b.x) * azz - u;
    F r = F::load(&b.y) * azzz - s;
    if (p.is_zero()) {
        if (r.is_zero()) {
            twice(a);
        } else {
            a = Xyzz<F>::identity();
        }
        return;
    }
    F pp = p.square();
    F ppp = p * pp;
    (azz * bzz * pp).store_lazy(&a.zz);
    (azzz * bzzz * ppp).store_lazy(&a.zzz);
    F q = u * pp;
    F sum = q.twice() + ppp;
    F x3 = r.square() - sum;
    F::cross(r, q - x3, s, ppp).store_lazy(&a.y);
    x3.store_lazy(&a.x);
}

using G1Affine = Affine<Fq>;
using G2Affine = Affine<Fq2>;
using G1 = Xyzz<Fq>;
using G2 = Xyzz<Fq2>;
static_assert(sizeof(G1Affine) == 64 && sizeof(G2Affine) == 128, "the layout of the host's points");

}  // namespace zkmill
