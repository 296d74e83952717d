"""One small file of each kind of every format, for what all readers must do alike.

A new format is a new entry in ``EXAMPLES``: its name among the formats, and each kind of file that it comes in.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.formats import (
    actigraph,
    apple_health,
    axivity,
    core_motion,
    empatica,
    geneactiv,
    sensor_log,
    sensor_logger,
    sound,
    table,
)


class Example(NamedTuple):
    """A file as its writer makes it, the schema that it needs, and what it holds by the count of its writer."""

    write: Callable[[Path], Path]
    schema: Mapping[str, object] | None = None
    samples: Mapping[str, int] | None = None


def _table(kind: str) -> Example:
    counts = dict.fromkeys(("accel", "gyro"), 60)
    return Example(lambda folder: table.write(folder, kind=kind), table.schema(kind), counts)


_ALONE = dict.fromkeys(("accel", "user_accel", "gravity", "gyro", "attitude"), 60)
_LOGGED = _ALONE | {"heart_rate": 5}
_MOVED = {"accel": 400, "gyro": 100, "mag": 100, "accel_history": 25, "heart_rate": 1}
_OF_PHONE = dict.fromkeys(("accel", "user_accel", "gravity", "gyro"), 60)

EXAMPLES: Mapping[str, Mapping[str, Example]] = {
    "sensor_logger": {
        "folder": Example(sensor_logger.write, samples=_LOGGED),
        "zip": Example(lambda folder: sensor_logger.write(folder, zipped=True, prefix="day/"), samples=_LOGGED),
        "json": Example(sensor_logger.write_json, samples=_LOGGED),
        "alone": Example(sensor_logger.write_alone, samples=_ALONE),
    },
    "sensor_logger_phone": {
        "folder": Example(lambda folder: sensor_logger.write(folder, phone=True), samples=_OF_PHONE),
        "zip": Example(lambda folder: sensor_logger.write(folder, phone=True, zipped=True), samples=_OF_PHONE),
    },
    "core_motion": {
        "folder": Example(lambda folder: core_motion.write(folder, seconds=0.5), samples=_MOVED),
        "zip": Example(lambda folder: core_motion.write(folder, seconds=0.5, packed=True), samples=_MOVED),
    },
    "sensor_log": {
        "csv": Example(lambda folder: sensor_log.write(folder, seconds=1.0)),
        "comma": Example(lambda folder: sensor_log.write(folder, seconds=1.0, delimiter=";", decimal=",")),
    },
    "axivity": {
        "ax3": Example(lambda folder: axivity.write(folder, blocks=12)),
        "ax6": Example(lambda folder: axivity.write(folder, blocks=12, layout=axivity.GYRO)),
        "wav": Example(lambda folder: axivity.write_wav(folder, samples=300)),
    },
    "geneactiv": {"bin": Example(lambda folder: geneactiv.write(folder, pages=3), samples={"accel": 900})},
    "actigraph": {
        "gt3x": Example(lambda folder: actigraph.write(folder, seconds=8), samples={"accel": 240}),
        "words": Example(
            lambda folder: actigraph.write(folder, seconds=8, kind=actigraph.ACTIVITY2), samples={"accel": 240}
        ),
    },
    "apple_health": {
        "zip": Example(lambda folder: apple_health.write(folder, ecgs=(apple_health.ecg(count=64),))),
        "folder": Example(lambda folder: apple_health.write(folder, kind="folder")),
        "file": Example(lambda folder: apple_health.write(folder, kind="file")),
    },
    "empatica_e4": {
        "folder": Example(lambda folder: empatica.write(folder, seconds=4), samples={"accel": 128, "ppg": 256}),
        "zip": Example(lambda folder: empatica.write(folder, seconds=4, zipped=True), samples={"accel": 128}),
    },
    "sound": {
        "wav": Example(lambda folder: sound.write(folder, seconds=0.1), samples={"audio": 1600}),
        "flac": Example(lambda folder: sound.write(folder, kind="FLAC", seconds=0.1), samples={"audio": 1600}),
        "ogg": Example(lambda folder: sound.write(folder, kind="VORBIS", seconds=0.1)),
    },
    "table": {kind: _table(kind) for kind in ("csv", "tsv", "comma", "iso", "gzip", "parquet", "npz")},
}
