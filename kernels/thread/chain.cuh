// Steps of carry chains. Volatile statements keep their order, and the compiler leaves the carry between them alone; unlike one
// statement for a whole chain, they let it choose the registers of the results freely.
#pragma once

#include <cstdint>

namespace zkmill {
namespace chain {

#define ZKMILL_CHAIN(name, instruction)                                                                        \
    __device__ __forceinline__ uint32_t name(uint32_t a, uint32_t b, uint32_t c) {                             \
        uint32_t sum;                                                                                          \
        asm volatile(instruction " %0, %1, %2, %3;" : "=r"(sum) : "r"(a), "r"(b), "r"(c));                     \
        return sum;                                                                                            \
    }
ZKMILL_CHAIN(mad_low, "mad.lo.cc.u32")
ZKMILL_CHAIN(mad_high, "mad.hi.cc.u32")
ZKMILL_CHAIN(madc_low, "madc.lo.cc.u32")
ZKMILL_CHAIN(madc_high, "madc.hi.cc.u32")
ZKMILL_CHAIN(last_low, "madc.lo.u32")
ZKMILL_CHAIN(last_high, "madc.hi.u32")
#undef ZKMILL_CHAIN

#define ZKMILL_CHAIN(name, instruction)                                                                        \
    __device__ __forceinline__ uint32_t name(uint32_t a, uint32_t b) {                                         \
        uint32_t sum;                                                                                          \
        asm volatile(instruction " %0, %1, %2;" : "=r"(sum) : "r"(a), "r"(b));                                 \
        return sum;                                                                                            \
    }
ZKMILL_CHAIN(add, "add.cc.u32")
ZKMILL_CHAIN(addc, "addc.cc.u32")
ZKMILL_CHAIN(last_add, "addc.u32")
ZKMILL_CHAIN(sub, "sub.cc.u32")
ZKMILL_CHAIN(subc, "subc.cc.u32")
ZKMILL_CHAIN(last_sub, "subc.u32")
#undef ZKMILL_CHAIN

}  // namespace chain
}  // namespace zkmill
