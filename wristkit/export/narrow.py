"""Weights as whole numbers of 8 bits: how they are rounded, and which layers keep the numbers that they have.

A net that was rounded before it was judged (``round_weights``, which ``quick_train`` calls) has such weights already.
Any other that was trained until it is sure has large logits, and rounding each weight to the nearest of 255 steps moved
a probability by up to 0.1. So each weight that is rounded lets those that are yet to be rounded make up for it, on the
windows at hand (GPTQ: Frantar, Ashkboos, Hoefler, Alistarh, ICLR 2023), and what even then moves too much stays as it
is, by name. Deviations from the paper: a convolution's inputs are its steps along time; its bias is a last column that
makes up and is never rounded; every layer sees the inputs of the net as it was, so that each can be judged alone; and
of several orders in which weights are rounded, that is taken which moves the least where the net is least sure.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wristkit.export.fewest import Double, fewest_kept
from wristkit.export.packaged import Windows32
from wristkit.models.rounding import LARGEST, is_large, step_sizes

SHARE = 0.5  # of the bound, for what whole numbers do alone: float16 and other windows need room, too
_DAMPING = 0.01  # of the mean square of an input, as in the paper
_ORDERS, _UNSURE, _AT_ONCE = 12, 512, 256


class Whole(NamedTuple):
    """A layer's weights as whole numbers (outputs, inputs, kernel), and what a step of each output (outputs,) is."""

    numbers: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights that they stand for."""
        return np.asarray(self.numbers * self.scale[:, None, None], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Narrow:
    """A net, of which some layers have whole numbers for weights.

    Parameters
    ----------
    model
        The net with the weights that the whole numbers stand for, and BatchNorm in the convolutions before it.
    layers
        Layer of the model to its whole numbers; none in a net that is as it was.
    kept
        Names of the layers that could have been rounded and were not: they would have moved a probability too far.
    apart
        Largest difference of a probability from the net as it was, on the windows at hand.
    """

    model: nn.Module
    layers: Mapping[nn.Module, Whole] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    apart: float = 0.0


def narrowed(model: nn.Module, values: Windows32, *, bound: float) -> Narrow:
    """Return a net with as many layers in whole numbers as a bound of its probabilities allows.

    Depthwise convolutions, dense layers and small ones stay: they hold few bytes, and the decision hangs on them.

    Parameters
    ----------
    values
        Conditioned windows (n, channels, samples) to round and to judge by.
    bound
        Of the largest difference in probability, of which whole numbers may use ``SHARE``.
    """
    net = _folded(model)
    layers = {name: one for name, one in net.named_modules() if is_large(one)}
    if not layers:
        return Narrow(net)
    tried = _Tried(net, layers, torch.from_numpy(np.ascontiguousarray(values)))
    rounded = {name: one for name, layer in layers.items() if (one := _already(layer)) is not None}
    for name, one in rounded.items():
        tried.take(name, one)
    others = {name: layer for name, layer in layers.items() if name not in rounded}
    moments = _moments(net, others, values) if others else {}
    rounded |= {name: _best_of(tried, name, layer, moments[name]) for name, layer in others.items()}
    kept = fewest_kept(tried, most=SHARE * bound)
    chosen = [name for name in layers if name not in kept]
    apart = float(tried.apart(chosen).max())
    return Narrow(net, {layers[name]: rounded[name].whole for name in chosen}, tuple(sorted(kept)), apart)


class _Rounded(NamedTuple):
    whole: Whole
    bias: Tensor | None


def _folded(model: nn.Module) -> nn.Module:
    """Return a copy whose BatchNorms are in the convolutions that stand right before them in a row of layers."""
    net = copy.deepcopy(model).eval()
    for row in [one for one in net.modules() if isinstance(one, nn.Sequential)]:
        for place, (layer, norm) in enumerate(pairwise(list(row))):
            if isinstance(layer, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d) and norm.track_running_stats:
                row[place], row[place + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
    return net


@torch.no_grad()
def _moments(net: nn.Module, layers: Mapping[str, nn.Module], values: Windows32) -> dict[str, Double]:
    """Return for each layer the sums of products of what its weights, and last its bias, are multiplied by."""
    sums: dict[str, Tensor] = {}

    def see(name: str, layer: nn.Conv1d, x: Tensor) -> None:
        span = layer.dilation[0] * (layer.kernel_size[0] - 1) + 1
        steps = x.double().unfold(2, span, layer.stride[0])[..., :: layer.dilation[0]]
        columns = steps.permute(0, 2, 1, 3).flatten(0, 1).flatten(1)
        columns = torch.cat([columns, columns.new_ones(len(columns), 1)], dim=1)
        sums[name] = sums.get(name, 0) + columns.T @ columns

    handles = [
        layer.register_forward_pre_hook(lambda layer, given, name=name: see(name, layer, given[0]))
        for name, layer in layers.items()
    ]
    try:
        for first in range(0, len(values), _AT_ONCE):
            net(torch.from_numpy(values[first : first + _AT_ONCE]))
    finally:
        for handle in handles:
            handle.remove()
    return {name: one.numpy() for name, one in sums.items()}


def _already(layer: nn.Module) -> _Rounded | None:
    """Return a layer whose weights are multiples of a step as they are; None where they are not."""
    weight, bias = _weights_of(layer)
    flat = weight.double().flatten(1).numpy()
    steps = step_sizes(flat)
    numbers = np.rint(flat / steps[:, None])
    if not np.array_equal(numbers * steps[:, None], flat):
        return None
    return _Rounded(Whole(numbers.reshape(weight.shape).astype(np.int8), steps.astype(np.float32)), bias)


def _best_of(tried: "_Tried", name: str, layer: nn.Module, moments: Double) -> _Rounded:
    """Return what moves the least of a layer rounded in several orders: by its inputs' sizes, and near to that."""
    rng = np.random.default_rng(0)
    likes = np.vstack([np.ones(len(moments)), rng.lognormal(size=(_ORDERS - 1, len(moments)))])
    ways = [_rounded(layer, moments, like) for like in likes]
    apart = []
    for one in ways:
        tried.take(name, one)
        apart.append(tried.apart([name], tried.unsure).max())
    best = ways[int(np.argmin(apart))]
    tried.take(name, best)
    return best


def _rounded(layer: nn.Module, moments: Double, like: float | Double = 1.0) -> _Rounded:
    """Return a layer's weights as whole numbers, and the bias that makes up for the rest.

    Inputs are rounded from the largest on, each as if it were so many times as large.
    """
    weight, bias = (getattr(layer, name) for name in ("weight", "bias"))
    shape, held = weight.shape, weight.detach().double().flatten(1).numpy()
    scale, count = step_sizes(held), held.shape[1]
    order = np.argsort(-(np.diag(moments) * like)[:count], kind="stable")
    if bias is not None:
        order = np.append(order, count)
        held = np.hstack([held, bias.detach().double().numpy()[:, None]])
    held, upper = held[:, order].copy(), _upper(moments[np.ix_(order, order)])
    numbers = np.empty((len(held), count), dtype=np.int8)
    for place, column in enumerate(order[:count]):
        whole = np.clip(np.rint(held[:, place] / scale), -LARGEST, LARGEST)
        numbers[:, column] = whole
        missed = (held[:, place] - whole * scale) / upper[place, place]
        held[:, place + 1 :] -= missed[:, None] * upper[place, place + 1 :]
    left = None if bias is None else torch.from_numpy(held[:, -1]).half().float()
    return _Rounded(Whole(numbers.reshape(shape), scale.astype(np.float32)), left)


def _upper(moments: Double) -> Double:
    """Return U of the inverse of the moments, U'U: by its rows a rounded weight is made up for by those after it."""
    mean = float(np.diag(moments).mean())
    damped = moments + np.eye(len(moments)) * (_DAMPING * mean if mean > 0 else 1.0)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(damped)).T)


class _Tried:
    """The net with any of its layers rounded, beside the net as it was."""

    def __init__(self, net: nn.Module, layers: Mapping[str, nn.Module], values: Tensor) -> None:
        own = {name: _weights_of(layer) for name, layer in layers.items()}
        self.bytes: Mapping[str, int] = {name: weight.numel() for name, (weight, _) in own.items()}
        self._net, self._layers, self._values = net, layers, values
        self._forms = {name: (one, one) for name, one in own.items()}
        self._wanted = self._said(values)
        self.unsure = np.argsort(self._wanted.max(axis=1))[:_UNSURE]

    def take(self, name: str, rounded: _Rounded) -> None:
        """Let a layer's rounded weights be these."""
        self._forms[name] = (self._forms[name][0], (torch.from_numpy(rounded.whole.weights), rounded.bias))

    def apart(self, names: Iterable[str], rows: npt.NDArray[np.int64] | None = None) -> Double:
        """Return the largest difference in probability in each window, with these layers rounded."""
        chosen = set(names)
        with torch.no_grad():
            for name, layer in self._layers.items():
                weight, bias = self._forms[name][name in chosen]
                layer.load_state_dict({"weight": weight} if bias is None else {"weight": weight, "bias": bias})
        at = slice(None) if rows is None else rows
        return np.asarray(np.abs(self._said(self._values[at]) - self._wanted[at]).max(axis=1))

    def _said(self, values: Tensor) -> Double:
        with torch.no_grad():
            parts = [torch.softmax(self._net(part), dim=-1) for part in torch.split(values, _AT_ONCE)]
        return np.asarray(torch.cat(parts).double().numpy())


def _weights_of(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    weight, bias = (getattr(layer, name) for name in ("weight", "bias"))
    return weight.detach().clone(), None if bias is None else bias.detach().clone()
