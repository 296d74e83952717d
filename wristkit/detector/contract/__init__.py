"""What every detector and cascade keeps to, whatever it detects: checks against an example recording.

For one of one's own::

    from wristkit.detector.contract import check_detector

    check_detector(detector, recording).query("not passed")
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from wristkit.detector.cascade import Cascade
from wristkit.detector.contract import given, packets, results
from wristkit.detector.contract.case import Case, FailedError
from wristkit.detector.detector import Detector
from wristkit.recording import Recording

__all__ = ["CHECKS", "CHECK_COLUMNS", "check_detector"]

CHECK_COLUMNS = ("check", "passed", "note")
CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType({**results.CHECKS, **packets.CHECKS, **given.CHECKS})


def check_detector(detector: Detector | Cascade, recording: Recording) -> pd.DataFrame:
    """Return a table ``check, passed, note``, a row a check; a note on a passed one says what did not apply.

    Parameters
    ----------
    detector
        What is checked; it is reset.
    recording
        Half a minute or so in which it finds something, of all its streams, with labels and labelled spans. Copies of
        it are damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        case = Case(detector, recording, Path(folder))
        return pd.DataFrame([_outcome(*check, case) for check in CHECKS.items()], columns=list(CHECK_COLUMNS))


def _outcome(name: str, check: Callable[[Case], str], case: Case) -> tuple[str, bool, str]:
    try:
        return name, True, check(case)
    except FailedError as failure:
        return name, False, str(failure)
    except Exception as fault:  # noqa: BLE001  a detector on trial may raise anything, which is what is looked for
        return name, False, f"{type(fault).__name__}: {fault}"
    finally:
        case.detector.reset()
