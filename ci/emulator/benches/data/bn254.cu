// Repeated Montgomery multiplication in BN254's base field, eight limbs of 32 bits, R = 2^256.
//
// Operand scanning with interleaved reduction (CIOS): Koç, Acar and Kaliski, "Analyzing and comparing Montgomery multiplication
// algorithms" (1996). Results are reduced below the modulus. Compiled by
//
//     nvcc -ptx -arch=compute_90 bn254.cu -o bn254.ptx

#include <cstdint>

#define DEVICE static __device__ __forceinline__

DEVICE uint32_t addc_cc(uint32_t a, uint32_t b) { uint32_t d; asm volatile("addc.cc.u32 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
DEVICE uint32_t addc(uint32_t a, uint32_t b) { uint32_t d; asm volatile("addc.u32 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
DEVICE uint32_t sub_cc(uint32_t a, uint32_t b) { uint32_t d; asm volatile("sub.cc.u32 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
DEVICE uint32_t subc_cc(uint32_t a, uint32_t b) { uint32_t d; asm volatile("subc.cc.u32 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
DEVICE uint32_t subc(uint32_t a, uint32_t b) { uint32_t d; asm volatile("subc.u32 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b)); return d; }
DEVICE uint32_t mad_lo_cc(uint32_t a, uint32_t b, uint32_t c) { uint32_t d; asm volatile("mad.lo.cc.u32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }
DEVICE uint32_t madc_lo_cc(uint32_t a, uint32_t b, uint32_t c) { uint32_t d; asm volatile("madc.lo.cc.u32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }
DEVICE uint32_t mad_hi_cc(uint32_t a, uint32_t b, uint32_t c) { uint32_t d; asm volatile("mad.hi.cc.u32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }
DEVICE uint32_t madc_hi_cc(uint32_t a, uint32_t b, uint32_t c) { uint32_t d; asm volatile("madc.hi.cc.u32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c)); return d; }

__device__ constexpr uint32_t P[8] = {0xd87cfd47, 0x3c208c16, 0x6871ca8d, 0x97816a91, 0x8181585d, 0xb85045b6, 0xe131a029, 0x30644e72};
// -1 / p mod 2^32.
constexpr uint32_t INVERSE = 0xe4866389;

// t[0..10] += x * y, of which t[9] takes the last carry.
DEVICE void accumulate(uint32_t t[10], const uint32_t x[8], uint32_t y) {
  t[0] = mad_lo_cc(x[0], y, t[0]);
#pragma unroll
  for (int j = 1; j < 8; j++) t[j] = madc_lo_cc(x[j], y, t[j]);
  t[8] = addc_cc(t[8], 0);
  t[9] = addc(t[9], 0);
  t[1] = mad_hi_cc(x[0], y, t[1]);
#pragma unroll
  for (int j = 1; j < 8; j++) t[j + 1] = madc_hi_cc(x[j], y, t[j + 1]);
  t[9] = addc(t[9], 0);
}

DEVICE void multiply(uint32_t r[8], const uint32_t a[8], const uint32_t b[8]) {
  uint32_t t[10] = {0};
#pragma unroll
  for (int i = 0; i < 8; i++) {
    accumulate(t, a, b[i]);
    accumulate(t, P, t[0] * INVERSE);
#pragma unroll
    for (int j = 0; j < 9; j++) t[j] = t[j + 1];
    t[9] = 0;
  }
  uint32_t s[8];
  s[0] = sub_cc(t[0], P[0]);
#pragma unroll
  for (int j = 1; j < 8; j++) s[j] = subc_cc(t[j], P[j]);
  uint32_t borrow = subc(t[8], 0);
#pragma unroll
  for (int j = 0; j < 8; j++) r[j] = borrow ? t[j] : s[j];
}

// out = a * b^n, with a factor of 1 / R for each multiplication; limb i of number k is at i * count + k.
extern "C" __global__ void multiply_loop(const uint32_t* a, const uint32_t* b, uint32_t* out, uint32_t count, uint32_t n) {
  uint32_t k = blockIdx.x * blockDim.x + threadIdx.x;
  if (k >= count) return;
  uint32_t x[8], y[8];
#pragma unroll
  for (int i = 0; i < 8; i++) {
    x[i] = a[i * count + k];
    y[i] = b[i * count + k];
  }
#pragma unroll 1
  for (uint32_t i = 0; i < n; i++) multiply(x, x, y);
#pragma unroll
  for (int i = 0; i < 8; i++) out[i * count + k] = x[i];
}
