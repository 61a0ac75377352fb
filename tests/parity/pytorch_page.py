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
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"

# Of what PyTorch has and we have not: what it is, and whole names of it as regular expressions.
LEFT_OUT: dict[str, str] = {
    "recurrent networks": r"(quantized_)?(GRU|LSTM|RNN|gru|lstm|rnn)(Base|_?[Cc]ell(Base)?|_relu|_tanh|_(relu|tanh)_cell)?|rnn",
    "other devices and processes": (
        r".*(cuda|cudnn|miopen|mkldnn|vulkan|autocast|xla|ipu|mtia|maia|mps|meta|xpu|pin|hpu).*|record_stream"
        r"|DataParallel|SyncBatchNorm|Distributed\w*|share_memory_|is_distributed|is_shared|get_device(_module)?"
        r"|[gs]et_default_device|[gs]et_num_interop_threads|init_num_threads"
    ),
    "complex numbers and spectra": (
        r".*conj.*|.*complex.*|angle|real|imag|isreal|[mH]H|H|c(double|float|half)|polar|i?stft|\w+_window"
        r"|resolve_neg|is_neg|view_as_real\w*"
    ),
    "sparse, quantized and nested tensors": (
        r".*(sparse|quanti[zs]|coalesce|fbgemm|fake_quant|dense|padded_tensor|nested|qscheme|hsmm|spmm|saddmm).*"
        r"|q_\w+|\w+_indices(_copy)?|c?c?r?ow_indices|int_repr|indices(_copy)?|values(_copy)?|smm|dsmm|(h|s)spmm|sspaddmm"
        r"|choose_qparams_optimized|SparseAdam|scaled_(grouped_)?mm|grouped_mm"
    ),
    "decompositions and functions of matrices": (
        r"cholesky\w*|eig\w*|lu\w*|ldl_\w+|qr|svd\w*|geqrf|or[gm]qr|householder_product|lobpcg|\w*lstsq|symeig"
        r"|matrix_(exp|power|rank)|pinv\w*|inv(_ex)?|inverse|solve(_ex|_triangular)?|triangular_solve|pca_lowrank|cond"
        r"|tensor(inv|solve)|vander|chain_matmul|multi_dot|(log|slog)?det|nuclear_norm|vecdot|cross|cov|corrcoef"
    ),
    "functions of mathematics beyond networks": (
        r"\w*gamma\w*_?|i0_?|erf(c|inv)_?|sinc_?|xlogy_?|polygamma_?|gcd_?|lcm_?|frexp|ldexp_?|nextafter_?|logit_?"
        r"|(deg2rad|rad2deg)_?|copysign_?|sgn_?|signbit|heaviside_?|float_power_?|fm(ax|in)|hypot_?|logaddexp2"
        r"|(cauchy|exponential|geometric|log_normal)_|binomial|trapezoid|trapz|cumulative_trapezoid|gradient"
        r"|histogram(dd)?|combinations|isin|bitwise_(left|right)_shift_?"
    ),
    "second names for what is there": (
        r"arc\w+|a(bsolute|rc\w+)_?|(multiply|divide|subtract|negative|true_divide|fix|clip|not_equal)_?|positive|row_stack"
        r"|(greater|less)(_equal)?_?|ger|moveaxis|range|concat\w*|upsample\w*|\w+_with_indices|\w+_copy|unsafe_\w+"
        r"|split_with_sizes|NLLLoss2d|Container|constant|dirac|kaiming_\w+|xavier_\w+|normal|orthogonal|sparse|uniform"
        r"|clip_grad_norm|frobenius_norm|slice_(inverse|scatter)|(h|v|d)split|constant_pad_nd|grid_sampler\w*"
        r"|affine_grid_generator|convolution|native_\w+|batch_norm_\w+|norm_except_dim|embedding_renorm_|feature_dropout_?"
        r"|rsub|swap(axes|dims)_?|msort|nelement|ndimension"
    ),
    "compilers, data pipes and inner matters": (
        r"sym_\w+|\w*datapipe\w*|\w+DataPipe|DataChunk|\w*[dD]etermini\w*|compile\w*|cond|while_loop|vmap|fork|wait|parse_\w+"
        r"|handle_torch_function|has_torch_function\w*|boolean_dispatch|assert_int_or_pair|import_ir_\w+|\w*storage\w*"
        r"|data_ptr|const_data_ptr|as_subclass|is_set_to|set_|resize\w*|module_load|name|volatile|reinforce|map2?_|apply_"
        r"|layout|output_nr|new|dim_order|grad_dtype|hash_tensor|is_inference\w*|\w*anomaly\w*|\w*warn_always\w*"
        r"|typename|unify_type_list|merge_type_\w+|thread_safe_generator|get_file_path|compiled_with_\w+|classproperty"
        r"|prepare_\w+|profiler_\w+|(get|set)_float32_matmul_precision|set_flush_denormal|set_default_tensor_type|init"
        r"|argument_validation|runtime_validation\w*|guaranteed_\w+|functional_datapipe|get_worker_info|swap_in_\w+"
        r"|clip_grad|convert_\w+|fusion|memory_format|LRScheduler|fused_\w+|fill|from_file|frombuffer|(from|to)_dlpack"
        r"|empty_(permuted|strided|quantized)|new_empty_strided|as_strided\w*|multi_head_attention_forward|common_notes"
    ),
}

# What a namespace of PyTorch offers besides its own names.
FOREIGN = re.compile(
    r"Any|Callable|Counter|Literal|Optional|ParamSpec|PARAM_LIST|Self|SupportsFloat|Tensor|TYPE_CHECKING|TypedDict|TypeVar"
    r"|EPOCH_DEPRECATION_WARNING|annotations|bisect_right|cast|deepcopy|inf|itertools|math|override|partial|ref|torch|types"
    r"|warnings|wraps|LinAlgError|Module|Optimizer"
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


def why(name: str) -> str:
    """Under which heading a name is left out."""
    found = (reason for reason, names in LEFT_OUT.items() if re.fullmatch(names, name))
    return next(found, "seldom used by CNNs, or not there yet")


def coverage() -> str:
    """Per namespace: what is compared with PyTorch, and what is left out and why."""
    import torch
    from parity.test_coverage import NAMESPACES, at, covered, public

    parts = []
    for namespace, path in NAMESPACES.items():
        same = sorted(covered(namespace))
        left: dict[str, list[str]] = {}
        for name in theirs(at(torch, path), namespace):
            if name not in public(namespace):
                left.setdefault(why(name), []).append(name)
        title = f"`{namespace}`" if namespace else "The package itself"
        parts += [f"### {title}", "", f"{len(same)} compared: {_code(same)}.", ""]
        if left:
            parts += [f'??? note "{sum(map(len, left.values()))} left out"', ""]
            parts += [f"    - {reason}: {_code(left[reason])}" for reason in sorted(left)]
            parts.append("")
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
