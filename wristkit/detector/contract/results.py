"""Checks of what is found and how it is said, and of what is saved."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from wristkit.detector.cascade import Cascade
from wristkit.detector.contract.case import Case, FailedError, require, require_same
from wristkit.detector.detector import Detector
from wristkit.errors import RecordingError
from wristkit.events import EVENT_COLUMNS

_NOT_SAVED = "a net of one's own is not saved, so this does not apply"


def _finds(case: Case) -> str:
    require(len(case.events), "nothing is found in the example; give one in which it finds something")
    return f"{len(case.events)} events"


def _table(case: Case) -> str:
    require(tuple(case.events.columns) == EVENT_COLUMNS, f"columns are {list(case.events.columns)}")
    one = case.detector
    background = "none" if isinstance(one, Cascade) else one.spec.decoder.background
    known = set(one.classes if isinstance(one, Cascade) else one.spec.classes) - {background}
    require(set(case.events["label"]) <= known, f"labels are {sorted(set(case.events['label']))}, of {sorted(known)}")
    return ""


def _times(case: Case) -> str:
    events = case.events
    require((events["start_s"] <= events["stop_s"]).all(), "an event ends before it starts")
    require(events["start_s"].is_monotonic_increasing, "events are not in order")
    require((events["decided_s"] >= events["start_s"]).all(), "an event is decided before it starts")
    require((events["decided_s"] <= case.recording.stop_s + 1e-6).all(), "an event is decided after the last sample")
    return ""


def _event_scores(case: Case) -> str:
    require(case.events["score"].between(0, 1).all(), "a score is not between 0 and 1")
    return ""


def _scores(case: Case) -> str:
    scores = case.detector.scores(case.recording)
    require(np.isfinite(scores.values).all(), "a score is no number")
    require(scores.values.min() >= 0 and scores.values.max() <= 1 + 1e-6, "a score is not between 0 and 1")
    require((np.diff(scores.time) > 0).all(), "the times of scores do not increase")
    return ""


def _same_again(case: Case) -> str:
    pd.testing.assert_frame_equal(case.detector.detect(case.recording), case.events, check_exact=True)
    return ""


def _untouched(case: Case) -> str:
    before = {name: np.array(stream.values).tobytes() for name, stream in case.recording.streams.items()}
    case.detector.detect(case.recording)
    after = {name: np.array(stream.values).tobytes() for name, stream in case.recording.streams.items()}
    require(before == after, "the recording is changed")
    return ""


def _evaluates(case: Case) -> str:
    if not case.recording.labelled:
        return "the example states no labelled spans"
    report = case.detector.evaluate(case.recording, tier=next(iter(case.recording.labelled)))
    require(report.hours > 0, "there are no hours in its report")
    return repr(report).splitlines()[0]


def _short_name(case: Case) -> str:
    require(len(repr(case.detector)) <= 400, f"repr has {len(repr(case.detector))} letters, expected 400 at most")
    return ""


def _saved(case: Case, name: str) -> Path | None:
    if any(spec.architecture is None for spec in case.specs):
        return None
    return case.detector.save(case.folder / name)


def _load(case: Case, folder: Path) -> Detector | Cascade:
    return type(case.detector).load(folder)


def _loads(case: Case) -> str:
    folder = _saved(case, "loads")
    if folder is None:
        return _NOT_SAVED
    require_same(_load(case, folder).detect(case.recording), case.events, "what was loaded finds other events")
    return ""


def _same_bytes(case: Case) -> str:
    one, other = _saved(case, "one"), _saved(case, "other")
    if one is None or other is None:
        return _NOT_SAVED
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    require(all((one / path).read_bytes() == (other / path).read_bytes() for path in files), "saving twice differs")
    return ""


def _only_plain_files(case: Case) -> str:
    folder = _saved(case, "plain")
    if folder is None:
        return _NOT_SAVED
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    require(kinds == {".json", ".safetensors"}, f"it is saved as {sorted(kinds)}, expected JSON and safetensors")
    headers = [json.loads(path.read_bytes()) for path in folder.rglob("*.json")]
    require(all("schema" in one for one in headers), "a header says no schema")
    return ""


def _refused_after(case: Case, name: str, damage: Callable[[Path], None], code: str) -> str:
    folder = _saved(case, name)
    if folder is None:
        return _NOT_SAVED
    damage(folder)
    try:
        _load(case, folder)
    except RecordingError as error:
        require(error.code == code, f"it is refused as {error.code!r}, expected {code!r}")
        return ""
    raise FailedError("it loads as if nothing had happened")


def _other_weights(case: Case) -> str:
    def damage(folder: Path) -> None:
        path = next(folder.rglob("*.safetensors"))
        path.write_bytes(path.read_bytes()[:-1] + b"\x01\x02")

    return _refused_after(case, "weights", damage, "checksum")


def _other_header(case: Case) -> str:
    def damage(folder: Path) -> None:
        path = next(folder.glob("*.json"))
        header = json.loads(path.read_bytes())
        header["policy" if "policy" in header else "spec"]["unheard_of"] = 1
        path.write_text(json.dumps(header))

    return _refused_after(case, "header", damage, "header")


def _other_schema(case: Case) -> str:
    def damage(folder: Path) -> None:
        path = next(folder.glob("*.json"))
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "schema": 999}))

    return _refused_after(case, "schema", damage, "schema")


CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "it finds something in its example": _finds,
        "events are a table of its classes": _table,
        "times are in order and within the recording": _times,
        "scores of events lie between 0 and 1": _event_scores,
        "scores are numbers between 0 and 1 at increasing times": _scores,
        "the same recording gives the same bits": _same_again,
        "the recording stays as it was": _untouched,
        "it evaluates itself": _evaluates,
        "its name is short": _short_name,
        "what is saved loads and finds the same": _loads,
        "saving twice gives the same bytes": _same_bytes,
        "it is saved as JSON and safetensors with a schema": _only_plain_files,
        "other weights are refused": _other_weights,
        "a changed header is refused": _other_header,
        "another schema is refused": _other_schema,
    }
)
