"""A net with a branch each for motion and sound, which meet before the head."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from wristkit.models.layers import Net, plan, separable, stem

_SOUND = "mel"  # the stream that a conditioning makes of sound


class Branches(Net):
    """A temporal convolution net for the channels of sound (``mel``) and one for all others, joined before the head.

    Each reads its own channels on the shared grid; windows of one kind alone give one branch. Parameters are those of
    ``Tcn``; ``width`` is that of a branch.
    """

    def __init__(
        self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int, hop: int, width: int, folded: bool
    ) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        geometry = plan(samples=samples, hop=hop)
        heard = [name == _SOUND or name.startswith(f"{_SOUND}_") for name in channels]
        self.runs = {
            name: runs for name, runs in (("motion", _runs(heard, of=False)), ("sound", _runs(heard, of=True))) if runs
        }
        self.branches = nn.ModuleDict(
            {
                name: nn.Sequential(
                    stem(sum(stop - start for start, stop in runs), width, geometry, folded=folded),
                    *(separable(width, geometry.kernel, dilation, folded=folded) for dilation in geometry.dilations),
                )
                for name, runs in self.runs.items()
            }
        )
        self.head = nn.Linear(width * len(self.runs), len(classes))

    def embed(self, x: Tensor) -> Tensor:
        """Return (n, width of all branches): what each gives, averaged over time, side by side."""
        normal = self.normalise(x)
        parts = [
            self.branches[name](torch.cat([normal[:, start:stop] for start, stop in runs], dim=1)).mean(-1)
            for name, runs in self.runs.items()
        ]
        return torch.cat(parts, dim=1)


def _runs(heard: Sequence[bool], *, of: bool) -> tuple[tuple[int, int], ...]:
    """Return (first, past last) of each run of channels of a kind; slices convert where gathering would not."""
    edges = [0, *(place for place in range(1, len(heard)) if heard[place] != heard[place - 1]), len(heard)]
    return tuple((start, stop) for start, stop in pairwise(edges) if heard[start] == of)
