"""A net of the user's own, with the package's normaliser in front and its calibration behind."""

import copy

import torch
from torch import Tensor, nn

from wristkit.models.layers import Net
from wristkit.models.measure import evaluating


class Own(Net):
    """A copy of the user's net; normalisation before it and temperature after it are inside.

    Its class scores are logits: leave out the softmax. It has no head that is known, and so no embedding.
    """

    temperature: Tensor

    def __init__(self, module: nn.Module, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        self.module = copy.deepcopy(module)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of windows (n, channels, samples)."""
        logits: Tensor = self.module(self.normalise(x)) / self.temperature
        return logits

    @torch.no_grad()
    def cool(self, temperature: float) -> None:
        """Divide all logits by a temperature from now on."""
        self.temperature.mul_(temperature)


def own(module: nn.Module, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int) -> Own:
    """Return a copy of a net of the user's, tried out on windows of noise, with a normaliser in front.

    Raises
    ------
    ValueError
        Where it gives another shape than (n, classes), numbers that are not finite, or in evaluation mode scores that
        depend on what else is in the batch or differ from one call to the next.
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
    return net


def _tried(net: Own, windows: Tensor, name: str) -> Tensor:
    try:
        given = net.module(net.normalise(windows))
    except (RuntimeError, ValueError, IndexError) as fault:
        raise ValueError(
            f"{name} cannot take windows of the shape {tuple(windows.shape)} (windows, channels, samples): "
            f"{str(fault).splitlines()[0]}"
        ) from fault
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} gives a {type(given).__name__}, expected one tensor of logits (n, classes)")
    return given
