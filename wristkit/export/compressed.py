"""Weights that a package holds compressed, in both families of the format: worked out once, when it is read.

The forms of iOS 16 keep their values in attributes, those of iOS 18 in inputs. Numbers narrower than a byte
are refused there.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from wristkit.export.operands import Operands


def _affine(operands: Operands) -> Tensor:
    """Return ``(data - zero_point) * scale``, a scale and zero point for each place along one axis, or for all."""
    data, axis = operands.tensor("quantized_data"), operands.whole("axis")
    shape = [-1 if place == axis % data.ndim else 1 for place in range(data.ndim)]
    scale, zero = (operands.tensor(key) for key in ("scale", "zero_point"))
    scale, zero = (one.reshape(shape) if one.ndim else one for one in (scale, zero))
    return (data.float() - zero.float()) * scale.float()


def _blockwise(operands: Operands) -> Tensor:
    """Return ``(data - offset) * scale``, a scale for each block: as many along an axis as it is long there."""
    data, scale = operands.tensor("data"), operands.tensor("scale")
    offset = operands.optional("offset")
    spread = [_spread(one, data) for one in (scale, offset) if one is not None]
    shifted = data.float() - (spread[1].float() if offset is not None else 0.0)
    return shifted * spread[0].float()


def _spread(scale: Tensor, data: Tensor) -> Tensor:
    for axis in range(data.ndim):
        scale = scale.repeat_interleave(data.shape[axis] // scale.shape[axis], dim=axis)
    return scale


def _lut(operands: Operands) -> Tensor:
    """Return values by index, of which each takes as few bits as the table needs, the lowest first."""
    table, shape = operands.tensor("lut"), operands.wholes("shape")
    width = max(1, math.ceil(math.log2(len(table))))
    packed = operands.tensor("indices").to(torch.int64)
    bits = (packed[:, None] >> torch.arange(8)) & 1
    places = bits.reshape(-1)[: math.prod(shape) * width].reshape(-1, width)
    return table.float()[(places << torch.arange(width)).sum(dim=1)].reshape(shape)


def _sparse(operands: Operands) -> Tensor:
    """Return values where the bits of a mask are set, else 0."""
    shape = operands.wholes("shape")
    bits = ((operands.tensor("mask").to(torch.int64)[:, None] >> torch.arange(8)) & 1).reshape(-1)[: math.prod(shape)]
    dense = torch.zeros(math.prod(shape))
    dense[bits.bool()] = operands.tensor("nonzero_data").float()
    return dense.reshape(shape)


def _cast(operands: Operands) -> Tensor:
    return operands.tensor("source_val").float()


COMPRESSED: Mapping[str, Callable[[Operands], Tensor]] = MappingProxyType(
    {
        "constexpr_affine_dequantize": _affine,
        "constexpr_blockwise_shift_scale": _blockwise,
        "constexpr_cast": _cast,
        "constexpr_lut_to_dense": _lut,
        "constexpr_sparse_to_dense": _sparse,
    }
)
