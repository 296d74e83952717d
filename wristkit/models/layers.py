"""What the nets are made of: the normaliser inside, geometry by which the last output meets the last sample, blocks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SHORTEST_WINDOW = 8  # stem of 3, one convolution of 3, 4 steps left
STEPS_AIMED_AT = 64
STEPS_BEFORE_MEAN = 4

# Reach against cost: the first that leaves enough steps is taken, and four convolutions wherever they fit.
_DILATIONS = (
    (1, 2, 4, 8),
    (1, 2, 4, 4),
    (1, 2, 2, 4),
    (1, 2, 2, 2),
    (1, 1, 2, 2),
    (1, 1, 1, 1),
    (1, 1, 1),
    (1, 1),
    (1,),
)
_STD_FLOOR = 1e-3  # of a canonical unit (mg, mrad/s, Pa): about what a wrist sensor resolves
_CONSTANT_BELOW = 1e-6  # of the channel's largest magnitude: float32 rounding, not signal


class Geometry(NamedTuple):
    """Stem and dilated convolutions in samples and steps."""

    stride: int
    stem_kernel: int
    kernel: int
    dilations: tuple[int, ...]


class Normalise(nn.Module):
    """Affine map of each channel, with mean and scale held as buffers (c,)."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, c, samples) with the training windows' mean 0 and standard deviation 1."""
        return (x - self.mean[:, None]) * self.scale[:, None]


class Net(nn.Module):
    """What all nets share: a normaliser, an embedding (n, width) of windows, and a linear head.

    ``architecture`` holds what :func:`wristkit.models.build` made it of; None for a net of the user's own.
    ``never_streams`` is the reason, where there is one that no layer shows.
    """

    architecture: Mapping[str, Any] | None = None
    never_streams: str | None = None
    head: nn.Linear

    def __init__(self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int) -> None:
        super().__init__()
        self.channels = channels
        self.classes = classes
        self.samples = samples
        self.normalise = Normalise(len(channels))

    def embed(self, x: Tensor) -> Tensor:
        """Return (n, width) of windows (n, channels, samples)."""
        raise NotImplementedError(f"{type(self).__name__} has no embedding; write embed(x)")

    def classify(self, embedded: Tensor) -> Tensor:
        """Return logits (n, classes) of embeddings (n, width)."""
        logits: Tensor = self.head(embedded)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of windows (n, channels, samples)."""
        return self.classify(self.embed(x))

    @torch.no_grad()
    def shift(self, logits: npt.NDArray[np.float64]) -> None:
        """Add a constant to the logit of each class from now on."""
        self.head.bias.add_(torch.from_numpy(logits).to(self.head.bias))

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide all logits by a temperature from now on."""
        for weight in self.head.parameters():
            weight.div_(temperature)

    def fit_normaliser(self, values: npt.ArrayLike) -> tuple[str, ...]:
        """Set mean and scale from training windows (n, c, samples) and return the names of constant channels.

        A channel that never varied says nothing: it enters the net as 0, whatever it does later.
        """
        windows = _training_windows(values, len(self.channels))
        mean = windows.mean(axis=(0, 2))
        std = windows.std(axis=(0, 2))
        constant = np.ptp(windows, axis=(0, 2)) <= _CONSTANT_BELOW * np.abs(windows).max(axis=(0, 2))
        scale = np.where(constant, 0.0, 1.0 / np.maximum(std, _STD_FLOOR))
        self.normalise.mean.copy_(torch.from_numpy(mean))
        self.normalise.scale.copy_(torch.from_numpy(scale))
        return tuple(name for name, flat in zip(self.channels, constant, strict=True) if flat)


def plan(*, samples: int, hop: int) -> Geometry:
    """Return strides, kernels and dilations for a window: no tail sample dropped, at least four steps to average.

    The stride is the smallest power of two that divides the hop and leaves about 64 steps; with an odd hop it is 1.
    """
    if hop < 1:
        raise ValueError(f"hop is {hop} samples; a window moves by at least 1")
    if samples < SHORTEST_WINDOW:
        raise ValueError(f"a window of {samples} samples is too short; the net needs at least {SHORTEST_WINDOW}")
    stride = 1
    while hop % (2 * stride) == 0 and samples > STEPS_AIMED_AT * stride:
        stride *= 2
    shortest = min(max(5, 2 * stride), samples // 2 - 1)
    stem_kernel = shortest + (samples - shortest) % stride
    steps = (samples - stem_kernel) // stride + 1
    kernel = 5 if steps >= 24 else 3
    room = (steps - STEPS_BEFORE_MEAN) // (kernel - 1)
    return Geometry(stride, stem_kernel, kernel, next(one for one in _DILATIONS if sum(one) <= room))


def norm(width: int, *, folded: bool) -> list[nn.Module]:
    """Return a BatchNorm, or nothing in a net as it ships."""
    return [] if folded else [nn.BatchNorm1d(width)]


def separable(width: int, kernel: int, dilation: int, *, folded: bool) -> nn.Sequential:
    """Return a dilated convolution of each channel, then one across them."""
    return nn.Sequential(
        nn.Conv1d(width, width, kernel, dilation=dilation, groups=width, bias=False),
        nn.Conv1d(width, width, 1, bias=folded),
        *norm(width, folded=folded),
        nn.ReLU(),
    )


def stem(channels: int, width: int, geometry: Geometry, *, folded: bool) -> nn.Sequential:
    """Return the first convolution, which lowers the rate."""
    first = nn.Conv1d(channels, width, geometry.stem_kernel, stride=geometry.stride, bias=folded)
    return nn.Sequential(first, *norm(width, folded=folded), nn.ReLU())


def _training_windows(values: npt.ArrayLike, channels: int) -> npt.NDArray[np.float64]:
    windows = np.asarray(values, dtype=np.float64)
    if windows.ndim != 3 or windows.shape[1] != channels or windows.size == 0:
        raise ValueError(f"training windows have shape {windows.shape}; expected (n, {channels}, samples) with n >= 1")
    if not np.isfinite(windows).all():
        raise ValueError("training windows hold values that are not finite; leave those windows out")
    return windows
