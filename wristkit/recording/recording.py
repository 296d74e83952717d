"""Everything one device recorded, on one clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.recording.stream import FloatArray, Stream, content_id, read_only, shortened
from wristkit.recording.tables import check_labels, finding_table, join_findings, label_table

Side = Literal["left", "right"]

_OF_OTHERS = ("annotation", "sleep", "workout")


@dataclass(frozen=True, eq=False)
class Recording:
    """Everything one device recorded, on one clock.

    Build one with :meth:`of`, which checks the parts and computes the id.

    Parameters
    ----------
    id
        Content hash of the streams, 16 hex digits; the same after saving, loading and relabelling.
    streams
        Name to stream.
    labels
        Table ``start_s, stop_s, label, tier, rater``; ``stop_s == start_s`` is a point.
    labelled
        Tier to (k, 2) seconds within which silence means that nothing happened.
    findings
        Table ``code, stream, start_s, stop_s, count, note, remedy`` of what is wrong or was changed.
    start
        UTC time of second 0, where known.
    zone
        Name of the time zone in which it was recorded, where known.
    subject, wrist, crown
        Who wore it, on which wrist, with the crown towards which side of the wearer; None where unknown.
    source
        Format, device, file name, content hash; nothing that identifies a person.
    """

    id: str
    streams: Mapping[str, Stream]
    labels: pd.DataFrame
    labelled: Mapping[str, FloatArray]
    findings: pd.DataFrame
    start: pd.Timestamp | None
    zone: str | None
    subject: str | None
    wrist: Side | None
    crown: Side | None
    source: Mapping[str, str]

    def __post_init__(self) -> None:
        _check_texts(
            {
                "id": self.id,
                "zone": self.zone,
                "subject": self.subject,
                **self.source,
                **dict.fromkeys(self.labelled, ""),
            }
        )
        if wrong := [name for name, stream in self.streams.items() if stream.name != name]:
            raise ValueError(f"streams {wrong} are kept under other names than their own; use each stream's name")
        spans = {tier: _check_spans(tier, span) for tier, span in self.labelled.items()}
        checked = {
            "streams": MappingProxyType(dict(self.streams)),
            "labels": check_labels(self.labels),
            "labelled": MappingProxyType(spans),
            "findings": join_findings(self.findings),
            "start": None if self.start is None else _utc(self.start),
            "wrist": _check_side("wrist", self.wrist),
            "crown": _check_side("crown", self.crown),
            "source": MappingProxyType(dict(self.source)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(
        cls,
        streams: Sequence[Stream],
        *,
        labels: pd.DataFrame | None = None,
        labelled: Mapping[str, npt.ArrayLike] | None = None,
        findings: pd.DataFrame | None = None,
        start: pd.Timestamp | str | None = None,
        zone: str | None = None,
        subject: str | None = None,
        wrist: Side | None = None,
        crown: Side | None = None,
        source: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a recording of these streams, checked, with its id computed from their content.

        Raises
        ------
        RecordingError
            With code ``duplicate_stream``, ``empty`` or ``label_*``.
        """
        _refuse_doubles(streams)
        _refuse_empty(streams)
        _check_labelled({} if labelled is None else labelled)
        _check_source({} if source is None else source)
        table = label_table() if labels is None else check_labels(labels)
        given = finding_table() if findings is None else findings
        return cls(
            id=content_id(streams),
            streams={stream.name: stream for stream in streams},
            labels=table,
            labelled={tier: np.asarray(spans, dtype=np.float64) for tier, spans in (labelled or {}).items()},
            findings=join_findings(given, _stated_rates(streams, given), _labels_outside(table, streams)),
            start=None if start is None else _utc(start),
            zone=zone,
            subject=subject,
            wrist=wrist,
            crown=crown,
            source=source or {},
        )

    def __getitem__(self, name: str) -> Stream:
        if name not in self.streams:
            raise RecordingError(
                f"recording {self.id} has no stream {name!r}, it has {sorted(self.streams)}",
                code="missing_stream",
                remedy="load a file that holds it, or compute it",
            )
        return self.streams[name]

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401  the types of the fields
        value = super().__getattribute__(name)
        # A table can be written to; what is handed out is a copy, which shares memory until that happens.
        return value.copy(deep=False) if name in {"labels", "findings"} else value

    def __getattr__(self, name: str) -> Stream:
        streams: Mapping[str, Stream] = self.__dict__.get("streams", {})
        if name in streams:
            return streams[name]
        raise AttributeError(f"Recording has no attribute or stream {name!r}; streams: {sorted(streams)}")

    @property
    def is_simulated(self) -> bool:
        """Whether its source says that nobody wore it; every figure from it is a simulated figure."""
        return "simulated" in (self.source.get("format"), self.source.get("device"))

    @property
    def origin(self) -> Literal["real", "injected", "simulated"]:
        """What figures from it are: ``injected`` ones have real hours and alarms, recall and latency are simulated."""
        if self.is_simulated:
            return "simulated"
        return "injected" if self.source.get("injected") else "real"

    @property
    def start_s(self) -> float:
        """Time of the earliest sample in seconds from ``start``."""
        return min(stream.start_s for stream in self.streams.values() if len(stream))

    @property
    def stop_s(self) -> float:
        """Time of the latest sample in seconds from ``start``."""
        return max(stream.stop_s for stream in self.streams.values() if len(stream))

    def between(self, start_s: float, stop_s: float) -> "Recording":
        """Return the part within ``[start_s, stop_s)`` on the same clock, with labels cut to it.

        Streams without a sample in it stay, empty, so that nothing disappears unsaid.
        """
        streams = [stream.between(start_s, stop_s) for stream in self.streams.values()]
        if not any(len(stream) for stream in streams):
            raise RecordingError(
                f"nothing was recorded from {start_s} s to {stop_s} s, the recording spans "
                f"{self.start_s:.3f} s to {self.stop_s:.3f} s",
                code="empty",
                remedy="ask for a time inside it",
            )
        points = self.labels["start_s"] == self.labels["stop_s"]
        touched = (self.labels["start_s"] < stop_s) & (self.labels["stop_s"] > start_s)
        touched |= points & (self.labels["start_s"] >= start_s) & (self.labels["start_s"] < stop_s)
        labels = self.labels[touched].reset_index(drop=True)
        labels[["start_s", "stop_s"]] = labels[["start_s", "stop_s"]].clip(start_s, stop_s)
        findings = self.findings[~((self.findings["start_s"] >= stop_s) | (self.findings["stop_s"] < start_s))]
        return replace(
            self,
            id=content_id(streams),
            streams=MappingProxyType({stream.name: stream for stream in streams}),
            labels=labels,
            labelled=MappingProxyType(
                {tier: _clip_spans(spans, start_s, stop_s) for tier, spans in self.labelled.items()}
            ),
            findings=findings.reset_index(drop=True),
        )

    def with_streams(self, *streams: Stream, findings: pd.DataFrame | None = None) -> "Recording":
        """Return this recording with these streams added or, under an existing name, in place of the old.

        Rows of ``findings`` are added to its own, as :meth:`with_findings` does afterwards.
        """
        _refuse_doubles(streams)
        merged = {**self.streams, **{stream.name: stream for stream in streams}}
        _refuse_empty(list(merged.values()))
        kept = self.findings
        stated = (kept["code"] == "rate_stated").to_numpy()
        if stated.any():
            kept = kept[~(stated & kept["stream"].isin([stream.name for stream in streams]).to_numpy())]
        return replace(
            self,
            id=content_id(list(merged.values())),
            streams=MappingProxyType(merged),
            findings=join_findings(kept, _stated_rates(streams, kept), *([] if findings is None else [findings])),
        )

    def with_labels(self, labels: pd.DataFrame, *, labelled: Mapping[str, npt.ArrayLike] | None = None) -> "Recording":
        """Return this recording with other labels; spans in which silence counts are kept unless given."""
        spans = self.labelled
        if labelled is not None:
            _check_labelled(labelled)
            spans = MappingProxyType({tier: _check_spans(tier, span) for tier, span in labelled.items()})
        table = check_labels(labels)
        kept = self.findings[self.findings["code"] != "label_outside"]
        outside = _labels_outside(table, list(self.streams.values()))
        return replace(self, labels=table, labelled=spans, findings=join_findings(kept, outside))

    def with_findings(self, findings: pd.DataFrame) -> "Recording":
        """Return this recording with these rows added to its findings."""
        return replace(self, findings=join_findings(self.findings, findings))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self  # immutable; tables that carry recordings copy their attributes often

    def __repr__(self) -> str:
        who = f" of {shortened(self.subject, 40)}" if self.subject else ""
        names = shortened(", ".join(self.streams), 80)
        span = self.stop_s - self.start_s
        return f"Recording({self.id}{who}: {names}; {span:.1f} s, {len(self.labels)} labels)"

    def _repr_html_(self) -> str:
        from wristkit.recording.page import recording_html

        return recording_html(self)


def _refuse_doubles(streams: Sequence[Stream]) -> None:
    _refuse_others(streams)
    names = [stream.name for stream in streams]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecordingError(
            f"streams {twice} are given twice", code="duplicate_stream", remedy="rename or drop one of each"
        )


def _refuse_others(streams: Iterable[object]) -> None:
    if isinstance(streams, Stream) or not isinstance(streams, Iterable):
        raise TypeError(f"streams is a {type(streams).__name__}, expected several; put it in a list")
    if others := [type(one).__name__ for one in streams if not isinstance(one, Stream)]:
        raise TypeError(f"streams hold a {others[0]}, expected Stream alone; make one with Stream.measured")


def _check_source(source: object) -> None:
    if not isinstance(source, Mapping):
        raise TypeError(f"source is a {type(source).__name__}, expected texts by name, such as {{'device': 'watch'}}")


def _check_labelled(labelled: object) -> None:
    if not isinstance(labelled, Mapping):
        raise TypeError(
            f"labelled is a {type(labelled).__name__}, expected spans by tier; give labelled={{'truth': [(0.0, 60.0)]}}"
        )


def _refuse_empty(streams: Sequence[Stream]) -> None:
    if not any(len(stream) for stream in streams):
        raise RecordingError("no stream holds a sample", code="empty", remedy="check the file, or give one stream")


def _check_texts(texts: Mapping[str, object]) -> None:
    for name, value in texts.items():
        if not isinstance(name, str) or not (value is None or isinstance(value, str)):
            raise TypeError(f"{name!r} of a recording is {value!r}, expected text; write str(...) around it")


def _check_side(field: str, side: str | None) -> Side | None:
    match side:
        case None | str() if side in {None, "left", "right"}:
            return side  # type: ignore[return-value]  # one of these
        case _:
            raise ValueError(f"{field} is {side!r}, expected 'left', 'right' or None where unknown")


def _utc(start: pd.Timestamp | str) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(start)
    except (TypeError, ValueError, OverflowError) as fault:
        raise ValueError(f"start is {start!r:.60}, expected a time in UTC, such as '2026-05-01T08:00:00Z'") from fault
    if stamp.tzinfo is None:
        raise ValueError(f"start {stamp} has no time zone; give it in UTC, such as '2026-05-01T08:00:00Z'")
    return stamp.tz_convert("UTC")


def _check_spans(tier: str, spans: npt.ArrayLike) -> FloatArray:
    """Return (k, 2) seconds, ordered and apart."""
    array = np.asarray(spans, dtype=np.float64)
    array = array.reshape(0, 2) if not array.size else array
    if array.ndim != 2 or array.shape[1] != 2:
        raise RecordingError(
            f"labelled spans of tier {tier!r} have shape {array.shape}, expected (k, 2)",
            code="labelled_spans",
            remedy="give a list of (start_s, stop_s) pairs",
        )
    array = array[np.argsort(array[:, 0], kind="stable")]
    if not np.isfinite(array).all() or (array[:, 1] < array[:, 0]).any() or (array[1:, 0] < array[:-1, 1]).any():
        raise RecordingError(
            f"labelled spans of tier {tier!r} overlap, end before they start, or are not finite",
            code="labelled_spans",
            remedy="give disjoint (start_s, stop_s) pairs",
        )
    return read_only(array)


def _clip_spans(spans: FloatArray, start_s: float, stop_s: float) -> FloatArray:
    inside = spans[(spans[:, 0] < stop_s) & (spans[:, 1] > start_s)]
    return read_only(np.clip(inside, start_s, stop_s))


def _labels_outside(labels: pd.DataFrame, streams: Sequence[Stream]) -> pd.DataFrame:
    """Return a finding of the labels that lie outside every stream.

    Raise where all do, since that speaks of another clock; but for what did not come from these streams: what the
    wearer pressed may come late, and sleep and workouts may be another device's.
    """
    held = [stream for stream in streams if len(stream)]
    first_s, last_s = min(stream.start_s for stream in held), max(stream.stop_s for stream in held)
    outside = labels[(labels["stop_s"] < first_s) | (labels["start_s"] > last_s)]
    if len(outside) and len(outside) == len(labels) and not labels["tier"].isin(_OF_OTHERS).all():
        raise RecordingError(
            f"all {len(labels)} labels lie outside the recording ({first_s:.3f} s to {last_s:.3f} s)",
            code="label_outside",
            remedy="check that labels and signals share one clock",
        )
    if outside.empty:
        return finding_table()
    note = f"{len(outside)} of {len(labels)} labels lie where nothing was recorded"
    span = (float(outside["start_s"].min()), float(outside["stop_s"].max()))
    return finding_table([("label_outside", "", *span, len(outside), note, "check the clock of the labels")])


def _stated_rates(streams: Sequence[Stream], findings: pd.DataFrame) -> pd.DataFrame:
    uniform = [stream for stream in streams if stream.is_uniform]
    if not uniform:
        return finding_table()
    known = set(findings.loc[findings["code"] == "rate_stated", "stream"])
    remedy = "compare it with stamps or a known duration before trusting long times"
    return finding_table(
        [
            (
                "rate_stated",
                stream.name,
                stream.start_s,
                stream.stop_s,
                len(stream),
                f"{stream.rate_hz:g} Hz is stated, not measured",
                remedy,
            )
            for stream in uniform
            if stream.name not in known
        ]
    )
