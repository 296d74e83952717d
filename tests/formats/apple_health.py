"""Writes exports as Apple Health does: a malformed DTD, escaped device strings, records that are not sorted, ECGs."""

import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from wristkit.simulate.formats import HEALTH_DTD as DTD

START = datetime(2026, 3, 1, 7, 0, 0, tzinfo=UTC)
ZONE = timezone(timedelta(hours=1))
WATCH, OLD_WATCH, PHONE = "Watch6,2", "Watch5,4", "iPhone14,2"
PERSON = "Somebody Nameless"


def stamp(seconds, *, zone=ZONE):
    return (START + timedelta(seconds=seconds)).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %z")


def device(model):
    name = "iPhone" if model.startswith("iPhone") else "Apple Watch"
    kind = "iPhone" if model.startswith("iPhone") else "Watch"
    maker = "manufacturer:Apple Inc."
    return f"<<HKDevice: 0x282374b90>, name:{name}, {maker}, model:{kind}, hardware:{model}, software:10.4>"


def record(kind, start_s, stop_s, value, unit=None, *, model=WATCH, inside="", zone=ZONE, changed=None):
    """Return one record; ``changed`` gives other attributes by name, None leaves one out."""
    attributes = {
        "type": kind,
        "sourceName": f"{PERSON}'s device",
        "sourceVersion": "10.4",
        "device": None if model is None else device(model),
        "unit": unit,
        "creationDate": stamp(stop_s, zone=zone),
        "startDate": stamp(start_s, zone=zone),
        "endDate": stamp(stop_s, zone=zone),
        "value": value,
    } | (changed or {})
    told = "".join(f" {name}={quoteattr(str(text))}" for name, text in attributes.items() if text is not None)
    return f" <Record{told}>{inside}</Record>\n" if inside else f" <Record{told}/>\n"


def heart_rate(at_s, bpm, *, context=None, **options):
    inside = ""
    if context is not None:
        inside = f'\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="{context}"/>\n '
    return record("HKQuantityTypeIdentifierHeartRate", at_s, at_s, bpm, "count/min", inside=inside, **options)


def hrv(at_s, ms, **options):
    inside = (
        "\n  <HeartRateVariabilityMetadataList>\n"
        '   <InstantaneousBeatsPerMinute bpm="61" time="8:00:01.10 AM"/>\n  </HeartRateVariabilityMetadataList>\n '
    )
    return record(
        "HKQuantityTypeIdentifierHeartRateVariabilitySDNN", at_s - 60, at_s, ms, "ms", inside=inside, **options
    )


def steps(start_s, stop_s, count, **options):
    return record("HKQuantityTypeIdentifierStepCount", start_s, stop_s, count, "count", **options)


def energy(start_s, stop_s, value, unit="kcal", **options):
    return record("HKQuantityTypeIdentifierActiveEnergyBurned", start_s, stop_s, value, unit, **options)


def sleep(start_s, stop_s, stage, **options):
    kind, value = "HKCategoryTypeIdentifierSleepAnalysis", f"HKCategoryValueSleepAnalysis{stage}"
    return record(kind, start_s, stop_s, value, **options)


def workout(start_s, stop_s, activity, *, model=WATCH):
    told = quoteattr(device(model))
    return (
        f' <Workout workoutActivityType="HKWorkoutActivityType{activity}" duration="10" durationUnit="min"'
        f' sourceName="{PERSON}" device={told} creationDate="{stamp(stop_s)}" startDate="{stamp(start_s)}"'
        f' endDate="{stamp(stop_s)}">\n'
        '  <WorkoutEvent type="HKWorkoutEventTypePause" date="2026-03-01 08:20:00 +0100"/>\n'
        f'  <WorkoutRoute sourceName="{PERSON}"><FileReference path="/workout-routes/route_1.gpx"/></WorkoutRoute>\n'
        " </Workout>\n"
    )


def correlation(inside):
    return f' <Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="x">\n{inside} </Correlation>\n'


def usual(*, seed=0):
    """Return the records of an hour: two devices, not sorted, with sleep, a workout and types that are not read."""
    random = np.random.default_rng(seed)
    beats = [heart_rate(60 * k, int(random.integers(55, 90)), context=k % 3) for k in range(20)]
    walks = [steps(30 * k, 30 * k + 25, int(random.integers(5, 50))) for k in range(40)]
    random.shuffle(walks)
    return "".join(
        [
            *beats,
            *(hrv(600 * k + 61, f"{random.uniform(20, 80):.4f}") for k in range(4)),
            *walks,
            *(steps(40 * k, 40 * k + 30, int(random.integers(5, 50)), model=PHONE) for k in range(15)),
            *(energy(60 * k, 60 * k + 60, f"{random.uniform(0.2, 4):.3f}") for k in range(20)),
            *(
                sleep(900 * k, 900 * k + 900, stage)
                for k, stage in enumerate(("AsleepCore", "AsleepDeep", "AsleepREM"))
            ),
            sleep(0, 3000, "InBed", model=None),
            record("HKQuantityTypeIdentifierBodyMass", 0, 0, "71.5", "kg", model=None),
            record("HKQuantityTypeIdentifierOxygenSaturation", 5, 5, "0.97", "%"),
            workout(1000, 1600, "TraditionalStrengthTraining"),
            correlation(record("HKQuantityTypeIdentifierBloodPressureSystolic", 9, 9, "121", "mmHg", model=None)),
            ' <ActivitySummary dateComponents="2026-03-01" activeEnergyBurned="300"/>\n',
        ]
    )


def xml(records, *, dtd=DTD):
    """Return a whole export of these records."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{dtd}<HealthData locale="de_DE">\n'
        ' <ExportDate value="2026-03-02 09:00:00 +0100"/>\n'
        ' <Me HKCharacteristicTypeIdentifierDateOfBirth="1815-12-10"/>\n'
        f"{records}</HealthData>\n"
    )


def ecg(*, count=1024, rate="512 hertz", unit="µV", date=None, comma=False, german=False, model=WATCH, seed=0):
    """Return a CSV of one ECG in the words of one of two languages."""
    keys = ("Name", "Date of Birth", "Recorded Date", "Classification", "Symptoms", "Software Version")
    keys = (*keys, "Device", "Sample Rate", "Lead", "Unit")
    if german:
        keys = ("Name", "Geburtstag", "Aufzeichnungsdatum", "Klassifizierung", "Symptome", "Softwareversion")
        keys = (*keys, "Gerät", "Messrate", "Ableitung", "Einheit")
    values = (PERSON, '"10 Dec 1815"', date or stamp(0), "Sinus Rhythm", "Rapid, pounding heartbeat", "1.90")
    values = (*values, f'"{model}"', rate, "Lead I", unit)
    lines = [f"{key},{value}" for key, value in zip(keys, values, strict=True)]
    numbers = [f"{value:.3f}" for value in np.random.default_rng(seed).normal(0, 150, count)]
    numbers = [number.replace(".", ",") for number in numbers] if comma else numbers
    return "\n".join([*lines[:8], "", "", *lines[8:], "", *numbers]) + "\n"


def write(folder: Path, *, kind="zip", name="export.xml", records=None, dtd=DTD, ecgs=(), gpx=0, content=None) -> Path:
    """Return an export as a ``"zip"``, a ``"folder"`` or a ``"file"``; ``content`` are other bytes of the XML."""
    content = xml(usual() if records is None else records, dtd=dtd).encode() if content is None else content
    files = {name: content, "export_cda.xml": b'<?xml version="1.0"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3"/>\n'}
    files |= {f"electrocardiograms/ecg_{number}.csv": text.encode() for number, text in enumerate(ecgs)}
    files |= {f"workout-routes/route_{number}.gpx": b"<gpx/>" for number in range(gpx)}
    if kind == "file":
        (folder / name).write_bytes(content)
        return folder / name
    if kind == "zip":
        with zipfile.ZipFile(folder / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for file, inside in files.items():
                archive.writestr(f"apple_health_export/{file}", inside)
        return folder / "export.zip"
    path = folder / "apple_health_export"
    for file, inside in files.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_bytes(inside)
    return path
