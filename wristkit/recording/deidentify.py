"""A copy of a recording without what says who wore it, where and when."""

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from wristkit.errors import RecordingError
from wristkit.recording.given import one_recording
from wristkit.recording.recording import Recording
from wristkit.recording.stream import Stream, content_id
from wristkit.recording.tables import finding_table

Shift = Literal["weeks", "zero"]

_SECRET = secrets.token_bytes(32)  # of this process, never stored: nobody can find a subject from its code
_FEWEST_WEEKS, _MOST_WEEKS = 26, 520

# A stream with such a word in its name or channels, or one that begins so, says where somebody was.
_PLACES = frozenset(
    re.findall(
        r"\w+",
        "lat lon lng long loc pos speed course address wifi ssid bssid bluetooth beacon position positions place "
        "places easting northing route",
    )
)
_PLACE_STARTS = ("gps", "gnss", "geo", "latitude", "longitude", "latl", "lonlat", "location", "coord", "utm")
# Kinds of file that a note may name: any other may be the end of a name.
_KNOWN_SUFFIXES = "csv|xml|json|txt|zip|gz|gpx|pdf|jpg|jpeg|png|wav|m4a|mp3|flac|ogg|md|html|tsv|parquet|none"
# What a source may keep; versions only where they look like one.
_KEPT_SOURCE = frozenset({"format", "device", "place", "utc_offset"})
_VERSIONS = frozenset({"app_version", "os_version", "platform", "firmware"})
_FRAME = {"frame": "device|wrist", "worn": "(left|right)/(left|right)"}
_VERSION = r"[\w .+()-]{1,40}"
# A device is kept where all its words are of makes and models: many are named after whom they belong to.
_MODEL_WORDS = frozenset(
    re.findall(
        r"\w+",
        "apple watch iphone ipad ios watchos android wear os phone microphone samsung galaxy google pixel garmin "
        "fitbit series se ultra pro plus mini max mm gps cellular ax axivity geneactiv actigraph gt wgt x xplus xlink "
        "link bt centrepoint e empatica embrace matrix myon aktos t movesense shimmer simulated wristkit simulate "
        "unknown",
    )
)
# Tiers whose labels are a device's, an app's or a study's own words; in any other a wearer may have typed anything.
_KNOWN_TIERS = frozenset({"truth", "activity", "wash", "sleep", "workout", "button"})
_KNOWN_RATERS = frozenset({"wearer", "simulator", "device", "file", "authors"})
_DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?"
_REMOVED = "(removed)"
_SHORTEST_SECRET = 3  # a subject called 1 would otherwise take the numbers out of every text


def deidentify(
    recording: Recording, *, shift: Shift = "weeks", weeks: int | None = None, code: str | None = None
) -> Recording:
    """Return the recording without places, names, serial numbers, free text and the true date.

    Labels of a known tier (truth, activity, wash, sleep, workout, button) are kept, those of any other become "mark".

    Within one Python process a subject keeps one code and one shift. To hold recordings of one subject together over
    several processes, give both ``weeks`` and ``code``, and keep them as safe as the names. A finding ``deidentified``
    says what was dropped and what remains: motion itself can tell people apart.

    Parameters
    ----------
    recording
        Its signals are kept as they are, but for streams of places.
    shift
        ``"weeks"`` moves the start by a secret whole number of weeks, so that weekday and time of day stay;
        ``"zero"`` leaves no start.
    weeks
        Whole weeks by which the start is moved, where the caller knows them; negative is earlier.
    code
        What the subject is called from now on.

    Raises
    ------
    RecordingError
        With code ``empty`` where no stream remains.
    """
    one_recording(recording)
    _check_shift(shift, weeks)
    streams = [stream for stream in recording.streams.values() if not _tells_place(stream)]
    if not any(len(stream) for stream in streams):
        raise RecordingError(
            f"all its streams tell places: {sorted(recording.streams)}",
            code="empty",
            remedy="keep it to yourself, or load it with the motion beside them",
        )
    dropped = [name for name in recording.streams if name not in {stream.name for stream in streams}]
    source = {key: text for key, text in recording.source.items() if _may_stay(key, text, recording.subject)}
    labels, texts, raters = _without_names(recording.labels, recording.subject)
    zone = recording.zone if _zone(recording.zone) is not None else None
    anonymous = replace(
        recording,
        id=content_id(streams) if dropped else recording.id,
        streams={stream.name: stream for stream in streams},
        labels=labels,
        findings=_scrubbed(recording, dropped, source),
        start=_moved(recording, shift, weeks),
        zone=zone,
        subject=code if code is not None else _code_of(recording.subject),
        source=source,
    )
    lost = {
        "streams": dropped,
        "facts of the source": sorted(set(recording.source) - set(source)),
        "texts of labels": [str(texts)] if texts else [],
        "raters": [str(raters)] if raters else [],
        "time zone": ["not a known name"] if zone != recording.zone else [],
    }
    return anonymous.with_findings(_said(anonymous, lost, shift, count=texts + raters))


def _check_shift(shift: Shift, weeks: int | None) -> None:
    if not isinstance(shift, str) or shift not in {"weeks", "zero"}:
        raise ValueError(f"shift is {shift!r}, expected 'weeks' or 'zero'")
    if weeks is None:
        return
    if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks == 0:
        raise ValueError(f"weeks is {weeks!r}, expected a whole number of weeks other than 0, such as -150")
    if shift == "zero":
        raise ValueError(f"weeks is {weeks} and shift is 'zero', which leaves no start; give one of them")


def _tells_place(stream: Stream) -> bool:
    words = {word for name in (stream.name, *stream.channels) for word in _words(name)}
    return not _PLACES.isdisjoint(words) or any(word.startswith(_PLACE_STARTS) for word in words)


def _words(name: str) -> set[str]:
    """Return the words of a name in lower case, also of one in camel case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _may_stay(key: str, text: str, subject: str | None) -> bool:
    if key in _FRAME:  # without it the axes would be taken for others
        return re.fullmatch(_FRAME[key], text) is not None
    if re.search(_any_of([subject or ""]), text, re.IGNORECASE):
        return False
    if key == "device":
        known = all(word.lower() in _MODEL_WORDS for word in re.findall(r"[^\W\d_]+", text))
        return known and not re.search(r"\d{5}", text)
    return key in _KEPT_SOURCE or (key in _VERSIONS and re.fullmatch(_VERSION, text) is not None)


def _without_names(labels: pd.DataFrame, subject: str | None) -> tuple[pd.DataFrame, int, int]:
    """Return labels without what may be free text and without raters' names, and how many of each were replaced."""
    written = ~labels["tier"].isin(_KNOWN_TIERS) & (labels["label"] != "mark")
    written |= labels["label"].str.contains(_any_of([subject or ""]), case=False, regex=True)
    names = [name for name in dict.fromkeys(labels["rater"]) if name not in _KNOWN_RATERS]
    codes = {name: f"rater {number}" for number, name in enumerate(names, start=1)}
    plain = labels.assign(label=labels["label"].mask(written, "mark"), rater=labels["rater"].replace(codes))
    return plain, int(written.sum()), len(names)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _moved(recording: Recording, shift: Shift, weeks: int | None) -> pd.Timestamp | None:
    """Return the start some whole weeks away on the clock of the wall, so that summer time moves no hour of day."""
    if recording.start is None or shift == "zero":
        return None
    away = pd.Timedelta(weeks=_weeks_of(recording.subject) if weeks is None else weeks)
    zone = _zone(recording.zone)
    if zone is None:
        return recording.start + away
    wall = recording.start.tz_convert(zone).tz_localize(None) + away
    # Once a year an hour comes twice or never; the nearest one is as good, since the date is not the true one.
    return wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


def _digest(subject: str, what: str) -> bytes:
    return hmac.digest(_SECRET, f"{what}:{subject}".encode(), "sha256")


def _weeks_of(subject: str | None) -> int:
    choices = _MOST_WEEKS - _FEWEST_WEEKS + 1
    drawn = secrets.randbelow(choices) if subject is None else int.from_bytes(_digest(subject, "weeks")) % choices
    return -(_FEWEST_WEEKS + drawn)


def _code_of(subject: str | None) -> str | None:
    return None if subject is None else f"s-{_digest(subject, 'code').hex()[:8]}"


def _scrubbed(recording: Recording, dropped: Iterable[str], source: Mapping[str, str]) -> pd.DataFrame:
    """Return the findings of what is kept, without dates, names of files and what else the source no longer tells."""
    findings = recording.findings
    findings = findings[~findings["stream"].isin(list(dropped))]
    secret = [text for key, text in recording.source.items() if key not in source] + [recording.subject or ""]
    pattern = f"{_DATE}|{_any_of(secret)}"
    clean = {
        column: [re.sub(pattern, _REMOVED, text, flags=re.IGNORECASE) for text in findings[column]]
        for column in ("note", "remedy")
    }
    notes = [_without_files(code, note) for code, note in zip(findings["code"], clean["note"], strict=True)]
    return findings.assign(note=notes, remedy=clean["remedy"])


def _without_files(code: str, note: str) -> str:
    """Return a note without what lay beside the recording, and without what a header says in free text."""
    if code in {"not_read", "ecg_not_read"}:
        return f"names {_REMOVED}"
    if code == "files_not_read":
        return re.sub(rf" of (?!(?:\.(?:{_KNOWN_SUFFIXES})|none)(?:,|$))[^,]*", f" of {_REMOVED}", note)
    if code == "light_scale":
        return re.sub(r"(?<=says model ).*", _REMOVED, note)
    return note


def _any_of(secrets_: Iterable[str]) -> str:
    """Return a pattern of these texts as whole words, the longest first; it matches nothing where there are none."""
    texts = sorted({text for text in secrets_ if len(text) >= _SHORTEST_SECRET}, key=len, reverse=True)
    return "|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in texts) or r"(?!)"


def _said(recording: Recording, lost: Mapping[str, list[str]], shift: Shift, *, count: int) -> pd.DataFrame:
    """Return the finding of what was dropped and of what remains."""
    told = [f"{what} ({', '.join(names)})" for what, names in lost.items() if names]
    if recording.start is None:
        date = "left out" if shift == "zero" else "unknown as before"
    else:
        date = "moved by whole weeks, weekday and time of day remain"
    kept = sorted(set(recording.labels["tier"]) & _KNOWN_TIERS)
    remains = [
        "motion, by which people can be told apart",
        *([f"labels of the tiers {', '.join(kept)}"] if kept else []),
    ]
    remains += ["sound, which may hold voices"] if "audio" in recording.streams else []
    remains += [f"the time zone {recording.zone}"] if recording.zone else []
    note = f"dropped: {'; '.join(told) or 'nothing'}; start {date}; what remains: {', '.join(remains)}"
    dropped = count + len(lost["streams"]) + len(lost["facts of the source"]) + len(lost["time zone"])
    remedy = (
        "share it only with whom the wearer agreed to; names of streams and tiers, and those labels, are yours to check"
    )
    return finding_table([("deidentified", "", recording.start_s, recording.stop_s, dropped, note, remedy)])
