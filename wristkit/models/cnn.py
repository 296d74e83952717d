"""A plain convolution net, to compare with: dense convolutions side by side in time, no dilation."""

from itertools import pairwise

from torch import Tensor, nn

from wristkit.models.layers import STEPS_BEFORE_MEAN, Net, norm, plan, stem


class Cnn(Net):
    """Up to three dense convolutions, the last twice as wide: a shorter reach than ``Tcn`` at more operations.

    Parameters are those of ``Tcn``.
    """

    def __init__(
        self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int, hop: int, width: int, folded: bool
    ) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        geometry = plan(samples=samples, hop=hop)
        self.stem = stem(len(channels), width, geometry, folded=folded)
        steps = (samples - geometry.stem_kernel) // geometry.stride + 1
        room = (steps - STEPS_BEFORE_MEAN) // (geometry.kernel - 1)
        widths = [width] * min(2, room) + [2 * width]
        self.blocks = nn.Sequential(
            *(_dense(one, two, geometry.kernel, folded=folded) for one, two in pairwise(widths))
        )
        self.head = nn.Linear(2 * width, len(classes))

    def embed(self, x: Tensor) -> Tensor:
        """Return (n, 2 width): what the last convolution gives, averaged over time."""
        steps: Tensor = self.blocks(self.stem(self.normalise(x)))
        return steps.mean(-1)


def _dense(width: int, wider: int, kernel: int, *, folded: bool) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(width, wider, kernel, bias=folded), *norm(wider, folded=folded), nn.ReLU())
