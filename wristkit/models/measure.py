"""What a net costs, sees and must remember, and why it cannot stream where it cannot."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wristkit.models.layers import Net

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
    if isinstance(layer, Net) and layer.never_streams:
        return layer.never_streams
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
    """One layer that met a window: kernel, stride and dilation along time (0 without), and its work.

    ``inputs`` and ``outputs`` are channels; ``whole`` says that it looks at every step of the window.
    """

    name: str
    length: int
    inputs: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    macs: int
    whole: bool = False

    @property
    def left_over(self) -> int:
        return (self.length - self.dilation * (self.kernel - 1) - 1) % self.stride if self.kernel else 0

    @property
    def remembers(self) -> int:
        return self.inputs * max(0, self.dilation * (self.kernel - 1) + 1 - self.stride) if self.kernel else 0


def _steps(model: nn.Module, samples: int) -> list[_Step]:
    """Return the layers in the order in which one window passes them."""
    seen: list[_Step] = []
    handles = [
        layer.register_forward_hook(_recorder(name, seen))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv1d | nn.MaxPool1d | nn.AvgPool1d | nn.Linear | nn.RNNBase)
    ]
    weight = next(model.parameters(), torch.empty(0))
    try:
        with torch.no_grad(), evaluating(model):
            model(torch.zeros(1, _channels(model), samples, device=weight.device, dtype=weight.dtype))
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _channels(model: nn.Module) -> int:
    if isinstance(model, Net):
        return len(model.channels)
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv1d)), None)
    if first is None:
        raise ValueError(f"{type(model).__name__} has no Conv1d layer; only convolution nets are measured")
    return first.in_channels


def _recorder(name: str, seen: list[_Step]) -> Callable[[nn.Module, tuple[Tensor, ...], Any], None]:
    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:  # noqa: ANN401  a recurrent layer gives a pair
        length, channels = inputs[0].shape[-1], inputs[0].shape[1]
        if isinstance(layer, nn.Linear):
            seen.append(_Step(name, length, channels, channels, 0, 1, 1, output.numel() * layer.in_features))
        elif isinstance(layer, nn.RNNBase):
            # Each weight is used once a step, the biases aside.
            used = sum(one.numel() for key, one in layer.named_parameters() if key.startswith("weight"))
            count = inputs[0].shape[1 if layer.batch_first else 0]
            seen.append(_Step(name, count, inputs[0].shape[-1], layer.hidden_size, 0, 1, 1, used * count, whole=True))
        elif isinstance(layer, nn.Conv1d):
            work = output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0]
            sizes = layer.kernel_size[0], layer.stride[0], layer.dilation[0]
            seen.append(_Step(name, length, channels, layer.out_channels, *sizes, work))
        elif isinstance(layer, nn.MaxPool1d):
            sizes = _one(layer.kernel_size), _one(layer.stride), _one(layer.dilation)
            seen.append(_Step(name, length, channels, channels, *sizes, 0))
        elif isinstance(layer, nn.AvgPool1d):
            seen.append(_Step(name, length, channels, channels, _one(layer.kernel_size), _one(layer.stride), 1, 0))

    return record


def _one(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else size[0]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a net into evaluation mode for a while; leave BatchNorm's statistics and every layer's mode as they were."""
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
        Multiply-accumulates of convolutions, linear and recurrent layers for one window; trees have none.
    receptive_field
        Samples that one step before the mean looks at; of several branches, the longest.
    stride
        Samples between two such steps.
    state
        Numbers to hold from one decision to the next: what each convolution will look at again, and the steps that the
        mean is taken of. Of a net that cannot stream, the window.
    not_streamable
        Reasons from :func:`why_not_streamable`.
    """

    parameters: int
    macs: int
    receptive_field: int
    stride: int
    state: int
    not_streamable: tuple[str, ...]

    @property
    def streamable(self) -> bool:
        """Whether running on through a stream gives what windows give."""
        return not self.not_streamable


def summary(model: nn.Module, *, samples: int | None = None) -> ModelSummary:
    """Return parameters, work, reach and memory of a net for windows of so many samples, which own nets know."""
    if samples is None:
        if not isinstance(model, Net):
            raise ValueError(f"{type(model).__name__} does not say how long its windows are; give samples=")
        samples = model.samples
    steps, reasons = _steps(model, samples), why_not_streamable(model, samples)
    reaches = [_reach(path) for path in _paths(steps)]
    field, stride = max((reach[:2] for reach in reaches), default=(1, 1))
    return ModelSummary(
        parameters=sum(one.numel() for one in model.parameters()),
        macs=sum(step.macs for step in steps),
        receptive_field=samples if any(step.whole for step in steps) or not reaches else field,
        stride=stride,
        state=_channels(model) * samples if reasons else sum(reach.state for reach in reaches),
        not_streamable=reasons,
    )


class _Reach(NamedTuple):
    field: int
    stride: int
    state: int


def _paths(steps: list[_Step]) -> list[list[_Step]]:
    """Return the layers along time of each branch: those named ``branches.<name>``, or all as one."""
    by_branch: dict[str, list[_Step]] = {}
    for step in steps:
        if step.kernel:
            _, _, inner = step.name.partition("branches.")
            by_branch.setdefault(inner.partition(".")[0], []).append(step)
    return list(by_branch.values())


def _reach(path: list[_Step]) -> _Reach:
    """Return field and stride of the last of layers in a row, and the numbers that all of them remember."""
    field, stride = 1, 1
    for step in path:
        field += step.dilation * (step.kernel - 1) * stride
        stride *= step.stride
    last = path[-1]
    kept = (last.length - last.dilation * (last.kernel - 1) - 1) // last.stride + 1
    return _Reach(field, stride, sum(step.remembers for step in path) + last.outputs * kept)


def weights_sha256(model: nn.Module) -> str:
    """Return the hash of every parameter and buffer: name, dtype, shape and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}\n".encode())
        digest.update(array.numpy().tobytes())
    return digest.hexdigest()
