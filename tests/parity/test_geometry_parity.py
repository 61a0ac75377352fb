"""The sizes PyTorch gives, and the calls it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.errors import Error
from tinygrad_cnn.geometry import conv_geometry, conv_transpose_geometry, pool_geometry
from tinygrad_cnn.kernels import pool

torch = pytest.importorskip("torch")
F = torch.nn.functional

few, some = st.integers(0, 3), st.integers(1, 4)


def size_or_none(compute):
    try:
        return compute()
    except (RuntimeError, Error):
        return None


@given(st.lists(st.tuples(st.integers(1, 8), some, some, few, some), min_size=1, max_size=3))
def test_convolution(axes):
    n, f, s, p, d = zip(*axes, strict=True)
    x, w = torch.zeros(1, 1, *n), torch.zeros(1, 1, *f)
    torch_conv = (F.conv1d, F.conv2d, F.conv3d)[len(n) - 1]
    ours = size_or_none(lambda: conv_geometry(x.shape, w.shape, s, p, d).out)
    assert ours == size_or_none(lambda: tuple(torch_conv(x, w, None, s, p, d).shape[2:]))


@given(st.lists(st.tuples(st.integers(1, 5), some, some, few, few, some), min_size=1, max_size=3))
def test_transposed_convolution(axes):
    n, f, s, p, extra, d = zip(*axes, strict=True)
    x, w = torch.zeros(1, 1, *n), torch.zeros(1, 1, *f)
    torch_conv = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[len(n) - 1]
    ours = size_or_none(lambda: conv_transpose_geometry(x.shape, w.shape, s, p, extra, d).size)
    theirs = size_or_none(lambda: tuple(torch_conv(x, w, None, s, p, extra, 1, d).shape[2:]))
    if theirs is not None and 0 in theirs:
        theirs = None  # whether PyTorch refuses an empty result or returns it depends on the kernel it picks
    assert ours == theirs


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(st.integers(1, 10), some, st.integers(1, 3))
def test_same_padding_at_stride_one(n, f, d):
    """With an even window PyTorch, too, puts the odd one at the end: then the values agree."""
    x, w = torch.arange(1.0, n + 1).reshape(1, 1, n), torch.ones(1, 1, f)
    ((before, after),) = conv_geometry(x.shape, w.shape, padding="same", dilation=d).padding
    ours = F.conv1d(F.pad(x, (before, after)), w, dilation=d)
    assert torch.equal(ours, F.conv1d(x, w, padding="same", dilation=d))


@given(st.lists(st.tuples(st.integers(1, 8), some, some, few, some), min_size=1, max_size=3), st.booleans())
def test_pooling(axes, ceil_mode):
    n, f, s, p, d = zip(*axes, strict=True)
    x = torch.zeros(1, 1, *n)
    torch_pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(n) - 1]
    theirs = size_or_none(lambda: tuple(torch_pool(x, f, s, p, d, ceil_mode).shape[2:]))
    try:
        ours = pool_geometry(x.shape, f, s, p, d, ceil_mode).out
    except Error as error:  # PyTorch gives -inf where a window sees only padding; here that is refused
        assert theirs is None or "sees only padding" in str(error)
    else:  # PyTorch's bound on padding takes no account of dilation, so it refuses more
        assert ours == theirs or (theirs is None and any(2 * p_ > f_ for p_, f_ in zip(p, f, strict=True)))


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(3, 6), some, st.integers(1, 3)), min_size=1, max_size=3),
)
def test_which_of_equals_and_which_nan_wins(seed, axes):
    n, s, f = zip(*axes, strict=True)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 3, (2, 2, *n), generator=generator).float()
    x[torch.rand(x.shape, generator=generator) < 0.2] = float("nan")
    x[torch.rand(x.shape, generator=generator) < 0.2] = -float("inf")
    torch_pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(n) - 1]
    padding = tuple(f_ // 2 for f_ in f)
    out, indices = torch_pool(x, f, s, padding, return_indices=True)
    geom = pool_geometry(x.shape, f, s, padding)
    ours = pool.max_forward(x.numpy(), geom)
    assert torch.equal(torch.from_numpy(ours).nan_to_num(9), out.nan_to_num(9))
    assert (pool.flat_indices(pool.winners(x.numpy(), ours, geom), geom) == indices.numpy()).all()


COVERED: dict[str, set[str]] = {}  # the windows under conv and pool, which others compare
