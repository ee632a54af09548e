// What `ci/sass-table` counts: the difference between a kernel that does something twice and one that does it six times.
#include "thread/curve.cuh"

using namespace zkmill;

template <int N, bool CANONICAL, class F>
__device__ __forceinline__ void products(F* a, const F* b) {
    F x = F::load(a), y = F::load(b);
#pragma unroll
    for (int i = 0; i < N; i++) {
        x = x * y;
        if (CANONICAL) x = x.canonical();
    }
    x.store_lazy(a);
}

template <int N, class F>
__device__ __forceinline__ void sums(Xyzz<F>* a, const Affine<F>* b) {
    Xyzz<F> sum = Xyzz<F>::load(a);
#pragma unroll
    for (int i = 0; i < N; i++) sum.add_mixed(Affine<F>::load(b + i));
    sum.store(a);
}

// Launch bounds as in `msm_accumulate_*`.
#define PROBE(name, A, B, call) \
    extern "C" __global__ void __launch_bounds__(128) name(A* a, const B* b) { call(a, b); }
PROBE(lazy_fr_2, Fr, Fr, (products<2, false>))
PROBE(lazy_fr_6, Fr, Fr, (products<6, false>))
PROBE(lazy_fq_2, Fq, Fq, (products<2, false>))
PROBE(lazy_fq_6, Fq, Fq, (products<6, false>))
PROBE(strict_fr_2, Fr, Fr, (products<2, true>))
PROBE(strict_fr_6, Fr, Fr, (products<6, true>))
PROBE(strict_fq_2, Fq, Fq, (products<2, true>))
PROBE(strict_fq_6, Fq, Fq, (products<6, true>))
PROBE(mixed_g1_2, G1, G1Affine, (sums<2>))
PROBE(mixed_g1_6, G1, G1Affine, (sums<6>))
