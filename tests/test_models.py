"""The models are the known ones: their sizes, their keys, their initial weights; and they learn.

tests/parity/test_models_parity.py compares them with PyTorch.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.nn import functional as F

# What torchvision's documentation says of its models (with an aux_loss for the FCNs).
PARAMETERS = {
    "alexnet": 61_100_840,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "fcn_resnet50": 35_322_218,
    "fcn_resnet101": 54_314_346,
    "mobilenet_v2": 3_504_872,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "wide_resnet50_2": 68_883_240,
}
FUNCTIONS = [name for name in models.__all__ if name[0].islower()]


@pytest.fixture
def quick(monkeypatch):
    """Initial weights that repeat a few drawn numbers: drawing a hundred million takes seconds."""
    draw = np.random.default_rng(0)
    normal = draw.normal(size=4099).astype(np.float32)
    uniform = draw.random(4099, np.float32)

    def fill(tensor, values, scale, shift):
        flat = tensor.array.reshape(-1)
        for start in range(0, flat.size, values.size):
            flat[start : start + values.size] = values[: flat.size - start] * scale + shift
        return tensor

    monkeypatch.setattr(nn.init, "normal_", lambda t, mean=0.0, std=1.0, *_: fill(t, normal, std, mean))
    monkeypatch.setattr(nn.init, "uniform_", lambda t, a=0.0, b=1.0, *_: fill(t, uniform, b - a, a))


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_number_of_parameters_is_the_published_one(name, monkeypatch):
    for draw in ("normal_", "uniform_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *args: tensor)
    function = getattr(models, name)
    model = function(aux_loss=True) if name.startswith("fcn") else function()
    assert size(model) == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,} parameters" in function.__doc__


def test_the_papers_models_have_their_numbers_of_parameters():
    assert size(models.LeNet5()) == 61_706  # 156 + 2,416 + 48,120 + 10,164 + 850
    assert size(models.UNet(3, 2, width=8)) == 486_562  # 295,544 down, 191,000 up, 18 for the scores


# Some of torchvision's keys, and the shapes of their arrays.
KEYS = {
    "alexnet": {
        "features.0.weight": (64, 3, 11, 11),
        "features.10.bias": (256,),
        "classifier.1.weight": (4096, 9216),
        "classifier.6.bias": (1000,),
    },
    "vgg11": {
        "features.18.weight": (512, 512, 3, 3),
        "classifier.0.weight": (4096, 25088),
        "classifier.3.bias": (4096,),
    },
    "vgg16_bn": {
        "features.40.weight": (512, 512, 3, 3),
        "features.41.running_mean": (512,),
        "classifier.6.weight": (1000, 4096),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.num_batches_tracked": (),
        "layer1.1.bn2.running_var": (64,),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer2.0.downsample.1.bias": (128,),
        "fc.weight": (1000, 512),
    },
    "resnet50": {
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer3.5.conv3.weight": (1024, 256, 1, 1),
        "layer4.2.bn3.weight": (2048,),
        "fc.bias": (1000,),
    },
    "mobilenet_v2": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.running_mean": (16,),
        "features.2.conv.1.0.weight": (96, 1, 3, 3),
        "features.17.conv.3.bias": (320,),
        "features.18.1.num_batches_tracked": (),
        "classifier.1.weight": (1000, 1280),
    },
    "squeezenet1_0": {
        "features.0.weight": (96, 3, 7, 7),
        "features.3.squeeze.weight": (16, 96, 1, 1),
        "features.12.expand3x3.bias": (256,),
        "classifier.1.weight": (1000, 512, 1, 1),
    },
    "squeezenet1_1": {
        "features.0.weight": (64, 3, 3, 3),
        "features.6.expand1x1.weight": (128, 32, 1, 1),
        "features.12.squeeze.bias": (64,),
    },
    "densenet121": {
        "features.conv0.weight": (64, 3, 7, 7),
        "features.denseblock1.denselayer6.norm1.weight": (224,),
        "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
        "features.transition3.conv.weight": (512, 1024, 1, 1),
        "features.norm5.running_var": (1024,),
        "classifier.weight": (1000, 1024),
    },
    "fcn_resnet50": {
        "backbone.conv1.weight": (64, 3, 7, 7),
        "backbone.layer4.2.bn3.bias": (2048,),
        "classifier.0.weight": (512, 2048, 3, 3),
        "classifier.1.running_mean": (512,),
        "classifier.4.weight": (21, 512, 1, 1),
        "aux_classifier.0.weight": (256, 1024, 3, 3),
        "aux_classifier.4.bias": (21,),
    },
}
LENGTHS = {
    "alexnet": 16, "vgg11": 22, "vgg16_bn": 97, "resnet18": 122, "resnet50": 320, "mobilenet_v2": 314,
    "squeezenet1_0": 52, "squeezenet1_1": 52, "densenet121": 727, "fcn_resnet50": 334,
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_the_state_has_torchvisions_keys(name, quick):
    function = getattr(models, name)
    state = (function(aux_loss=True) if name.startswith("fcn") else function()).state_dict()
    assert {key: state[key].shape for key in KEYS[name]} == KEYS[name]
    assert len(state) == LENGTHS[name]


def test_all_keys_of_a_squeezenet():
    expected = ["features.0"]
    for fire in (3, 4, 6, 7, 9, 10, 11, 12):
        expected += [f"features.{fire}.{part}" for part in ("squeeze", "expand1x1", "expand3x3")]
    expected.append("classifier.1")
    keys = list(models.squeezenet1_1().state_dict())
    assert keys == [f"{path}.{name}" for path in expected for name in ("weight", "bias")]


# --- initial weights -------------------------------------------------------------------------------

DEVIATIONS = [
    ("resnet18", "conv1.weight", math.sqrt(2 / (64 * 49))),  # He's, by fan_out
    ("resnet18", "layer4.0.conv2.weight", math.sqrt(2 / (512 * 9))),
    ("resnet18", "fc.weight", 1 / math.sqrt(3 * 512)),  # uniform in +-1 / sqrt(512)
    ("mobilenet_v2", "features.18.0.weight", math.sqrt(2 / 1280)),
    ("mobilenet_v2", "features.2.conv.1.0.weight", math.sqrt(2 / (96 * 9))),  # depthwise: fan_out is 9 o
    ("mobilenet_v2", "classifier.1.weight", 0.01),
    ("densenet121", "features.conv0.weight", math.sqrt(2 / (3 * 49))),  # by fan_in
    ("densenet121", "classifier.weight", 1 / math.sqrt(3 * 1024)),
    ("squeezenet1_1", "features.3.squeeze.weight", math.sqrt(2 / 64)),  # uniform, of the same deviation
    ("squeezenet1_1", "classifier.1.weight", 0.01),
]


@pytest.mark.parametrize(("name", "key", "deviation"), DEVIATIONS)
def test_weights_begin_with_the_deviation_of_torchvisions(name, key, deviation):
    weight = getattr(models, name)().state_dict()[key].numpy()
    # the deviation of n draws is known to about 1 / sqrt(2 n)
    assert abs(weight.std() / deviation - 1) < 5 / math.sqrt(weight.size)
    assert abs(weight.mean()) < 5 * deviation / math.sqrt(weight.size)


def test_vggs_begin_with_he_and_small_dense_layers(monkeypatch):
    asked = []
    monkeypatch.setattr(nn.init, "uniform_", lambda tensor, *args: tensor)
    monkeypatch.setattr(nn.init, "normal_", lambda tensor, mean, std, *_: asked.append((tensor.shape, std)))
    models.vgg11()
    assert asked[0] == ((64, 3, 3, 3), pytest.approx(math.sqrt(2 / (64 * 9))))
    assert asked[8:] == [((4096, 25088), 0.01), ((4096, 4096), 0.01), ((1000, 4096), 0.01)]
    models.vgg11(init_weights=False)
    assert len(asked) == 11


@pytest.mark.parametrize("name", ["mobilenet_v2", "squeezenet1_0"])
def test_biases_of_convolutions_and_dense_layers_begin_at_0(name):
    state = getattr(models, name)().state_dict()
    biases = [key for key in state if key.endswith("bias")]
    assert biases and not any(state[key].numpy().any() for key in biases)


@pytest.mark.parametrize(("name", "last"), [("resnet18", "bn2"), ("resnet50", "bn3")])
def test_zero_init_residual_lets_blocks_begin_as_the_identity(name, last, quick):
    for zero in (True, False):
        model = getattr(models, name)(zero_init_residual=zero)
        weight = model.get_parameter(f"layer2.1.{last}.weight")
        assert not weight.detach().numpy().any() if zero else weight.detach().numpy().all()
    x = tg.rand(1, model.layer2[1].conv1.weight.shape[1], 4, 4)
    nn.init.zeros_(weight)
    assert (model.layer2[1](x) == x).all()


# --- use -------------------------------------------------------------------------------------------

SMALL = {
    "alexnet": 63, "densenet121": 32, "mobilenet_v2": 32, "resnet18": 32, "resnet50": 32, "squeezenet1_0": 32,
    "squeezenet1_1": 32, "vgg11": 32, "vgg16_bn": 32,
}  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_small_images_and_few_classes(name, quick):
    model = getattr(models, name)(weights=None, progress=False, num_classes=5).eval()
    with tg.no_grad():
        out = model(tg.rand(2, 3, SMALL[name], SMALL[name] + 3))
    assert out.shape == (2, 5) and out.dtype == tg.float32
    assert np.isfinite(out.numpy()).all() and out.numpy().std() > 0


def test_an_image_that_vanishes_on_the_way_is_refused_and_the_place_named():
    with pytest.raises(ShapeError, match=r"LeNet5\.fc1 \(Linear\): .* 400"):
        models.LeNet5()(tg.zeros(1, 1, 32, 32))
    with pytest.raises(ShapeError, match=r"SqueezeNet\.features\.\d+ \(MaxPool2d\)"):
        models.squeezenet1_1()(tg.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("make", "shape", "rate"),
    [
        (models.LeNet5, (8, 1, 28, 28), 1e-3),
        (lambda: models.ResNet(models.BasicBlock, (1, 1, 1, 1), num_classes=10), (8, 3, 16, 16), 1e-3),
        (
            lambda: models.MobileNetV2(10, 0.25, [(1, 8, 1, 1), (6, 8, 2, 2)], dropout=0.0),
            (8, 3, 16, 16),
            1e-2,
        ),
        (lambda: models.DenseNet(4, (2, 2), 8, 2, drop_rate=0.1, num_classes=10), (8, 3, 16, 16), 1e-2),
        (lambda: models.SqueezeNet("1_1", 10, dropout=0.0), (8, 3, 24, 24), 1e-3),
    ],
)
def test_they_learn_eight_images_by_heart(make, shape, rate):
    model, x, y = make(), tg.randn(*shape), tg.arange(8)
    optimizer = tg.optim.Adam(model.parameters(), lr=rate)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_dilation_keeps_the_images_of_the_last_stages_large(quick):
    plain = models.resnet50()
    spread = models.resnet50(replace_stride_with_dilation=[False, True, True])
    assert plain.state_dict().keys() == spread.state_dict().keys()
    body = models.IntermediateLayerGetter(spread, {"layer4": "out"}).eval()
    with tg.no_grad():
        assert body(tg.zeros(1, 3, 64, 64))["out"].shape == (1, 2048, 8, 8)
        body = models.IntermediateLayerGetter(plain, {"layer4": "out", "layer2": "middle"}).eval()
        shapes = {name: out.shape for name, out in body(tg.zeros(1, 3, 64, 64)).items()}
    assert shapes == {"middle": (1, 512, 8, 8), "out": (1, 2048, 2, 2)}
    assert list(body) == ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]


def test_a_unet_scores_every_pixel_of_images_of_any_size():
    model = models.UNet(2, 3, width=4, depth=3)
    for height, width in ((8, 8), (9, 15), (31, 16)):
        assert model(tg.randn(2, 2, height, width)).shape == (2, 3, height, width)


def test_fcn_scores_every_pixel(quick):
    model = models.fcn_resnet50(num_classes=4, aux_loss=True)
    out = model(tg.rand(2, 3, 33, 40))
    assert {name: scores.shape for name, scores in out.items()} == {
        "out": (2, 4, 33, 40),
        "aux": (2, 4, 33, 40),
    }
    assert list(models.fcn_resnet50(num_classes=4).eval()(tg.rand(1, 3, 33, 40))) == ["out"]


# --- refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_weights_are_refused_before_the_work_with_the_cure(name):
    with pytest.raises(ArgumentError, match=rf"^{name}: weights='DEFAULT' .*load_state_dict"):
        getattr(models, name)(weights="DEFAULT")


def test_nonsense_is_refused():
    with pytest.raises(ArgumentError, match="weights_backbone='DEFAULT'"):
        models.fcn_resnet50(weights_backbone="DEFAULT")
    with pytest.raises(ArgumentError, match="version '2' is unknown; use '1_0' or '1_1'"):
        models.SqueezeNet("2")
    with pytest.raises(ArgumentError, match="use Bottleneck"):
        models.resnet18(groups=2)
    with pytest.raises(ArgumentError, match="four stages"):
        models.resnet50(replace_stride_with_dilation=[True])
    with pytest.raises(ArgumentError, match=r"has layer5; the children of ResNet are conv1, bn1"):
        models.IntermediateLayerGetter(models.ResNet(models.BasicBlock, (1, 1, 1, 1)), {"layer5": "out"})
    with pytest.raises(TypeError, match="pretrained"):
        models.vgg11(pretrained=True)
