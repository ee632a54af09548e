// Inverses of field elements by division steps.
//
// D. J. Bernstein, B.-Y. Yang, "Fast constant-time gcd computation and modular inversion" (2019): from f = p and g = a the steps
//
//     (delta, f, g) -> (1 - delta, g, (g - f) / 2)            if delta > 0 and g is odd,
//     (delta, f, g) -> (1 + delta, f, (g + (g mod 2) f) / 2)  otherwise
//
// end at g = 0 and f = +-gcd(p, a). What the next k steps are, the lowest k bits of f and g tell: so 31 steps at a time are done on one
// word of each, and add up to a matrix that the whole numbers are multiplied by. The same matrix, modulo p, takes along d and e
// with d a = f c and e a = g c for a known c.
//
// From delta = 1/2 at most 585 steps are needed for either modulus, and 590 for one of 256 bits (by convex hulls: P. Wuille, "Bounds on
// divsteps iterations in safegcd", 2021): 19 matrices. About 15000 instructions, the same for all values, so that lanes stay
// together; a^(p - 2) takes 63000.
#pragma once

#include "thread/field.cuh"

namespace zkmill {

template <class P>
class DivisionSteps {
    using F = Field<P>;

    // Steps of a matrix, whose entries are so many bits and a sign, and matrices.
    static constexpr int STEPS = 31;
    static constexpr int ROUNDS = 19;

    // Each round divides f and g by 2^31, but d and e by 2^32: c halves. In the end it is R^2, as R / a = R^2 / (a R).
    static constexpr Limbs C = constants::power_of_two(P::modulus, 512 + ROUNDS);

    // 2^STEPS (f, g) becomes (u f + v g, q f + r g). Two's complement.
    struct Matrix {
        uint32_t u, v, q, r;
    };

  public:
    static __device__ __forceinline__ F inverse(const F& a) {
        constexpr Limbs p = F::modulus;
        constexpr Limbs c = C;
        F f{{p.v[0], p.v[1], p.v[2], p.v[3], p.v[4], p.v[5], p.v[6], p.v[7]}};
        F g = a.canonical();
        F d = F::zero();
        F e{{c.v[0], c.v[1], c.v[2], c.v[3], c.v[4], c.v[5], c.v[6], c.v[7]}};
        // -(delta + 1/2)
        int32_t zeta = -1;
#pragma unroll 1
        for (int round = 0; round < ROUNDS; round++) {
            Matrix m = next(zeta, f.limb[0], g.limb[0]);
            {
                F minus_f = opposite(f), minus_g = opposite(g);
                F product = integer_row(m.u, f, minus_f, m.v, g, minus_g);
                g = integer_row(m.q, f, minus_f, m.r, g, minus_g);
                f = product;
            }
            {
                F minus_d = d.opposite_factor(), minus_e = e.opposite_factor();
                F product = row(m.u, d, minus_d, m.v, e, minus_e);
                e = row(m.q, d, minus_d, m.r, e, minus_e);
                d = product;
            }
        }
        // f = +-1, or +-p where d = 0.
        return is_negative(f.limb[7]) ? -d : d;
    }

  private:
    static __device__ __forceinline__ bool is_negative(uint32_t word) { return int32_t(word) < 0; }

    // Minus the matrix of the next steps, whose entries are above -2^31 but may be 2^31. So f and g change their signs with every
    // matrix, both at a time, which makes no difference to the steps.
    static __device__ __forceinline__ Matrix next(int32_t& zeta, uint32_t f, uint32_t g) {
        Matrix m{~0u, 0, 0, ~0u};
#pragma unroll
        for (int i = 0; i < STEPS; i++) {
            uint32_t odd = g & 1, positive = uint32_t(zeta >> 31);
            // All ones if f is to become g, and what multiple of f goes to g. By multiplications, which leave the other pipe to
            // the rest.
            uint32_t swap = odd * positive, sign = odd * (positive | 1);
            uint32_t sum = g + sign * f, q = m.q + sign * m.u, r = m.r + sign * m.v;
            f ^= (f ^ g) & swap;
            m.u = (m.u ^ ((m.u ^ m.q) & swap)) << 1;
            m.v = (m.v ^ ((m.v ^ m.r) & swap)) << 1;
            g = sum >> 1;
            m.q = q;
            m.r = r;
            zeta = (zeta ^ int32_t(swap)) - 1;
        }
        return m;
    }

    // -a modulo 2^256.
    static __device__ __forceinline__ F opposite(const F& a) {
        F result;
        asm volatile(
            "sub.cc.u32 %0, 0, %8;\n\t"
            "subc.cc.u32 %1, 0, %9;\n\t"
            "subc.cc.u32 %2, 0, %10;\n\t"
            "subc.cc.u32 %3, 0, %11;\n\t"
            "subc.cc.u32 %4, 0, %12;\n\t"
            "subc.cc.u32 %5, 0, %13;\n\t"
            "subc.cc.u32 %6, 0, %14;\n\t"
            "subc.u32 %7, 0, %15;"
            : "=&r"(result.limb[0]), "=&r"(result.limb[1]), "=&r"(result.limb[2]), "=&r"(result.limb[3]),
              "=&r"(result.limb[4]), "=&r"(result.limb[5]), "=&r"(result.limb[6]), "=&r"(result.limb[7])
            : "r"(a.limb[0]), "r"(a.limb[1]), "r"(a.limb[2]), "r"(a.limb[3]), "r"(a.limb[4]), "r"(a.limb[5]),
              "r"(a.limb[6]), "r"(a.limb[7]));
        return result;
    }

    // x = +-a and y = +-b with the signs of u and v, even + odd 2^32 = |u| x + |v| y as unsigned numbers; u and v become positive.
    static __device__ __forceinline__ void products(uint32_t (&even)[8], uint32_t (&odd)[8], F& x, F& y, uint32_t& u, uint32_t& v,
                                                    const F& a, const F& minus_a, const F& b, const F& minus_b) {
#pragma unroll
        for (int i = 0; i < 8; i++) {
            x.limb[i] = is_negative(u) ? minus_a.limb[i] : a.limb[i];
            y.limb[i] = is_negative(v) ? minus_b.limb[i] : b.limb[i];
        }
        // By products, as ptxas no longer fuses the halves of products with what it knows to be an absolute value.
        u *= uint32_t(int32_t(u) >> 31) | 1;
        v *= uint32_t(int32_t(v) >> 31) | 1;
        F::row(even, odd, x, u);
        F::accumulate(even, odd, y, v);
    }

    // (u a + v b) / 2^31 of integers in two's complement. |u| + |v| is at most 2^31, and the quotient no longer than a and b.
    static __device__ __forceinline__ F integer_row(uint32_t u, const F& a, const F& minus_a, uint32_t v, const F& b,
                                                    const F& minus_b) {
        uint32_t even[8], odd[8];
        F x, y;
        products(even, odd, x, y, u, v, a, minus_a, b, minus_b);
        F high = F::merge(even, odd);
        // x and y are 2^256 less than they count as, if they are negative.
        high.limb[7] -= is_negative(x.limb[7]) ? u : 0;
        high.limb[7] -= is_negative(y.limb[7]) ? v : 0;
        F quotient;
#pragma unroll
        for (int i = 0; i < 8; i++) quotient.limb[i] = __funnelshift_l(i == 0 ? even[0] : high.limb[i - 1], high.limb[i], 1);
        return quotient;
    }

    // (u a + v b) / 2^32 modulo p. Below (2^31 2p + 2^32 p) / 2^32 = 2p.
    static __device__ __forceinline__ F row(uint32_t u, const F& a, const F& minus_a, uint32_t v, const F& b, const F& minus_b) {
        uint32_t even[8], odd[8];
        F x, y;
        products(even, odd, x, y, u, v, a, minus_a, b, minus_b);
        F::reduce(even, odd);
        return F::merge(even, odd);
    }
};

template <class P>
__device__ __noinline__ Field<P> invert(Field<P> a) {
    return DivisionSteps<P>::inverse(a);
}

template <class P>
__device__ __forceinline__ Field<P> Field<P>::inverse() const {
    return invert(*this);
}

}  // namespace zkmill
