"""The operations of an ML Program that a convolution net needs, each written from its definition with torch.

Operands come by name; results go back unrounded.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own custom

from wristkit.export.operands import Operands, Run, Value


def _unary(function: Callable[[Tensor], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x")),)


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x"), operands.tensor("y")),)


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Run:
    def run(operands: Operands) -> tuple[Value, ...]:
        x = operands.tensor("x")
        axes = operands.wholes("axes", range(x.ndim))
        return (function(x, axes, bool(operands.whole("keep_dims", 0))),)

    return run


def _cast(operands: Operands) -> tuple[Value, ...]:
    kind = operands.text("dtype")
    if kind.startswith("fp"):
        return (operands.tensor("x").to(torch.float32),)
    if kind == "bool":
        return (operands.tensor("x").to(torch.bool),)
    if kind not in ("int32", "int16", "uint16", "int8", "uint8"):
        raise NotImplementedError(f"operation 'cast' to {kind!r} is not known here")
    return (operands.tensor("x").to(torch.int32),)


def _conv(operands: Operands) -> tuple[Value, ...]:
    x, weight = operands.tensor("x"), operands.tensor("weight")
    axes = weight.ndim - 2
    strides, dilations = operands.wholes("strides", [1] * axes), operands.wholes("dilations", [1] * axes)
    padded = F.pad(x, padding(operands, x, list(weight.shape[2:]), strides, dilations))
    bias = operands.tensor("bias") if "bias" in operands else None
    function = {1: F.conv1d, 2: F.conv2d}[axes]
    return (function(padded, weight, bias, strides, 0, dilations, operands.whole("groups", 1)),)


def padding(
    operands: Operands, x: Tensor, kernel: list[int], strides: list[int], dilations: list[int]
) -> tuple[int, ...]:
    """Return the padding in torch's order: last axis first, before and after."""
    kind = operands.text("pad_type") if "pad_type" in operands else "valid"
    if kind == "valid":
        return (0, 0) * len(kernel)
    if kind == "custom":
        pairs = operands.wholes("pad")
        return tuple(pad for axis in reversed(range(len(kernel))) for pad in pairs[2 * axis : 2 * axis + 2])
    if kind not in ("same", "same_lower"):
        raise NotImplementedError(f"padding {kind!r} is not known here")
    amounts = [
        max(0, (math.ceil(size / stride) - 1) * stride + dilation * (width - 1) + 1 - size)
        for size, width, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    halves = [(total // 2, total - total // 2) for total in amounts]
    ordered = [half if kind == "same" else half[::-1] for half in reversed(halves)]
    return tuple(pad for half in ordered for pad in half)


def _batch_norm(operands: Operands) -> tuple[Value, ...]:
    gamma = operands.tensor("gamma") if "gamma" in operands else None
    beta = operands.tensor("beta") if "beta" in operands else None
    epsilon = float(operands.tensor("epsilon").item()) if "epsilon" in operands else 1e-5
    mean, variance = operands.tensor("mean"), operands.tensor("variance")
    return (F.batch_norm(operands.tensor("x"), mean, variance, gamma, beta, training=False, eps=epsilon),)


def _linear(operands: Operands) -> tuple[Value, ...]:
    bias = operands.tensor("bias") if "bias" in operands else None
    return (F.linear(operands.tensor("x"), operands.tensor("weight"), bias),)


def _matmul(operands: Operands) -> tuple[Value, ...]:
    x, y = operands.tensor("x"), operands.tensor("y")
    x = x.transpose(-1, -2) if operands.whole("transpose_x", 0) else x
    y = y.transpose(-1, -2) if operands.whole("transpose_y", 0) else y
    return (torch.matmul(x, y),)


def _clip(operands: Operands) -> tuple[Value, ...]:
    low, high = operands.tensor("alpha"), operands.tensor("beta")
    return (torch.minimum(torch.maximum(operands.tensor("x"), low), high),)


def _softmax(operands: Operands) -> tuple[Value, ...]:
    return (torch.softmax(operands.tensor("x"), operands.whole("axis", -1)),)


def _shift_rsqrt(operands: Operands) -> tuple[Value, ...]:
    epsilon = operands.tensor("epsilon") if "epsilon" in operands else torch.tensor(1e-12)
    return (torch.rsqrt(operands.tensor("x") + epsilon),)


def _shift_log(operands: Operands) -> tuple[Value, ...]:
    epsilon = operands.tensor("epsilon") if "epsilon" in operands else torch.tensor(1e-45)
    return (torch.log(operands.tensor("x") + epsilon),)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() or y.is_floating_point() else torch.div(x, y, rounding_mode="floor")


def _reshape(operands: Operands) -> tuple[Value, ...]:
    x, shape = operands.tensor("x"), operands.wholes("shape")
    if 0 in shape and len(shape) != x.ndim:
        raise NotImplementedError(f"operation 'reshape' of {tuple(x.shape)} to {shape} is not known here")
    return (x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]),)


def _squeeze(operands: Operands) -> tuple[Value, ...]:
    x = operands.tensor("x")
    axes = operands.wholes("axes") if "axes" in operands else [axis for axis in range(x.ndim) if x.shape[axis] == 1]
    return (x.squeeze(tuple(axes)),)


def _expand_dims(operands: Operands) -> tuple[Value, ...]:
    x, axes = operands.tensor("x"), operands.wholes("axes")
    rank = x.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return (x,)


def _slice_by_index(operands: Operands) -> tuple[Value, ...]:
    x = operands.tensor("x")
    strides = operands.wholes("stride", [1] * x.ndim)
    masks = (operands.flags(f"{name}_mask", x.ndim) for name in ("begin", "end", "squeeze"))
    bounds = zip(operands.wholes("begin"), operands.wholes("end"), strides, *masks, strict=True)
    places = tuple(
        begin if single else slice(None if open_begin else begin, None if open_end else end, step)
        for begin, end, step, open_begin, open_end, single in bounds
    )
    return (x[places],)


def _concat(operands: Operands) -> tuple[Value, ...]:
    if operands.whole("interleave", 0):
        raise NotImplementedError("operation 'concat' with interleave is not known here")
    return (torch.cat(operands.tensors("values"), operands.whole("axis")),)


def _classify(operands: Operands) -> tuple[Value, ...]:
    probabilities = operands.tensor("probabilities").reshape(-1)
    labels = operands.texts("classes")
    if len(labels) != len(probabilities):
        raise TypeError(f"{len(labels)} labels for {len(probabilities)} probabilities")
    table = dict(zip(labels, probabilities.tolist(), strict=True))
    return labels[int(probabilities.argmax())], table


BASIC: Mapping[str, Run] = MappingProxyType(
    {
        "abs": _unary(torch.abs),
        "add": _binary(torch.add),
        "batch_norm": _batch_norm,
        "cast": _cast,
        "classify": _classify,
        "clip": _clip,
        "concat": _concat,
        "conv": _conv,
        "exp": _unary(torch.exp),
        "expand_dims": _expand_dims,
        "identity": _unary(torch.clone),
        "linear": _linear,
        "log": _shift_log,
        "matmul": _matmul,
        "maximum": _binary(torch.maximum),
        "minimum": _binary(torch.minimum),
        "mul": _binary(torch.mul),
        "pow": _binary(torch.pow),
        "real_div": _binary(_divide),
        "reduce_max": _reduction(torch.amax),
        "reduce_mean": _reduction(torch.mean),
        "reduce_sum": _reduction(torch.sum),
        "relu": _unary(torch.relu),
        "relu6": _unary(F.relu6),
        "reshape": _reshape,
        "rsqrt": _shift_rsqrt,
        "sigmoid": _unary(torch.sigmoid),
        "slice_by_index": _slice_by_index,
        "softmax": _softmax,
        "sqrt": _unary(torch.sqrt),
        "square": _unary(torch.square),
        "squeeze": _squeeze,
        "sub": _binary(torch.sub),
        "tanh": _unary(torch.tanh),
        "transpose": lambda operands: (operands.tensor("x").permute(operands.wholes("perm")),),
    }
)
