"""What the operations of a forward pass do to units, by their names in PyTorch; and what is refused.

The names are those of functions, methods and modules, and of the ATen operations that torch.export finds.
Chapter: ``clusterability``.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from torch import fx, nn


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Only move numbers about: their first argument, a tensor or a list of tensors, is what is moved.
MOVES = _names(
    """
    alias broadcast_to cat channel_shuffle chunk clone concat concatenate contiguous detach diagonal
    expand expand_as flatten flip hstack index index_select lift_fresh_copy mT mT movedim moveaxis narrow
    native_channel_shuffle permute pixel_shuffle pixel_unshuffle repeat repeat_interleave reshape reshape_as roll rot90
    select slice split split_with_sizes squeeze stack swapaxes swapdims t T tensor_split tile transpose unbind unflatten
    unfold im2col unsafe_chunk unsafe_split unsqueeze view view_as vstack _unsafe_view
    """
)
VIEWS = MOVES | _names("getitem")
# A second tensor takes the place of a part of the first.
SCATTERS = _names("slice_scatter select_scatter diagonal_scatter index_put")
# Work number by number on one or several tensors, or only scale and shift by what they know of all numbers.
ELEMENTWISE = _names(
    """
    abs absolute add addcdiv addcmul alpha_dropout celu clamp clamp_max clamp_min clip copy copysign cos div divide
    double dropout dropout1d dropout2d dropout3d elu eq erf exp expm1 feature_alpha_dropout feature_dropout float
    floor_divide fmod gaussian_dropout ge gelu group_norm gt half hardshrink hardsigmoid hardswish hardtanh
    instance_norm layer_norm le leaky_relu lerp local_response_norm log log1p log_softmax logical_and logical_not
    logical_or logsigmoid log_sigmoid lt masked_fill max_elementwise maximum minimum mish mul multiply native_dropout
    native_group_norm native_layer_norm ne neg negative normalize pow prelu reciprocal relu relu6 rms_norm rrelu rsqrt
    rsub selu sigmoid sign silu sin softmax softmin softplus softshrink softsign special_expit sqrt square sub
    subtract stochastic_depth swish tanh tanhshrink threshold to truediv true_divide type where bfloat16 expit
    _to_copy _softmax _log_softmax _safe_softmax positive zero_dropout type_as detach_copy
    """
)
# Of those, the ones that are linear in what has units: copies, and sums with constant gains.
COPIES = _names(
    """
    alpha_dropout bfloat16 detach_copy double dropout dropout1d dropout2d dropout3d feature_alpha_dropout
    feature_dropout float half positive stochastic_depth to type type_as zero_dropout _to_copy
    """
)
SUMS, DIFFERENCES = _names("add"), _names("sub subtract")
PRODUCTS, QUOTIENTS = _names("mul multiply"), _names("div divide truediv true_divide")
NORMS = _names("group_norm instance_norm layer_norm native_group_norm native_layer_norm rms_norm")
POOLS = _names(
    """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d global_average_pool global_maximum_pool interpolate lp_pool1d
    lp_pool2d lp_pool3d max_pool1d max_pool2d max_pool3d upsample upsample_bicubic2d upsample_bilinear2d
    upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_nearest_exact2d
    upsample_trilinear3d _adaptive_avg_pool2d
    """
)
REDUCTIONS = _names("mean sum amax amin max min norm std var logsumexp prod linalg_vector_norm count_nonzero")
PASSED = ELEMENTWISE | POOLS | MOVES | _names("getitem batch_norm mean")  # change units, but let none meet others
CONSTANTS = _names(
    """
    zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty size sym_size
    arange zeros ones full isnan isinf numel dim _assert_is_none item argmax argmin
    """
)
# Take parts of a tensor that is used by nothing else.
SPLITS = _names("getitem chunk split unbind select slice size shape sym_size")
IN_PLACE = _names("iadd isub imul itruediv")  # operators
# A module of torch.nn by the file that defines it: what its inputs go through.
FAMILIES = {
    "activation": "relu",
    "dropout": "dropout",
    "flatten": "flatten",
    "pixelshuffle": "pixel_shuffle",
    "channelshuffle": "channel_shuffle",
    "pooling": "max_pool2d",
    "upsampling": "interpolate",
    "normalization": "layer_norm",
    "instancenorm": "instance_norm",
    "batchnorm": "batch_norm",
    "padding": "pad",
    "distance": "pairwise_distance",
}
OWN_NAMES = {  # modules whose file holds several kinds
    "Identity": "dropout",
    "GLU": "glu",
    "MultiheadAttention": "multi_head_attention",
    "FlattenChannelsLast": "flatten",
    "Turned": "transpose",
    "Linear": "linear",
    "NonDynamicallyQuantizableLinear": "linear",
    "Bilinear": "bilinear",
    "Embedding": "embedding",
    "EmbeddingBag": "embedding_bag",
}


def name_of(node: fx.Node, module: nn.Module | None) -> str:
    """The name of what a step does, without the marks of operations in place and of their variants."""
    if module is not None:
        kind = type(module)
        family = kind.__module__.rsplit(".", 1)[-1]
        if family == "conv" or family == "rnn":
            return snake(kind.__name__)
        return OWN_NAMES.get(kind.__name__) or FAMILIES.get(family) or kind.__name__
    if isinstance(node.target, str):
        name = node.target
    elif hasattr(node.target, "_schema"):
        name = node.target._schema.name.split("::")[-1]
    else:
        name = getattr(node.target, "__name__", str(node.target))
    name = {"getattr": str(node.args[1]) if len(node.args) > 1 else name}.get(name, name)
    if (name.startswith("__i") and name.endswith("__")) or name in IN_PLACE:
        name = name.strip("_")[1:]
    return name.rstrip("_") if not name.startswith("__") else name.strip("_")


def snake(name: str) -> str:
    """The name of a function from that of its module: conv_transpose2d from ConvTranspose2d."""
    if name.isupper() or name.endswith("Cell"):
        return name.lower()
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def changes_argument(node: fx.Node, module: nn.Module | None = None) -> bool:
    """Whether a step changes its first argument, and returns it; ``module`` is that of a step that calls one."""
    if node.op == "call_module":
        return bool(getattr(module, "inplace", False))
    target: Any = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    if (name.split(".")[0].endswith("_") and not name.startswith("__")) or name in IN_PLACE:
        return True
    if node.kwargs.get("inplace") or getattr(target, "__module__", "") != "torch.nn.functional":
        return bool(node.kwargs.get("inplace"))
    return bool(inspect.signature(target).bind(*node.args, **node.kwargs).arguments.get("inplace"))


def changes_part(node: fx.Node, module: nn.Module | None = None) -> bool:
    """Whether a step changes numbers in place that another step returns as well: the whole they are of, or a part."""
    changed = node.args[0] if node.args else None
    if not (isinstance(changed, fx.Node) and node.op.startswith("call") and changes_argument(node, module)):
        return False
    if any(_is_view(user) and user < node for user in changed.users):
        return True
    while _is_view(changed) and isinstance(changed.args[0], fx.Node):
        changed = changed.args[0]
        if len(changed.users) > 1:
            return True
    return False


def _is_view(node: fx.Node) -> bool:
    """Whether a step may return the numbers of its first argument, at the same place in memory."""
    return node.op in ("call_function", "call_method") and name_of(node, None) in VIEWS
