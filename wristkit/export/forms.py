"""The ways in which an app can call a net: by window, by the newest samples with a state, or as Create ML's does."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from wristkit.export.incremental import Incremental, first_samples

if TYPE_CHECKING:
    from wristkit.detector import Detector

Interface = Literal["window", "streaming", "activity_classifier"]
INTERFACES: tuple[Interface, ...] = ("window", "streaming", "activity_classifier")
INPUT, CHUNK, STATE_IN, STATE_OUT = "window", "samples", "stateIn", "stateOut"
PROBABILITIES, LABEL, LABEL_PROBABILITY = "probabilities", "label", "labelProbability"


@dataclass(frozen=True, eq=False)
class Form:
    """A net as an app calls it.

    Parameters
    ----------
    module
        From the inputs, in order, to probabilities (1, classes) and, where there is one, the state.
    inputs
        Name to shape; all are float32.
    probabilities
        Name of the output that holds them; with ``is_classifier`` a dictionary by class, beside the ``label``.
    chunk
        New samples that a call takes.
    warm_up
        Answers after the start, or a gap, that are of no complete window yet.
    first_samples
        Samples of the first chunk; zeros stand before them.
    state
        Numbers of the state; 0 without one.
    """

    interface: Interface
    module: nn.Module
    inputs: Mapping[str, tuple[int, ...]]
    probabilities: str
    is_classifier: bool
    chunk: int
    warm_up: int
    first_samples: int
    state: int

    @property
    def examples(self) -> tuple[Tensor, ...]:
        """Seeded inputs of the right shapes."""
        random = torch.Generator().manual_seed(0)
        return tuple(torch.randn(shape, generator=random) for shape in self.inputs.values())


def form(detector: "Detector", interface: Interface) -> Form:
    """Return a detector's net in one of the forms."""
    return {"window": _window, "streaming": _streaming, "activity_classifier": _activity}[interface](detector)


def shape_of(detector: "Detector") -> tuple[int, int, int]:
    """Return (channels, samples, hop) of a detector's windows."""
    spec = detector.spec
    return len(spec.conditioning.channels), spec.length, spec.hop


class _Window(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, window: Tensor) -> Tensor:
        return torch.softmax(self.model(window), dim=-1)


def _window(detector: "Detector") -> Form:
    channels, samples, _ = shape_of(detector)
    inputs = MappingProxyType({INPUT: (1, channels, samples)})
    module = _Window(detector.model).eval()
    return Form("window", module, inputs, PROBABILITIES, True, samples, 0, samples, 0)  # noqa: FBT003  in its order


class _Streaming(nn.Module):
    def __init__(self, net: Incremental) -> None:
        super().__init__()
        self.net = net

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        logits, kept = self.net(samples, state)
        return torch.softmax(logits, dim=-1), kept


def _streaming(detector: "Detector") -> Form:
    channels, samples, hop = shape_of(detector)
    net = Incremental(detector.model, channels=channels, samples=samples, hop=hop).eval()
    size = max(1, net.state_size)
    inputs = MappingProxyType({CHUNK: (1, channels, hop), STATE_IN: (1, size)})
    return _with_state("streaming", _Streaming(net), inputs, detector, size)


class _Activity(nn.Module):
    """Channels one by one, and as state the samples of the window that are not new."""

    def __init__(self, model: nn.Module, *, channels: int, samples: int, hop: int) -> None:
        super().__init__()
        self.model, self.channels, self.samples, self.past = model, channels, samples, max(0, samples - hop)

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        *rows, state = given
        newest = torch.stack(rows, dim=0).unsqueeze(0)
        if self.past:
            window = torch.cat([state.reshape(1, self.channels, self.past), newest], dim=-1)
            kept = window[..., window.shape[-1] - self.past :].reshape(-1)
        else:
            window, kept = newest[..., newest.shape[-1] - self.samples :], state * 1.0
        # coremltools takes the last operation for the probabilities, so the state is made before.
        return torch.softmax(self.model(window), dim=-1), kept


def _activity(detector: "Detector") -> Form:
    channels, samples, hop = shape_of(detector)
    size = max(1, channels * (samples - hop))
    rows = dict.fromkeys(detector.spec.conditioning.channels, (hop,))
    module = _Activity(detector.model, channels=channels, samples=samples, hop=hop)
    return _with_state("activity_classifier", module, MappingProxyType({**rows, STATE_IN: (size,)}), detector, size)


def _with_state(
    interface: Interface, module: nn.Module, inputs: Mapping[str, tuple[int, ...]], detector: "Detector", state: int
) -> Form:
    _, samples, hop = shape_of(detector)
    is_classifier = interface == "activity_classifier"
    name = LABEL_PROBABILITY if is_classifier else PROBABILITIES
    first = first_samples(samples, hop)
    return Form(interface, module.eval(), inputs, name, is_classifier, hop, -(-samples // hop) - 1, first, state)
