"""Checks of packets: any partition gives the events of the recording, and what is no packet is refused."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from wristkit.condition import Packet
from wristkit.detector.cascade import Cascade
from wristkit.detector.contract.case import Case, final_table, require, require_same
from wristkit.detector.inbox import Inbox
from wristkit.events import EventUpdate

_WITHIN_WAIT = 0.9  # of how long it waits for a stream: whoever lags by more is a gap to it, which is no fault


def _partition(packet_s: float) -> Callable[[Case], str]:
    def check(case: Case) -> str:
        pushed = final_table(case.push(case.packets(packet_s=packet_s)))
        require_same(pushed, case.events, f"packets of {packet_s:g} s")
        return ""

    return check


def _uneven(case: Case) -> str:
    rng = np.random.default_rng(0)
    packets: list[dict[str, Packet]] = []
    for packet in case.packets(packet_s=0.5):
        for name, (time, values) in packet.items():
            cuts = np.sort(rng.integers(0, np.size(time) + 1, 3))
            parts = zip(np.split(np.asarray(time), cuts), np.split(np.asarray(values), cuts), strict=True)
            packets += [{name: part} for part in parts]
    require_same(final_table(case.push(packets)), case.events, "packets of uneven size, some empty")
    return ""


def _at_once(case: Case) -> str:
    require_same(final_table(case.push([case.whole()])), case.events, "all streams whole, in one packet")
    return ""


def _one_by_one(case: Case) -> str:
    turn_s = _WITHIN_WAIT * case.wait_s  # all of a stream, where it is waited for for ever
    for names in (list(case.streams), list(case.streams)[::-1]):
        packets = [{name: turn[name]} for turn in _turns(case, turn_s) for name in names if name in turn]
        require_same(final_table(case.push(packets)), case.events, f"{names} in turns of {turn_s:g} s")
    return "" if np.isinf(turn_s) else f"in turns of {turn_s:g} s, for it waits for {case.wait_s:g} s"


def _turns(case: Case, turn_s: float) -> list[dict[str, Packet]]:
    """Return packets of all streams, each of so many seconds."""
    edges_s = np.arange(case.recording.start_s, case.recording.stop_s, turn_s)[1:]
    turns: list[dict[str, Packet]] = [{} for _ in range(len(edges_s) + 1)]
    for name, (time, values) in case.whole().items():
        places = np.searchsorted(np.asarray(time), edges_s)
        for turn, piece in zip(turns, zip(np.split(time, places), np.split(values, places), strict=True), strict=True):
            turn[name] = piece
    return turns


def _delayed(case: Case) -> str:
    packet_s = min(0.4, 0.2 * case.wait_s)
    late_s = min(1.7, _WITHIN_WAIT * case.wait_s - packet_s)
    for name in case.streams:
        pushed = final_table(case.push(case.packets(packet_s=packet_s, delays_s={name: late_s})))
        require_same(pushed, case.events, f"{name!r} {late_s:g} s late")
    return ""


def _updates(case: Case) -> str:
    updates = case.push(case.packets(packet_s=0.3))
    decided = [one.event.decided_s for one in updates if not one.final]
    final = [one.event.decided_s for one in updates if one.final]
    require(len(decided) == len(final), f"{len(decided)} are decided and {len(final)} final")
    require(sorted(decided) == sorted(final), "what is final is not what was decided")
    return ""


def _grows(case: Case) -> str:
    first: dict[tuple[str, float], EventUpdate] = {}
    for update in case.push(case.packets(packet_s=0.3)):
        early = first.setdefault((update.event.label, update.event.decided_s), update)
        require(early.event.start_s == update.event.start_s, "the start of a decided event moves")
        require(early.event.stop_s <= update.event.stop_s, "a decided event becomes shorter")
        require(early.event.score <= update.event.score, "the score of a decided event falls")
    return ""


def _in_time(case: Case) -> str:
    event = case.events.iloc[0]
    # One sample more of each stream tells a cascade that its other stage has nothing earlier to say.
    several = isinstance(case.detector, Cascade)
    more_s = max(case.recording[name].rate_hz ** -1 for name in case.streams) * 2 if several else 1e-9
    case.start()
    updates = case.detector.push(case.whole(until_s=float(event["decided_s"]) + more_s))
    decided = [one.event.decided_s for one in updates]
    require(event["decided_s"] in decided, "a decision needs samples from after its time")
    return ""


def _anew(case: Case) -> str:
    packets = case.packets(packet_s=0.5)
    require_same(final_table(case.push(packets)), final_table(case.push(packets)), "the second time after a flush")
    case.start()
    for packet in packets[: len(packets) // 2]:
        case.detector.push(packet)
    require_same(final_table(case.push(packets)), case.events, "after a reset in the middle")
    return ""


def _nothing(case: Case) -> str:
    case.start()
    require(case.detector.push({}) == [], "an empty push gives updates")
    for name, source in case.streams.items():
        empty = (np.empty(0), np.empty((0, len(source.channels) if name == source.name else 1)))
        require(case.detector.push({name: empty}) == [], f"an empty packet of {name!r} gives updates")
    require(case.detector.flush() == [], "a flush of nothing gives updates")
    return ""


def _reused(case: Case) -> str:
    case.start()
    updates = []
    for packet in case.packets(packet_s=0.4):
        copied = {name: (np.array(time), np.array(values)) for name, (time, values) in packet.items()}
        updates += case.detector.push(copied)
        for time, values in copied.values():
            time[:], values[:] = -7.0, 0.5
    updates += case.detector.flush()
    require_same(final_table(updates), case.events, "a sender that fills its arrays anew")
    return ""


def _through_inbox(case: Case) -> str:
    packets = case.packets(packet_s=0.4)
    first = 2 * len(case.streams)  # an inbox cannot know of what came before the first that it was given
    pairs = range(first, len(packets) - 1, 2)
    mixed = [*packets[:first], *(one for k in pairs for one in (packets[k + 1], packets[k])), *packets[-1:]]
    inbox, sent = Inbox(wait_s=3.0), []
    for packet in mixed:
        sent += [inbox.take(packet), inbox.take(packet)]
    pushed = final_table(case.push([*sent, inbox.rest()]))
    require_same(pushed, case.events, "packets twice and out of order, by an Inbox")
    return ""


def _lossy(case: Case) -> str:
    rng = np.random.default_rng(1)
    packets = [one for one in case.packets(packet_s=0.2) if rng.random() > 0.05]
    found = final_table(case.push(packets))
    require(
        np.isfinite(found[["start_s", "stop_s", "decided_s"]].to_numpy(dtype=np.float64)).all(), "an event has no time"
    )
    require_same(final_table(case.push(case.packets(packet_s=0.5))), case.events, "after packets were lost")
    return f"{len(found)} of {len(case.events)} events with 5 % of the packets lost"


def _refused(words: str, spoil: Callable[[Case, str, Packet], Mapping[str, Packet]]) -> Callable[[Case], str]:
    """Return a check that each stream's spoiled packet is refused in such words, and that all goes on after it."""

    def check(case: Case) -> str:
        for spoiled in case.streams:
            case.start()
            updates, once = [], False
            for packet in case.packets(packet_s=1.0):
                updates += case.detector.push(packet)
                if spoiled in packet and not once:
                    said = case.refused_packet(spoil(case, spoiled, packet[spoiled]))
                    require(words in said, f"of {spoiled!r} it is {'refused as ' + said if said else 'taken'}")
                    once = True
            updates += case.detector.flush()
            require_same(final_table(updates), case.events, f"after a refused packet of {spoiled!r}")
        return ""

    return check


def _filled(value: float) -> Callable[[Case, str, Packet], Mapping[str, Packet]]:
    def spoil(_case: Case, name: str, packet: Packet) -> Mapping[str, Packet]:
        time_s, values = np.asarray(packet[0]) + 1.0, np.array(packet[1], dtype=np.float64)
        values[len(values) // 2] = value
        return {name: (time_s, values)}

    return spoil


def _backwards(_case: Case, name: str, packet: Packet) -> Mapping[str, Packet]:
    return {name: ((np.asarray(packet[0]) + 1.0)[::-1], packet[1])}


def _again(_case: Case, name: str, packet: Packet) -> Mapping[str, Packet]:
    return {name: packet}


def _more_columns(_case: Case, name: str, packet: Packet) -> Mapping[str, Packet]:
    values = np.asarray(packet[1])
    return {name: (np.asarray(packet[0]) + 1.0, np.column_stack([values, values[:, 0]]))}


def _fewer_rows(_case: Case, name: str, packet: Packet) -> Mapping[str, Packet]:
    return {name: (np.asarray(packet[0]) + 1.0, np.asarray(packet[1])[1:])}


def _unknown(_case: Case, _name: str, packet: Packet) -> Mapping[str, Packet]:
    return {"a stream that nobody knows": packet}


CHECKS: Mapping[str, Callable[[Case], str]] = MappingProxyType(
    {
        "packets of 50 ms give its events": _partition(0.05),
        "bursts of a second give its events": _partition(1.0),
        "all at once gives its events": _at_once,
        "packets of uneven size give its events": _uneven,
        "one stream after the other gives its events": _one_by_one,
        "a stream that is late gives its events": _delayed,
        "every event is decided once and final once": _updates,
        "a decided event grows and is never recalled": _grows,
        "a decision needs no later sample": _in_time,
        "flush and reset start anew": _anew,
        "an empty packet is no news": _nothing,
        "a sender may fill its arrays anew": _reused,
        "an inbox makes up for packets twice and out of order": _through_inbox,
        "packets lost are neither a crash nor remembered": _lossy,
        "a packet with NaN is refused": _refused("NaN", _filled(np.nan)),
        "a packet with infinity is refused": _refused("infinite", _filled(np.inf)),
        "a packet whose time goes back is refused": _refused("increas", _backwards),
        "a packet that comes again is refused": _refused("repeated packets", _again),
        "a packet with a column too many is refused": _refused("expected (n,)", _more_columns),
        "a packet with a row too few is refused": _refused("expected (n,)", _fewer_rows),
        "a packet of an unknown stream is refused by name": _refused("nobody knows", _unknown),
    }
)
