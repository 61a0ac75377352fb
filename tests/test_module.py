"""Module: what is found by looking, what is saved, what is said where."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, DtypeError, ShapeError, StateDictError


class Scale(nn.Module):
    def __init__(self, n: int = 2):
        super().__init__()
        self.weight = nn.Parameter(tg.ones(n))

    def forward(self, x):
        return x * self.weight


class Tree(nn.Module):
    """Modules and parameters in every place where they can be held."""

    def __init__(self):
        super().__init__()
        self.child = Scale()
        self.own = nn.Parameter(tg.zeros(1))
        self.pair = [Scale(), Scale()]
        self.named = {"a": Scale(), "b": [nn.Parameter(tg.zeros(3))]}
        self.nothing = None
        self.number = 3
        self.register_buffer("seen", tg.zeros(2))
        self.register_buffer("scratch", tg.zeros(2), persistent=False)
        self.register_buffer("absent", None)


def test_parameters_are_found_in_attributes_lists_and_dicts_own_ones_first():
    assert [name for name, _ in Tree().named_parameters()] == [
        "own", "named.b.0", "child.weight", "pair.0.weight", "pair.1.weight", "named.a.weight",
    ]  # fmt: skip


def test_children_and_modules():
    tree = Tree()
    assert [name for name, _ in tree.named_children()] == ["child", "pair.0", "pair.1", "named.a"]
    assert [name for name, _ in tree.named_modules()] == ["", "child", "pair.0", "pair.1", "named.a"]
    assert tree.get_submodule("pair.1") is tree.pair[1]
    assert tree.get_parameter("named.a.weight") is tree.named["a"].weight
    assert tree.get_parameter("named.b.0") is tree.named["b"][0] and tree.get_submodule("") is tree
    with pytest.raises(ArgumentError, match=r"no module 'pair\.7'"):
        tree.get_submodule("pair.7")
    for target in ("own", "child.weight", "child.", None):
        with pytest.raises(ArgumentError, match="get_submodule: Tree has no module"):
            tree.get_submodule(target)
    with pytest.raises(ArgumentError, match="get_parameter: Tree has no parameter 'child'"):
        tree.get_parameter("child")


def test_a_path_is_followed_not_searched_for():
    model = nn.Sequential(*(nn.Sequential(Scale()) for _ in range(9)))
    looked = []
    for module in list(model.modules()):
        module._parts = lambda m=module: looked.append(m) or nn.Module._parts(m)
    assert model.get_parameter("8.0.weight") is model[8][0].weight
    assert looked == [model, model[8], model[8][0]]


def test_an_assignment_is_plain_python():
    model = nn.Sequential(Scale(), Scale())
    new = Scale()
    setattr(model, "1", new)
    assert list(model)[1] is new
    del model[0]
    assert len(model) == 1 and list(model.state_dict()) == ["0.weight"]


def test_shared_parameters_count_once_and_are_saved_twice():
    model = nn.Sequential(Scale(), Scale())
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 1
    assert list(model.state_dict()) == ["0.weight", "1.weight"]
    shared = Scale()
    model = nn.Sequential(shared, shared)
    assert len(list(model.modules())) == 2 and list(model.state_dict()) == ["0.weight", "1.weight"]


def test_a_module_that_holds_its_parent_ends():
    model = nn.Sequential(Scale())
    model[0].parent = model
    assert [name for name, _ in model.named_parameters()] == ["0.weight"]
    assert list(model.state_dict()) == ["0.weight"]


def test_buffers():
    tree = Tree()
    assert [name for name, _ in tree.named_buffers()] == ["seen", "scratch"]
    assert "seen" in tree.state_dict() and "scratch" not in tree.state_dict()
    tree.seen = tree.seen + 1
    assert tree.state_dict()["seen"].tolist() == [1, 1]
    assert not any(name == "seen" for name, _ in tree.named_parameters())


def test_state_dict_shares_memory_and_loads_by_copying():
    a, b = Tree(), Tree()
    with tg.no_grad():
        for p in a.parameters():
            p.add_(7)
    state = a.state_dict()
    held = b.child.weight
    b.load_state_dict(state)
    assert b.child.weight is held and held.tolist() == [8, 8]
    with tg.no_grad():
        a.child.weight.zero_()
    assert state["child.weight"].tolist() == [0, 0] and held.tolist() == [8, 8]


def test_load_names_every_missing_unexpected_and_misshaped_key_and_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    wrong = {
        "0.weight": np.zeros((3, 5)),
        "0.bias": np.ones(3),
        "extra.one": np.zeros(1),
        "1.bias": np.zeros(1),
    }
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(wrong)
    for said in ("1.weight", "extra.one", "0.weight", "(3, 5)", "(3, 2)", "Sequential"):
        assert said in str(caught.value)
    for key, value in model.state_dict().items():
        assert (value == before[key]).all()
    with pytest.raises(StateDictError, match=r"0\.weight"):  # a wrong shape raises even when not strict
        model.load_state_dict(wrong, strict=False)
    del wrong["0.weight"]
    result = model.load_state_dict(wrong, strict=False)
    assert result.missing_keys == ["0.weight", "1.weight"] and result.unexpected_keys == ["extra.one"]
    assert model[0].bias.tolist() == [1, 1, 1]


def test_train_eval_apply_and_requires_grad():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm2d(1)))
    assert all(m.training for m in model.modules())
    assert not any(m.training for m in model.eval().modules())
    order = []
    model.apply(lambda m: order.append(type(m).__name__))
    assert order == ["Dropout", "BatchNorm2d", "Sequential", "Sequential"]
    assert not any(p.requires_grad for p in model.requires_grad_(False).parameters())


def test_to_dtype_keeps_the_parameters_and_leaves_counters_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    held = list(model.parameters())
    model(tg.randn(2, 1, 5, 5)).sum().backward()
    model.double()
    assert all(a is b for a, b in zip(held, model.parameters(), strict=True))
    assert {p.dtype for p in held} == {p.grad.dtype for p in held} == {np.dtype(np.float64)}
    assert model[1].num_batches_tracked.dtype == np.int64 and model[1].running_mean.dtype == np.float64
    assert model(tg.randn(2, 1, 5, 5).double()).dtype == np.float64
    assert model.to(device="cpu", dtype=tg.float32, non_blocking=True) is model
    assert {p.dtype for p in held} == {np.dtype(np.float32)}
    with pytest.raises(ArgumentError, match="stay floats"):
        model.to(tg.int64)
    with pytest.raises(tg.errors.Error):
        model.to(device="cuda")


def test_zero_grad():
    model = Scale()
    model(tg.ones(2)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad.tolist() == [0, 0]
    model.zero_grad()
    assert model.weight.grad is None


def test_hooks_see_and_replace():
    model, seen = Scale(), []
    first = model.register_forward_pre_hook(lambda m, args: seen.append(len(args)))
    model.register_forward_pre_hook(lambda m, args: args[0] + 1)
    with model.register_forward_hook(lambda m, args, out: out * 10):
        assert model(tg.zeros(2)).tolist() == [10, 10]
    first.remove()
    assert model(tg.zeros(2)).tolist() == [1, 1] and seen == [1]
    assert not Scale()._hooks, "hooks of one module must not reach another"
    with pytest.raises(DtypeError, match="forward hook: None cannot be called; pass a function"):
        model.register_forward_hook(None)


def test_errors_say_which_module():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
            self.fc = nn.Linear(10, 2)

        def forward(self, x):
            return self.fc(self.features(x).flatten(1))

    with pytest.raises(ShapeError, match=r"^Net\.features\.0 \(Conv2d\): .*x has 2 channels.*expects 1"):
        Net()(tg.zeros(1, 2, 8, 8))
    wanted = r"^Net\.fc \(Linear\): x has 144 features, weight expects 10 .*use Linear\(144, 2\)$"
    with pytest.raises(ShapeError, match=wanted):
        Net()(tg.zeros(1, 1, 8, 8))
    with pytest.raises(NotImplementedError, match="Forgot does not define forward"):
        type("Forgot", (nn.Module,), {})()(1)


def test_the_scope_is_left_after_an_error():
    with pytest.raises(ShapeError):
        nn.Linear(2, 2)(tg.zeros(1, 3))
    x = tg.ones(1, requires_grad=True)
    assert (x + 1).grad_fn.scope is None


def test_scopes_do_not_keep_a_module_alive_and_modules_may_keep_their_outputs():
    class Keeps(Scale):
        def forward(self, x):
            self.last = super().forward(x)
            return self.last

    gc.disable()
    try:
        model = Keeps()
        watch, out = weakref.ref(model), model(tg.ones(2))
        assert out.grad_fn.scope.path == "Keeps"
        del model
        assert watch() is None
        assert out.grad_fn.scope.path == "Keeps"
    finally:
        gc.enable()


def test_repr_reads_like_pytorchs():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n"
        "  )\n"
        ")"
    )


def test_copies_are_independent():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert list(twin.state_dict()) == list(model.state_dict())
        with tg.no_grad():
            twin[0].weight.fill_(5.0)
        assert (model[0].weight != 5.0).all()
        assert all(p.requires_grad for p in twin.parameters())


def test_sequential_and_lists():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    model = nn.Sequential({"first": a, "second": b})
    assert model[0] is a and model[-1] is b and list(model[1:].named_children()) == [("second", b)]
    many = nn.ModuleList([a]).append(b).extend([c])
    many.insert(0, c)
    assert list(many) == [c, a, b, c] and many[1:3][0] is a
    many[0] = a
    assert list(many) == [a, a, b, c]
    with pytest.raises(ArgumentError, match="is no Module"):
        nn.Sequential(tg.Tensor.relu)


def test_module_dict():
    parts = nn.ModuleDict({"a": Scale()})
    parts["b"] = Scale(3)
    assert list(parts) == ["a", "b"] and "a" in parts and len(parts) == 2
    assert list(parts.state_dict()) == ["a.weight", "b.weight"]
    del parts["a"]
    assert list(parts.keys()) == ["b"]
    with pytest.raises(ArgumentError, match="'forward' is the name of a method"):
        parts["forward"] = Scale()


def test_graph_names_the_modules():
    dot = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).graph(tg.ones(1, 2)).dot
    assert "Sequential" in dot and "Linear" in dot and "3×2" in dot


class Hidden(nn.Module):
    """Names with an underscore: parts are found, lists stay closed."""

    def __init__(self):
        super().__init__()
        self._layer = Scale()
        self._weight = nn.Parameter(tg.ones(1))
        self._others = [Scale()]


def test_names_with_an_underscore():
    assert [name for name, _ in Hidden().named_parameters()] == ["_weight", "_layer.weight"]


def test_a_module_without_hooks_goes_the_short_way():
    model = Scale()
    handles = [
        model.register_forward_hook(lambda m, args, out: None),
        model.register_forward_pre_hook(lambda m, args: None),
        model.register_full_backward_hook(lambda m, grad_input, grad_output: None),
        model.register_full_backward_pre_hook(lambda m, grad_output: None),
    ]
    for handle in handles:
        assert model._hooks
        handle.remove()
    assert not model._hooks


def test_a_hook_of_loading_does_not_soften_a_wrong_shape():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    with pytest.raises(StateDictError, match="nothing was loaded"):
        model.load_state_dict({"0.weight": np.ones((3, 2)), "1.weight": np.ones((2, 2))})
    assert all((value == before[key]).all() for key, value in model.state_dict().items())
    model.load_state_dict({"0.weight": np.ones((3, 2))})
    assert (model[0].weight == 1).all()


def test_loading_into_a_lazy_model_is_all_or_nothing():
    model = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 2))
    with pytest.raises(StateDictError):
        model.load_state_dict({"0.weight": np.ones((2, 5)), "1.weight": np.ones((9, 9))}, strict=False)
    assert model[0].has_uninitialized_params()
    model.load_state_dict({"0.weight": np.ones((2, 5))}, strict=False)
    assert model[0].weight.shape == (2, 5)
    assert model(tg.ones(1, 5)).shape == (1, 2) and repr(model[0]).startswith("Linear(in_features=5")


def test_values_are_assigned_in_lists_as_well():
    tree = Tree()
    state = {key: value.double() + 1 for key, value in tree.state_dict().items()}
    tree.load_state_dict(state, assign=True)
    assert tree.own.dtype == np.float64 and tree.pair[0].weight.tolist() == [2, 2]
    assert tree.named["b"][0].tolist() == [1, 1, 1] and isinstance(tree.named["b"][0], nn.Parameter)


def test_functional_call_reaches_lists():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = [Scale(1), nn.Parameter(tg.ones(1))]

        def forward(self, x):
            return self.parts[0](x) + self.parts[1]

    model = Sum()
    out = tg.func.functional_call(
        model, {"parts.0.weight": tg.full((1,), 3.0), "parts.1": tg.ones(1) * 4}, tg.ones(1)
    )
    assert out.item() == 7 and model(tg.ones(1)).item() == 2


def test_backward_hooks_of_a_part_do_not_keep_the_graph_alive():
    model = nn.Sequential(Scale(), Scale())
    model[1].register_full_backward_hook(lambda m, grad_input, grad_output: None)
    gc.disable()
    try:
        out = model(tg.ones(2, requires_grad=True))
        watch = weakref.ref(out.grad_fn)
        del out
        assert watch() is None
    finally:
        gc.enable()


def test_copies_of_parametrized_modules_go_their_own_way():
    parametrize = nn.utils.parametrize
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    twin, other = copy.deepcopy(layer), nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear and type(twin) is type(other) and isinstance(twin, nn.Linear)
    assert (twin.weight == layer.weight).all() and isinstance(layer.weight, nn.Parameter)
    with tg.no_grad():
        twin.weight = tg.ones(2, 2)
    assert ((twin.weight - 1).abs() < 1e-6).all() and other.weight.shape == (3, 3)
    assert "weight" not in vars(nn.Linear)


def test_lazy_parameters_say_what_to_do():
    with pytest.raises(ArgumentError, match="run the model on one batch first"):
        sum(p.numel() for p in nn.LazyLinear(3).parameters())


def test_looking_leaves_nothing_behind():
    """No circle that only the garbage collector could free."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2)))
    gone = weakref.ref(model)
    gc.disable()
    try:
        list(model.named_modules()), list(model.parameters()), list(model.buffers()), model.state_dict()
        model.train().zero_grad()
        model._modules, model._parameters, model._buffers
        del model
        assert gone() is None
    finally:
        gc.enable()
