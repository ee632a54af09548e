// Products with factors that are known beforehand.
//
// Shoup's trick (V. Shoup's NTL; D. Harvey, "Faster arithmetic for number-theoretic transforms", 2014): for a factor w below p and
// its quotient w' = floor(w R / p), R = 2^256, the product w x less floor(w' x / R) p is below 2p. Only the upper half of w' x and the
// lower halves of the two other products are needed: 92 wide multiplies, 7 upper and 16 lower halves where Montgomery's
// product takes 120, 8 and 8. x may have any factor, such as R in Montgomery form, and keeps it.
#pragma once

#include "thread/chain.cuh"
#include "thread/field.cuh"

namespace zkmill {

template <class F>
struct alignas(16) Prepared {
    // w, and floor(w R / p).
    uint32_t value[8], quotient[8];

    // From global memory that no one writes to while the kernel runs.
    static __device__ __forceinline__ Prepared load(const Prepared* p) {
        const uint4* words = reinterpret_cast<const uint4*>(p);
        Prepared result;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint4 word = __ldg(words + i);
            uint32_t* to = (i < 2 ? result.value : result.quotient) + i % 2 * 4;
            to[0] = word.x, to[1] = word.y, to[2] = word.z, to[3] = word.w;
        }
        return result;
    }

    __device__ __forceinline__ void store(Prepared* p) const {
        uint4* words = reinterpret_cast<uint4*>(p);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const uint32_t* from = (i < 2 ? value : quotient) + i % 2 * 4;
            words[i] = make_uint4(from[0], from[1], from[2], from[3]);
        }
    }

    // Of a factor in Montgomery form. w R = w' p + (w R mod p), and w R mod p is the form at hand, f: modulo R, w' = -f / p, the
    // multiple of p that a Montgomery reduction of f adds.
    static __device__ Prepared of(const F& factor) {
        constexpr Limbs p = F::modulus;
        Prepared result;
        F plain = factor.from_montgomery(), form = factor.canonical();
        for (int i = 0; i < 8; i++) result.value[i] = plain.limb[i];
        for (int i = 0; i < 8; i++) {
            uint32_t m = form.limb[0] * F::negative_inverse;
            result.quotient[i] = m;
            uint64_t carry = 0;
            for (int j = 0; j < 8; j++) {
                carry += uint64_t(m) * p.v[j] + form.limb[j];
                if (j > 0) form.limb[j - 1] = uint32_t(carry);
                carry >>= 32;
            }
            form.limb[7] = uint32_t(carry);
        }
        return result;
    }

    // w x below p (1 + x / R) + p / 2^28, which is below 2p for x below 4.1 p.
    __device__ __forceinline__ F operator*(const F& x) const {
        constexpr Limbs p = F::modulus;
        uint32_t q[8];
        upper_half(q, x.limb, quotient);
        // w x - q p modulo R, in columns of even and of odd weight that accumulate apart: see Field.
        uint32_t even[8] = {}, odd[8] = {}, negative[8];
        // R - p. The lowest limb of p is odd, hence not zero.
#pragma unroll
        for (int i = 0; i < 8; i++) negative[i] = i == 0 ? 0 - p.v[i] : ~p.v[i];
        add_lower_half(even, odd, x.limb, value);
        add_lower_half(even, odd, q, negative);
        F result;
        result.limb[0] = even[0];
        result.limb[1] = chain::add(even[1], odd[1]);
#pragma unroll
        for (int i = 2; i < 7; i++) result.limb[i] = chain::addc(even[i], odd[i]);
        result.limb[7] = chain::last_add(even[7], odd[7]);
        return result;
    }

  private:
    // even + odd += a b modulo 2^256; columns are indices.
    static __device__ __forceinline__ void add_lower_half(uint32_t (&even)[8], uint32_t (&odd)[8], const uint32_t (&a)[8],
                                                          const uint32_t (&b)[8]) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int first = j + j % 2;
#pragma unroll
            for (int column = first; column < 8; column += 2) {
                int i = column - j;
                even[column] = column == first ? chain::mad_low(a[i], b[j], even[column])
                                               : chain::madc_low(a[i], b[j], even[column]);
                even[column + 1] = column == 6 ? chain::last_high(a[i], b[j], even[column + 1])
                                               : chain::madc_high(a[i], b[j], even[column + 1]);
            }
            first = j + 1 - j % 2;
#pragma unroll
            for (int column = first; column < 8; column += 2) {
                int i = column - j;
                if (column == 7) {
                    odd[7] = first == 7 ? a[i] * b[j] + odd[7] : chain::last_low(a[i], b[j], odd[7]);
                } else {
                    odd[column] = column == first ? chain::mad_low(a[i], b[j], odd[column])
                                                  : chain::madc_low(a[i], b[j], odd[column]);
                    odd[column + 1] = chain::madc_high(a[i], b[j], odd[column + 1]);
                }
            }
        }
    }

    // floor(a b / R) or one less. Columns below 7 are left out, but for the carries of column 6: what is missing is below 2^-28 R.
    static __device__ __forceinline__ void upper_half(uint32_t (&high)[8], const uint32_t (&a)[8], const uint32_t (&b)[8]) {
        uint32_t even[17] = {}, odd[17] = {};
#pragma unroll
        for (int j = 0; j < 8; j++) {
            // The row's highest product is in column j + 7. The chain that does not end with it carries into column j + 8.
#pragma unroll
            for (int column = 7; column <= j + 7; column += 2) {
                odd[column] = column == 7 ? chain::mad_low(a[column - j], b[j], odd[column])
                                          : chain::madc_low(a[column - j], b[j], odd[column]);
                odd[column + 1] = chain::madc_high(a[column - j], b[j], odd[column + 1]);
            }
            if (j % 2 == 1) odd[j + 8] = chain::last_add(0, 0);
            if (j < 7) even[7] = chain::mad_high(a[6 - j], b[j], even[7]);
#pragma unroll
            for (int column = 8; column <= j + 7; column += 2) {
                even[column] = column == 8 && j == 7 ? chain::mad_low(a[column - j], b[j], even[column])
                                                     : chain::madc_low(a[column - j], b[j], even[column]);
                even[column + 1] = chain::madc_high(a[column - j], b[j], even[column + 1]);
            }
            if (j % 2 == 0 && j > 0) even[j + 8] = chain::last_add(0, 0);
        }
        chain::add(even[7], odd[7]);
#pragma unroll
        for (int i = 0; i < 7; i++) high[i] = chain::addc(even[8 + i], odd[8 + i]);
        high[7] = chain::last_add(even[15], odd[15]);
    }
};

}  // namespace zkmill
