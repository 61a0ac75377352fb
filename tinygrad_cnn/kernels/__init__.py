"""The compute code: ndarray in, ndarray out, no Tensor and no tape.

The contract of every kernel: images are logically (N, C, *size), with any strides in and out; the dtype is
kept; inputs are never written; a result never shares memory with an input.
"""

from . import conv, pool

__all__ = ["conv", "pool"]
