"""What went wrong, as a table; what the false alarms have in common; and how they go back into training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning
from wristkit.evaluate.judge import DETECTED
from wristkit.evaluate.report import EventReport
from wristkit.evaluate.tally import context_of
from wristkit.events import BACKGROUND, EVENT_COLUMNS
from wristkit.recording import FloatArray, Recording, finding_table, join_findings, label_table
from wristkit.recording.spans import subtract, union
from wristkit.store.marks import checked_seconds, checked_text
from wristkit.windows import Windows, cut, whole_samples

FAILURE_COLUMNS = ("recording", "subject", "kind", "label", "start_s", "stop_s", "score", "decided_s")
GROUP_COLUMNS = ("alarms", "people", "context", "context_share", "score_median", "medoid")
LEAST_SILHOUETTE = 0.2  # below it, groups are no better told apart than one cloud cut in pieces
MOST_COMPARED = 2000  # alarms of which every two are compared
HARD_NEGATIVE = "hard negative"
_SETTLE_S = 2.0
_POINT_S = 0.5  # of what a label without length is about, before it and after, at the least


def failures(report: EventReport, *, context: str | None = None) -> pd.DataFrame:
    """Return the misses and false alarms of a report, highest score first, ready for the gallery.

    Columns ``recording, subject, kind, label, start_s, stop_s, score, decided_s`` and, with the tier ``context``, the
    label of it at each error, ``no label`` where none lies; ``.attrs["recordings"]`` holds the recordings by id,
    ``.attrs["events"]`` all that was detected in them, right or wrong.
    """
    if not isinstance(report, EventReport):
        raise TypeError(
            f"report is a {type(report).__name__}, expected an EventReport, as from Detector.evaluate or "
            "wristkit.evaluate"
        )
    wrong = report.matches[report.matches["kind"].isin(["miss", "false alarm"])][list(FAILURE_COLUMNS)]
    table = wrong.sort_values(["kind", "score"], ascending=[True, False], ignore_index=True)
    if context is not None:
        _refuse_unknown_tier(report, context)
        table["context"] = context_of(table, report.recordings, context)
    table.attrs["recordings"] = dict(report.recordings)
    found = report.matches[report.matches["kind"].isin(DETECTED)]
    table.attrs["events"] = tuple(found[["recording", *EVENT_COLUMNS]].itertuples(index=False, name=None))
    return table


def _refuse_unknown_tier(report: EventReport, tier: str) -> None:
    """Raise where no label of a tier covers any time, so that each error would lie in no context."""
    labels = pd.concat([one.labels for one in report.recordings.values()], ignore_index=True)
    if not isinstance(tier, str) or not (labels["tier"].eq(tier) & (labels["stop_s"] > labels["start_s"])).any():
        raise ValueError(
            f"no label of the tier {tier!r} covers any time; there are labels of {sorted(set(labels['tier']))}, "
            "maybe points"
        )


@dataclass(frozen=True, eq=False)
class AlarmGroups:
    """False alarms that look alike.

    Parameters
    ----------
    alarms
        The false alarms of the table of failures with a column ``group``, -1 where there is no whole window around one;
        ready for the gallery.
    groups
        One row a group, largest first: ``alarms, people``, the most frequent ``context`` and its share, the median
        score, and as ``medoid`` the index in ``alarms`` of the one that is nearest to all others.
    silhouette
        How well the groups are told apart, up to 1; NaN of a single one.
    notes
        What a reader must know beside the groups.
    """

    alarms: pd.DataFrame
    groups: pd.DataFrame
    silhouette: float
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join([self.groups.to_string(float_format="{:.3g}".format), *self.notes])


def alarm_groups(
    failures: pd.DataFrame,
    *,
    embed: Callable[[Windows], pd.DataFrame | npt.NDArray[np.floating]],
    streams: Sequence[str],
    rate_hz: float,
    length_s: float,
    most: int = 8,
) -> AlarmGroups:
    """Return the false alarms in groups of such as look alike, and how many groups there are.

    Parameters
    ----------
    failures
        As from :func:`failures`; with its ``context`` each group says in which context most of it lies.
    embed
        From windows to a row of numbers each, such as ``wristkit.features`` or an encoder's output.
    streams, rate_hz, length_s
        What the window around the middle of each alarm holds, as in :func:`wristkit.windows`.
    most
        Most groups. Their number is that of the best silhouette of k-means; one, where none tells them apart.
    """
    if most < 1:
        raise ValueError(f"most is {most}, expected 1 or more")
    recordings = recordings_of(failures)
    alarms = failures[failures["kind"] == "false alarm"].copy()
    around, places = windows_around(alarms, recordings, streams=streams, rate_hz=rate_hz, length_s=length_s)
    numbers, notes = _comparable(np.asarray(embed(around), dtype=np.float64), len(around))
    group, silhouette = _grouped(numbers, most)
    number = np.full(len(alarms), -1, dtype=np.int64)
    number[places] = group
    alarms["group"] = number
    if missing := len(alarms) - len(places):
        notes.append(f"{missing} of {len(alarms)} alarms have no whole window of {length_s:g} s around them")
    rows = {one: _told(alarms.iloc[places[group == one]], numbers[group == one]) for one in np.unique(group).tolist()}
    table = pd.DataFrame(rows.values(), index=pd.Index(rows, name="group"), columns=list(GROUP_COLUMNS))
    return AlarmGroups(alarms, table.astype({"alarms": int, "people": int}), silhouette, tuple(notes))


def windows_around(
    table: pd.DataFrame,
    recordings: Mapping[str, Recording],
    *,
    streams: Sequence[str],
    rate_hz: float,
    length_s: float,
) -> tuple[Windows, npt.NDArray[np.int64]]:
    """Return one window around the middle of each row, and the places of the rows that have one."""
    samples = whole_samples("length_s", length_s, rate_hz)
    used = [recordings[name] for name in dict.fromkeys(table["recording"])]
    if not used:
        raise ValueError("there is no false alarm to look at; nothing is to be grouped")
    conditioning = Conditioning.of(used, streams=streams, rate_hz=rate_hz, filters=(), frame="device")
    held = []
    middles_s = table[["start_s", "stop_s"]].to_numpy(dtype=np.float64).mean(axis=1)
    for place, (name, middle_s) in enumerate(zip(table["recording"], middles_s.tolist(), strict=True)):
        found = _window_at(recordings[name], middle_s, conditioning, samples)
        if found is not None:
            held.append((place, *found))
    if not held:
        raise ValueError(f"no alarm has a whole window of {length_s:g} s around it; give a shorter length_s")
    places, start_s, values = (np.array(column) for column in zip(*held, strict=True))
    rows = table.iloc[places]
    around = Windows(
        values=values.astype(np.float32),
        labels=rows["label"].to_numpy(dtype=object),
        label_fraction=np.zeros(len(rows)),
        subjects=rows["subject"].to_numpy(dtype=object),
        recordings=rows["recording"].to_numpy(dtype=object),
        start_s=start_s,
        stop_s=start_s + length_s,
        channels=conditioning.channels,
        rate_hz=conditioning.rate_hz,
        hop_s=length_s,
        conditioning=conditioning,
        dropped=MappingProxyType({"no whole window": len(table) - len(rows)}),
    )
    return around, places.astype(np.int64)


def _window_at(
    recording: Recording, middle_s: float, conditioning: Conditioning, samples: int
) -> tuple[float, npt.NDArray[np.float32]] | None:
    """Return start and samples of the window whose middle is nearest, None where none is whole within its half."""
    rate_hz = conditioning.rate_hz
    first = round(middle_s * rate_hz - samples / 2)
    reach_s = samples / rate_hz
    start_s, stop_s = middle_s - reach_s - _SETTLE_S, middle_s + reach_s + _SETTLE_S
    if stop_s <= recording.start_s or start_s >= recording.stop_s:
        return None
    piece = recording.between(start_s, stop_s)
    pieces = cut(list(conditioning.run(piece).values()), samples=samples, hop=1)
    if not len(pieces.first):
        return None
    nearest = int(np.abs(pieces.first - first).argmin())
    if abs(int(pieces.first[nearest]) - first) > samples / 2:
        return None
    return float(pieces.first[nearest] / rate_hz), pieces.values[nearest]


def _comparable(numbers: FloatArray, count: int) -> tuple[FloatArray, list[str]]:
    """Return numbers of one scale, and what was left out: a column that is not a number or never varies."""
    if numbers.ndim != 2 or len(numbers) != count:
        raise ValueError(f"embed gave numbers of shape {numbers.shape}, expected ({count}, k), a row a window")
    known = np.asarray(np.isfinite(numbers).all(axis=0))
    notes = [] if known.all() else [f"{int((~known).sum())} of {len(known)} columns are not finite and left out"]
    numbers = numbers[:, known]
    spread = numbers.std(axis=0)
    varied = spread > 1e-12
    return (numbers[:, varied] - numbers[:, varied].mean(axis=0)) / spread[varied], notes


def _grouped(numbers: FloatArray, most: int) -> tuple[npt.NDArray[np.int64], float]:
    """Return the group of each row, the largest being 0, and the silhouette."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best, group = LEAST_SILHOUETTE, np.zeros(len(numbers), dtype=np.int64)
    different = len(np.unique(numbers, axis=0)) if numbers.shape[1] else 1
    for count in range(2, min(most, len(numbers) - 1, different) + 1):
        found = KMeans(count, n_init=10, random_state=0).fit_predict(numbers)
        told = float(silhouette_score(numbers, found, sample_size=min(len(numbers), MOST_COMPARED), random_state=0))
        if told > best:
            best, group = told, found.astype(np.int64)
    names, sizes = np.unique(group, return_counts=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(names))
    return rank[np.searchsorted(names, group)], best if len(names) > 1 else float("nan")


def _told(alarms: pd.DataFrame, numbers: FloatArray) -> tuple[object, ...]:
    """Return the row of one group."""
    chosen = np.random.default_rng(0).permutation(len(numbers))[:MOST_COMPARED]
    far = [float(np.sqrt(((numbers[chosen] - numbers[one]) ** 2).sum(axis=1)).sum()) for one in chosen.tolist()]
    medoid = alarms.index[chosen[int(np.argmin(far))]]
    context, share = None, float("nan")
    if "context" in alarms.columns:
        counts = alarms["context"].value_counts()
        context, share = str(counts.index[0]), float(counts.iloc[0] / len(alarms))
    return (len(alarms), alarms["subject"].nunique(), context, share, float(alarms["score"].median()), medoid)


def hard_negatives(
    failures: pd.DataFrame, *, tier: str = "truth", background: str = BACKGROUND, around_s: float = 1.0
) -> list[Recording]:
    """Return the recordings of false alarms, these labelled as background, for another training.

    ``wristkit.windows([*people, *hard_negatives(table)], background="none", ...)`` takes the windows over them, and no
    other silence of these recordings, as background; windows under their other labels are taken as ever. What is
    labelled otherwise within ``around_s`` of an alarm is left as it is, a point with as much around it. Who gave a hard
    negative was trained on and is no test person any more.

    Parameters
    ----------
    failures
        As from :func:`failures`, or a gallery's ``marks``: with a column ``mark`` only what is marked "hard negative".
    tier, background
        Tier and name of the labels that are added; their rater is "hard negative".
    around_s
        How far the labels reach beyond an alarm. A window counts where they cover at least half of it.
    """
    around_s = checked_seconds("around_s", around_s)
    if around_s < 0:
        raise ValueError(f"around_s is {around_s}, expected seconds, 0 or more")
    checked_text("tier", tier)
    checked_text("background", background)
    recordings, alarms = recordings_of(failures), failures[failures["kind"] == "false alarm"]
    if "mark" in alarms.columns:
        alarms = alarms[alarms["mark"] == HARD_NEGATIVE]
    if alarms.empty:
        raise ValueError('no row is a false alarm, or none is marked "hard negative"; there is nothing to learn from')
    return [
        _with_negatives(recordings[str(name)], rows, tier=tier, background=background, around_s=around_s)
        for name, rows in alarms.groupby("recording", sort=False)
    ]


def _with_negatives(
    recording: Recording, alarms: pd.DataFrame, *, tier: str, background: str, around_s: float
) -> Recording:
    reach_s = np.array([-around_s, around_s])
    times = alarms[["start_s", "stop_s"]].to_numpy(dtype=np.float64) + reach_s
    spans = union(np.clip(times, recording.start_s, recording.stop_s))
    own = recording.labels[recording.labels["tier"] == tier]
    spans = subtract(spans, _with_room(own[["start_s", "stop_s"]].to_numpy(dtype=np.float64), around_s))
    added = label_table([(start_s, stop_s, background, tier, HARD_NEGATIVE) for start_s, stop_s in spans.tolist()])
    note = f"{len(alarms)} false alarms were labelled {background!r} in {len(spans)} spans, and no other silence counts"
    row = ("hard_negative", "", recording.start_s, recording.stop_s, len(spans), note, "evaluate on other people")
    labels = pd.concat([recording.labels, added], ignore_index=True)
    marked = recording.with_labels(labels, labelled={**recording.labelled, tier: spans})
    return marked.with_findings(join_findings(marked.findings, finding_table([row])))


def _with_room(times: FloatArray, around_s: float) -> FloatArray:
    """Return (n, 2) times, those of points with room around them: a window over one is no background."""
    points = (times[:, 0] == times[:, 1])[:, None]
    return np.asarray(times + points * max(around_s, _POINT_S) * np.array([-1.0, 1.0]))


def recordings_of(failures: pd.DataFrame) -> Mapping[str, Recording]:
    """Return the recordings that a table of failures carries, or raise where some are not with it."""
    if not isinstance(failures, pd.DataFrame):
        raise TypeError(f"failures are a {type(failures).__name__}, expected the table of wristkit.failures(report)")
    recordings: Mapping[str, Recording] = failures.attrs.get("recordings", {})
    if missing := [column for column in FAILURE_COLUMNS if column not in failures.columns]:
        raise ValueError(f"failures lack the columns {missing}; make the table with wristkit.failures(report)")
    if absent := sorted(set(failures["recording"]) - set(recordings)):
        raise ValueError(
            f"the signals of {len(absent)} recordings ({absent[:3]}) are not with the table; set "
            "failures.attrs['recordings'] to a dictionary of id to Recording (some pandas operations drop attrs)"
        )
    return recordings
