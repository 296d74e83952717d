"""What a front end may ask of a label store: one method an edit, each done as a whole or refused with the reason."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wristkit.store import RATER
from wristkit.view.judged import REJECTED, event_states, told_apart
from wristkit.view.window import moving_stream, snapped

if TYPE_CHECKING:
    from wristkit.view.viewer import Viewer

NOBODY = "recording"  # rater of the spans that a recording states without a name
_SNAP_S, _SNAP_PIXELS, _SNAP_MOST_S = 0.25, 12, 2.0  # of a whole day twelve pixels are a quarter of an hour


class Edits:
    """Edits of the labels of the recording that a viewer shows, by name; each returns the keys to be chosen next."""

    def __init__(self, viewer: "Viewer") -> None:
        self._viewer = viewer
        self._named: Mapping[str, Callable[..., Sequence[int]]] = {
            "add": self._add,
            "change": self._change,
            "remove": self._remove,
            "split": self._split,
            "merge": self._merge,
            "copy": self._copy,
            "snap": self._snap,
            "look": self._look,
            "forget": self._forget,
            "accept": self.accept,
            "reject": self.reject,
            "undo": self._undo,
            "redo": self._redo,
        }

    def run(self, name: str, fields: Mapping[str, Any]) -> list[int]:
        """Do one edit; raise where the store refuses it, or where there is none of that name."""
        return list(self._named[name](**fields))

    @property
    def _by(self) -> str | None:
        """Whose edits undo takes back: those of this rater; who names none shares them with all who name none."""
        rater = self._viewer.rater
        return None if rater == RATER else rater

    def accept(self, *, event: int, tier: str) -> Sequence[int]:
        """Add a label with name and span of an event; of one that was rejected, the rejection becomes the label."""
        table, row = self._event(event, unless=("accepted",))
        if tier == REJECTED:
            raise ValueError(f"tier {REJECTED!r} is for what was refused; choose another tier to accept into")
        (sought,) = told_apart(row)
        refused = table[table["tier"] == REJECTED]
        same = [key for key, one in zip(refused.index.tolist(), told_apart(refused), strict=True) if one == sought]
        if same:
            self._viewer.store.change(same[0], tier=tier, rater=self._viewer.rater, by=self._by)
        else:
            self._add_event(row, tier)
        return []

    def reject(self, *, event: int) -> Sequence[int]:
        """Remember that an event is none, as a label of the tier ``rejected``."""
        _, row = self._event(event, unless=("accepted", "rejected"))
        self._add_event(row, REJECTED)
        return []

    def _event(self, place: int, *, unless: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the labels and the row of an event, unless it is in one of these states."""
        events, table = self._viewer.events, self._viewer.store.table()
        if events is None or not 0 <= place < len(events):
            raise ValueError(f"there is no event {place} of {0 if events is None else len(events)}; count from 0")
        state = event_states(table, events)[place]
        if state in unless:
            cure = "remove its label first" if state == "accepted" else "accept it, or undo"
            raise ValueError(f"this event is {state} already; {cure}")
        return table, events.iloc[[place]]

    def _add_event(self, row: pd.DataFrame, tier: str) -> None:
        start_s, stop_s, label = row[["start_s", "stop_s", "label"]].iloc[0]
        self._add(start=start_s, stop=stop_s, label=label, tier=tier)

    def _add(self, *, start: float, stop: float, label: str, tier: str) -> Sequence[int]:
        return [self._viewer.store.add(start, stop, label, tier=tier, rater=self._viewer.rater, by=self._by)]

    def _change(self, *, key: int, fields: Mapping[str, Any], seen: Mapping[str, Any]) -> Sequence[int]:
        self._viewer.store.change(key, **_by_column(fields), seen=_by_column(seen), by=self._by)
        return [key]

    def _remove(self, *, keys: Sequence[int]) -> Sequence[int]:
        self._viewer.store.remove(*keys, by=self._by)
        return []

    def _split(self, *, key: int, at: float) -> Sequence[int]:
        return self._viewer.store.split(key, at, by=self._by)

    def _merge(self, *, keys: Sequence[int]) -> Sequence[int]:
        return [self._viewer.store.merge(keys, by=self._by)]

    def _copy(self, *, keys: Sequence[int], tier: str) -> Sequence[int]:
        return self._viewer.store.copy(keys, tier=tier, by=self._by)

    def _snap(self, *, key: int, perPixel: float) -> Sequence[int]:  # noqa: N803  a field of the front end's message
        table = self._viewer.store.table()
        if key not in table.index:
            raise ValueError(f"there is no label {key} any more; select another")
        seen = {name: float(table[name][key]) for name in ("start_s", "stop_s")}
        first_s, last_s = seen.values()
        within_s = min(max(_SNAP_S, _SNAP_PIXELS * float(perPixel)), _SNAP_MOST_S)
        stream = moving_stream(self._viewer.recording)
        start_s, stop_s = snapped(stream, start_s=first_s, stop_s=last_s, within_s=within_s)
        self._viewer.store.change(key, start_s=start_s, stop_s=stop_s, seen=seen, by=self._by)
        return [key]

    def _look(self, *, start: float, stop: float, tier: str) -> Sequence[int]:
        self._viewer.store.look(start, stop, tier=tier, rater=self._viewer.rater, by=self._by)
        return []

    def _forget(self, *, start: float, stop: float, tier: str) -> Sequence[int]:
        """Take a span out of what was looked at by oneself, or by whoever is behind the recording's own spans."""
        store, rater = self._viewer.store, self._viewer.rater
        for own in (rater, NOBODY):
            held = store.labelled(rater=own).get(tier, np.empty((0, 2)))
            if ((held[:, 0] < stop) & (held[:, 1] > start)).any():
                store.forget_look(start, stop, tier=tier, rater=own, by=self._by)
                return []
        raise ValueError(
            f"{rater!r} marked nothing of tier {tier!r} from {start:.3f} s to {stop:.3f} s as looked at; "
            "what others looked at is theirs to take back"
        )

    def _undo(self) -> Sequence[int]:
        if not self._viewer.store.undo(by=self._by):
            raise ValueError("there is nothing to take back")
        return []

    def _redo(self) -> Sequence[int]:
        if not self._viewer.store.redo(by=self._by):
            raise ValueError("there is nothing to make again")
        return []


def _by_column(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {{"start": "start_s", "stop": "stop_s"}.get(name, name): value for name, value in fields.items()}
