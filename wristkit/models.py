"""Small nets that stream: unpadded convolutions, affine normalisation, a mean over time, a linear head.

torch is imported with this room; every room that needs it imports it where it is used.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
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


class Tcn(nn.Module):
    """Temporal convolution net whose last output falls on the window's last sample.

    Parameters
    ----------
    channels, classes
        Names of the input's channels and of the logits.
    samples, hop
        Length and step of a window in samples; the net's stride divides the hop.
    width
        Channels inside the net.
    folded
        Whether it is a net as it ships, without BatchNorm of its own; see :func:`fold`.
    """

    architecture: Mapping[str, Any]

    def __init__(
        self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int, hop: int, width: int, folded: bool
    ) -> None:
        super().__init__()
        geometry = plan(samples=samples, hop=hop)
        self.channels = channels
        self.classes = classes
        self.normalise = Normalise(len(channels))
        stem = nn.Conv1d(len(channels), width, geometry.stem_kernel, stride=geometry.stride, bias=folded)
        self.stem = nn.Sequential(stem, *_norm(width, folded=folded), nn.ReLU())
        blocks = [_separable(width, geometry.kernel, dilation, folded=folded) for dilation in geometry.dilations]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, len(classes))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of windows (n, channels, samples)."""
        steps: Tensor = self.blocks(self.stem(self.normalise(x)))
        logits: Tensor = self.head(steps.mean(-1))
        return logits

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


MODELS: Mapping[str, type[Tcn]] = MappingProxyType({"tcn": Tcn})


def build(
    name: str,
    *,
    channels: Sequence[str],
    classes: Sequence[str],
    samples: int,
    hop: int,
    width: int = 32,
    folded: bool = False,
) -> Tcn:
    """Return a new net; its ``architecture`` holds these arguments, so ``build(**net.architecture)`` gives its like.

    Raises
    ------
    ValueError
        For an unknown name, or a window shorter than the net needs, with the shortest one.
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r} is not known; choose one of {', '.join(MODELS)}")
    if not channels or len(classes) < 2 or width < 1:
        raise ValueError(
            f"a net needs at least 1 channel, 2 classes and width 1; got {len(channels)}, {len(classes)} and {width}"
        )
    net = MODELS[name](
        channels=tuple(channels), classes=tuple(classes), samples=samples, hop=hop, width=width, folded=folded
    )
    net.architecture = {
        "name": name,
        "channels": tuple(channels),
        "classes": tuple(classes),
        "samples": samples,
        "hop": hop,
        "width": width,
        "folded": folded,
    }
    return net


def fold(net: Tcn) -> Tcn:
    """Return a trained net as it ships: BatchNorm folded into the convolutions, every weight a float16 number.

    Rounding weights is nearly all that float16 costs a small net. Done here, before calibration and thresholds, the net
    that is evaluated has the very weights that a float16 package holds, and only activations are left to round.
    """
    shipped = build(**{**net.architecture, "folded": True}).eval()
    shipped.normalise.load_state_dict(net.normalise.state_dict())
    shipped.head.load_state_dict(net.head.state_dict())
    for trained, folded in zip((net.stem, *net.blocks), (shipped.stem, *shipped.blocks), strict=True):
        _fold_norm(trained, folded)
    round_weights(shipped)
    return shipped


def round_weights(net: Tcn) -> None:
    """Round the weights of the convolutions and the head to the nearest float16 numbers, in place."""
    with torch.no_grad():
        for name, weight in net.named_parameters():
            rounded = weight.half().float()
            if not torch.isfinite(rounded).all():
                raise ValueError(f"weight {name} reaches {weight.abs().max():.3g}, beyond float16; train for longer")
            weight.copy_(rounded)


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


def _norm(width: int, *, folded: bool) -> list[nn.Module]:
    return [] if folded else [nn.BatchNorm1d(width)]


def _separable(width: int, kernel: int, dilation: int, *, folded: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(width, width, kernel, dilation=dilation, groups=width, bias=False),
        nn.Conv1d(width, width, 1, bias=folded),
        *_norm(width, folded=folded),
        nn.ReLU(),
    )


@torch.no_grad()
def _fold_norm(trained: nn.Module, folded: nn.Module) -> None:
    """Copy convolutions, the last one with the BatchNorm behind it folded in, computed in float64."""
    sources = [layer for layer in trained.children() if isinstance(layer, nn.Conv1d)]
    targets = [layer for layer in folded.children() if isinstance(layer, nn.Conv1d)]
    norm = next(layer for layer in trained.children() if isinstance(layer, nn.BatchNorm1d))
    for source, target in zip(sources, targets, strict=True):
        target.weight.copy_(source.weight)
    mean, variance = (buffer.double() for name, buffer in norm.named_buffers() if name != "num_batches_tracked")
    factor = norm.weight.double() / torch.sqrt(variance + norm.eps)
    targets[-1].weight.copy_(sources[-1].weight.double() * factor[:, None, None])
    for name, bias in targets[-1].named_parameters():
        if name == "bias":
            bias.copy_(norm.bias.double() - mean * factor)


def _training_windows(values: npt.ArrayLike, channels: int) -> npt.NDArray[np.float64]:
    windows = np.asarray(values, dtype=np.float64)
    if windows.ndim != 3 or windows.shape[1] != channels or windows.size == 0:
        raise ValueError(f"training windows have shape {windows.shape}; expected (n, {channels}, samples) with n >= 1")
    if not np.isfinite(windows).all():
        raise ValueError("training windows hold values that are not finite; leave those windows out")
    return windows


_NEVER_STREAMS: Mapping[type[nn.Module], str] = MappingProxyType(
    {
        nn.RNNBase: "a recurrent layer starts anew with each window",
        nn.RNNCellBase: "a recurrent layer starts anew with each window",
        nn.MultiheadAttention: "attention looks at the whole window at every step",
        nn.Transformer: "attention looks at the whole window at every step",
        nn.TransformerEncoderLayer: "attention looks at the whole window at every step",
        nn.InstanceNorm1d: "its statistics are those of one window",
        nn.GroupNorm: "its statistics are those of one window",
        nn.LayerNorm: "its statistics are those of one window",
        nn.LocalResponseNorm: "its statistics are those of one window",
        nn.AdaptiveAvgPool1d: "adaptive pooling depends on the window's length; average with mean(-1)",
        nn.AdaptiveMaxPool1d: "adaptive pooling depends on the window's length; take amax(-1)",
        nn.ConvTranspose1d: "a transposed convolution spreads samples over the window's edges",
        nn.Upsample: "upsampling depends on the window's edges",
    }
)


def why_not_streamable(model: nn.Module, samples: int) -> tuple[str, ...]:
    """Return the reasons why streaming could not equal windowing, each naming its layer; none means it can.

    Layers are judged, functions called inside ``forward`` (``F.pad``) are not seen.
    """
    reasons = tuple(
        f"{name or type(layer).__name__}: {reason}"
        for name, layer in model.named_modules()
        if (reason := _layer_reason(layer)) is not None
    )
    if reasons:
        return reasons
    return tuple(
        f"{step.name}: {step.left_over} of {step.length} samples fall off the window's end at stride {step.stride}"
        for step in _steps(model, samples)
        if step.left_over
    )


def _layer_reason(layer: nn.Module) -> str | None:
    for kind, reason in _NEVER_STREAMS.items():
        if isinstance(layer, kind):
            return reason
    if isinstance(layer, nn.BatchNorm1d) and not layer.track_running_stats:
        return "without running statistics it uses those of one window"
    if isinstance(layer, nn.Conv1d | nn.MaxPool1d | nn.AvgPool1d):
        padding = layer.padding if isinstance(layer.padding, str) else _one(layer.padding)
        if padding not in (0, "valid"):
            return f"padding {padding!r} lets the window's edges see zeros; use valid convolutions"
        if getattr(layer, "ceil_mode", False):
            return "ceil_mode lets the last output look past the window"
    return None


class _Step(NamedTuple):
    """One layer that met a window: kernel, stride and dilation along time (0 for a linear layer), and its work."""

    name: str
    length: int
    kernel: int
    stride: int
    dilation: int
    macs: int

    @property
    def left_over(self) -> int:
        return (self.length - self.dilation * (self.kernel - 1) - 1) % self.stride if self.kernel else 0


def _steps(model: nn.Module, samples: int) -> list[_Step]:
    """Return the layers in the order in which one window passes them."""
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv1d)), None)
    if first is None:
        raise ValueError(f"{type(model).__name__} has no Conv1d layer; only convolution nets are measured")
    seen: list[_Step] = []
    handles = [
        layer.register_forward_hook(_recorder(name, seen))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv1d | nn.MaxPool1d | nn.AvgPool1d | nn.Linear)
    ]
    try:
        with torch.no_grad(), _evaluating(model):
            model(torch.zeros(1, first.in_channels, samples, device=first.weight.device, dtype=first.weight.dtype))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _recorder(name: str, seen: list[_Step]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        length = inputs[0].shape[-1]
        if isinstance(layer, nn.Linear):
            seen.append(_Step(name, length, 0, 1, 1, output.numel() * layer.in_features))
        elif isinstance(layer, nn.Conv1d):
            work = output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0]
            seen.append(_Step(name, length, layer.kernel_size[0], layer.stride[0], layer.dilation[0], work))
        elif isinstance(layer, nn.MaxPool1d):
            seen.append(_Step(name, length, _one(layer.kernel_size), _one(layer.stride), _one(layer.dilation), 0))
        elif isinstance(layer, nn.AvgPool1d):
            seen.append(_Step(name, length, _one(layer.kernel_size), _one(layer.stride), 1, 0))

    return record


def _one(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else size[0]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Leave BatchNorm's statistics and every layer's mode as they were."""
    modes = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training


@dataclass(frozen=True, kw_only=True)
class ModelSummary:
    """What a net costs and sees.

    Parameters
    ----------
    parameters
        Learned numbers; buffers are not counted.
    macs
        Multiply-accumulates of convolutions and linear layers for one window.
    receptive_field
        Samples that one step before the mean looks at.
    stride
        Samples between two such steps.
    not_streamable
        Reasons from :func:`why_not_streamable`.
    """

    parameters: int
    macs: int
    receptive_field: int
    stride: int
    not_streamable: tuple[str, ...]


def summary(model: nn.Module, *, samples: int) -> ModelSummary:
    """Return parameters, work and reach of a net of layers in a row, for windows of so many samples."""
    steps = _steps(model, samples)
    field, stride = 1, 1
    for step in steps:
        if step.kernel:
            field += step.dilation * (step.kernel - 1) * stride
            stride *= step.stride
    return ModelSummary(
        parameters=sum(one.numel() for one in model.parameters()),
        macs=sum(step.macs for step in steps),
        receptive_field=field,
        stride=stride,
        not_streamable=why_not_streamable(model, samples),
    )


def weights_sha256(model: nn.Module) -> str:
    """Return the hash of every parameter and buffer: name, dtype, shape and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.numpy().tobytes())
    return digest.hexdigest()
