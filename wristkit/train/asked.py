"""What is asked of a training, checked before anything is done."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wristkit.train.augmentation import Augmentation

if TYPE_CHECKING:
    from torch import nn

_MOST_SEED = 2**32 - 1  # of numpy, torch and scikit-learn alike
_MOST_EPOCHS = 1_000_000


def check_seed(seed: Any) -> int:  # noqa: ANN401  anything may be given
    """Return a seed as a plain number, or raise."""
    return _whole("seed", seed, least=0, most=_MOST_SEED, cure="give seed=0")


def check_epochs(epochs: Any) -> int:  # noqa: ANN401
    """Return the most epochs as a plain number, or raise."""
    return _whole("epochs", epochs, least=1, most=_MOST_EPOCHS, cure="give epochs=20")


def check_threads(threads: Any) -> int | None:  # noqa: ANN401
    """Return how many threads train, None to measure, or raise."""
    if threads is None:
        return None
    return _whole("threads", threads, least=1, most=os.cpu_count() or 1, cure="give threads=None to measure")


def check_augmentation(augmentation: Any) -> Augmentation:  # noqa: ANN401
    """Return how windows are varied, or raise."""
    if augmentation is None:
        return Augmentation()
    if not isinstance(augmentation, Augmentation):
        raise TypeError(
            f"augmentation is {augmentation!r}, expected an Augmentation; give Augmentation(mirror=0.0), "
            "Augmentation.off() or None for the usual one"
        )
    return augmentation


def check_model(model: Any, known: tuple[str, ...]) -> "str | nn.Module":  # noqa: ANN401
    """Return a net or the name of one that is known, or raise."""
    from torch import nn

    if isinstance(model, str):
        if model not in known:
            raise ValueError(f"model {model!r} is not known; choose one of {', '.join(known)}")
        return model
    if not isinstance(model, nn.Module):
        name = getattr(model, "__name__", "Net")
        cure = f"call it: model={name}(...)" if callable(model) else f"choose one of {', '.join(known)}"
        raise TypeError(f"model is {model!r}, expected the name of a net or a net; {cure}")
    return model


def check_on_epoch(on_epoch: object) -> None:
    """Raise where what is to be called with each epoch cannot be called."""
    if on_epoch is not None and not callable(on_epoch):
        raise TypeError(f"on_epoch is {on_epoch!r}, expected a function of one row of the history; give on_epoch=print")


def check_folder(runs: Any) -> Path:  # noqa: ANN401
    """Return a path as such, or raise where it names no folder."""
    if not isinstance(runs, str | Path) or not str(runs).strip() or "\0" in str(runs):
        raise ValueError(f"runs is {runs!r}, expected the path of a folder; give runs='runs'")
    return Path(runs)


def _whole(name: str, value: Any, *, least: int, most: int, cure: str) -> int:  # noqa: ANN401
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}, expected a whole number from {least} to {most}; {cure}")
    return int(value)
