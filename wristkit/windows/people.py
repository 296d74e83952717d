"""Whole people in three parts, and who they are."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.windows.copies import copies_in
from wristkit.windows.labelled import Windows, check_finite

_NOBODY = {"", "?", "unknown", "none", "nan", "null"}
_UNSEEN = ("Cc", "Cf", "Cs")  # controls, marks that turn or join, halves of pairs


@dataclass(frozen=True)
class PeopleSplit:
    """Whole people in three parts, and what was done instead where there were too few of them."""

    train: tuple[str, ...]
    stop: tuple[str, ...]
    held_out: tuple[str, ...]
    note: str


def split_people(chosen: Windows, *, seed: int) -> PeopleSplit:
    """Return whole people in three parts: about half to train, a quarter to stop on, a quarter held out.

    Of many random splits the first is taken whose training part shows most classes, then whose other parts do.

    Raises
    ------
    RecordingError
        Where people cannot be told apart, or two of them share a signal; with code ``no_subject``, ``same_subject`` or
        ``duplicate_signal``.
    """
    people = people_of(chosen)
    check_finite(chosen)
    _refuse_shared_signals(chosen)
    sizes, note = _part_sizes(len(people))
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(people)) for _ in range(64)]
    shown = chosen.counts().reindex(people).to_numpy() > 0
    order = max(orders, key=lambda one: [int(shown[part].any(axis=0).sum()) for part in _cut_order(one, sizes)])
    train, stop, held_out = (tuple(sorted(people[place] for place in part)) for part in _cut_order(order, sizes))
    return PeopleSplit(train, stop, held_out, note)


def _part_sizes(people: int) -> tuple[tuple[int, int, int], str]:
    if people >= 4:
        held = max(1, round(people / 4))
        return (people - 2 * held, held, held), ""
    if people >= 2:
        note = (
            f"{people} people: one is held out, no one is left to stop on, so every epoch is run and nothing is tuned"
        )
        return (people - 1, 0, 1), note
    return (1, 0, 0), "1 person: nobody is held out, so no figure of this fit says anything about other people"


def _cut_order(order: npt.NDArray[np.int64], sizes: tuple[int, int, int]) -> list[npt.NDArray[np.int64]]:
    return np.split(order, np.cumsum(sizes)[:2])


def people_of(chosen: Windows) -> list[str]:
    """Return the names of the people, or raise where they cannot be told apart."""
    people = sorted({str(name) for name in chosen.subjects})
    if nobody := [name for name in people if plain_name(name) in _NOBODY]:
        nameless = sorted(set(chosen.recordings[np.isin(chosen.subjects.astype(str), nobody)]))[:3]
        whose = f"are of subject {nobody[0]!r}" if nobody[0].strip() else "have no subject"
        raise RecordingError(
            f"recordings {nameless} {whose}, so people cannot be kept apart",
            code="no_subject",
            remedy="give subject= when loading, one name a person",
        )
    if alike := one_name(people):
        raise RecordingError(
            f"subjects {alike}, and may be one person",
            code="same_subject",
            remedy="spell them alike when loading, or give them names that tell them apart",
        )
    return people


def one_name(names: Iterable[str]) -> str:
    """Return in words which two names may be one, as they look the same; empty text where all are told apart."""
    seen: dict[str, str] = {}
    for name in names:
        before = seen.setdefault(plain_name(name), name)
        if before == name:
            continue
        if before.strip().casefold() == name.strip().casefold():
            return f"{before!r} and {name!r} differ in case or blanks alone"
        return f"{before!a} and {name!a} differ in how characters are written alone"
    return ""


def plain_name(name: str) -> str:
    """Return a name without what nobody sees: case, blanks at its ends, composed or split accents, hidden marks."""
    seen = (one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) not in _UNSEEN)
    return unicodedata.normalize("NFKC", "".join(seen).casefold()).strip()


def _refuse_shared_signals(chosen: Windows) -> None:
    """Raise where recordings of two people hold the same signal, so that it could be on both sides of a split.

    A recording whose windows were dealt out to several names, as a warning does on purpose, is nobody's.
    """
    names: dict[str, set[str]] = {}
    for recording, subject in zip(chosen.recordings, chosen.subjects, strict=True):
        names.setdefault(recording, set()).add(subject)
    whose = {recording: min(one) for recording, one in names.items() if len(one) == 1}
    if len(set(whose.values())) < 2:
        return
    for copy in copies_in([chosen.subset(np.isin(chosen.recordings.astype(str), list(whose)))]):
        if whose[copy.one] != whose[copy.other]:
            raise RecordingError(
                f"{copy.told(whose)}, and could be trained on and tested",
                code="duplicate_signal",
                remedy="keep one of the two, or give both the subject who wore it",
            )
