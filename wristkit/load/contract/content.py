"""Checks of what a reader recognises, and of what it makes of a whole file."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from wristkit.load import formats
from wristkit.load.contract.case import DROPPED, EDGE_S, TRIAL, Case, foreign_files, require, streams_of
from wristkit.recording import CANONICAL, FINDING_COLUMNS

_RATE_TOLERANCE = 0.01
_LABELS_MAY_LIE_OUTSIDE = "label_outside"

# What it recognises


def _recognised(case: Case) -> str:
    require(case.reader.recognises(case.path) is True, "recognises() does not return True for the example")
    return ""


def _by_content(case: Case) -> str:
    for name in ("recording", "recording.odd", "RECORDING.TXT"):
        require(case.reader.recognises(case.copy(name)), f"it is not recognised under the name {name!r}")
    return ""


def _by_none_before(case: Case) -> str:
    # Who recognises a file first reads it, so the readers of anybody's sound or table are asked last.
    first = next((name for name, one in formats().items() if one.recognises(case.path)), "nobody")
    require(first == case.name, f"it is recognised by {first}, which is asked before")
    return ""


def _not_foreign(case: Case) -> str:
    found = [path.name for path in foreign_files(case) if case.reader.recognises(path)]
    require(not found, f"it recognises what is not of its format: {', '.join(found)}")
    return ""


def _refuses_foreign(case: Case) -> str:
    for path in foreign_files(case):
        require(case.refused(path) is not None, f"it reads {path.name!r}, which is not of its format")
    return ""


# What it gives


def _loads(case: Case) -> str:
    return repr(case.recording)


def _float32(case: Case) -> str:
    wrong = [name for name, one in streams_of(case) if one.values.dtype != np.float32 or one.values.ndim != 2]
    require(not wrong, f"values are no float32 of (n, c): {', '.join(wrong)}")
    return ""


def _finite(case: Case) -> str:
    wrong = [name for name, one in streams_of(case) if np.isinf(one.values).any()]
    require(not wrong, f"values are infinite: {', '.join(wrong)}")
    return ""


def _canonical(case: Case) -> str:
    for name, one in streams_of(case):
        known = CANONICAL.get(name)
        require(known is None or known.unit == one.unit, f"{name} is in {one.unit!r}, expected the canonical unit")
        require(known is None or known.channels in ((), one.channels), f"{name} has the channels {one.channels}")
    return ""


def _canonical_names(case: Case) -> str:
    require(set(case.recording.streams) & set(CANONICAL), f"no stream has a canonical name: {list(CANONICAL)}")
    return ""


def _time(case: Case) -> str:
    for name, one in streams_of(case):
        require(one.time.dtype == np.float64, f"time of {name} is {one.time.dtype}, expected float64")
        require(np.isfinite(one.time).all() and (np.diff(one.time) > 0).all(), f"time of {name} does not increase")
    return ""


def _clock(case: Case) -> str:
    """Second 0 is the first sample wherever a wall clock is known; a clock of its own may start anywhere."""
    dated = case.recording.start is not None or "local_start" in case.recording.source
    require(not dated or abs(case.recording.start_s) < EDGE_S, f"it starts at {case.recording.start_s} s, not at 0")
    return "" if dated else "it has no wall clock"


def _rate(case: Case) -> str:
    for name, one in streams_of(case):
        steps = np.diff(one.time)
        if one.is_uniform or not len(steps):
            continue
        kept = steps[steps <= max(4 * float(np.median(steps)), 0.1)]
        by_hand = len(kept) / kept.sum() if len(kept) else float("nan")
        wrong = abs(one.rate_hz / by_hand - 1) > _RATE_TOLERANCE
        require(not wrong, f"rate of {name} is {one.rate_hz:.5g} Hz, {by_hand:.5g} Hz by its stamps")
    return ""


def _stated_rate(case: Case) -> str:
    findings = case.recording.findings
    told = set(findings.loc[findings["code"] == "rate_stated", "stream"])
    silent = [name for name, one in streams_of(case) if one.is_uniform and name not in told]
    require(not silent, f"rates are stated and no finding says so: {', '.join(silent)}")
    return ""


def _rows(case: Case) -> str:
    if case.rows is None:
        return "not compared: give rows={'accel': 1234, ...} as you count them"
    findings = case.recording.findings
    for name, count in case.rows.items():
        dropped = findings.loc[findings["code"].isin(DROPPED) & (findings["stream"] == name), "count"].sum()
        found = len(case.recording[name])
        require(found + dropped == count, f"{name} has {found} samples and {dropped} dropped, expected {count}")
    return ""


def _rows_of_findings(case: Case) -> Iterator[tuple[str, dict[Hashable, Any]]]:
    for row in case.recording.findings.to_dict("records"):
        yield f"finding {row['code']!r}", row


def _findings(case: Case) -> str:
    findings = case.recording.findings
    require(tuple(findings.columns) == FINDING_COLUMNS, f"findings have the columns {list(findings.columns)}")
    for told, row in _rows_of_findings(case):
        least = 0 if row["code"] in DROPPED else 1  # what was cut off may hold no whole sample
        require(row["count"] >= least, f"{told} counts {row['count']}")
        require(row["note"].strip() and row["remedy"].strip(), f"{told} has no note or no remedy")
        require(re.fullmatch(r"[a-z0-9_]+", row["code"]), f"{told} is no code in small letters")
    return ", ".join(findings["code"].unique())


def _finding_spans(case: Case) -> str:
    first_s, last_s = case.recording.start_s - EDGE_S, case.recording.stop_s + EDGE_S
    streams = case.recording.streams
    for told, row in _rows_of_findings(case):
        stream, start_s, stop_s = row["stream"], row["start_s"], row["stop_s"]
        known = stream in {"", *streams} or "left_out" in row["code"]
        require(known, f"{told} is of {stream!r}, which it does not have")
        if row["code"] == _LABELS_MAY_LIE_OUTSIDE or (stream in streams and not len(streams[stream])):
            continue
        inside = first_s <= start_s <= stop_s <= last_s
        require(inside, f"{told} spans {start_s} s to {stop_s} s, beyond the recording")
    return ""


def _source(case: Case) -> str:
    source = case.recording.source
    require(source.get("file") == case.path.name, f"source names the file {source.get('file')!r}")
    require(re.fullmatch(r"[0-9a-f]{32,}", source.get("content_hash", "")), "source has no hash of what was read")
    stated = source.get("format", "")
    require(case.name == TRIAL or stated.startswith(case.name), f"source states the format {stated!r}")
    return ""


def _no_path(case: Case) -> str:
    told = [*case.recording.source.values(), *case.recording.findings["note"], *case.recording.findings["remedy"]]
    folder = str(case.path.parent)
    require(not any(folder in text for text in told), "source or findings name the folder that the file lies in")
    return ""


CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "loads": _loads,
        "recognises its example": _recognised,
        "recognises by content, not by name": _by_content,
        "recognised by no reader before it": _by_none_before,
        "recognises nothing else": _not_foreign,
        "refuses everything else": _refuses_foreign,
        "values are float32": _float32,
        "values are finite or missing": _finite,
        "units and channels are canonical": _canonical,
        "a stream has a canonical name": _canonical_names,
        "time is float64 and increases": _time,
        "a dated clock starts at 0": _clock,
        "rates are those of the stamps": _rate,
        "stated rates are told": _stated_rate,
        "rows in are rows out and rows dropped": _rows,
        "findings are whole": _findings,
        "findings lie within the recording": _finding_spans,
        "source names file, format and hash": _source,
        "no folder is named": _no_path,
    }
)
