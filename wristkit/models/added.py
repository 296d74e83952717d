"""A trained net with one more class that was learned from a few examples."""

import math

import torch
from torch import Tensor, nn

from wristkit.models.layers import Net

QUIET = -3.0  # log odds up to which the new class takes nothing
_SUREST = 8.0  # beyond it float16 has nothing to tell
_LEAST = 1e-6  # of a share, so that its logarithm is a number


class Added(Net):
    """A frozen net and a direction in its embedding by which a new class takes its share of ``donor``, or of all.

    All other classes keep their probabilities; none ever rises. Where the direction says no the share is nothing.
    """

    def __init__(self, base: Net, name: str, *, donor: str | None) -> None:
        super().__init__(channels=base.channels, classes=(*base.classes, name), samples=base.samples)
        self.base = base.requires_grad_(requires_grad=False)
        self.normalise.load_state_dict(base.normalise.state_dict())  # for who asks; the frozen net has its own
        place = None if donor is None else base.classes.index(donor)
        self.donors = slice(0, len(base.classes)) if place is None else slice(place, place + 1)
        with torch.no_grad():
            width = base.embed(torch.zeros(1, len(base.channels), base.samples)).shape[1]
        self.direction = nn.Linear(width, 1)

    def embed(self, x: Tensor) -> Tensor:
        """Return what the frozen net gives."""
        return self.base.embed(x)

    def share(self, embedded: Tensor) -> Tensor:
        """Return (n, 1) share of the new class: 0 up to log odds of ``QUIET``, then rising to 1."""
        odds = torch.clamp(self.direction(embedded), -_SUREST, _SUREST)
        nothing = 1 / (1 + math.exp(-QUIET))
        return torch.relu(torch.sigmoid(odds) - nothing) * (1 / (1 - nothing))

    def classify(self, embedded: Tensor) -> Tensor:
        """Return logits (n, classes) of embeddings, which the frozen net gives once for all classes."""
        old, share = self.base.classify(embedded), self.share(embedded)
        before, given, after = old[:, : self.donors.start], old[:, self.donors], old[:, self.donors.stop :]
        most = torch.amax(given, dim=1, keepdim=True)
        whole = torch.log(torch.sum(torch.exp(given - most), dim=1, keepdim=True)) + most
        left, taken = (torch.log(torch.clamp(one, _LEAST, 1.0)) for one in (1 - share, share))
        return torch.cat([before, given + left, after, whole + taken], dim=1)
