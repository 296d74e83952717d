"""What is said of a device's file whose blocks are damaged or cut: counted, and refused beyond a limit."""

from collections.abc import Collection
from dataclasses import dataclass, field

from wristkit.errors import RecordingError, TruncatedError
from wristkit.load.gather import Remark

MOST_DAMAGED = 0.05


@dataclass
class Damage:
    """Stretches of bytes of one file that hold no readable block, in the order of the file."""

    stretches: list[tuple[int, int]] = field(default_factory=list)

    def add(self, start: int, stop: int) -> None:
        """Note the bytes from ``start`` up to ``stop``; a stretch that goes on from the last one is one with it."""
        if self.stretches and self.stretches[-1][1] == start:
            start, _ = self.stretches.pop()
        self.stretches.append((start, stop))

    def count(self, block_bytes: int) -> int:
        """Return how many blocks of this length are lost, at least one a stretch."""
        return sum(max(1, round((stop - start) / block_bytes)) for start, stop in self.stretches)


def damage_remarks(
    damage: Damage, *, good: int, block_bytes: int, repair: Collection[str], file: str
) -> tuple[Remark, ...]:
    """Return the finding on damaged blocks, if any; raise where they are many and nobody asked to skip them."""
    if not damage.stretches:
        return ()
    count, first = damage.count(block_bytes), damage.stretches[0][0]
    said = f"{count} of {count + good} blocks are damaged, the first at byte {first}"
    refuse_damage(count / (count + good), said, repair=repair, file=file, byte=first)
    return (Remark("damaged_blocks", count, f"{said}; they were skipped", "copy the file again from the device"),)


def refuse_damage(share: float, said: str, *, repair: Collection[str], file: str, byte: int) -> None:
    """Raise ``said`` where the damaged share of a file is large and nobody asked to skip it."""
    if share > MOST_DAMAGED and "skip_damaged" not in repair:
        raise RecordingError(
            f"{said}; up to {MOST_DAMAGED:.0%} are skipped unasked",
            code="damaged_blocks",
            remedy="copy the file again; or repair=('skip_damaged',) reads all blocks that are whole and leaves gaps",
            file=file,
            byte=byte,
        )


def tail_remark(*, samples: int, byte: int, repair: Collection[str], file: str) -> Remark:
    """Return the finding on a last block that was cut and is dropped; raise unless that was asked for."""
    if "drop_tail" not in repair:
        raise TruncatedError(
            f"the file ends within its last block, after {samples} of its samples",
            code="cut_tail",
            remedy="copy the file again; or repair=('drop_tail',) drops this one block and counts its samples",
            file=file,
            byte=byte,
        )
    note = f"the last block was cut at the end of the file; its {samples} whole samples were dropped"
    return Remark("drop_tail", samples, note, "copy the file again from the device")
