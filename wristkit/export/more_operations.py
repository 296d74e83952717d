"""The operations of an ML Program beyond a plain convolution net: activations, norms, pooling, recurrence, attention.

An exported detector hardly needs them; packages that were made elsewhere do. Each is written from its definition.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own custom

from wristkit.export.operands import Operands, Run, Value
from wristkit.export.operations import BASIC, padding


def _x(function: Callable[[Tensor], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x")),)


def _xy(function: Callable[[Tensor, Tensor], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x"), operands.tensor("y")),)


def _alpha(function: Callable[[Tensor, float], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x"), operands.number("alpha")),)


def _alpha_beta(function: Callable[[Tensor, float, float], Tensor]) -> Run:
    return lambda operands: (function(operands.tensor("x"), operands.number("alpha"), operands.number("beta")),)


def _over_axes(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Run:
    def run(operands: Operands) -> tuple[Value, ...]:
        x = operands.tensor("x")
        axes = tuple(operands.wholes("axes", range(x.ndim)))
        return (function(x, axes, bool(operands.whole("keep_dims", 0))),)

    return run


def _reduce_prod(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:  # noqa: FBT001  an operand of the file
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(dim=axis, keepdim=keep)
    return x


def _reduce_argmax(operands: Operands) -> tuple[Value, ...]:
    x, axis = operands.tensor("x"), operands.whole("axis", -1)
    return (x.argmax(dim=axis, keepdim=bool(operands.whole("keep_dims", 0))).to(torch.int32),)


def _gelu(operands: Operands) -> tuple[Value, ...]:
    x, mode = operands.tensor("x"), operands.text("mode") if "mode" in operands else "EXACT"
    if mode == "SIGMOID_APPROXIMATION":
        return (x * torch.sigmoid(1.702 * x),)
    return (F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none"),)


def _prelu(operands: Operands) -> tuple[Value, ...]:
    return (F.prelu(operands.tensor("x"), operands.tensor("alpha").reshape(-1)),)


def _inverse(operands: Operands) -> tuple[Value, ...]:
    return (1 / (operands.tensor("x") + operands.number("epsilon", 1e-4)),)


def _layer_norm(operands: Operands) -> tuple[Value, ...]:
    x = operands.tensor("x")
    axes = [axis % x.ndim for axis in operands.wholes("axes", range(x.ndim))]
    mean = x.mean(dim=axes, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=axes, keepdim=True)
    normal = (x - mean) / torch.sqrt(variance + operands.number("epsilon", 1e-5))
    shape = [x.shape[axis] if axis in axes else 1 for axis in range(x.ndim)]
    for key, function in (("gamma", torch.mul), ("beta", torch.add)):
        if key in operands:
            normal = function(normal, operands.tensor(key).reshape(shape))
    return (normal,)


def _instance_norm(operands: Operands) -> tuple[Value, ...]:
    epsilon = operands.number("epsilon", 1e-5)
    given = operands.optional("gamma"), operands.optional("beta")
    return (F.instance_norm(operands.tensor("x"), weight=given[0], bias=given[1], eps=epsilon),)


def _pool(operands: Operands, *, largest: bool) -> tuple[Value, ...]:
    x, kernel = operands.tensor("x"), operands.wholes("kernel_sizes")
    axes = len(kernel)
    if operands.whole("ceil_mode", 0):
        raise NotImplementedError("pooling with ceil_mode is not known here")
    strides = operands.wholes("strides", [1] * axes)
    around = padding(operands, x, kernel, strides, [1] * axes)
    pool: Mapping[tuple[int, bool], Callable[..., Tensor]] = {
        (1, True): F.max_pool1d,
        (2, True): F.max_pool2d,
        (1, False): F.avg_pool1d,
        (2, False): F.avg_pool2d,
    }
    filled = F.pad(x, around, value=float("-inf") if largest else 0.0)
    pooled = pool[axes, largest](filled, kernel, strides)
    if largest or not operands.whole("exclude_padding_from_average", 0) or not any(around):
        return (pooled,)
    return (pooled / pool[axes, False](F.pad(torch.ones_like(x), around), kernel, strides),)


def _conv_transpose(operands: Operands) -> tuple[Value, ...]:
    x, weight = operands.tensor("x"), operands.tensor("weight")
    axes = weight.ndim - 2
    strides, dilations = operands.wholes("strides", [1] * axes), operands.wholes("dilations", [1] * axes)
    groups, bias = operands.whole("groups", 1), operands.optional("bias")
    kind = operands.text("pad_type") if "pad_type" in operands else "valid"
    pads = operands.wholes("pad", [0] * 2 * axes) if kind == "custom" else [0] * 2 * axes
    if kind not in ("valid", "custom"):
        raise NotImplementedError(f"padding {kind!r} of a transposed convolution is not known here")
    function = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[axes]
    whole: Tensor = function(x, weight, bias, strides, 0, 0, groups, dilations)
    sizes = operands.wholes("output_shape", [])[2:] or [
        whole.shape[2 + axis] - pads[2 * axis] - pads[2 * axis + 1] for axis in range(axes)
    ]
    for axis, size in enumerate(sizes):
        missing = pads[2 * axis] + size - whole.shape[2 + axis]
        if missing > 0:  # output_padding: rows beyond the sum, of the bias alone
            raise NotImplementedError("a transposed convolution with output padding is not known here")
        whole = whole.narrow(2 + axis, pads[2 * axis], size)
    return (whole,)


def _pad(operands: Operands) -> tuple[Value, ...]:
    x, pairs = operands.tensor("x"), operands.wholes("pad")
    mode = operands.text("mode") if "mode" in operands else "constant"
    ordered = [size for axis in reversed(range(len(pairs) // 2)) for size in pairs[2 * axis : 2 * axis + 2]]
    if mode == "constant":
        return (F.pad(x, ordered, value=operands.number("constant_val", 0.0)),)
    while len(ordered) > 2 and ordered[-2:] == [0, 0]:  # torch pads the last axes alone in these modes
        ordered = ordered[:-2]
    return (F.pad(x, ordered, mode={"reflect": "reflect", "replicate": "replicate"}[mode]),)


def _lstm(operands: Operands) -> tuple[Value, ...]:
    """Gates in the order of the file: input, forget, output, cell."""
    x, h, c = operands.tensor("x"), operands.tensor("initial_h"), operands.tensor("initial_c")
    _only_standard(operands, {"recurrent_activation": "sigmoid", "cell_activation": "tanh", "activation": "tanh"})
    if "peephole" in operands or "clip" in operands:
        raise NotImplementedError("operation 'lstm' with peephole or clip is not known here")
    kind = operands.text("direction") if "direction" in operands else "forward"
    half = h.shape[1] // (2 if kind == "bidirectional" else 1)
    runs = []
    for number, suffix in enumerate(("", "_back")[: 2 if kind == "bidirectional" else 1]):
        weights = [operands.tensor(f"weight_{name}{suffix}") for name in ("ih", "hh")]
        bias = operands.optional(f"bias{suffix}")
        part = slice(number * half, (number + 1) * half)
        backward = kind == "reverse" or number == 1
        runs.append(_lstm_run(x, (h[:, part], c[:, part]), weights, bias, backward=backward))
    outputs, last_h, last_c = (torch.cat(parts, dim=-1) for parts in zip(*runs, strict=True))
    whole = bool(operands.whole("output_sequence", 0))
    return outputs if whole else last_h[None], last_h, last_c


def _lstm_run(
    x: Tensor, state: tuple[Tensor, Tensor], weights: list[Tensor], bias: Tensor | None, *, backward: bool
) -> tuple[Tensor, Tensor, Tensor]:
    (h, c), outputs = state, []
    for step in x.flip(0) if backward else x:
        gates = F.linear(step, weights[0], bias) + F.linear(h, weights[1])
        i, f, o, g = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs[::-1] if backward else outputs), h, c


def _rnn(operands: Operands) -> tuple[Value, ...]:
    x, h = operands.tensor("x"), operands.tensor("initial_h")
    _only_standard(operands, {"activation": "tanh", "direction": "forward"})
    outputs, bias = [], operands.optional("bias")
    for step in x:
        h = torch.tanh(F.linear(step, operands.tensor("weight_ih"), bias) + F.linear(h, operands.tensor("weight_hh")))
        outputs.append(h)
    return torch.stack(outputs) if operands.whole("output_sequence", 0) else h[None], h


def _only_standard(operands: Operands, expected: Mapping[str, str]) -> None:
    for key, kind in expected.items():
        if key in operands and operands.text(key) != kind:
            raise NotImplementedError(f"a recurrent operation with {key} {operands.text(key)!r} is not known here")


def _attention(operands: Operands) -> tuple[Value, ...]:
    query, key, value = (operands.tensor(name) for name in ("query", "key", "value"))
    odds = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(query.shape[-1])
    mask = operands.optional("attn_mask")
    if mask is not None:
        odds = torch.where(mask, odds, -torch.inf) if mask.dtype == torch.bool else odds + mask
    return (torch.matmul(torch.softmax(odds, dim=-1), value),)


def _einsum(operands: Operands) -> tuple[Value, ...]:
    return (torch.einsum(operands.text("equation"), *operands.tensors("values")),)


def _stack(operands: Operands) -> tuple[Value, ...]:
    return (torch.stack(operands.tensors("values"), operands.whole("axis")),)


def _split(operands: Operands) -> tuple[Value, ...]:
    x, axis = operands.tensor("x"), operands.whole("axis")
    sizes = operands.wholes("split_sizes", [])
    return tuple(torch.split(x, sizes, axis)) if sizes else tuple(x.chunk(operands.whole("num_splits"), axis))


def _gather(operands: Operands) -> tuple[Value, ...]:
    x, places, axis = operands.tensor("x"), operands.tensor("indices"), operands.whole("axis", 0)
    if operands.whole("batch_dims", 0):
        raise NotImplementedError("operation 'gather' with batch_dims is not known here")
    taken = x.index_select(axis, places.reshape(-1) % x.shape[axis])
    axis %= x.ndim
    return (taken.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]]),)


def _cumsum(operands: Operands) -> tuple[Value, ...]:
    x, axis = operands.tensor("x"), operands.whole("axis", 0)
    backward = bool(operands.whole("reverse", 0))
    total = x.flip(axis).cumsum(axis).flip(axis) if backward else x.cumsum(axis)
    return (total - x if operands.whole("exclusive", 0) else total,)


def _slice_by_size(operands: Operands) -> tuple[Value, ...]:
    x, sizes = operands.tensor("x"), operands.wholes("size")
    for axis, (begin, size) in enumerate(zip(operands.wholes("begin"), sizes, strict=True)):
        x = x.narrow(axis, begin, x.shape[axis] - begin if size == -1 else size)
    return (x,)


def _select(operands: Operands) -> tuple[Value, ...]:
    return (torch.where(operands.tensor("cond").bool(), operands.tensor("a"), operands.tensor("b")),)


def _floor_divide(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode="floor")


OPERATIONS: Mapping[str, Run] = MappingProxyType(
    {
        **BASIC,
        "avg_pool": lambda operands: _pool(operands, largest=False),
        "ceil": _x(torch.ceil),
        "conv_transpose": _conv_transpose,
        "cos": _x(torch.cos),
        "cumsum": _cumsum,
        "einsum": _einsum,
        "elu": _alpha(F.elu),
        "equal": _xy(torch.eq),
        "erf": _x(torch.erf),
        "floor": _x(torch.floor),
        "floor_div": _xy(_floor_divide),
        "gather": _gather,
        "gelu": _gelu,
        "greater": _xy(torch.gt),
        "greater_equal": _xy(torch.ge),
        "instance_norm": _instance_norm,
        "inverse": _inverse,
        "layer_norm": _layer_norm,
        "leaky_relu": _alpha(F.leaky_relu),
        "less": _xy(torch.lt),
        "less_equal": _xy(torch.le),
        "linear_activation": _alpha_beta(lambda x, alpha, beta: alpha * x + beta),
        "logical_and": _xy(torch.logical_and),
        "logical_not": _x(torch.logical_not),
        "logical_or": _xy(torch.logical_or),
        "lstm": _lstm,
        "max_pool": lambda operands: _pool(operands, largest=True),
        "mod": _xy(torch.remainder),
        "not_equal": _xy(torch.ne),
        "pad": _pad,
        "prelu": _prelu,
        "reduce_argmax": _reduce_argmax,
        "reduce_l2_norm": _over_axes(lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep)),
        "reduce_log_sum_exp": _over_axes(torch.logsumexp),
        "reduce_min": _over_axes(torch.amin),
        "reduce_prod": _over_axes(_reduce_prod),
        "reduce_sum_square": _over_axes(lambda x, axes, keep: (x * x).sum(dim=axes, keepdim=keep)),
        "reverse": lambda operands: (operands.tensor("x").flip(operands.wholes("axes")),),
        "rnn": _rnn,
        "round": _x(torch.round),
        "scaled_dot_product_attention": _attention,
        "select": _select,
        "sigmoid_hard": _alpha_beta(lambda x, alpha, beta: torch.clamp(alpha * x + beta, 0, 1)),
        "sign": _x(torch.sign),
        "silu": _x(F.silu),
        "sin": _x(torch.sin),
        "slice_by_size": _slice_by_size,
        "softplus": _x(F.softplus),
        "softsign": _x(F.softsign),
        "split": _split,
        "stack": _stack,
        "thresholded_relu": _alpha(lambda x, alpha: torch.where(x >= alpha, x, 0.0)),
        "tile": lambda operands: (operands.tensor("x").repeat(operands.wholes("reps")),),
    }
)
