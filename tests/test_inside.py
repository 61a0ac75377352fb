"""What a network looks at: on models small enough that the answer is known, and nothing is left behind."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import nn, vision
from tinygrad_cnn.errors import ArgumentError, DtypeError, GraphError, ShapeError
from tinygrad_cnn.nn import functional as F

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def whole(rng, *shape):
    """Small integers, of which sums are exact."""
    return rng.integers(-4, 5, shape).astype(np.float32)


def linear(weight, *before):
    """before, then output = weight · the flattened rest."""
    weight = np.asarray(weight, np.float32)
    layer = nn.Linear(weight.shape[1], len(weight), bias=False)
    with tg.no_grad():
        layer.weight.copy_(tg.tensor(weight))
    return nn.Sequential(*before, nn.Flatten(), layer)


def convolution(weight):
    weight = np.asarray(weight, np.float32)
    layer = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2:], bias=False)
    with tg.no_grad():
        layer.weight.copy_(tg.tensor(weight))
    return layer


class Pooled(nn.Module):
    """A convolution, its mean over all pixels, a dense layer: what class activation maps were made for."""

    def __init__(self, kernel, weight):
        super().__init__()
        self.conv, self.head = convolution(kernel), linear(weight)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


# --- saliency ------------------------------------------------------------------------------------------


@given(generators)
def test_saliency_of_a_linear_model_is_the_size_of_its_weights(rng):
    weight = whole(rng, 3, 2 * 4 * 5)
    targets = rng.integers(0, 3, 6)
    found = vision.saliency(linear(weight), whole(rng, 6, 2, 4, 5), targets)
    np.testing.assert_array_equal(found, np.abs(weight[targets]).reshape(6, 2, 4, 5).max(1))


# --- guided backprop -----------------------------------------------------------------------------------


@given(generators, st.sampled_from([nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()]))
def test_guided_backprop_is_the_formula(rng, rectify):
    """Two layers by hand: dx = W1ᵀ (max(W2ᵀ max(w3, 0) where h2 > 0, 0) where h1 > 0)."""
    first, second, third = whole(rng, 6, 8) / 64, whole(rng, 5, 6), whole(rng, 2, 5)
    model = nn.Sequential(linear(first), rectify, linear(second), rectify, linear(third))
    x = whole(rng, 3, 2, 2, 2)
    h1 = np.maximum(x.reshape(3, 8) @ first.T, 0)
    h2 = h1 @ second.T
    cut = (h2 < 6) & (h2 > 0) if isinstance(rectify, nn.ReLU6) else h2 > 0
    g2 = np.maximum(third[1], 0) * cut
    g1 = np.maximum(g2 @ second, 0) * (h1 > 0)
    np.testing.assert_array_equal(vision.guided_backprop(model, x, 1), (g1 @ first).reshape(x.shape))


def test_guided_backprop_shows_only_what_speaks_for_the_answer():
    model = linear([[5.0, -5.0]], nn.ReLU())
    x = tg.ones(1, 1, 1, 2)
    assert vision.saliency(model, x, 0).tolist() == [[[5, 5]]]
    assert vision.guided_backprop(model, x, 0).tolist() == [[[[5, 0]]]]


# --- grad-cam ------------------------------------------------------------------------------------------


def test_grad_cam_where_the_answer_is_known():
    """A_0 = x, A_1 = 2x; class 0 = 3 mean(A_0) - mean(A_1), so each of 4 pixels counts relu(3x - 2x) / 4."""
    model = Pooled([[[[1]]], [[[2]]]], [[3, -1], [-3, 1]])
    x = np.array([[[[4, 8], [-4, 0]]]], np.float32)
    assert vision.grad_cam(model, x, 0, "conv").tolist() == [[[1, 2], [0, 0]]]
    assert vision.grad_cam(model, x, 1, model.conv).tolist() == [[[0, 0], [1, 0]]]
    assert vision.grad_cam(model, x).tolist() == [[[1, 2], [0, 0]]]  # class 0, the only convolution


@given(generators)
def test_grad_cam_after_a_mean_is_the_class_activation_map(rng):
    """relu(sum_k w_k A_k) / pixels (Selvaraju et al. 2017, section 3.1)."""
    kernel, weight, x = whole(rng, 4, 2, 3, 3), whole(rng, 3, 4), whole(rng, 5, 2, 6, 6)
    targets = rng.integers(0, 3, 5)
    maps = F.conv2d(tg.tensor(x), tg.tensor(kernel)).numpy()
    expected = np.maximum((weight[targets][:, :, None, None] * maps).sum(1), 0) / 16
    found = vision.grad_cam(Pooled(kernel, weight), x, targets, "conv", upsample=False)
    np.testing.assert_array_equal(found, expected)
    spread = F.interpolate(tg.tensor(expected[:, None]), (6, 6), mode="bilinear").numpy()[:, 0]
    np.testing.assert_array_equal(vision.grad_cam(Pooled(kernel, weight), x, targets, "conv"), spread)


@pytest.mark.parametrize("after", [nn.ReLU(inplace=True), nn.ReLU()])
def test_a_layer_written_over_by_the_next_is_seen_as_it_was(after):
    """x = 2 and -2, h = relu(x), score = h_0 - h_1: by conv's own result the slope is 1 and 0, so a = 1/2."""
    model = linear([[1, -1]], convolution([[[[1]]]]), after)
    x = np.array([[[[2, -2]]]], np.float32)
    assert vision.grad_cam(model, x, 0, "0").tolist() == [[[1, 0]]]
    assert vision.grad_cam(model, x, 0, "1").tolist() == [[[0, 0]]]  # (1 - 1) / 2


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.rest, self.unused = convolution([[[[2]]]]), nn.Identity(), nn.Conv2d(1, 1, 1)

    def forward(self, x):
        return self.rest(self.conv(self.conv(x))).sum((2, 3))


def test_of_a_layer_called_twice_the_last_call_counts_and_one_that_does_nothing_has_its_result():
    x = np.ones((1, 1, 2, 2), np.float32)
    assert vision.grad_cam(Twice(), x, 0, "conv").tolist() == [[[4, 4], [4, 4]]]
    assert vision.grad_cam(Twice(), x, 0, "rest").tolist() == [[[4, 4], [4, 4]]]
    assert vision.grad_cam(Twice(), x).tolist() == [[[4, 4], [4, 4]]]  # the last convolution that ran


# --- occlusion -----------------------------------------------------------------------------------------


@given(generators, st.integers(1, 3), st.integers(1, 4), st.integers(1, 9))
def test_occlusion_of_a_linear_model_is_what_the_patch_held(rng, size, stride, batch_size):
    """Hiding a patch takes sum(w (x - value)) of it away; a pixel gets the mean of those that hide it."""
    weight, x, value = whole(rng, 2, 2 * 5 * 6), whole(rng, 2, 2, 5, 6), np.float32([1, -2])
    parts = (weight[1].reshape(2, 5, 6) * (x - value[:, None, None])).sum(1)
    starts = [sorted({*range(0, n - size, stride), n - size}) for n in (5, 6)]
    total, count = np.zeros((2, 5, 6)), np.zeros((5, 6))
    for i in starts[0]:
        for j in starts[1]:
            patch = slice(i, i + size), slice(j, j + size)
            total[:, *patch] += parts[:, *patch].sum((1, 2), keepdims=True)
            count[patch] += 1
    found = vision.occlusion(linear(weight), x, 1, size, stride, value=value, batch_size=batch_size)
    np.testing.assert_allclose(found, total / np.maximum(count, 1), rtol=1e-5, atol=1e-5)


def test_occlusion_shows_how_far_it_is_only_on_a_terminal(capsys):
    vision.occlusion(linear([[1, 1]]), np.ones((1, 1, 1, 2), np.float32), size=1)
    assert capsys.readouterr() == ("", "")


# --- all of them ---------------------------------------------------------------------------------------

ALL = {
    "saliency": vision.saliency,
    "guided_backprop": vision.guided_backprop,
    "grad_cam": vision.grad_cam,
    "occlusion": vision.occlusion,
}
every = pytest.mark.parametrize("look", ALL.values(), ids=ALL)


def small():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(3, 4),
    )  # fmt: skip


@every
def test_everything_is_left_as_it_was(look):
    model = small().train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    F.cross_entropy(model(tg.randn(2, 1, 9, 9)), tg.tensor([0, 1])).backward()
    x = tg.randn(2, 1, 9, 9).requires_grad_()
    before = x.detach().numpy().copy()
    grads = [None if p.grad is None else p.grad.numpy().copy() for p in model.parameters()]
    modes = [m.training for m in model.modules()]
    state = {name: values.numpy().copy() for name, values in model.state_dict().items()}
    dice = tg.get_rng_state()
    with tg.no_grad():
        first = look(model, x)
    np.testing.assert_array_equal(look(model, x), first)  # dropout rests
    assert modes == [m.training for m in model.modules()]
    assert not any(m._hooks for m in model.modules())
    assert x.grad is None
    np.testing.assert_array_equal(x.detach().numpy(), before)
    assert tg.get_rng_state() == dice
    for p, g in zip(model.parameters(), grads, strict=True):
        np.testing.assert_array_equal(p.grad if p.grad is None else p.grad.numpy(), g)
    for name, values in model.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), state[name])


@every
def test_an_error_leaves_everything_as_it_was_too(look):
    model = small()
    with pytest.raises(ArgumentError):
        look(model, tg.randn(2, 1, 9, 9), 99)
    assert all(m.training and not m._hooks for m in model.modules())


@every
def test_the_preferred_class_is_taken_if_none_is_named(look):
    model, x = small(), tg.randn(4, 1, 9, 9)
    preferred = model.eval()(x).argmax(1)
    np.testing.assert_array_equal(look(model, x), look(model, x, preferred.tolist()))
    one = look(model, x[2:3], int(preferred[2]))
    np.testing.assert_allclose(look(model, x)[2:3], one, rtol=1e-4, atol=1e-6)


@every
def test_of_an_answer_for_each_pixel_the_sum_is_explained(look):
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 2, 1))
    x = tg.randn(1, 1, 8, 8)
    whole = nn.Sequential(model, nn.Flatten(2), Sum())
    np.testing.assert_allclose(look(model, x, 1), look(whole, x, 1), rtol=1e-4, atol=1e-6)


class Sum(nn.Module):
    def forward(self, x):
        return x.sum(2)


@every
def test_signals_and_volumes(look):
    for conv, size in ((nn.Conv1d, (9,)), (nn.Conv3d, (9, 8, 8))):
        model = nn.Sequential(conv(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
        assert look(model, tg.randn(2, 2, *size)).shape[-len(size) :] == size


IMAGES = np.ones((2, 1, 9, 9), np.float32)


class Returns(nn.Module):
    """What it was given, whatever the images."""

    def __init__(self, result):
        super().__init__()
        self.result = lambda: result

    def forward(self, x):
        return self.result()


@every
@pytest.mark.parametrize(
    ("model", "x", "target", "error", "sentence"),
    [
        (small(), IMAGES.astype(int), 0, DtypeError, "x is int64, and has no gradient; use .float()"),
        (small(), IMAGES[0, 0], 0, ShapeError, "x has shape (9, 9); expected images (n,"),
        (small(), IMAGES, 4, ArgumentError, "target 4, and the model has the classes 0 to 3"),
        (small(), IMAGES, -1, ArgumentError, "target -1, and the model has the classes 0 to 3"),
        (small(), IMAGES, 1.5, ArgumentError, "target is 1.5; give a class, or one for each of 2"),
        (small(), IMAGES, [1], ArgumentError, "target is [1]; give a class, or one for each of 2"),
        (Returns((1, 2)), IMAGES, 0, ShapeError, "the model returned tuple; expected"),
        (Returns(tg.ones(2)), IMAGES, 0, ShapeError, "the model returned (2,); expected"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(look, model, x, target, error, sentence):
    if look is vision.grad_cam and isinstance(model, Returns):
        model = nn.Sequential(nn.Conv2d(1, 1, 1), model)
    with pytest.raises(error, match=re.escape(sentence)):
        look(model, x, target)


X, PIXEL = IMAGES[:1], IMAGES[:1, :, :1, :1]


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: vision.saliency(Returns(tg.ones(1, 2)), X, 0), GraphError, "does not depend on x"),
        (lambda: vision.guided_backprop(linear([[1]]), PIXEL, 0), ArgumentError, "has no relu whose"),
        (lambda: vision.grad_cam(linear([[1]]), PIXEL), ArgumentError, "a convolution is none of the"),
        (lambda: vision.grad_cam(small(), X, 0, nn.ReLU()), ArgumentError, "ReLU() is none of the modules"),
        (lambda: vision.grad_cam(small(), X, 0, "conv"), ArgumentError, "Sequential has no module 'conv'"),
        (lambda: vision.grad_cam(Twice(), X, 0, "unused"), ArgumentError, "unused did not run"),
        (lambda: vision.grad_cam(small(), X, 0, "6"), ArgumentError, "the result of 6 is (1, 4), and has no"),
        (lambda: vision.occlusion(small(), X, 0, 10), ShapeError, "a patch (10, 10) is larger"),
        (lambda: vision.occlusion(small(), X, 0, 3, value=[0, 1]), ShapeError, "2 values for 1 channels"),
        (lambda: vision.occlusion(small(), X, 0, 0), ArgumentError, "size"),
        (lambda: vision.overlay(X[0], X[0]), ShapeError, "the map has shape (1, 9, 9); exp"),
    ],
)  # fmt: skip
def test_so_is_what_a_single_one_cannot_do(call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        call()


# --- maps over images ----------------------------------------------------------------------------------


def test_an_overlay_is_grey_where_the_map_is_0_and_coloured_by_sign_where_it_is_not():
    image = np.array([[0, 1, 2, 2]])
    found = vision.overlay(image, [[0, 0, 3, -1.5]], strength=1.0)
    half = 0.5 * np.array([0.9 * 255] * 3) + 0.5 * np.array([0x00, 0x72, 0xB2])
    assert found[0, :2].tolist() == [[51, 51, 51], [140, 140, 140]]
    assert found[0, 2].tolist() == [0xD5, 0x5E, 0x00]
    np.testing.assert_allclose(found[0, 3], half, atol=1)


def test_heat_maps_are_drawn_next_to_the_image(tmp_path):
    maps = {"saliency": np.ones((4, 4)), "grad-cam": np.ones((2, 2))}
    path = vision.heat_maps(np.random.default_rng(0).random((3, 8, 8)), maps, tmp_path / "maps.png")
    assert path.read_bytes().startswith(b"\x89PNG")
