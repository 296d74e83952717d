"""A net of the user's own, with the package's normaliser in front and its calibration behind, or drawn anew."""

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wristkit.models.layers import Net
from wristkit.models.measure import evaluating


class Own(Net):
    """A copy of the user's net; normalisation before it, shift and temperature after it are inside.

    Its class scores are logits: leave out the softmax. It has no head that is known, and so no embedding.
    """

    offset: Tensor
    temperature: Tensor

    def __init__(self, module: nn.Module, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        self.module = _copied(module)
        self.register_buffer("offset", torch.zeros(len(classes)))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of windows (n, channels, samples)."""
        logits: Tensor = (self.module(self.normalise(x)) + self.offset) / self.temperature
        return logits

    @torch.no_grad()
    def shift(self, logits: npt.NDArray[np.float64]) -> None:
        """Add a constant to the logit of each class from now on."""
        self.offset.add_(torch.from_numpy(logits).to(self.offset) * self.temperature)

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide all logits by a temperature from now on."""
        self.temperature.mul_(temperature)


def own(module: nn.Module, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int) -> Own:
    """Return a copy of a net of the user's, tried out on windows of noise, with a normaliser in front.

    Raises
    ------
    ValueError
        Where it gives another shape than (n, classes), numbers that are not finite, probabilities, no gradient, or in
        evaluation mode scores that depend on what else is in the batch or differ from one call to the next.
    """
    name = type(module).__name__
    if not any(weight.requires_grad for weight in module.parameters()):
        raise ValueError(f"{name} has no weights to train; give it some, or set requires_grad")
    net = Own(module, channels=channels, classes=classes, samples=samples)
    windows = torch.randn(4, len(channels), samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(net), torch.random.fork_rng(devices=[]):
        given = _tried(net, windows, name)
        alone, again = _tried(net, windows[:1], name), _tried(net, windows, name)
    if given.shape != (4, len(classes)):
        raise ValueError(
            f"{name} gives {tuple(given.shape)} for windows {tuple(windows.shape)}, expected (4, {len(classes)}): one "
            f"logit for each of the classes {list(classes)}"
        )
    if not torch.isfinite(given).all():
        raise ValueError(f"{name} gives numbers that are not finite for windows of noise; look at its first weights")
    if not torch.equal(given, again):
        raise ValueError(f"{name} in evaluation mode gives other scores each time; let dropout look at self.training")
    if not torch.allclose(given[:1], alone, rtol=1e-3, atol=1e-4):
        raise ValueError(
            f"{name} in evaluation mode scores a window by what else is in the batch; use BatchNorm with running "
            "statistics, and no mean over the first axis"
        )
    _check_probabilities(given, name)
    _try_a_step(net, windows, name)
    return net


def _copied(module: nn.Module) -> nn.Module:
    """Return a copy of a net, or raise what keeps it from being copied."""
    name = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"{name} is a script of a net, expected the net; give what went into torch.jit")
    try:
        return copy.deepcopy(module)
    except RuntimeError as fault:
        raise TypeError(
            f"{name} cannot be copied: {str(fault).splitlines()[0]}; give one that was not run yet, and for the old "
            "weight_norm that of torch.nn.utils.parametrizations"
        ) from fault


def _check_probabilities(given: Tensor, name: str) -> None:
    """Raise where scores are probabilities already: a softmax of them would hide how sure the net is."""
    if bool((given >= 0).all()) and torch.allclose(given.sum(dim=1), torch.ones(len(given)), atol=1e-3):
        raise ValueError(f"{name} gives probabilities, expected logits; leave out the softmax at its end")


def _try_a_step(net: Own, windows: Tensor, name: str) -> None:
    """Raise where a copy of the net cannot be trained on windows: another shape, or no gradient."""
    trial = copy.deepcopy(net).train()
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        given = _tried(trial, windows, name)
        expected = (len(windows), len(net.classes))
        if given.shape != expected:
            raise ValueError(
                f"{name} in training mode gives {tuple(given.shape)}, expected {expected} as in evaluation"
            )
        if not given.requires_grad:
            raise ValueError(f"{name} gives scores without a gradient; leave out detach() and no_grad() in forward")
        try:
            nn.functional.cross_entropy(given, torch.arange(len(windows)) % len(net.classes)).backward()  # type: ignore[no-untyped-call]
        except RuntimeError as fault:
            raise ValueError(f"{name} cannot be trained: {str(fault).splitlines()[0]}") from fault


def drawn_anew(module: nn.Module) -> nn.Module:
    """Return a copy of a net whose weights were drawn anew by its layers, so that it knows nothing of anybody.

    Raises
    ------
    TypeError
        Where it is a net of this package.
    ValueError
        Where it holds weights that are frozen, or a layer cannot draw its own again.
    """
    name = type(module).__name__
    cure = f"give what makes it instead, a class or a function without arguments: model=lambda: {name}(...)"
    if isinstance(module, Net):
        raise TypeError(f"{name} is a net of this package that may know these people; give its name, such as 'tcn'")
    if frozen := [key for key, weight in module.named_parameters() if not weight.requires_grad]:
        raise ValueError(f"{name} holds frozen weights ({frozen[0]}), which nobody should draw anew; {cure}")
    fresh = _copied(module)
    kept = set(fresh.state_dict())
    for key, layer in fresh.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
        elif own_weights := [one for one, _ in layer.named_parameters(recurse=False)]:
            where = f"{key or name} ({type(layer).__name__})"
            raise ValueError(f"{where} holds {own_weights[0]!r} and has no reset_parameters() to draw it anew; {cure}")
        elif buffers := [one for one, _ in layer.named_buffers(key, recurse=False) if one in kept]:
            raise ValueError(
                f"{name} holds {buffers[0]!r}, which may have been measured on these people; {cure}; or register a "
                "constant with persistent=False"
            )
    return fresh


def _tried(net: Own, windows: Tensor, name: str) -> Tensor:
    try:
        given = net.module(net.normalise(windows))
    except Exception as fault:
        raise ValueError(
            f"{name} cannot take windows of the shape {tuple(windows.shape)} (windows, channels, samples): "
            f"{type(fault).__name__}: {(str(fault) or '-').splitlines()[0]}"
        ) from fault
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} gives a {type(given).__name__}, expected one tensor of logits (n, classes)")
    if not given.is_floating_point():
        raise TypeError(f"{name} gives {given.dtype}, expected real logits such as torch.float32")
    return given
