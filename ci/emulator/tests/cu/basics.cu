// Kernels with known answers: what every program uses.
#include <cstdint>
#include <cstdio>

__device__ uint32_t counter;
__constant__ uint32_t table[8] = {3, 1, 4, 1, 5, 9, 2, 6};

// out[i] = a * x[i] + table[i % 8]
extern "C" __global__ void scale(uint32_t a, const uint32_t* x, uint32_t* out, uint32_t n) {
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        out[i] = a * x[i] + table[i % 8];
    }
}

// Reverses each block's part, through shared memory whose size the launch decides.
extern "C" __global__ void reverse(uint32_t* data) {
    extern __shared__ uint32_t part[];
    uint32_t* mine = data + blockIdx.x * blockDim.x;
    part[threadIdx.x] = mine[threadIdx.x];
    __syncthreads();
    mine[threadIdx.x] = part[blockDim.x - 1 - threadIdx.x];
}

__device__ __noinline__ uint32_t gcd(uint32_t a, uint32_t b) {
    return b == 0 ? a : gcd(b, a % b);
}

__device__ __noinline__ uint64_t power(uint64_t base, uint32_t exponent, uint64_t modulus) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) {
            result = result * base % modulus;
        }
        base = base * base % modulus;
    }
    return result;
}

// Functions that stay functions: recursion, a loop whose length differs per lane, 64-bit arguments.
extern "C" __global__ void functions(const uint32_t* a, const uint32_t* b, uint32_t* out) {
    uint32_t i = threadIdx.x;
    out[2 * i] = gcd(a[i], b[i]);
    out[2 * i + 1] = (uint32_t)power(a[i], b[i], 1000000007);
}

// 256-bit product of two 128-bit numbers, limb by limb with carries.
extern "C" __global__ void product(const uint32_t* a, const uint32_t* b, uint32_t* out) {
    uint32_t r[8] = {};
    for (int i = 0; i < 4; i++) {
        asm volatile(
            "{\n\t"
            ".reg .u32 t;\n\t"
            "mad.lo.cc.u32 %0, %5, %6, %0;\n\t"
            "madc.lo.cc.u32 %1, %5, %7, %1;\n\t"
            "madc.lo.cc.u32 %2, %5, %8, %2;\n\t"
            "madc.lo.cc.u32 %3, %5, %9, %3;\n\t"
            "addc.u32 %4, %4, 0;\n\t"
            "mad.hi.cc.u32 %1, %5, %6, %1;\n\t"
            "madc.hi.cc.u32 %2, %5, %7, %2;\n\t"
            "madc.hi.cc.u32 %3, %5, %8, %3;\n\t"
            "madc.hi.u32 %4, %5, %9, %4;\n\t"
            "}"
            : "+r"(r[i]), "+r"(r[i + 1]), "+r"(r[i + 2]), "+r"(r[i + 3]), "+r"(r[i + 4])
            : "r"(a[i]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]));
    }
    for (int i = 0; i < 8; i++) {
        out[i] = r[i];
    }
}

// A histogram by atomics on shared, then on global memory; counts its blocks; finds the maximum.
extern "C" __global__ void histogram(const uint32_t* data, uint32_t n, uint32_t* bins, uint32_t* largest) {
    __shared__ uint32_t local[16];
    if (threadIdx.x < 16) {
        local[threadIdx.x] = 0;
    }
    __syncthreads();
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        atomicAdd(&local[data[i] % 16], 1);
        atomicMax(largest, data[i]);
    }
    __syncthreads();
    if (threadIdx.x < 16) {
        atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
    }
    if (threadIdx.x == 0) {
        atomicAdd(&counter, 1);
    }
}

// The last block to finish adds up what the others left: the pattern of a single-pass reduction.
extern "C" __global__ void total(const uint32_t* data, uint32_t* parts, uint32_t* ticket, uint32_t* out) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = data[2 * blockIdx.x] + data[2 * blockIdx.x + 1];
        __threadfence();
        last = atomicAdd(ticket, 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        uint32_t sum = 0;
        for (uint32_t i = 0; i < gridDim.x; i++) {
            sum += ((volatile uint32_t*)parts)[i];
        }
        *out = sum;
    }
}

extern "C" __global__ void greet(uint32_t n) {
    if (threadIdx.x < n) {
        printf("thread %u of block %u: %lld %s %x %c|%5d|%-4u|%%\n", threadIdx.x, blockIdx.x, -1234567890123ll, "text",
               0xbeefu, 'z', -42, 7u);
    }
}
