"""Weights as they ship: those of large convolutions 255 steps for each output, all others float16 numbers.

Rounding weights is nearly all that a shorter number costs a small net, and of a net that was trained until it is sure
it moves a probability by up to 0.1. Done here, before calibration and thresholds are chosen, the net that is judged has
the very weights that a package in float16 or int8 holds: a step has 4 bits, so that its multiples up to 127 are float16
numbers, too.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

LARGEST = 127  # as many steps below 0 as above
_STEP_BITS, _FLOAT16_BITS = 4, 11
_FEW_WEIGHTS = 256  # below that a layer's entry in a file is longer than what is saved
_LEAST = 2.0**-24  # the smallest float16 number
_REACHED = np.arange((LARGEST + 1) // 2, LARGEST + 1)  # which multiple of a step the largest weight may be

Double = npt.NDArray[np.float64]


def is_large(layer: nn.Module) -> bool:
    """Return whether whole numbers are worth their trouble: depthwise and dense layers hold few bytes.

    Weights that are computed from others are no numbers of their own.
    """
    if not isinstance(layer, nn.Conv1d) or layer.groups != 1:
        return False
    return isinstance(layer.weight, nn.Parameter) and layer.weight.numel() >= _FEW_WEIGHTS


def round_weights(net: nn.Module) -> None:
    """Round all weights in place, as they ship; what is rounded already stays as it is."""
    large = {id(layer.weight) for layer in net.modules() if is_large(layer)}
    with torch.no_grad():
        for name, weight in net.named_parameters():
            rounded = weight.half().float()
            if id(weight) in large and torch.isfinite(rounded).all():
                rounded = _in_steps(weight).half().float()
            if not torch.isfinite(rounded).all():
                raise ValueError(
                    f"weight {name} reaches {weight.abs().max():.3g}, beyond float16 (65504); look in windows.values "
                    "for a stream in another unit or a channel that hardly varies"
                )
            weight.copy_(rounded)


def _in_steps(weight: torch.Tensor) -> torch.Tensor:
    flat = weight.detach().double().flatten(1).numpy()
    steps = step_sizes(flat, bits=_STEP_BITS)[:, None]
    return torch.from_numpy(np.rint(flat / steps) * steps).reshape(weight.shape)


def step_sizes(weight: Double, *, bits: int = _FLOAT16_BITS) -> Double:
    """Return for each output of weights (outputs, n) the step of so many bits that leaves the least, 1 where all are 0.

    All weights are within ``LARGEST`` steps. Weights that are multiples of such a step already leave nothing.
    """
    reach = np.abs(weight).max(axis=1)
    tried = _rounded_up(reach[:, None] / _REACHED, bits)
    tried = np.where(reach[:, None] < (_REACHED[0] - 0.5) * tried, tried[:, -1:], tried)
    left = [np.square(weight - np.rint(weight / one[:, None]) * one[:, None]).sum(axis=1) for one in tried.T]
    best = np.argmin(np.array(left), axis=0)
    return np.where(reach > 0, tried[np.arange(len(tried)), best], 1.0)


def _rounded_up(number: Double, bits: int) -> Double:
    """Return the least float16 numbers of so many bits that are not below these."""
    unit = np.maximum(np.ldexp(1.0, np.frexp(number)[1] - bits), _LEAST)
    return np.asarray(np.maximum(np.ceil(number / unit), 1.0) * unit)
