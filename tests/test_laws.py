"""Each law finds its own fault and leaves alone what is right, PyTorch's functions among it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import autograd
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.op import op, registry, wrap
from tinygrad_cnn.testing import GradcheckError, laws
from tinygrad_cnn.testing.check import LAWS, check_conv, check_laws, check_op, check_pool
from tinygrad_cnn.testing.laws import LawError
from tinygrad_cnn.testing.strategies import arrays, calls, shapes

few = max(5, settings.default.max_examples // 5)
rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4))
Y = rng.standard_normal((3, 4))
IMAGES, WEIGHT = rng.standard_normal((2, 4, 7, 8)), rng.standard_normal((6, 2, 3, 2))
OPTIONS = {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1), "groups": 2}


def ruled(forward, backward):
    """A function of one or two Tensors with a backward of its own, which gets (ctx, g, *inputs)."""

    class Ruled(autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return backward(ctx, g, *ctx.saved_tensors)

    return lambda *inputs: Ruled.apply(*inputs)


def written(x):
    x.array[0] += 1
    return x * 1.0


def running(x):
    return x.cumsum(0)


def rounded(x):
    return x.to(tg.float16).to(x.dtype) if x.dtype == tg.float32 else x * 1.0


def double_g(ctx, g, x):
    g.array[...] *= 2
    return g


def other_in_company(ctx, g, x, y):
    return g * y * (2 if all(ctx.needs_input_grad) else 1), g * x


def forgetful():
    times = [0]

    def backward(ctx, g, x):
        times[0] += 1
        return g * times[0]

    return ruled(lambda x: x * 1.0, backward)


def norm_with_eps_outside(x, eps):
    return (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0).sqrt() + eps)


# law, what is right, what is wrong, inputs, more arguments of the law
FUNCTIONS = [
    (laws.ignores_memory_layout, tg.tanh, lambda x: wrap(x.array.ravel("K").reshape(x.shape)), [X], {}),
    (laws.keeps_its_hands_off_its_inputs, tg.tanh, written, [X], {}),
    (laws.keeps_its_hands_off_its_inputs, tg.tanh, ruled(lambda x: x * 1.0, double_g), [X], {}),
    (laws.agrees_in_float32, tg.tanh, rounded, [X], {}),
    (laws.agrees_in_float32, tg.tanh, lambda x: x.to(tg.float64), [X], {}),
    (laws.has_the_same_gradient_alone, tg.mul, ruled(lambda x, y: x * y, other_in_company), [X, Y], {}),
    (laws.has_gradients_linear_in_g, tg.exp, ruled(tg.exp, lambda ctx, g, x: g.relu() * x.exp()), [X], {}),
    (laws.has_gradients_linear_in_g, tg.exp, ruled(tg.exp, lambda ctx, g, x: g + x), [X], {}),
    (laws.gradients_add_up, tg.neg, forgetful(), [X], {}),
    (
        laws.has_symmetric_second_derivatives,
        tg.mul,
        ruled(lambda x, y: x * y, lambda ctx, g, x, y: (g * y, g * x.detach())),
        [X, Y],
        {},
    ),
    (laws.is_linear, lambda x: x[:, ::2] * 2, lambda x: x * 2 + 1, [X], {}),
    (laws.is_linear, tg.mul, lambda x, y: x * y.abs(), [X, Y], {"at": [1]}),
    (laws.is_linear, tg.sub, tg.mul, [X, Y], {"at": [0, 1]}),
    (
        laws.has_an_adjoint_rule,
        lambda x: x.cumsum(0),
        ruled(lambda x: x.cumsum(0), lambda c, g, x: g.cumsum(0)),
        [X],
        {},
    ),
    (laws.is_monotone, running, lambda x: x.abs(), [X], {}),
    (laws.is_idempotent, tg.floor, lambda x: x.floor() + 1, [X], {}),
    (laws.moves_with_the_batch, lambda x: x.softmax(1), lambda x: x.cumsum(0), [X], {}),
    (laws.ignores_a_shift, lambda x: x.softmax(1), lambda x: x.softmax(0), [X], {"dim": 1}),
    (laws.moves_with_a_shift, lambda x: x.logsumexp(1), lambda x: x.sum(1), [X], {}),
    (
        laws.ignores_the_scale,
        lambda x, eps: F.layer_norm(x, x.shape[-1:], eps=eps),
        norm_with_eps_outside,
        [X],
        {"eps": 0.1},
    ),
]


@pytest.mark.parametrize(("law", "right", "wrong", "inputs", "more"), FUNCTIONS)
def test_a_law_of_functions_finds_its_fault(law, right, wrong, inputs, more):
    law(right, [x.copy() for x in inputs], **more)
    with pytest.raises(LawError):
        law(wrong, [x.copy() for x in inputs], **more)


# --- windows ---------------------------------------------------------------------------------------------


def late(x, w, stride=1, **options):
    every = np.broadcast_to(stride, 2).tolist()
    y = F.conv2d(x, w, stride=1, **options)
    return y[:, :, every[0] - 1 :: every[0], every[1] - 1 :: every[1]]


def undilated(x, w, dilation=1, **options):
    down = dilation if isinstance(dilation, int) else (1, dilation[1])
    return F.conv2d(x, w, dilation=down, **options)


def interleaved(x, w, groups=1, **options):
    n, c, *size = x.shape
    mixed = x.reshape(n, c // groups, groups, *size).transpose(1, 2).reshape(x.shape)
    return F.conv2d(mixed, w, groups=groups, **options)


def widths(padding):
    """As F.pad takes them."""
    each = padding if isinstance(padding, tuple) else (padding, padding)
    rows, columns = ((p, p) if isinstance(p, int) else p for p in each)
    return (*columns, *rows)


def replicated(x, w, padding=0, **options):
    if padding == "same":
        return F.conv2d(x, w, padding=padding, **options)
    return F.conv2d(F.pad(x, widths(padding), mode="replicate"), w, **options)


def sloped(x, w, **options):
    y = F.conv2d(x, w, **options)
    return y + tg.arange(y.shape[-1], dtype=y.dtype)


def upside_down(x, w, **options):
    return F.conv2d(x, w, **options).flip(1)


def early(x, w, padding=0, dilation=1, **options):
    if padding == "same":
        each = dilation if isinstance(dilation, tuple) else (dilation, dilation)
        spans = [d * (f - 1) for f, d in zip(w.shape[2:], each, strict=True)]
        padding = tuple((n - n // 2, n // 2) for n in spans)
    return F.conv2d(x, w, padding=padding, dilation=dilation, **options)


def unturned(x, w, **options):
    return F.conv_transpose2d(x, w.flip((2, 3)), **options)


CONVS = [
    (laws.stride_leaves_out_windows, late),
    (laws.dilation_is_a_weight_with_gaps, undilated),
    (laws.groups_are_convolutions_side_by_side, interleaved),
    (laws.padding_is_a_border, replicated),
    (laws.moves_with_the_image, sloped),
    (laws.one_tap_is_a_matrix_product, upside_down),
    (laws.same_keeps_the_size, early),
]


@pytest.mark.parametrize(("law", "wrong"), CONVS)
def test_a_law_of_convolutions_finds_its_fault(law, wrong):
    law(F.conv2d, IMAGES, WEIGHT, **OPTIONS)
    with pytest.raises(LawError, match=wrong.__name__):
        law(wrong, IMAGES, WEIGHT, **OPTIONS)
    with pytest.raises(LawError, match=wrong.__name__):
        check_conv(wrong)


def test_the_adjoint_is_the_transposed_convolution():
    law = laws.conv_transpose_is_the_adjoint
    law(F.conv2d, IMAGES, WEIGHT, conv_transpose=F.conv_transpose2d, **OPTIONS)
    with pytest.raises(LawError, match="unturned breaks a law"):
        law(F.conv2d, IMAGES, WEIGHT, conv_transpose=unturned, **OPTIONS)
    with pytest.raises(LawError, match="unturned breaks a law"):
        check_conv(F.conv2d, conv_transpose=unturned)


def mixed(x, kernel_size, **options):
    y = F.max_pool2d(x, kernel_size, **options)
    return y + y.mean(1, keepdim=True)


def zero_padded(x, kernel_size, stride=None, padding=0, **options):
    return F.max_pool2d(F.pad(x, widths(padding)), kernel_size, stride, **options)


def of_sizes(x, kernel_size, **options):
    return F.max_pool2d(x.abs(), kernel_size, **options)


def raised(x, kernel_size, stride=1, **options):
    return F.max_pool2d(x, kernel_size, stride, **options) + float(np.sum(stride))


def turned(x, kernel_size, **options):
    return F.max_pool2d(x, kernel_size, **options).flip(2)


POOLS = [
    (laws.channels_are_pooled_one_by_one, mixed, {}),
    (laws.padding_is_a_border, zero_padded, {"fill": -np.inf}),
    (laws.opening_is_idempotent, F.avg_pool2d, {}),
    (laws.stride_leaves_out_windows, raised, {}),
    (laws.moves_with_the_image, turned, {"fill": -np.inf}),
]


@pytest.mark.parametrize(("law", "wrong", "more"), POOLS)
def test_a_law_of_poolings_finds_its_fault(law, wrong, more):
    options = {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1}
    law(F.max_pool2d, -np.abs(IMAGES), **options, **more)
    with pytest.raises(LawError):
        law(wrong, -np.abs(IMAGES), **options, **more)


@pytest.mark.parametrize("wrong", [mixed, zero_padded, of_sizes])
def test_check_pool_finds_faults(wrong):
    with pytest.raises(LawError, match=wrong.__name__):
        check_pool(wrong)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_functions_of_windows_obey_their_laws(ndim):
    conv, transpose = getattr(F, f"conv{ndim}d"), getattr(F, f"conv_transpose{ndim}d")
    assert min(check_conv(conv, ndim, conv_transpose=transpose, max_examples=few).examples.values()) >= few
    check_pool(getattr(F, f"max_pool{ndim}d"), ndim, max_examples=few)
    check_pool(getattr(F, f"avg_pool{ndim}d"), ndim, average=True, max_examples=few)


@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:grad and param do not obey")
@pytest.mark.parametrize("ndim", [1, 2])
def test_the_functions_of_pytorch_obey_them(ndim):
    torch = pytest.importorskip("torch")
    theirs, tensor = torch.nn.functional, torch.from_numpy
    conv, transpose = getattr(theirs, f"conv{ndim}d"), getattr(theirs, f"conv_transpose{ndim}d")
    check_conv(conv, ndim, conv_transpose=transpose, tensor=tensor, max_examples=few)
    check_pool(getattr(theirs, f"max_pool{ndim}d"), ndim, tensor=tensor, max_examples=few)
    check_pool(getattr(theirs, f"avg_pool{ndim}d"), ndim, average=True, tensor=tensor, max_examples=few)
    with pytest.raises(LawError, match="one tap is a matrix product"):
        check_conv(lambda x, w, **o: conv(x, w, **o).flip(1), ndim, tensor=tensor)


def test_normalizations_ignore_shift_and_scale():
    norms = {
        (2, 3): lambda x, eps=1e-5: F.instance_norm(x, eps=eps),
        (0, 2, 3): lambda x, eps=1e-5: F.batch_norm(x, None, None, training=True, eps=eps),
        (1, 2, 3): lambda x, eps=1e-5: F.group_norm(x, 1, eps=eps),
        (3,): lambda x, eps=1e-5: F.layer_norm(x, x.shape[3:], eps=eps),
    }
    for dim, norm in norms.items():
        laws.ignores_a_shift(norm, [IMAGES], dim)
        laws.ignores_the_scale(norm, [IMAGES], eps=0.3)
        laws.moves_with_the_batch(norm, [IMAGES])


# --- check_op --------------------------------------------------------------------------------------------


@pytest.fixture
def own():
    """Ops of one's own, forgotten afterwards."""
    known = dict(registry)

    def make(forward, **rules):
        made = op(forward)
        made.vjp(**rules)
        return made

    yield make
    registry.clear()
    registry.update(known)


def roll(x, *, shift):
    return np.roll(x, shift, axis=-1)


def test_check_op_lists_the_laws_of_an_op_of_ones_own(own):
    mine = own(roll, x=lambda g, shift: mine(g, shift=-shift))
    with pytest.raises(ArgumentError, match="what to call roll with"):
        check_op(mine)
    turns = calls(arrays((2, 3)), shift=st.integers(-3, 3))
    more = [laws.moves_with_a_shift, laws.is_monotone]
    said = check_op(mine, turns, linear="x", laws=more, max_examples=few)
    assert repr(said).splitlines()[0] == "roll obeys 13 laws"
    assert set(said.examples.values()) == {few}
    assert {"is linear in x", "has an adjoint rule in x", "is monotone"} <= set(said.examples)
    listed = check_op(mine, [((X,), {"shift": 1}), ((X[0],), {"shift": -2})], linear="x")
    assert set(listed.examples.values()) == {2}


def test_check_op_finds_a_wrong_rule(own, capsys):
    def rolled(g, shift):
        return wrong(g, shift=shift)

    wrong = own(roll, x=rolled)
    with pytest.raises(GradcheckError, match="d roll / d x is wrong"):
        check_op(wrong, [((X,), {"shift": 1})])
    by_the_law = own(roll, x=lambda g, shift: wrong(g, shift=-shift) * 1.0 + 1e-9)
    with pytest.raises(AssertionError, match="roll"):
        check_op(by_the_law, [((X,), {"shift": 1})], linear="x")
    assert capsys.readouterr().out == ""


def test_check_op_shows_the_smallest_call(own):
    """The fault is in columns from the third on; the smallest array that has one is (1, 3)."""

    def tripled(x):
        return x * 3.0

    def rule(g):
        return g * 3.0 * wrap(np.where(np.arange(g.shape[-1]) < 2, 1.0, 2.0).astype(g.dtype))

    wrong = own(tripled, x=rule)
    with pytest.raises(GradcheckError, match=r"x: \(1, 3\) float64"):
        check_op(wrong, arrays(shapes(min_dims=2, max_dims=2, min_side=1)))


def test_check_op_finds_memory_that_is_shared_in_secret(own):
    shared = own(lambda x: x[...], x=lambda g: g * 1.0)
    with pytest.raises(LawError, match="does not say so"):
        check_op(shared, [X])


def test_check_op_takes_functions_of_tensors_and_names_of_ops():
    assert "is idempotent" in check_op("relu", max_examples=few).examples
    said = check_op(lambda x, y: (x * y).sum(1), [(X, Y)], linear="x|y")
    assert said.examples["is linear in x"] == said.examples["is linear in y"] == 1
    with pytest.raises(ArgumentError, match="the inputs are x, y"):
        check_op(lambda x, y: x * y, [(X, Y)], linear="z")
    with pytest.raises(LawError, match="is linear"):
        check_op(lambda x, y: (x * y).sum(1), [(X, Y)], linear="x y")


def test_a_report_names_the_law_the_worst_element_and_the_configuration():
    with pytest.raises(LawError) as caught:
        laws.stride_leaves_out_windows(late, IMAGES, WEIGHT[:, :, :1, :1], stride=(2, 1), groups=2)
    text = str(caught.value)
    assert text.startswith("late breaks a law, stride leaves out windows: the result is ")
    with pytest.raises(LawError) as caught:
        laws.one_tap_is_a_matrix_product(upside_down, IMAGES, WEIGHT, **OPTIONS)
    text = str(caught.value)
    assert "the result is wrong in 384 of 384 elements\n  worst at [" in text and "]: expected " in text
    assert "x: (2, 4, 7, 8) float64\n" in text and "groups=2" in text and "dilation=(2, 1)" in text


def test_every_public_law_is_proven():
    """Here by its fault, and in the table of who obeys it."""
    tested = {law for law, *_ in (*FUNCTIONS, *CONVS, *POOLS)} | {laws.conv_transpose_is_the_adjoint}
    public = {getattr(laws, name) for name in laws.__all__ if name != "LawError"}
    assert tested == public
    assert len({law for law, _ in LAWS}) == len(LAWS)


# --- a decorator -------------------------------------------------------------------------------------------


@check_laws(arrays(shapes(max_dims=2)), linear="x", laws=[laws.is_monotone], max_examples=5)
def test_a_test_is_made_of_a_function(x):
    """Runs as a test: pytest finds it here."""
    return x.cumsum(0) if x.ndim else x


test_of_an_op = check_laws(max_examples=5)("softmax")


def test_a_wrong_op_makes_a_test_fail_when_it_runs():
    made = []
    for right in (True, False):

        @op
        def third(x):
            return x / 3

        made.append(check_laws([X], linear="x")(third))
        third.vjp(x=(lambda g: g / 3) if right else (lambda g: g / 2))
    made[0]()
    assert made[0].__name__ == "test_third" and made[0].__module__ == __name__
    with pytest.raises(GradcheckError, match="d third / d x is wrong"):
        made[1]()


def test_the_laws_of_a_function_with_its_own_backward():
    class Twice(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    check_laws([X], linear="x")(Twice)()
    Twice.backward = staticmethod(lambda ctx, g: g * 3)
    with pytest.raises(GradcheckError, match=r"d Twice\.apply / d x is wrong"):
        check_laws([X], linear="x")(Twice)()


def test_pytest_finds_what_the_decorator_makes(tmp_path):
    (tmp_path / "test_it.py").write_text(
        """
import numpy as np
from tinygrad_cnn.testing import check_laws

@check_laws([np.ones(2)], linear="x")
def test_right(x):
    return x * 2

@check_laws([np.ones(2)], linear="x")
def test_wrong(x):
    return x * x
""",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 failed, 1 passed" in ran.stdout and "test_wrong breaks a law, it is linear" in ran.stdout
