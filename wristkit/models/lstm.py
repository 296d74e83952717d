"""A recurrent net, to compare with: it reads each window from the start, and no watch's neural engine runs it."""

from torch import Tensor, nn

from wristkit.models.layers import Net, plan, stem


class Lstm(Net):
    """One strided convolution, then a long short-term memory whose last output is the embedding.

    It starts anew with each window, so each decision costs a whole window, and an export refuses it. Parameters are
    those of ``Tcn``.
    """

    warning = (
        "lstm reads every window from its start: each decision costs a whole window, it cannot stream, and wk.export "
        "refuses it; compare with it, and ship 'tcn'"
    )

    def __init__(
        self, *, channels: tuple[str, ...], classes: tuple[str, ...], samples: int, hop: int, width: int, folded: bool
    ) -> None:
        super().__init__(channels=channels, classes=classes, samples=samples)
        self.stem = stem(len(channels), width, plan(samples=samples, hop=hop), folded=folded)
        self.recurrent = nn.LSTM(width, width + width // 2, batch_first=True)
        self.head = nn.Linear(width + width // 2, len(classes))

    def embed(self, x: Tensor) -> Tensor:
        """Return (n, 1.5 width): what the memory holds after the last step."""
        states, _ = self.recurrent(self.stem(self.normalise(x)).transpose(1, 2))
        last: Tensor = states[:, -1]
        return last
