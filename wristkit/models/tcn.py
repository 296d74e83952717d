"""A temporal convolution net: dilated, depthwise-separable, unpadded."""

from torch import Tensor, nn

from wristkit.models.layers import Net, plan, separable, stem


class Tcn(Net):
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
        Whether it is a net as it ships, without BatchNorm of its own; see ``fold``.
    """

    def __init__(
        self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int, hop: int, width: int, folded: bool
    ) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        geometry = plan(samples=samples, hop=hop)
        self.stem = stem(len(channels), width, geometry, folded=folded)
        self.blocks = nn.Sequential(
            *(separable(width, geometry.kernel, dilation, folded=folded) for dilation in geometry.dilations)
        )
        self.head = nn.Linear(width, len(classes))

    def embed(self, x: Tensor) -> Tensor:
        """Return (n, width): what the last convolution gives, averaged over time."""
        steps: Tensor = self.blocks(self.stem(self.normalise(x)))
        return steps.mean(-1)
