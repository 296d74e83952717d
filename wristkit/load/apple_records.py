"""The XML of an Apple Health export: met element by element, never held as a tree.

Its DTD has been malformed since iOS 16 and its texts hold control characters, so both are blanked before the parser
sees them: by spaces, which keeps byte offsets, and joins no two halves of a number. The parser is expat itself: what
defusedxml forbids cannot be declared without a DTD, and a tree would cost five times the time.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import IO, Any, NamedTuple
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from wristkit.errors import NotThisFormatError, RecordingError, TruncatedError
from wristkit.load.gather import Mark, Remark
from wristkit.load.members import Members, reading
from wristkit.load.progress import byte_bar
from wristkit.load.schema import UNITS
from wristkit.load.spool import Spool
from wristkit.recording import blocks
from wristkit.recording.hashing import ContentHash

NO_DEVICE, OTHER_DEVICE = "no device", "other device"
ROOT = re.compile(rb"<HealthData[\s/>]")

_CHUNK_BYTES = 2**18
_MOST_PROLOG_BYTES = 2**20  # a genuine DTD has 10 kB
_LONGEST_TOKEN_BYTES = 2**20
_MOST_ATTRIBUTES, _DEEPEST, _LONGEST_DEVICE = 64, 16, 1000
_MOST_LABELS, _MOST_TYPES, _MOST_DEVICES = 200_000, 500, 250
_LONGEST_NUMBER, _STAMP_LENGTH = 40, 25
_YEARS = (1970, 2200)
_BUFFER_ROWS = 8192
_KINDS = (np.int64, np.uint8, np.float64, np.float64)  # stamp, device, value, length in time

_ILLEGAL = bytes(code for code in range(1, 32) if code not in b"\t\n\r")  # XML 1.0 allows no others
_TO_SPACE = bytes.maketrans(_ILLEGAL, b" " * len(_ILLEGAL))

_CONTEXT_KEY = "HKMetadataKeyHeartRateMotionContext"
_SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
_HOLD_NO_DATA = ("Me", "ExportDate", "FileReference", "HeartRateVariabilityMetadataList")

_PLAIN = re.compile(r"[A-Za-z0-9]{1,80}", re.ASCII)
_MODEL = re.compile(r"\bhardware:((?:Watch|iPhone|iPad|iPod)\d{1,3},\d{1,3})\b", re.ASCII)
_PREFIX = re.compile(r"^HK(Quantity|Category|Data)?(TypeIdentifier|Value)?")
_HOUR = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d) ([+-]\d\d)(\d\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
_CLOCK_NS = {f":{m:02d}:{s:02d}": (60 * m + s) * 10**9 for m in range(60) for s in range(60)}


class Quantity(NamedTuple):
    """What a type of record becomes: stream, unit, factors to it, and whether its length in time is a stream as well.

    That one has the name of the first with ``_duration``, and its stamps.
    """

    stream: str
    unit: str
    factors: Mapping[str, float]
    timed: bool = False

    @property
    def streams(self) -> Mapping[str, str]:
        """Name to unit of the streams that it becomes."""
        return {self.stream: self.unit} | ({f"{self.stream}_duration": "s"} if self.timed else {})


def _factors(unit: str) -> dict[str, float]:
    """Return the factors to a unit from those that tables may be in, too."""
    return {name: factor for name, (factor, offset) in UNITS[unit].items() if not offset}


_KCAL = {**_factors("kcal"), "Cal": 1.0}
_QUANTITIES = {
    "HKQuantityTypeIdentifierHeartRate": Quantity("heart_rate", "bpm", {"count/min": 1.0, "count/s": 60.0}),
    "HKQuantityTypeIdentifierHeartRateVariabilitySDNN": Quantity("hrv_sdnn", "s", _factors("s")),
    "HKQuantityTypeIdentifierStepCount": Quantity("steps", "count", {"count": 1.0}, timed=True),
    "HKQuantityTypeIdentifierActiveEnergyBurned": Quantity("energy", "kcal", _KCAL, timed=True),
    "HKQuantityTypeIdentifierBasalEnergyBurned": Quantity("energy_basal", "kcal", _KCAL, timed=True),
}
_HEART_RATE = "heart_rate"
_CONTEXT = Quantity("heart_rate_motion_context", "1", {})
STREAMS = (*_QUANTITIES.values(), _CONTEXT)
_STAGES = {
    "HKCategoryValueSleepAnalysisInBed": "in_bed",
    "HKCategoryValueSleepAnalysisAsleep": "asleep",
    "HKCategoryValueSleepAnalysisAsleepUnspecified": "asleep",
    "HKCategoryValueSleepAnalysisAwake": "awake",
    "HKCategoryValueSleepAnalysisAsleepCore": "core",
    "HKCategoryValueSleepAnalysisAsleepDeep": "deep",
    "HKCategoryValueSleepAnalysisAsleepREM": "rem",
}


class _Series:
    """Records of one type, of all devices, in the order of the file."""

    def __init__(self, spool: Spool, *, timed: bool) -> None:
        self._columns = [spool.column(kind) for kind in (_KINDS if timed else _KINDS[:-1])]
        self._buffer: list[tuple[float, ...]] = []

    def append(self, record: tuple[float, ...]) -> None:
        """Add (stamp in nanoseconds, code of the device, value, perhaps a length in seconds)."""
        self._buffer.append(record)
        if len(self._buffer) >= _BUFFER_ROWS:
            self._flush()

    def _flush(self) -> None:
        for column, kind, values in zip(self._columns, _KINDS, zip(*self._buffer, strict=True), strict=False):
            column.append(np.array(values, dtype=kind))
        self._buffer.clear()

    def of(self, device: int, spool: Spool) -> list[npt.NDArray[Any]]:
        """Return (n,) stamps and values of the records of one device; nothing can be added any more."""
        self._flush()
        time_ns, devices, *values = (column.array() for column in self._columns)
        kept = [spool.column(array.dtype) for array in (time_ns, *values)]
        for codes, *parts in blocks(devices, time_ns, *values):
            for column, part in zip(kept, parts, strict=True):
                column.append(part[codes == device])
        return [column.array() for column in kept]


class Elements:
    """What is met in one export, element by element.

    Attributes
    ----------
    file
        Name of the file, for errors.
    counts
        (stream, device) to records; sleep and workouts are labels, and are not among them.
    converted
        (stream, device) to unit to records that are in another unit than the stream.
    not_read
        Types of records and names of elements that become nothing.
    marks
        Sleep stages and workouts of all devices.
    routes, repeated
        Elements of positions, and records within a correlation, which stand in the export by themselves as well.
    """

    def __init__(self, spool: Spool, file: str) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.converted: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.not_read: Counter[str] = Counter()
        self.marks: list[Mark] = []
        self.events = self.routes = self.repeated = 0
        self.file, self._codes = file, dict[str, int]()
        self._series = {one.stream: _Series(spool, timed=one.timed) for one in STREAMS}
        self._records = self._depth = 0
        self._correlated = self._in_record = False
        self._open_record: tuple[str, str, str, tuple[float, ...]] | None = None
        self._open_context: float | None = None
        self._open_marks: dict[str, Mark] = {}
        # Caches of this export alone: what they hold is text of a person's devices.
        self._number, self._hour_ns = lru_cache(4096)(_number), lru_cache(16384)(_hour_ns)
        self._model = lru_cache(256)(_model)
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        # The filter before the parser takes the DTD out; what a disguised one declares is refused here.
        self.parser.EntityDeclHandler = self._refuse_entity

    def _refuse_entity(self, *_: object) -> None:
        raise self._fault("it declares entities, which no genuine export does", "entities")

    @property
    def unfinished(self) -> int:
        """How many records and workouts have begun and not ended."""
        return int(self._in_record) + int("Workout" in self._open_marks)

    def of(self, stream: str, device: str, spool: Spool) -> list[npt.NDArray[Any]]:
        """Return (n,) stamps and values of one stream of one device."""
        return self._series[stream].of(self._codes.get(device, -1), spool)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.events += 1
        self._depth += 1
        if self._depth > _DEEPEST or len(attributes) > _MOST_ATTRIBUTES:
            raise self._fault(
                f"elements are {self._depth} deep, one has {len(attributes)} attributes; "
                f"the limits are {_DEEPEST} and {_MOST_ATTRIBUTES}",
                "xml_limits",
            )
        if name == "Record":
            self._record(attributes)
        elif name == "MetadataEntry":
            beat = self._open_record is not None and self._open_record[0] == _HEART_RATE
            if beat and attributes.get("key") == _CONTEXT_KEY:
                self._context(attributes.get("value", ""))
        elif name == "Workout" and self._depth == 2:
            self._workout(attributes)
        elif name == "WorkoutRoute":
            self.routes += 1
        elif self._depth > 1 and name not in _HOLD_NO_DATA:
            self._correlated |= name == "Correlation"
            self._pass_over(name)

    def _end(self, name: str) -> None:
        self.events += 1
        self._depth -= 1
        if name == "Record":
            self._in_record = False
            if self._open_record is not None:
                self._commit(*self._open_record)
            self._open_record = self._open_context = None
        elif name == "Correlation":
            self._correlated = False
        if name in self._open_marks:
            self._commit_mark(self._open_marks.pop(name))

    def _commit(self, stream: str, device: str, given: str, record: tuple[float, ...]) -> None:
        self.counts[stream, device] += 1
        if given:
            self.converted[stream, device][given] += 1
        self._series[stream].append(record)
        if self._open_context is not None:
            self._series[_CONTEXT.stream].append((*record[:2], self._open_context))

    def _commit_mark(self, mark: Mark) -> None:
        self.marks.append(mark)
        if len(self.marks) > _MOST_LABELS:
            raise self._fault(f"it has more than {_MOST_LABELS} sleep stages and workouts", "too_many_labels")

    def _record(self, attributes: Mapping[str, str]) -> None:
        self._records += 1
        if self._in_record:
            raise self._fault("a record stands within another one", "nested")
        self._in_record = True
        kind = attributes.get("type", "")
        quantity = _QUANTITIES.get(kind)
        if quantity is None and kind != _SLEEP:
            self._pass_over(kind if kind.startswith("HK") else "")
        elif self._correlated:
            self.repeated += 1
        elif quantity is None:
            self._sleep(attributes)
        else:
            self._measure(quantity, attributes)

    def _measure(self, quantity: Quantity, attributes: Mapping[str, str]) -> None:
        start_ns, stop_ns = self._span(attributes)
        device = self._device(attributes)
        unit, text = attributes.get("unit", ""), attributes.get("value", "")
        factor = quantity.factors.get(unit)
        value = self._number(text) if len(text) <= _LONGEST_NUMBER else None
        if factor is None:
            raise self._fault(
                f"{quantity.stream} is in {unit[:20]!r}, expected {' or '.join(quantity.factors)}", "unit"
            )
        if value is None:
            raise self._fault(f"{quantity.stream} is {text[:40]!r}, expected a number", "not_a_number")
        length_s = ((stop_ns - start_ns) / 1e9,) if quantity.timed else ()
        given = "" if factor == 1 else unit
        self._open_record = (quantity.stream, device, given, (stop_ns, self._codes[device], value * factor, *length_s))

    def _context(self, text: str) -> None:
        value = self._number(text) if len(text) <= _LONGEST_NUMBER else None
        if value not in {0.0, 1.0, 2.0}:
            raise self._fault(f"the context of a heart rate is {text[:20]!r}, expected 0, 1 or 2", "motion_context")
        self._open_context = value

    def _sleep(self, attributes: Mapping[str, str]) -> None:
        text = attributes.get("value", "")
        if text not in _STAGES:
            self._pass_over(text)
            return
        start_ns, stop_ns = self._span(attributes)
        self._open_marks["Record"] = Mark(start_ns, stop_ns, _STAGES[text], "sleep", self._device(attributes))

    def _workout(self, attributes: Mapping[str, str]) -> None:
        kind = attributes.get("workoutActivityType", "").removeprefix("HKWorkoutActivityType")
        if not _PLAIN.fullmatch(kind):
            raise self._fault(f"a workout is a {kind[:40]!r}, expected one word", "workout")
        label = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
        start_ns, stop_ns = self._span(attributes)
        self._open_marks["Workout"] = Mark(start_ns, stop_ns, label, "workout", self._device(attributes))

    def _span(self, attributes: Mapping[str, str]) -> tuple[int, int]:
        start, stop = attributes.get("startDate", ""), attributes.get("endDate", "")
        stop_ns = self._stamp(stop)
        start_ns = stop_ns if start == stop else self._stamp(start)
        if start_ns > stop_ns:
            raise self._fault(f"it ends at {stop}, before it starts at {start}", "interval")
        return start_ns, stop_ns

    def _stamp(self, text: str) -> int:
        clock_ns = _CLOCK_NS.get(text[13:19])
        hour_ns = self._hour_ns(text[:13] + text[19:]) if len(text) == _STAMP_LENGTH else None
        if clock_ns is None or hour_ns is None:
            raise self._fault(f"a date is {text[:40]!r}, expected one such as 2026-03-01 08:00:00 +0100", "date")
        return hour_ns + clock_ns

    def _device(self, attributes: Mapping[str, str]) -> str:
        text = attributes.get("device")
        if text is None:
            device = NO_DEVICE
        elif len(text) > _LONGEST_DEVICE:
            raise self._fault(f"a device is told in {len(text)} characters", "xml_limits")
        else:
            device = self._model(text)
        if self._codes.setdefault(device, len(self._codes)) >= _MOST_DEVICES:
            raise self._fault(f"it has records of more than {_MOST_DEVICES} models of devices", "too_many_devices")
        return device

    def _pass_over(self, kind: str) -> None:
        kind = _PREFIX.sub("", kind[:120])
        name = kind if _PLAIN.fullmatch(kind) else "a type without a plain name"
        self.not_read[name if name in self.not_read or len(self.not_read) < _MOST_TYPES else "further types"] += 1

    def _fault(self, message: str, code: str) -> RecordingError:
        return RecordingError(
            message,
            code=code,
            remedy="look at that place of the file; export again",
            file=self.file,
            row=self._records - 1 if self._in_record else None,
            byte=self.parser.CurrentByteIndex,
        )


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _hour_ns(text: str) -> int | None:
    """Return a full hour such as ``2026-03-01 08 +0100`` in nanoseconds since 1970 UTC; None where it is none."""
    match = _HOUR.fullmatch(text)
    if match is None:
        return None
    try:
        hour = datetime.fromisoformat(f"{match[1]}T{match[2]}:00:00{match[3]}:{match[4]}")
    except ValueError:
        return None
    return round(hour.timestamp()) * 10**9 if _YEARS[0] <= hour.year < _YEARS[1] else None


def _model(text: str) -> str:
    """Return the model of a device, and nothing else of what is told of it: its name is often a person's."""
    if match := _MODEL.search(text):
        return match[1]
    return next((name for name in ("Watch", "iPhone", "iPad") if f"model:{name}," in text), OTHER_DEVICE)


class Source(NamedTuple):
    """Hash of a file, and what to say of it."""

    content_hash: str
    remarks: tuple[Remark, ...]


def parse(members: Members, file: str, elements: Elements, *, drop_tail: bool) -> Source:
    """Return what to say of the XML, after each of its elements was met.

    Raises
    ------
    TruncatedError
        Where it ends within an element, unless ``drop_tail``.
    RecordingError
        With code ``xml`` and byte where it is malformed, ``entities`` where it declares or uses any.
    """
    with members.open(file) as raw, byte_bar(file, members.size(file)) as bar:
        text = _Text(raw, file, bar)
        unmet = 0
        for chunk in text.chunks():
            events = elements.events
            _feed(elements.parser, chunk, file)
            unmet = unmet + len(chunk) if elements.events == events else 0
            if unmet > _LONGEST_TOKEN_BYTES:
                raise _unreadable(f"no element starts or ends in {unmet} bytes", "xml_limits", file, text.offset)
        ended = _end_of(elements, file, text.offset, drop_tail=drop_tail)
        return Source(text.content_hash, (*text.remarks(), *ended))


def _feed(parser: expat.XMLParserType, chunk: bytes, file: str) -> None:
    try:
        parser.Parse(chunk, False)  # noqa: FBT003  its only argument that says whether this is the end
    except expat.ExpatError as error:
        undefined = error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]
        code, message = ("entities", "it uses an entity") if undefined else ("xml", "it is no well-formed XML")
        raise _unreadable(f"{message} ({expat.ErrorString(error.code)})", code, file, parser.ErrorByteIndex) from error


def _end_of(elements: Elements, file: str, size: int, *, drop_tail: bool) -> tuple[Remark, ...]:
    try:
        elements.parser.Parse(b"", True)  # noqa: FBT003  likewise
    except expat.ExpatError as error:
        if not drop_tail:
            raise _truncated(file, size) from error
        begun = f"{elements.unfinished} records or workouts had begun and were left out"
        note = f"the XML ends early; {begun}; what is missing below, nobody knows"
        return (Remark("drop_tail", elements.unfinished, note, "copy or export the file again"),)
    return ()


def _truncated(file: str, size: int) -> TruncatedError:
    return TruncatedError(
        "it ends before its last element does",
        code="truncated",
        remedy="copy or export it again; or repair=('drop_tail',) keeps the records that are whole",
        file=file,
        byte=size,
    )


def _unreadable(message: str, code: str, file: str, byte: int) -> RecordingError:
    return RecordingError(message, code=code, remedy="export again", file=file, byte=byte)


class _Text:
    """The bytes of the XML, with the DTD and control characters blanked."""

    def __init__(self, raw: IO[bytes], file: str, bar: Any) -> None:  # noqa: ANN401  a tqdm bar, which has no types
        self.offset = 0
        self._raw, self._file, self._bar, self._controls = raw, file, bar, 0
        self._digest = ContentHash()

    @property
    def content_hash(self) -> str:
        """Hash of all bytes read so far, as they stand in the file."""
        return self._digest.hexdigest()

    def remarks(self) -> tuple[Remark, ...]:
        """Return what to say of control characters."""
        if not self._controls:
            return ()
        note = f"{self._controls} control characters, which XML does not allow, were read as spaces"
        return (Remark("control_characters", self._controls, note, "nothing, if they stood in names"),)

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes."""
        yield self._until_root()
        while chunk := self._read():
            yield chunk

    def _until_root(self) -> bytes:
        """Return the bytes up to some way into the first element, without the DTD."""
        head = b""
        while (root := ROOT.search(head)) is None:
            if len(head) > _MOST_PROLOG_BYTES:
                raise NotThisFormatError(
                    f"no health data start within {len(head)} bytes",
                    code="format",
                    remedy="give export.xml as the phone wrote it",
                    file=self._file,
                )
            chunk = self._read()
            if not chunk:
                raise _truncated(self._file, self.offset)
            head += chunk
        return _without_dtd(head, root.start(), self._file)

    def _read(self) -> bytes:
        with reading(self._file):
            chunk = self._raw.read(_CHUNK_BYTES)
        self._digest.update(chunk)
        self._bar.update(len(chunk))
        if (at := chunk.find(b"\0")) >= 0:
            raise TruncatedError(
                "holds a zero byte, as files do after a loss of power",
                code="nul_bytes",
                remedy="export again",
                file=self._file,
                byte=self.offset + at,
            )
        self.offset += len(chunk)
        controls = len(chunk) - len(chunk.translate(None, _ILLEGAL))
        self._controls += controls
        return chunk.translate(_TO_SPACE) if controls else chunk


def _without_dtd(head: bytes, root: int, file: str) -> bytes:
    if (entity := head.find(b"<!ENTITY", 0, root)) >= 0:
        raise _unreadable("its DTD declares an entity, which no export does", "entities", file, entity)
    dtd = head.find(b"<!DOCTYPE", 0, root)
    return head if dtd < 0 else head[:dtd] + b" " * (root - dtd) + head[root:]
