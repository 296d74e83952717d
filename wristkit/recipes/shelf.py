"""Where the defaults of the recipes lie in the package, and the limits that they keep to."""

import json
from hashlib import sha256
from pathlib import Path

import pandas as pd

from wristkit.detector import CASCADE_FILE, Cascade, Detector
from wristkit.store import atomic_write

WEIGHTS = Path(__file__).parent / "weights"
MOST_BYTES = 100_000  # of weights in the package, for one recipe
MOST_PARAMETERS = 150_000
_TABLES_FILE = "tables.json"


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


def ship_tables(name: str, *, into: Path = WEIGHTS, **tables: pd.DataFrame) -> None:
    """Write the tables of a default beside it, with the hash of what was judged."""
    folder = into / name
    held = {key: json.loads(one.to_json(orient="split", index=False)) for key, one in tables.items()}
    said = json.dumps({"judged": _sha256(folder), "tables": held}, indent=1)
    atomic_write(folder / _TABLES_FILE, lambda file: file.write(said.encode()))


def shipped_tables(name: str) -> dict[str, pd.DataFrame]:
    """Return the tables that ``python3 -m wristkit.recipes NAME table`` wrote, of the default that ships; none yet: {}.

    Raises
    ------
    ValueError
        Where another default was judged.
    """
    folder = _folder(name)
    if not (folder / _TABLES_FILE).is_file():
        return {}
    held = json.loads((folder / _TABLES_FILE).read_text())
    if held["judged"] != _sha256(folder):
        raise ValueError(
            f"the tables of {name!r} are of another default than the one that ships; make them: "
            f"python3 -m wristkit.recipes {name} table"
        )
    return {key: pd.DataFrame(one["data"], columns=one["columns"]) for key, one in held["tables"].items()}


def _sha256(folder: Path) -> str:
    """Return the hash of all that a detector or cascade is loaded from."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != _TABLES_FILE)
    return sha256(
        b"".join(path.relative_to(folder).as_posix().encode() + path.read_bytes() for path in files)
    ).hexdigest()


def _folder(name: str) -> Path:
    folder = WEIGHTS / name
    if not any((folder / file).is_file() for file in ("detector.json", CASCADE_FILE)):
        raise FileNotFoundError(f"no default ships as {name!r}; make it: python3 -m wristkit.recipes {name}")
    return folder
