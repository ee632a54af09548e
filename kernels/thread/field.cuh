// The prime fields of BN254 in the registers of one thread.
//
// An element is eight 32-bit limbs, little-endian, in Montgomery form with R = 2^256. In registers values are lazy: any
// representative in [0, 2p), which every operation takes and gives. Global memory holds canonical values, in [0, p), so
// that its bytes are those of the host's types; only `store_lazy` writes others.
#pragma once

#include <cstdint>

namespace zkmill {

struct Limbs {
    uint32_t v[8];
};

// The scalar field: r = 21888242871839275222246405745257275088548364400416034343698204186575808495617.
struct FrParameters {
    static constexpr Limbs modulus = {
        {0xf0000001, 0x43e1f593, 0x79b97091, 0x2833e848, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72}};
};

// The base field: q = 21888242871839275222246405745257275088696311157297823662689037894645226208583.
struct FqParameters {
    static constexpr Limbs modulus = {
        {0xd87cfd47, 0x3c208c16, 0x6871ca8d, 0x97816a91, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72}};
};

// What follows from a modulus, at compile time.
namespace constants {

constexpr bool less(const Limbs& a, const Limbs& b) {
    for (int i = 7; i >= 0; i--) {
        if (a.v[i] != b.v[i]) return a.v[i] < b.v[i];
    }
    return false;
}

constexpr Limbs subtract(const Limbs& a, const Limbs& b) {
    Limbs difference = {};
    int64_t carry = 0;
    for (int i = 0; i < 8; i++) {
        carry += int64_t(a.v[i]) - int64_t(b.v[i]);
        difference.v[i] = uint32_t(carry);
        carry >>= 32;
    }
    return difference;
}

// 2a, which must be below 2^256.
constexpr Limbs twice(const Limbs& a) {
    Limbs sum = {};
    for (int i = 0; i < 8; i++) sum.v[i] = a.v[i] << 1 | (i > 0 ? a.v[i - 1] >> 31 : 0);
    return sum;
}

// 2^exponent mod p.
constexpr Limbs power_of_two(const Limbs& p, int exponent) {
    Limbs power = {{1}};
    for (int i = 0; i < exponent; i++) {
        power = twice(power);
        if (!less(power, p)) power = subtract(power, p);
    }
    return power;
}

// -1/p mod 2^32, by Newton's iteration: each step doubles the number of right bits.
constexpr uint32_t negative_inverse(uint32_t p) {
    uint32_t inverse = p;
    for (int i = 0; i < 4; i++) inverse *= 2 - p * inverse;
    return 0 - inverse;
}

}  // namespace constants

template <class P>
struct alignas(16) Field {
    static constexpr Limbs modulus = P::modulus;
    static constexpr Limbs twice_modulus = constants::twice(modulus);
    // R and R^2 mod p.
    static constexpr Limbs montgomery = constants::power_of_two(modulus, 256);
    static constexpr Limbs montgomery_squared = constants::power_of_two(modulus, 512);
    static constexpr uint32_t negative_inverse = constants::negative_inverse(modulus.v[0]);

    // Lazy sums need 4p < 2^256, `dot` needs 5p < 2^256.
    static_assert(modulus.v[7] < 0x33333333, "the modulus leaves too little room for lazy reduction");

    uint32_t limb[8];

    static __device__ __forceinline__ Field zero() { return Field{{0, 0, 0, 0, 0, 0, 0, 0}}; }
    static __device__ __forceinline__ Field one() { return constant<0>(); }

    // The element at `p` in global or shared memory, whichever representative it is.
    static __device__ __forceinline__ Field load(const Field* p) {
        uint4 low = reinterpret_cast<const uint4*>(p)[0];
        uint4 high = reinterpret_cast<const uint4*>(p)[1];
        return Field{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
    }

    // Writes the canonical representative.
    __device__ __forceinline__ void store(Field* p) const { canonical().store_lazy(p); }

    // Writes the representative at hand, for scratch memory.
    __device__ __forceinline__ void store_lazy(Field* p) const {
        reinterpret_cast<uint4*>(p)[0] = make_uint4(limb[0], limb[1], limb[2], limb[3]);
        reinterpret_cast<uint4*>(p)[1] = make_uint4(limb[4], limb[5], limb[6], limb[7]);
    }

    // value * R mod p.
    static __device__ __forceinline__ Field from_u64(uint64_t value) {
        return Field{{uint32_t(value), uint32_t(value >> 32), 0, 0, 0, 0, 0, 0}} * constant<1>();
    }
    static __device__ __forceinline__ Field from_i64(int64_t value) {
        Field magnitude = from_u64(value < 0 ? 0 - uint64_t(value) : uint64_t(value));
        return value < 0 ? -magnitude : magnitude;
    }

    // The integer in [0, p) that the element stands for: the limbs of value / R.
    __device__ __forceinline__ Field from_montgomery() const {
        return (*this * Field{{1, 0, 0, 0, 0, 0, 0, 0}}).canonical();
    }

    __device__ __forceinline__ Field canonical() const { return reduced<1>(); }

    __device__ __forceinline__ bool is_zero() const {
        constexpr Limbs m = modulus;
        // All but one in 2^31 nonzero values are told by their lowest limb.
        if (limb[0] != 0 && limb[0] != m.v[0]) return false;
        uint32_t zero = 0, p = 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            zero |= limb[i];
            p |= limb[i] ^ m.v[i];
        }
        return zero == 0 || p == 0;
    }

    __device__ __forceinline__ bool operator==(const Field& other) const { return (*this - other).is_zero(); }
    __device__ __forceinline__ bool operator!=(const Field& other) const { return !(*this == other); }

    __device__ __forceinline__ Field operator+(const Field& other) const {
        Field sum = *this;
        asm volatile(
            "add.cc.u32 %0, %0, %8;\n\t"
            "addc.cc.u32 %1, %1, %9;\n\t"
            "addc.cc.u32 %2, %2, %10;\n\t"
            "addc.cc.u32 %3, %3, %11;\n\t"
            "addc.cc.u32 %4, %4, %12;\n\t"
            "addc.cc.u32 %5, %5, %13;\n\t"
            "addc.cc.u32 %6, %6, %14;\n\t"
            "addc.u32 %7, %7, %15;"
            : "+r"(sum.limb[0]), "+r"(sum.limb[1]), "+r"(sum.limb[2]), "+r"(sum.limb[3]), "+r"(sum.limb[4]),
              "+r"(sum.limb[5]), "+r"(sum.limb[6]), "+r"(sum.limb[7])
            : "r"(other.limb[0]), "r"(other.limb[1]), "r"(other.limb[2]), "r"(other.limb[3]), "r"(other.limb[4]),
              "r"(other.limb[5]), "r"(other.limb[6]), "r"(other.limb[7]));
        return sum.template reduced<2>();
    }

    __device__ __forceinline__ Field operator-(const Field& other) const {
        constexpr Limbs m = twice_modulus;
        Field difference = *this;
        asm volatile(
            "{\n\t"
            ".reg .pred below;\n\t"
            "sub.cc.u32 %0, %0, %8;\n\t"
            "subc.cc.u32 %1, %1, %9;\n\t"
            "subc.cc.u32 %2, %2, %10;\n\t"
            "subc.cc.u32 %3, %3, %11;\n\t"
            "subc.cc.u32 %4, %4, %12;\n\t"
            "subc.cc.u32 %5, %5, %13;\n\t"
            "subc.cc.u32 %6, %6, %14;\n\t"
            "subc.u32 %7, %7, %15;\n\t"
            // In (-2p, 2p): the highest bit is the sign.
            "setp.lt.s32 below, %7, 0;\n\t"
            "@below add.cc.u32 %0, %0, %16;\n\t"
            "@below addc.cc.u32 %1, %1, %17;\n\t"
            "@below addc.cc.u32 %2, %2, %18;\n\t"
            "@below addc.cc.u32 %3, %3, %19;\n\t"
            "@below addc.cc.u32 %4, %4, %20;\n\t"
            "@below addc.cc.u32 %5, %5, %21;\n\t"
            "@below addc.cc.u32 %6, %6, %22;\n\t"
            "@below addc.u32 %7, %7, %23;\n\t"
            "}"
            : "+r"(difference.limb[0]), "+r"(difference.limb[1]), "+r"(difference.limb[2]), "+r"(difference.limb[3]),
              "+r"(difference.limb[4]), "+r"(difference.limb[5]), "+r"(difference.limb[6]), "+r"(difference.limb[7])
            : "r"(other.limb[0]), "r"(other.limb[1]), "r"(other.limb[2]), "r"(other.limb[3]), "r"(other.limb[4]),
              "r"(other.limb[5]), "r"(other.limb[6]), "r"(other.limb[7]), "n"(m.v[0]), "n"(m.v[1]), "n"(m.v[2]),
              "n"(m.v[3]), "n"(m.v[4]), "n"(m.v[5]), "n"(m.v[6]), "n"(m.v[7]));
        return difference;
    }

    __device__ __forceinline__ Field operator-() const { return zero() - *this; }

    // 2p - a, in (0, 2p]: a factor of a product, but not an operand of sums.
    __device__ __forceinline__ Field opposite_factor() const {
        constexpr Limbs m = twice_modulus;
        Field opposite;
        asm volatile(
            "sub.cc.u32 %0, %8, %16;\n\t"
            "subc.cc.u32 %1, %9, %17;\n\t"
            "subc.cc.u32 %2, %10, %18;\n\t"
            "subc.cc.u32 %3, %11, %19;\n\t"
            "subc.cc.u32 %4, %12, %20;\n\t"
            "subc.cc.u32 %5, %13, %21;\n\t"
            "subc.cc.u32 %6, %14, %22;\n\t"
            "subc.u32 %7, %15, %23;"
            : "=&r"(opposite.limb[0]), "=&r"(opposite.limb[1]), "=&r"(opposite.limb[2]), "=&r"(opposite.limb[3]),
              "=&r"(opposite.limb[4]), "=&r"(opposite.limb[5]), "=&r"(opposite.limb[6]), "=&r"(opposite.limb[7])
            : "n"(m.v[0]), "n"(m.v[1]), "n"(m.v[2]), "n"(m.v[3]), "n"(m.v[4]), "n"(m.v[5]), "n"(m.v[6]), "n"(m.v[7]),
              "r"(limb[0]), "r"(limb[1]), "r"(limb[2]), "r"(limb[3]), "r"(limb[4]), "r"(limb[5]), "r"(limb[6]),
              "r"(limb[7]));
        return opposite;
    }

    __device__ __forceinline__ Field twice() const { return *this + *this; }

    // Montgomery's product a b / R, by operand scanning with interleaved reduction (CIOS): Koc, Acar, Kaliski, "Analyzing and
    // comparing Montgomery multiplication algorithms" (1996).
    //
    // Columns of even and of odd weight accumulate apart, so that the low and high half of a 32 x 32-bit product fall on
    // neighbouring limbs of one accumulator, and each pair is one wide multiply-add. Per limb of `b`: 8 wide for the
    // row a b_i, one low product for the multiple of p that clears the lowest column, 8 wide for that multiple. The sum
    // stays below (a + p) 2^32 + 3p < 2^288, nine limbs; the result is below p (4p / R + 1) < 2p.
    __device__ __forceinline__ Field operator*(const Field& other) const {
        uint32_t x[8], y[8];
        row(x, y, *this, other.limb[0]);
        reduce(x, y);
        step(y, x, *this, other.limb[1]);
        reduce(y, x);
        step(x, y, *this, other.limb[2]);
        reduce(x, y);
        step(y, x, *this, other.limb[3]);
        reduce(y, x);
        step(x, y, *this, other.limb[4]);
        reduce(x, y);
        step(y, x, *this, other.limb[5]);
        reduce(y, x);
        step(x, y, *this, other.limb[6]);
        reduce(x, y);
        step(y, x, *this, other.limb[7]);
        reduce(y, x);
        return merge(y, x);
    }

    // A squaring of its own saves 28 products and pays for them in carries.
    __device__ __forceinline__ Field square() const { return *this * *this; }

    // (a b + c d) / R with one reduction instead of two. Operands may be 2p. The sum stays below (a + c + p) 2^32 + 5p < 2^288.
    static __device__ __forceinline__ Field dot(const Field& a, const Field& b, const Field& c, const Field& d) {
        uint32_t x[8], y[8];
        row(x, y, a, b.limb[0]);
        accumulate(x, y, c, d.limb[0]);
        reduce(x, y);
        step(y, x, a, b.limb[1]);
        accumulate(y, x, c, d.limb[1]);
        reduce(y, x);
        step(x, y, a, b.limb[2]);
        accumulate(x, y, c, d.limb[2]);
        reduce(x, y);
        step(y, x, a, b.limb[3]);
        accumulate(y, x, c, d.limb[3]);
        reduce(y, x);
        step(x, y, a, b.limb[4]);
        accumulate(x, y, c, d.limb[4]);
        reduce(x, y);
        step(y, x, a, b.limb[5]);
        accumulate(y, x, c, d.limb[5]);
        reduce(y, x);
        step(x, y, a, b.limb[6]);
        accumulate(x, y, c, d.limb[6]);
        reduce(x, y);
        step(y, x, a, b.limb[7]);
        accumulate(y, x, c, d.limb[7]);
        reduce(y, x);
        // Below p (8p / R + 1) < 3p.
        return merge(y, x).template reduced<2>();
    }

    // (a b - c d) / R, as `dot`.
    static __device__ __forceinline__ Field cross(const Field& a, const Field& b, const Field& c, const Field& d) {
        return dot(a, b, c.opposite_factor(), d);
    }

    __device__ __forceinline__ Field pow(uint64_t exponent) const {
        Field power = one();
        for (int i = 63 - __clzll(exponent | 1); i >= 0; i--) {
            power = power.square();
            if (exponent >> i & 1) power = power * *this;
        }
        return power;
    }

    // 1/a; 0 for 0. See thread/inverse.cuh, which defines it.
    __device__ __forceinline__ Field inverse() const;

    // A value below 2np less np if it is not below np: [0, 2np) -> [0, np), for n = 1 or 2.
    template <int N>
    __device__ __forceinline__ Field reduced() const {
        constexpr Limbs m = N == 1 ? modulus : twice_modulus;
        Field less;
        uint32_t borrow;
        asm volatile(
            "sub.cc.u32 %0, %9, %17;\n\t"
            "subc.cc.u32 %1, %10, %18;\n\t"
            "subc.cc.u32 %2, %11, %19;\n\t"
            "subc.cc.u32 %3, %12, %20;\n\t"
            "subc.cc.u32 %4, %13, %21;\n\t"
            "subc.cc.u32 %5, %14, %22;\n\t"
            "subc.cc.u32 %6, %15, %23;\n\t"
            "subc.cc.u32 %7, %16, %24;\n\t"
            "subc.u32 %8, 0, 0;"
            : "=&r"(less.limb[0]), "=&r"(less.limb[1]), "=&r"(less.limb[2]), "=&r"(less.limb[3]), "=&r"(less.limb[4]),
              "=&r"(less.limb[5]), "=&r"(less.limb[6]), "=&r"(less.limb[7]), "=&r"(borrow)
            : "r"(limb[0]), "r"(limb[1]), "r"(limb[2]), "r"(limb[3]), "r"(limb[4]), "r"(limb[5]), "r"(limb[6]),
              "r"(limb[7]), "n"(m.v[0]), "n"(m.v[1]), "n"(m.v[2]), "n"(m.v[3]), "n"(m.v[4]), "n"(m.v[5]),
              "n"(m.v[6]), "n"(m.v[7]));
        Field result;
#pragma unroll
        for (int i = 0; i < 8; i++) result.limb[i] = borrow ? limb[i] : less.limb[i];
        return result;
    }

  private:
    template <class>
    friend class DivisionSteps;

    // R or R^2 as an element.
    template <int N>
    static __device__ __forceinline__ Field constant() {
        constexpr Limbs c = N == 0 ? montgomery : montgomery_squared;
        return Field{{c.v[0], c.v[1], c.v[2], c.v[3], c.v[4], c.v[5], c.v[6], c.v[7]}};
    }

    // The accumulator of the functions below is `even + odd * 2^32`.

    // accumulator = a * b
    static __device__ __forceinline__ void row(uint32_t (&even)[8], uint32_t (&odd)[8], const Field& a, uint32_t b) {
#pragma unroll
        for (int i = 0; i < 8; i += 2) {
            uint64_t left = uint64_t(a.limb[i]) * b, right = uint64_t(a.limb[i + 1]) * b;
            even[i] = uint32_t(left);
            even[i + 1] = uint32_t(left >> 32);
            odd[i] = uint32_t(right);
            odd[i + 1] = uint32_t(right >> 32);
        }
    }

    // accumulator = accumulator / 2^32 + a * b, of an accumulator whose lowest limb is zero. The shift swaps even and
    // odd: `odd` comes in as the even columns, of which the second joins the new even ones.
    static __device__ __forceinline__ void step(uint32_t (&even)[8], uint32_t (&odd)[8], const Field& a, uint32_t b) {
        asm volatile(
            "add.cc.u32 %8, %8, %1;\n\t"
            "madc.lo.cc.u32 %0, %9, %13, %2;\n\t"
            "madc.hi.cc.u32 %1, %9, %13, %3;\n\t"
            "madc.lo.cc.u32 %2, %10, %13, %4;\n\t"
            "madc.hi.cc.u32 %3, %10, %13, %5;\n\t"
            "madc.lo.cc.u32 %4, %11, %13, %6;\n\t"
            "madc.hi.cc.u32 %5, %11, %13, %7;\n\t"
            "madc.lo.cc.u32 %6, %12, %13, 0;\n\t"
            "madc.hi.u32 %7, %12, %13, 0;"
            : "+r"(odd[0]), "+r"(odd[1]), "+r"(odd[2]), "+r"(odd[3]), "+r"(odd[4]), "+r"(odd[5]), "+r"(odd[6]),
              "+r"(odd[7]), "+r"(even[0])
            : "r"(a.limb[1]), "r"(a.limb[3]), "r"(a.limb[5]), "r"(a.limb[7]), "r"(b));
        add_even(even, odd, a, b);
    }

    // accumulator += a * b
    static __device__ __forceinline__ void accumulate(uint32_t (&even)[8], uint32_t (&odd)[8], const Field& a,
                                                      uint32_t b) {
        asm volatile(
            "mad.lo.cc.u32 %0, %8, %12, %0;\n\t"
            "madc.hi.cc.u32 %1, %8, %12, %1;\n\t"
            "madc.lo.cc.u32 %2, %9, %12, %2;\n\t"
            "madc.hi.cc.u32 %3, %9, %12, %3;\n\t"
            "madc.lo.cc.u32 %4, %10, %12, %4;\n\t"
            "madc.hi.cc.u32 %5, %10, %12, %5;\n\t"
            "madc.lo.cc.u32 %6, %11, %12, %6;\n\t"
            "madc.hi.u32 %7, %11, %12, %7;"
            : "+r"(odd[0]), "+r"(odd[1]), "+r"(odd[2]), "+r"(odd[3]), "+r"(odd[4]), "+r"(odd[5]), "+r"(odd[6]),
              "+r"(odd[7])
            : "r"(a.limb[1]), "r"(a.limb[3]), "r"(a.limb[5]), "r"(a.limb[7]), "r"(b));
        add_even(even, odd, a, b);
    }

    // The even columns of a * b, and their carry into the last odd one.
    static __device__ __forceinline__ void add_even(uint32_t (&even)[8], uint32_t (&odd)[8], const Field& a,
                                                    uint32_t b) {
        asm volatile(
            "mad.lo.cc.u32 %0, %9, %13, %0;\n\t"
            "madc.hi.cc.u32 %1, %9, %13, %1;\n\t"
            "madc.lo.cc.u32 %2, %10, %13, %2;\n\t"
            "madc.hi.cc.u32 %3, %10, %13, %3;\n\t"
            "madc.lo.cc.u32 %4, %11, %13, %4;\n\t"
            "madc.hi.cc.u32 %5, %11, %13, %5;\n\t"
            "madc.lo.cc.u32 %6, %12, %13, %6;\n\t"
            "madc.hi.cc.u32 %7, %12, %13, %7;\n\t"
            "addc.u32 %8, %8, 0;"
            : "+r"(even[0]), "+r"(even[1]), "+r"(even[2]), "+r"(even[3]), "+r"(even[4]), "+r"(even[5]),
              "+r"(even[6]), "+r"(even[7]), "+r"(odd[7])
            : "r"(a.limb[0]), "r"(a.limb[2]), "r"(a.limb[4]), "r"(a.limb[6]), "r"(b));
    }

    // Adds the multiple of p that makes the lowest limb zero.
    static __device__ __forceinline__ void reduce(uint32_t (&even)[8], uint32_t (&odd)[8]) {
        uint32_t m = even[0] * negative_inverse;
        asm volatile(
            "mad.lo.cc.u32 %0, %12, %8, %0;\n\t"
            "madc.hi.cc.u32 %1, %12, %8, %1;\n\t"
            "madc.lo.cc.u32 %2, %12, %9, %2;\n\t"
            "madc.hi.cc.u32 %3, %12, %9, %3;\n\t"
            "madc.lo.cc.u32 %4, %12, %10, %4;\n\t"
            "madc.hi.cc.u32 %5, %12, %10, %5;\n\t"
            "madc.lo.cc.u32 %6, %12, %11, %6;\n\t"
            "madc.hi.u32 %7, %12, %11, %7;"
            : "+r"(odd[0]), "+r"(odd[1]), "+r"(odd[2]), "+r"(odd[3]), "+r"(odd[4]), "+r"(odd[5]), "+r"(odd[6]),
              "+r"(odd[7])
            : "n"(modulus.v[1]), "n"(modulus.v[3]), "n"(modulus.v[5]), "n"(modulus.v[7]), "r"(m));
        asm volatile(
            "mad.lo.cc.u32 %0, %13, %9, %0;\n\t"
            "madc.hi.cc.u32 %1, %13, %9, %1;\n\t"
            "madc.lo.cc.u32 %2, %13, %10, %2;\n\t"
            "madc.hi.cc.u32 %3, %13, %10, %3;\n\t"
            "madc.lo.cc.u32 %4, %13, %11, %4;\n\t"
            "madc.hi.cc.u32 %5, %13, %11, %5;\n\t"
            "madc.lo.cc.u32 %6, %13, %12, %6;\n\t"
            "madc.hi.cc.u32 %7, %13, %12, %7;\n\t"
            "addc.u32 %8, %8, 0;"
            : "+r"(even[0]), "+r"(even[1]), "+r"(even[2]), "+r"(even[3]), "+r"(even[4]), "+r"(even[5]),
              "+r"(even[6]), "+r"(even[7]), "+r"(odd[7])
            : "n"(modulus.v[0]), "n"(modulus.v[2]), "n"(modulus.v[4]), "n"(modulus.v[6]), "r"(m));
    }

    // accumulator / 2^32 of an accumulator whose lowest limb is zero.
    static __device__ __forceinline__ Field merge(const uint32_t (&even)[8], const uint32_t (&odd)[8]) {
        Field sum = {{odd[0], odd[1], odd[2], odd[3], odd[4], odd[5], odd[6], odd[7]}};
        asm volatile(
            "add.cc.u32 %0, %0, %8;\n\t"
            "addc.cc.u32 %1, %1, %9;\n\t"
            "addc.cc.u32 %2, %2, %10;\n\t"
            "addc.cc.u32 %3, %3, %11;\n\t"
            "addc.cc.u32 %4, %4, %12;\n\t"
            "addc.cc.u32 %5, %5, %13;\n\t"
            "addc.cc.u32 %6, %6, %14;\n\t"
            "addc.u32 %7, %7, 0;"
            : "+r"(sum.limb[0]), "+r"(sum.limb[1]), "+r"(sum.limb[2]), "+r"(sum.limb[3]), "+r"(sum.limb[4]),
              "+r"(sum.limb[5]), "+r"(sum.limb[6]), "+r"(sum.limb[7])
            : "r"(even[1]), "r"(even[2]), "r"(even[3]), "r"(even[4]), "r"(even[5]), "r"(even[6]), "r"(even[7]));
        return sum;
    }
};

using Fr = Field<FrParameters>;
using Fq = Field<FqParameters>;
static_assert(sizeof(Fr) == 32 && sizeof(Fq) == 32, "the layout of the host's types");

}  // namespace zkmill
