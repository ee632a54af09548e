// Multi-scalar multiplication on the second group: the kernels that work on points.
#include "device/msm.cuh"

ZKMILL_MSM_KERNELS(g2, zkmill::Fq2)
