"""Where the defaults of the recipes lie in the package, and the limits that they keep to."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from wristkit.detector import CASCADE_FILE, Cascade, Detector
from wristkit.store import atomic_write

WEIGHTS = Path(__file__).parent / "weights"
MOST_BYTES = 100_000  # of weights in the package, for one recipe
MOST_PARAMETERS = 150_000
_REFERENCE_FILE, _EMBEDDINGS = "reference.safetensors", "embeddings"


def shipped(name: str) -> Detector:
    """Return the detector that ships under this name."""
    return Detector.load(_folder(name))


def shipped_cascade(name: str) -> Cascade:
    """Return the cascade that ships under this name."""
    return Cascade.load(_folder(name))


def ship(detector: Detector | Cascade, name: str, *, into: Path = WEIGHTS) -> Path:
    """Write a detector or a cascade as the default of a recipe, and return its folder.

    Raises
    ------
    ValueError
        Where it is larger than what may ship: nothing is written then.
    """
    stages = [detector.gate, detector.confirm] if isinstance(detector, Cascade) else [detector]
    weights = [value for stage in stages for value in stage.model.state_dict().values()]
    count = sum(value.numel() for value in weights)
    size = sum(value.numel() * value.element_size() for value in weights)
    if count > MOST_PARAMETERS or size > MOST_BYTES:
        raise ValueError(
            f"{name} has {count} parameters in {size} bytes, expected at most {MOST_PARAMETERS} in {MOST_BYTES}; "
            "train with a smaller width"
        )
    return detector.save(into / name)


def ship_reference(reference: npt.NDArray[np.float32], name: str, *, into: Path = WEIGHTS) -> None:
    """Write the embeddings that a new class of a default is told from, as float16."""
    from safetensors.numpy import save

    content = save({_EMBEDDINGS: np.ascontiguousarray(reference, dtype=np.float16)})
    atomic_write(into / name / _REFERENCE_FILE, lambda file: file.write(content))


def shipped_reference(name: str) -> npt.NDArray[np.float32]:
    """Return the embeddings that :func:`ship_reference` wrote."""
    from safetensors.numpy import load

    held = load((_folder(name) / _REFERENCE_FILE).read_bytes())
    return np.asarray(held[_EMBEDDINGS], dtype=np.float32)


def _folder(name: str) -> Path:
    folder = WEIGHTS / name
    if not any((folder / file).is_file() for file in ("detector.json", CASCADE_FILE)):
        raise FileNotFoundError(f"no default ships as {name!r}; make it: python3 -m wristkit.recipes {name}")
    return folder
