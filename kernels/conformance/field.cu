// Every operation of the fields, for the tests to compare with the host's.
#include "thread/inverse.cuh"

using namespace zkmill;

// Shapes: a, b: n; out: operations x n. One thread takes one pair and writes the representatives as they come.
template <class F>
__device__ __forceinline__ void operations(const F* a, const F* b, uint32_t n, F* out) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    F x = F::load(a + i), y = F::load(b + i);
    out += i;
    auto put = [&](const F& value) {
        value.store_lazy(out);
        out += n;
    };
    put(x + y);
    put(x - y);
    put(x * y);
    put(x.square());
    put(-x);
    put(x.twice());
    put(F::dot(x, y, x, x));
    put(F::cross(x, y, y, y));
    put(x.inverse());
    put(x.pow(y.limb[0]));
    uint64_t low = uint64_t(x.limb[1]) << 32 | x.limb[0];
    put(F::from_u64(low));
    put(F::from_i64(int64_t(low)));
    put(x.canonical());
    put(x.from_montgomery());
    // Many in a row: a carry that is lost between instructions shows sooner or later.
    F chain = x;
    for (int k = 0; k < 100; k++) chain = chain * y + x;
    put(chain);
    F flags = F::zero();
    flags.limb[0] = x.is_zero();
    flags.limb[1] = x == y;
    flags.limb[2] = x != y;
    put(flags);
}

extern "C" __global__ void __launch_bounds__(64) field_operations_fr(const Fr* a, const Fr* b, uint32_t n, Fr* out) {
    operations(a, b, n, out);
}

extern "C" __global__ void __launch_bounds__(64) field_operations_fq(const Fq* a, const Fq* b, uint32_t n, Fq* out) {
    operations(a, b, n, out);
}
