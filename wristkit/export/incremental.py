"""A streamable net that takes the newest samples alone, and holds what it will look at again in one explicit state.

The net's graph is walked as it is; in front of each convolution and pooling stand the steps that it looks at again, and
in front of each reduction over time those that the window still holds. What this says is compared with the window's
answer before it is used, so that a layer which looks across time in another way is found, whatever it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from wristkit.models import why_not_streamable

_WALKING = (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d)
_REDUCING = frozenset({"mean", "amax", "amin", "sum", "max", "min"})
_BOUND = 1e-5  # of the largest logit
_CHECKED_CHUNKS = 6


@dataclass(frozen=True)
class _Memory:
    """What one node holds back: its place in the state, channels and steps; ``skipped`` new ones are not used."""

    first: int
    channels: int
    steps: int
    skipped: int


class Incremental(nn.Module):
    """A net from (1, channels, hop) new samples and (1, n) state to logits and the next state."""

    def __init__(self, net: nn.Module, *, channels: int, samples: int, hop: int) -> None:
        super().__init__()
        self.walked = fx.symbolic_trace(net)
        self.channels, self.samples, self.hop = channels, samples, hop
        lengths = _Lengths(self.walked)
        lengths.run(torch.zeros(1, channels, samples))
        plan = _Walk(self.walked, lengths.of, {}, None)
        plan.run(torch.zeros(1, channels, hop))
        self.memories: Mapping[str, _Memory] = plan.memories
        self._lengths = lengths.of
        self.state_size = sum(one.channels * one.steps for one in self.memories.values())

    def forward(self, chunk: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (1, classes) of the window that ends with this chunk, and the state for the next."""
        walk = _Walk(self.walked, self._lengths, self.memories, state)
        logits: Tensor = walk.run(chunk)
        kept = [walk.kept[name].reshape(1, -1) for name, one in self.memories.items() if one.steps]
        return logits, torch.cat(kept, dim=1) if kept else state


class _Lengths(fx.Interpreter):
    """Runs a whole window, and notes how many steps each node gives."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.of: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401  whatever a node gives
        given = super().run_node(n)
        if isinstance(given, Tensor):
            self.of[n.name] = tuple(given.shape)
        return given


class _Walk(fx.Interpreter):
    """Runs the newest samples, each node that looks back with its memory in front; without a state it plans them."""

    def __init__(
        self,
        graph: fx.GraphModule,
        lengths: Mapping[str, tuple[int, ...]],
        memories: Mapping[str, _Memory],
        state: Tensor | None,
    ) -> None:
        super().__init__(graph)
        self._lengths, self._state = lengths, state
        self.memories: dict[str, _Memory] = dict(memories)
        self.kept: dict[str, Tensor] = {}
        self._next = 0

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401
        looked = self._looks_back(n)
        if looked is None:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        x: Tensor = args[0]
        if self._state is None:
            span = looked - x.shape[-1] if not isinstance(self._layer(n), _WALKING) else looked
            self.memories[n.name] = _Memory(self._next, x.shape[1], max(0, span), max(0, -span))
            self._next += x.shape[1] * max(0, span)
        with_past = self._with_past(n.name, x)
        return getattr(self, n.op)(n.target, (with_past, *args[1:]), kwargs)

    def _with_past(self, name: str, x: Tensor) -> Tensor:
        memory = self.memories[name]
        if not memory.steps:
            return x[..., memory.skipped :]
        stop = memory.first + memory.channels * memory.steps
        size = (1, memory.channels, memory.steps)
        past = x.new_zeros(size) if self._state is None else self._state[:, memory.first : stop].reshape(size)
        joined = torch.cat([past, x], dim=-1)
        self.kept[name] = joined[..., joined.shape[-1] - memory.steps :]
        return joined

    def _layer(self, n: fx.Node) -> nn.Module | None:
        return self.fetch_attr(str(n.target)) if n.op == "call_module" else None

    def _looks_back(self, n: fx.Node) -> int | None:
        """Return how many steps before the new ones a layer looks at, or how many a reduction needs in all."""
        layer = self._layer(n)
        if isinstance(layer, _WALKING):
            kernel, stride, dilation = (_one(getattr(layer, key, 1)) for key in ("kernel_size", "stride", "dilation"))
            return dilation * (kernel - 1) + 1 - stride
        source = n.args[0] if n.args else None
        if n.op not in ("call_method", "call_function") or not isinstance(source, fx.Node):
            return None
        name = str(n.target) if n.op == "call_method" else str(getattr(n.target, "__name__", ""))
        before = self._lengths.get(source.name, ())
        over = n.kwargs.get("dim", n.args[1] if len(n.args) > 1 else None)
        over = over[0] if isinstance(over, list | tuple) and len(over) == 1 else over
        return before[-1] if name in _REDUCING and len(before) == 3 and over in (-1, 2) else None


def _one(size: Any) -> int:  # noqa: ANN401  torch holds a number or a tuple of one
    return int(size[0]) if isinstance(size, tuple) else int(size)


def why_not_incremental(net: nn.Module, *, channels: int, samples: int, hop: int) -> tuple[str, ...]:
    """Return the reasons why a net cannot take the newest samples alone, each with its layer's name."""
    if reasons := why_not_streamable(net, samples):
        return reasons
    try:
        one = Incremental(net, channels=channels, samples=samples, hop=hop).eval()
        worst = _worst(net, one)
    except Exception as fault:  # noqa: BLE001  fx and a user's forward raise whatever they like
        said = (str(fault) or "-").splitlines()[0]
        return (f"its forward cannot be walked ({type(fault).__name__}: {said}); use layers, and mean(-1) over time",)
    if not worst <= _BOUND:
        return (
            f"streamed it is off by {worst:.2g} of the largest logit: its forward looks across time elsewhere, too",
        )
    return ()


@torch.no_grad()
def _worst(net: nn.Module, one: Incremental) -> float:
    """Return the largest difference of a stream from its windows, as a share of the largest logit."""
    total = one.samples + _CHECKED_CHUNKS * one.hop
    stream = torch.randn(1, one.channels, total, generator=torch.Generator().manual_seed(0))
    state, worst, largest = torch.zeros(1, max(1, one.state_size)), 0.0, 1.0
    lead = first_samples(one.samples, one.hop)
    padded = torch.cat([torch.zeros(1, one.channels, one.hop - lead), stream], dim=-1)
    for place in range(0, padded.shape[-1] - one.hop + 1, one.hop):
        logits, state = one(padded[..., place : place + one.hop], state)
        stop = place + lead  # of the stream
        if stop >= one.samples:
            expected = net(stream[..., stop - one.samples : stop])
            worst = max(worst, float((logits - expected).abs().max()))
            largest = max(largest, float(expected.abs().max()))
    return worst / largest


def first_samples(samples: int, hop: int) -> int:
    """Return how many samples the first chunk of a stream holds behind zeros, so that chunks end where windows do."""
    return samples % hop or hop
