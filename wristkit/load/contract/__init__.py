"""What every reader keeps to, whatever format it reads: checks of a reader against an example file.

For a reader of one's own::

    from wristkit.load.contract import check_loader

    check_loader(my_reader, "example.dat").query("not passed")
"""

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from wristkit.load import Reader, formats, on_trial
from wristkit.load.contract import behaviour, content
from wristkit.load.contract.case import DROPPED, TRIAL, Case, FailedError

__all__ = ["CHECKS", "CHECK_COLUMNS", "DROPPED", "check_loader"]

CHECK_COLUMNS = ("check", "passed", "note")
CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType({**content.CHECKS, **behaviour.CHECKS})


def check_loader(
    reader: Reader,
    example: str | Path,
    *,
    schema: Mapping[str, object] | None = None,
    rows: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return a table ``check, passed, note``, a row a check, of what a reader makes of an example and of its damage.

    Parameters
    ----------
    reader
        A module or object with ``recognises`` and ``read``, registered or not.
    example
        A small, whole file or folder that it reads; copies of it are damaged, it stays as it is.
    schema
        As that of ``load``, for a reader that needs one.
    rows
        Stream to the samples that you count in the example yourself; without it that check has nothing to compare.

    Raises
    ------
    FileNotFoundError
        Where the example does not exist. Whatever the reader raises is a row of the table instead.
    """
    path = Path(example).absolute()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give an example that the reader reads")
    name = next((name for name, one in formats().items() if one is reader), TRIAL)
    trial = contextlib.nullcontext() if name != TRIAL else on_trial(name, reader)
    with tempfile.TemporaryDirectory() as folder, trial:
        case = Case(reader, name, path, Path(folder).resolve(), schema, rows)
        return pd.DataFrame([_outcome(*check, case) for check in CHECKS.items()], columns=list(CHECK_COLUMNS))


def _outcome(name: str, check: Callable[[Case], str], case: Case) -> tuple[str, bool, str]:
    try:
        return name, True, check(case)
    except FailedError as failure:
        return name, False, str(failure)
    except Exception as fault:  # noqa: BLE001  a reader on trial may raise anything, which is what is looked for
        return name, False, f"{type(fault).__name__}: {fault}"
