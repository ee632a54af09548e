// Kernels that do nothing useful, for the tests of the host side (feature "conformance"): each shows one thing that a launch
// may get wrong.

#include <cstdint>

// out[i] = first + i for i < n. One thread an element.
extern "C" __global__ void __launch_bounds__(128) probe_count(uint64_t* out, uint64_t n, uint64_t first) {
    uint64_t i = blockIdx.x * uint64_t(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = first + i;
}

// out[i] = 3 * in[i] + 1 for i < n. One thread an element.
extern "C" __global__ void __launch_bounds__(128) probe_step(uint64_t* out, const uint64_t* in, uint64_t n) {
    uint64_t i = blockIdx.x * uint64_t(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = 3 * in[i] + 1;
}

// Row y, blockIdx.y, of `out` holds the words of shared memory in reverse. One block a row; dynamic shared memory of `words`
// words.
extern "C" __global__ void __launch_bounds__(128) probe_shared(uint64_t* out, uint32_t words) {
    extern __shared__ uint64_t tile[];
    for (uint32_t i = threadIdx.x; i < words; i += blockDim.x) tile[i] = blockIdx.y * uint64_t(words) + i;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < words; i += blockDim.x) {
        out[blockIdx.y * uint64_t(words) + i] = tile[words - 1 - i];
    }
}

struct Words {
    uint64_t word[4];
};

// The parameters of every kind, as words: out = (a, b, c, whether `absent` is null, d). One thread.
extern "C" __global__ void probe_arguments(uint64_t* out, uint32_t a, int32_t b, uint64_t c, const uint64_t* absent, Words d) {
    out[0] = a;
    out[1] = uint64_t(int64_t(b));
    out[2] = c;
    out[3] = absent == nullptr;
    for (int k = 0; k < 4; k++) out[4 + k] = d.word[k];
}
