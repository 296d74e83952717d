"""Who is in which fold, and what may never be on both sides of a split."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.recording import Recording, several_recordings
from wristkit.windows import Copy, TextArray, Windows, copies_in, people_of

By = Literal["subject", "device", "wrist"]
Mask = npt.NDArray[np.bool_]
LEAVE_ONE_OUT: Literal["leave-one-out"] = "leave-one-out"
_ORDERS = 64  # random partitions, of which the one that spreads classes best is taken


class Fold(NamedTuple):
    """What is left out, and which windows are trained on and tested."""

    held_out: tuple[str, ...]
    train: Mask
    test: Mask


def folds_of(
    chosen: Windows, *, by: By, folds: int | str, seed: int, recordings: Recording | Sequence[Recording] | None
) -> tuple[list[Fold], tuple[str, ...]]:
    """Return folds in which no person is on both sides, every window tested once, and what was done instead.

    By device or wrist each of these is left out in turn, and of the others nobody is trained on who is tested.
    """
    if by not in ("subject", "device", "wrist"):
        raise ValueError(f"by is {by!r}, expected 'subject', 'device' or 'wrist'")
    parts, notes = _parts_of_people(chosen, folds, seed)
    who = chosen.subjects.astype(str)
    if by == "subject":
        return [Fold(part, ~np.isin(who, part), np.isin(who, part)) for part in parts], notes
    worn = _worn(chosen, by, recordings)
    kinds = sorted(set(worn))
    if len(kinds) < 2:
        raise ValueError(f"all recordings are of the {by} {kinds[0]!r}, expected two or more to leave one out")
    tries = [Fold((kind, *part), *_sides(worn == kind, np.isin(who, part))) for kind in kinds for part in parts]
    return _joined([one for one in tries if one.test.any()]), notes


def check_number(folds: object, or_else: str = "") -> int:
    """Return the number of folds, or raise."""
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise ValueError(f"folds is {folds!r}, expected a whole number from 2{or_else}")
    return folds


def _sides(own: Mask, tested: Mask) -> tuple[Mask, Mask]:
    return ~own & ~tested, own & tested


def _joined(folds: Sequence[Fold]) -> list[Fold]:
    """Return folds with those put together that are trained on the same windows."""
    held: dict[bytes, Fold] = {}
    for one in folds:
        before = held.get(key := one.train.tobytes() + one.held_out[0].encode())
        names = one.held_out if before is None else (*before.held_out, *one.held_out[1:])
        held[key] = Fold(names, one.train, one.test if before is None else before.test | one.test)
    return list(held.values())


def _parts_of_people(chosen: Windows, folds: int | str, seed: int) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Return people in parts of equal number, so that all parts show all classes as well as it goes."""
    people = people_of(chosen)
    if folds != LEAVE_ONE_OUT:
        check_number(folds, f", or {LEAVE_ONE_OUT!r}")
    if len(people) < 2:
        raise ValueError(f"windows are of {people} alone, expected two or more people to leave one out")
    if isinstance(folds, str) or folds >= len(people):
        fewer = not isinstance(folds, str) and folds > len(people)
        note = f"{len(people)} people give {len(people)} folds, not {folds}: each is left out once"
        return [(name,) for name in people], (note,) if fewer else ()
    rng = np.random.default_rng(seed)
    counts = chosen.counts().reindex(people).to_numpy()
    tries = [np.array_split(rng.permutation(len(people)), folds) for _ in range(_ORDERS)]
    best = min(tries, key=lambda parts: _unevenness(counts, parts))
    return [tuple(sorted(people[place] for place in part)) for part in best], ()


def _unevenness(counts: npt.NDArray[np.int64], parts: Sequence[npt.NDArray[np.int64]]) -> tuple[int, int, float]:
    """Return how many classes some training part lacks, how many some tested part, and how uneven their shares are."""
    tested = np.array([counts[part].sum(axis=0) for part in parts])
    total = counts.sum(axis=0)
    return int((tested == total).sum()), int((tested == 0).sum()), float(np.square(tested / total).sum())


def _worn(chosen: Windows, by: By, recordings: Recording | Sequence[Recording] | None) -> TextArray:
    """Return (n,) the device or wrist of each window's recording."""
    if recordings is None:
        raise ValueError(f"by={by!r} needs recordings=, those that the windows were cut from, which state it")
    held = several_recordings(recordings)
    stated = {one.id: one.wrist if by == "wrist" else one.source.get("device") for one in held}
    ids = sorted(set(chosen.recordings))
    if unknown := [name for name in ids if not stated.get(name)]:
        given = "were not given" if any(name not in stated for name in unknown) else f"do not state their {by}"
        remedy = "pass all recordings that the windows were cut from" if "not given" in given else f"state the {by}"
        raise RecordingError(f"recordings {unknown[:3]} {given}", code=f"{by}_unknown", remedy=remedy)
    return np.array([stated[name] for name in chosen.recordings], dtype=object)


def check_apart(train: Windows, test: Windows) -> None:
    """Raise, with the pair named, where two sets of windows share a person, a moment, a recording or a signal.

    Raises
    ------
    RecordingError
        With code ``no_subject``, ``same_subject``, ``overlapping_windows``, ``same_recording`` or
        ``duplicate_signal``.
    """
    shared = set(people_of(train)) & set(people_of(test))
    if shared:
        raise _leak("same_subject", f"subject {min(shared)!r} is both trained on and tested")
    _check_recordings(train, test)
    known = set(train.recordings)
    for copy in copies_in([train, test]):
        if (copy.one in known) != (copy.other in known):
            raise _duplicate(copy, {**_subjects(train), **_subjects(test)})


def check_folds(chosen: Windows, folds: Sequence[Fold]) -> tuple[str, ...]:
    """Raise where a fold leaks, as :func:`check_apart` does, and return notes of what is there twice within a side."""
    found, subjects = copies_in([chosen]), _subjects(chosen)
    for fold in folds:
        train, test = chosen.subset(fold.train), chosen.subset(fold.test)
        _check_recordings(train, test)
        known, tested = set(train.recordings), set(test.recordings)
        for copy in found:
            if {copy.one, copy.other} & known and {copy.one, copy.other} & tested:
                raise _duplicate(copy, subjects)
    return tuple(f"recordings {copy.one} and {copy.other} hold the same signal and count twice" for copy in found)


def _subjects(chosen: Windows) -> dict[str, str]:
    return dict(zip(chosen.recordings, chosen.subjects, strict=True))


def _check_recordings(train: Windows, test: Windows) -> None:
    for name in sorted(set(train.recordings) & set(test.recordings)):
        for one, other in _overlaps(train, test, name):
            what = f"windows at {one:g} s and at {other:g} s of recording {name} overlap"
            raise _leak("overlapping_windows", f"{what}, one is trained on and one is tested")
        raise _leak("same_recording", f"recording {name} is both trained on and tested")


def _overlaps(train: Windows, test: Windows, name: str) -> Iterator[tuple[float, float]]:
    """Yield the starts of windows of one recording that share a moment."""
    own, others = np.sort(train.start_s[train.recordings == name]), test.start_s[test.recordings == name]
    length_s = train.samples / train.rate_hz
    for start_s in others:
        place = int(np.searchsorted(own, start_s - length_s + 1e-9, side="right"))
        if place < len(own) and own[place] < start_s + length_s - 1e-9:
            yield float(own[place]), float(start_s)


def _duplicate(copy: Copy, subjects: dict[str, str]) -> RecordingError:
    return _leak("duplicate_signal", f"{copy.told(subjects)}, one is trained on and one is tested")


def _leak(code: str, what: str) -> RecordingError:
    remedies = {
        "same_subject": "split by whole people, as cross_validate does",
        "overlapping_windows": "split by whole people; windows of one recording are never apart",
        "same_recording": "give each recording one subject, and split by whole people",
        "duplicate_signal": "keep one of the two, or give both the subject who wore it",
    }
    return RecordingError(what, code=code, remedy=remedies[code])
