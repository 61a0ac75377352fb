"""docs/pytorch.md, written from what the tests of this directory compare and from where they say we differ.

    python tests/parity/pytorch_page.py

test_coverage.py holds the page to it.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"

# Of what PyTorch has and we have not: what it is, and whole names of it as regular expressions.
LEFT_OUT: dict[str, str] = {
    "recurrent networks": r"(quantized_)?(gru|lstm|rnn)(base|_?cell(base)?|_relu|_tanh|_(relu|tanh)_cell)?",
    "other devices and processes": (
        r".*(cuda|cudnn|miopen|mkldnn|vulkan|autocast|xla|ipu|mtia|maia|mps|meta|xpu|pin_|pinned|distributed).*"
        r"|record_stream|dataparallel|syncbatchnorm|share_memory_|is_shared|get_device(_module)?"
        r"|[gs]et_(default_device|num_interop_threads)|init_num_threads"
    ),
    "complex numbers and spectra": (
        r".*(conj|complex).*|angle|real|imag|isreal|m?h|c(double|float|half)|polar|i?stft|\w+_window"
        r"|resolve_neg|is_neg|view_as_real\w*"
    ),
    "sparse, quantized and nested tensors": (
        r".*(sparse|quanti[sz]|coalesce|fbgemm|fake_quant|dense|padded_tensor|nested|qscheme|saddmm|scaled_mm).*"
        r"|q_\w+|c?(col|row)_indices(_copy)?|crow_indices(_copy)?|int_repr|(indices|values)(_copy)?|[dh]?smm|h?spmm"
        r"|sspaddmm|choose_qparams_optimized|(scaled_)?grouped_mm"
    ),
    "decompositions and functions of matrices": (
        r"cholesky\w*|eig\w*|lu\w*|ldl_\w+|qr|svd\w*|geqrf|or[gm]qr|householder_product|lobpcg|\w*lstsq|symeig"
        r"|matrix_(exp|power|rank)|pinv\w*|(inv|solve)_ex|\w*solve\w*|pca_lowrank|cond|tensorinv|vander|chain_matmul"
        r"|nuclear_norm|cross|cov|corrcoef"
    ),
    "mathematics beyond networks": (
        r"\w*gamma\w*|i0_?|erf(c|inv)_?|sinc_?|xlogy_?|gcd_?|lcm_?|frexp|ldexp_?|nextafter_?|copysign_?|sgn_?|signbit"
        r"|(deg2rad|rad2deg)_?|heaviside_?|float_power_?|fm(ax|in)|logaddexp2|binomial|(cumulative_)?trap(ezoid|z)"
        r"|(cauchy|exponential|geometric|log_normal)_|gradient|histogram(dd)?|combinations|isin|renorm_?"
    ),
    "second names, and the functions underneath": (
        r"arc\w+|absolute_?|(multiply|divide|subtract|negative|true_divide|fix|clip|not_equal)_?|positive|row_stack"
        r"|(greater|less)(_equal)?_?|ger|moveaxis|range|upsample\w*|\w+_with_indices|\w+_copy|unsafe_\w+|nllloss2d"
        r"|split_with_sizes|container|constant|dirac|eye|(kaiming|xavier)_\w+|normal|orthogonal|uniform|clip_grad_norm"
        r"|frobenius_norm|slice_(inverse|scatter)|constant_pad_nd|grid_sampler\w*|affine_grid_generator|convolution"
        r"|native_\w+|batch_norm_\w+|norm_except_dim|embedding_renorm_|feature_dropout_?|rsub|fill|index|new|put_?"
        r"|multi_head_attention_forward"
    ),
    "compilers, data pipes and inner matters": (
        r"sym_\w+|\w*datapipe\w*|datachunk|\w*determini\w*|compile\w*|cond|while_loop|vmap|fork|wait|parse_\w+"
        r"|\w*torch_function\w*|boolean_dispatch|assert_int_or_pair|import_ir_\w+|\w*storage\w*|(const_)?data_ptr"
        r"|as_subclass|is_set_to|set_|resize\w*|module_load|name|volatile|reinforce|map2?_|apply_|layout|output_nr"
        r"|dim_order|grad_dtype|hash_tensor|is_inference\w*|\w*anomaly\w*|\w*warn_always\w*|typename|unify_type_list"
        r"|merge_type_\w+|thread_safe_generator|get_file_path|compiled_with_\w+|classproperty|prepare_\w+|init"
        r"|profiler_\w+|[gs]et_float32_matmul_precision|set_flush_denormal|set_default_tensor_type|common_notes"
        r"|\w+_validation\w*|guaranteed_\w+|swap_in_\w+|convert_\w+|fused_\w+|from_file|frombuffer|(from|to)_dlpack"
        r"|empty_(permuted|strided)|new_empty_strided|as_strided\w*|mod_\w*|functionalize|linearize|debug_\w+"
        r"|stack_module_state|functional_call|jac(fwd|rev)|hessian|jvp|vjp|grad(_and_value)?|replace_all_\w+"
    ),
}

# What a namespace of PyTorch offers besides its own names.
FOREIGN = re.compile(
    r"Any|Callable|Counter|Literal|Optional|ParamSpec|PARAM_LIST|Self|SupportsFloat|Tensor|TYPE_CHECKING|TypedDict|TypeVar"
    r"|EPOCH_DEPRECATION_WARNING|annotations|bisect_right|cast|deepcopy|inf|itertools|math|override|partial|ref|torch|types"
    r"|warnings|wraps|LinAlgError|Module\w*|Optimizer|Enum|auto|OpaqueBase|Parameter|Sequence|contextmanager|is_\w+"
    r"|get_swap_\w+|rearrange"
)


def theirs(place: Any, namespace: str) -> list[str]:
    """What PyTorch offers there: functions and classes, and of the Tensor all that is public."""
    names = [n for n in dir(place) if not n.startswith("_")]
    if namespace == "Tensor":
        return names
    if namespace in ("", "nn.functional"):  # without classes, which are types and modes
        names = [n for n in names if not inspect.isclass(getattr(place, n))]
    if namespace == "nn":
        names = [n for n in names if inspect.isclass(getattr(place, n))]
    return [n for n in names if callable(getattr(place, n)) and not (namespace and FOREIGN.fullmatch(n))]


def why(name: str, namespace: str) -> str:
    """Under which heading a name is left out."""
    from parity.test_coverage import public

    if not namespace and name in public("nn.functional") | public("Tensor") | public("nn.init"):
        return "there, in `nn.functional` or as a method"
    found = (reason for reason, names in LEFT_OUT.items() if re.fullmatch(names, name, re.IGNORECASE))
    return next(found, "seldom used by CNNs, or not there yet")


def coverage() -> str:
    """Per namespace: what is compared with PyTorch, and what is left out and why."""
    import torch
    from parity.test_coverage import NAMESPACES, at, covered, public

    parts = []
    for namespace, path in NAMESPACES.items():
        if namespace in ("nn.parameter", "nn.utils.stateless"):  # which are at home elsewhere
            continue
        same = sorted(covered(namespace))
        left: dict[str, list[str]] = {}
        for name in theirs(at(torch, path), namespace):
            if name not in public(namespace):
                left.setdefault(why(name, namespace), []).append(name)
        title = f"`{namespace}`" if namespace else "The package itself"
        parts += [f"### {title}", "", f"{len(same)} compared: {_code(same)}.", ""]
        if left:
            parts += [f'<details markdown="1"><summary>{sum(map(len, left.values()))} left out</summary>', ""]
            parts += [f"- {reason}: {_code(left[reason])}" for reason in sorted(left)]
            parts += ["", "</details>", ""]
    return "\n".join(parts).strip()


def differences() -> str:
    """The table of where we differ on purpose."""
    from parity.test_differences import DIFFERENCES

    rows = [f"| {what} | {d.here} | {d.there} | {d.why} |" for what, d in DIFFERENCES.items()]
    return "\n".join(["| What | Here | In PyTorch | Why |", "|---|---|---|---|", *rows])


def page() -> str:
    """All of docs/pytorch.md."""
    template = Template((DOCS / "pytorch.md.in").read_text(encoding="utf-8"))
    return template.substitute(coverage=coverage(), differences=differences())


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
    (DOCS / "pytorch.md").write_text(page(), encoding="utf-8")
