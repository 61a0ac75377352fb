"""The compute code: ndarray in, ndarray out, no Tensor and no tape.

The contract of every kernel: images are logically (N, C, *size), with any strides in and out; the dtype is
kept; inputs are never written; a result never shares memory with an input, and never depends on the number
of threads.

What kernels have in common is in `runtime` (threads, BLAS, the allocator), `memory` (how images lie in it)
and `products` (matrix products).
"""

from . import borders, conv, elementwise, norm, pool, resample

__all__ = ["borders", "conv", "elementwise", "norm", "pool", "resample"]
