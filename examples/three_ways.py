"""Backprop of convolution, three ways: plain loops, a convolution with the turned weight, the library.

For Z = W * A_prev + b and A = relu(Z), dZ = dA relu'(Z) leads to dA_prev, dW and db:

1. by the textbook's loops, which add up what each number of dZ sends back;
2. as convolutions: dA_prev is the *full* convolution of dZ with W turned by 180 degrees;
3. by the library's own backward.

Everything is whole numbers, so the three must be equal, not merely close.  First an example to check by
hand, then convolutions of random sizes.  docs/chapter/08-backprop.md explains each step.

    python examples/three_ways.py
    python examples/three_ways.py --smoke
"""

from __future__ import annotations

import argparse
import sys

# --8<-- [start:imports]
import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F

# --8<-- [end:imports]

# --8<-- [start:numbers]
A_PREV = np.array([[1, 2, 0, 3], [0, 1, 3, 1], [2, 1, 0, 2], [1, 0, 1, 2]])
W = np.array([[1, 0, -1], [2, 1, 0], [0, -1, 1]])
B = np.array([-2])
DA = np.array([[1, 5], [2, -3]])
# --8<-- [end:numbers]


# --8<-- [start:loops]
def loops(A_prev, W, dZ, stride=1, pad=0):
    """dA_prev, dW, db by the textbook.

    A_prev is (m, n_H_prev, n_W_prev, n_C_prev), W (f, f, n_C_prev, n_C),
    dZ (m, n_H, n_W, n_C).
    """
    m, n_H, n_W, n_C = dZ.shape
    f = W.shape[0]
    A_prev_pad = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dA_prev_pad = np.zeros_like(A_prev_pad)
    dW, db = np.zeros_like(W), np.zeros_like(W, shape=n_C)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start, horiz_start = h * stride, w * stride
                    vert_end, horiz_end = vert_start + f, horiz_start + f
                    a_slice = A_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :]
                    dA_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :] += (
                        W[:, :, :, c] * dZ[i, h, w, c]
                    )
                    dW[:, :, :, c] += a_slice * dZ[i, h, w, c]
                    db[c] += dZ[i, h, w, c]
    height, width = A_prev.shape[1:3]
    return dA_prev_pad[:, pad : pad + height, pad : pad + width, :], dW, db


# --8<-- [end:loops]


# --8<-- [start:spread]
def spread(dz, stride):
    """Zeros between the numbers of dZ: they stand as far apart as the windows."""
    n, c, height, width = dz.shape
    (s, t) = stride
    size = s * (height - 1) + 1, t * (width - 1) + 1
    wide = tg.zeros(n, c, *size, dtype=dz.dtype)
    wide[:, :, ::s, ::t] = dz
    return wide


# --8<-- [end:spread]


# --8<-- [start:turned]
def turned(x, w, dz, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1)):
    """dA_prev, dW, db as convolutions: x is (n, c, ...), w (o, c, ...), dz (n, o, ...)."""
    w_180 = w.flip((2, 3)).transpose(0, 1)
    dz_wide = spread(dz, stride)
    full = F.conv2d(dz_wide, w_180, padding="full", dilation=dilation)
    dx = fitted(full, x.shape, padding)
    # Of dW the sum runs over the images: they stand in the place of the channels.
    x, dz_last = x.transpose(0, 1), dz.transpose(0, 1)
    dw = F.conv2d(x, dz_last, stride=dilation, padding=padding, dilation=stride)
    dw = dw.transpose(0, 1)[:, :, : w.shape[2], : w.shape[3]]
    return dx, dw, dz.sum((0, 2, 3))


# --8<-- [end:turned]


# --8<-- [start:fitted]
def fitted(full, shape, padding):
    """The padding cut off, and zeros at the far end for what no window saw."""
    (top, _), (left, _) = padding
    below = shape[2] + top - full.shape[2]
    right = shape[3] + left - full.shape[3]
    return F.pad(full, (-left, right, -top, below))


# --8<-- [end:fitted]


# --8<-- [start:library]
def by_the_library(x, w, dz, **options):
    """dA_prev, dW, db by backward."""
    b = tg.zeros(w.shape[0], dtype=w.dtype)
    x, w, b = (t.detach().requires_grad_() for t in (x, w, b))
    F.conv2d(x, w, b, **options).backward(dz)
    return x.grad, w.grad, b.grad


# --8<-- [end:library]


# --8<-- [start:axes]
def to_library(A_prev, W, dZ):
    """Channels first, and floats."""
    orders = (0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)
    arrays = (A_prev, W, dZ)
    return [tg.tensor(a.transpose(o), dtype=tg.float64) for a, o in zip(arrays, orders, strict=True)]


def to_textbook(dx, dw, db):
    """Channels last, and whole numbers."""
    orders = (0, 2, 3, 1), (2, 3, 1, 0), (0,)
    return [t.numpy().transpose(o).astype(int) for t, o in zip((dx, dw, db), orders, strict=True)]


# --8<-- [end:axes]


def three_ways(A_prev, W, dZ, stride=1, pad=0):
    """{way: (dA_prev, dW, db)}, in the textbook's order of axes."""
    tensors = to_library(A_prev, W, dZ)
    pairs = {"stride": (stride, stride), "padding": ((pad, pad), (pad, pad))}
    return {
        "loops": loops(A_prev, W, dZ, stride, pad),
        "turned": to_textbook(*turned(*tensors, **pairs)),
        "library": to_textbook(*by_the_library(*tensors, **pairs)),
    }


def by_hand(stride=1, pad=0):
    """dZ of the small example, and the three ways; with other windows it is the same dZ that goes back."""
    A_prev, weight = A_PREV[None, :, :, None], W[:, :, None, None]
    x, w, _ = to_library(A_prev, weight, A_prev)
    Z = F.conv2d(x, w, tg.tensor(B, dtype=tg.float64))
    dZ = DA[None, :, :, None] * (Z.numpy().transpose(0, 2, 3, 1) > 0)
    return dZ, three_ways(A_prev, weight, dZ, stride, pad)


def random_problem(rng):
    """A convolution of random size: (A_prev, W, dZ), and the options."""
    f, stride, pad = (int(rng.integers(low, high)) for low, high in ((1, 4), (1, 4), (0, 3)))
    m, c, filters = (int(n) for n in rng.integers(1, 4, 3))
    height, width = (int(n) for n in rng.integers(max(1, f - 2 * pad), 8, 2))
    out = [(n + 2 * pad - f) // stride + 1 for n in (height, width)]
    shapes = (m, height, width, c), (f, f, c, filters), (m, *out, filters)
    return [rng.integers(-4, 5, shape) for shape in shapes], {"stride": stride, "pad": pad}


def side_by_side(ways, at):
    """One of the results of each way, as columns of text."""
    columns = [[way, *str(found[at].squeeze()).splitlines()] for way, found in ways.items()]
    return "\n".join("  ".join(f"{line:18}" for line in row).rstrip() for row in zip(*columns, strict=True))


def main(argv: list[str] | None = None) -> int:
    """The example, then random ones; 1 if any number differs."""
    parser = argparse.ArgumentParser(description="Backprop of convolution, three ways.")
    parser.add_argument("--problems", type=int, default=300, help="how many convolutions of random size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="20 of them only")
    args = parser.parse_args(argv)

    dZ, ways = by_hand()
    print(f"dZ\n{dZ.squeeze()}")
    for at, name in enumerate(("dA_prev", "dW", "db")):
        print(f"\n{name}\n{side_by_side(ways, at)}")

    rng = np.random.default_rng(args.seed)
    count = 20 if args.smoke else args.problems
    for _ in range(count):
        arrays, options = random_problem(rng)
        first, *others = three_ways(*arrays, **options).values()
        for other in others:
            if not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True)):
                shapes = ", ".join(str(a.shape) for a in arrays)
                print(f"\nnot equal for A_prev, W, dZ of {shapes} with {options}")
                return 1
    print(
        f"\n{count} convolutions of random size, stride and padding: the three ways are equal in every number"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
