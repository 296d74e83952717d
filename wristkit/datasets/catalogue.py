"""The public sets that can be read: what is in them, whose they are, what is wrong with them, and where they lie."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import pandas as pd


@dataclass(frozen=True)
class RemoteFile:
    """One file to download.

    Parameters
    ----------
    url, name
        Where it lies, and the name to keep it under.
    sha256
        Hash of its bytes; None where nobody has published one, so that the first download is what counts.
    members
        Patterns of the names in it that are unpacked; what a reader does not use stays packed.
    """

    url: str
    name: str
    sha256: str | None
    members: tuple[str, ...]


@dataclass(frozen=True)
class PublicSet:
    """One public set.

    Parameters
    ----------
    name, title
        The name to ask for it by, and its own.
    licence, citation, home
        What it may be used for, whom to name, and its page.
    people, place, sensors, rate
        Who wore what where; ``rate`` is what was measured, where that is known, and what is stated elsewhere.
    labels
        Tiers and labels.
    repairs
        Repairs that its reader makes, as in ``load``; findings count the rows.
    traps
        What is wrong with it, or easily taken for something else.
    files
        What ``fetch`` downloads.
    by_hand
        What to do where a program may not download it; empty where it may.
    checked
        What of this was read with real files, and what was not.
    """

    name: str
    title: str
    licence: str
    citation: str
    home: str
    people: str
    place: str
    sensors: str
    rate: str
    labels: str
    repairs: tuple[str, ...]
    traps: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    by_hand: str
    checked: str


_REAL = "real files, of some of the people"
_LAYOUT = "written files in the documented layout only; no real file was at hand"
_DIGEST = "the hash of the download is the one that several projects independently noted; the source publishes none"
_MADE = "archives of a commit are made on request, so their bytes are not promised; files within have known hashes"
_UNPINNED = "no hash of the download is known"


def _commit(repository: str, commit: str, *members: str) -> tuple[RemoteFile, ...]:
    """Return the archive of one commit of a repository on GitHub."""
    url = f"https://github.com/{repository}/archive/{commit}.zip"
    return (RemoteFile(url, f"{repository.partition('/')[2]}-{commit[:12]}.zip", None, members),)


_LISTED = (
    PublicSet(
        name="spsw",
        title="SP-SW-HAR: smartphone and smartwatch, sitting, standing up, walking, turning, sitting down",
        licence="CC BY 4.0",
        citation="Matey-Sanz, Casteleyn, Granell (2023), Data in Brief 109809, doi:10.1016/j.dib.2023.109809",
        home="https://github.com/GeoTecINIT/sp-sw-har-dataset",
        people="23",
        place="watch on the wrist, phone in a pocket",
        sensors="accel, gyro",
        rate="watch 104.3 Hz, phone 102.5 Hz, measured (103.7 and 95.2 of distinct stamps); 100 Hz nominal",
        labels="truth: seated, standing_up, walking, turning, sitting_down, each row",
        repairs=("spread_stamps",),
        traps=(
            "the rate is not 100 Hz: the median step says so only because stamps are whole milliseconds",
            "708 stamps of the watch and 2,032 of the phone (of 12 and 3 people) repeat over different rows",
            "149 gaps of the phone are longer than 5 periods",
            "watch and phone do not start together: they are two recordings",
            "everybody does the same in the same order: a model can learn the place in the file",
            "the models of the devices are not stated; m/s2 with Android's sign is what its collector writes",
        ),
        files=_commit("GeoTecINIT/sp-sw-har-dataset", "1408d85a512a53861de7bc4729dee283fff2ea9d", "*/DATA/*.csv"),
        by_hand="",
        checked=f"{_REAL}; {_MADE}",
    ),
    PublicSet(
        name="uwash",
        title="UWash: washing of hands with a watch",
        licence="MIT",
        citation="You Can Wash Hands Better: Accurate Daily Handwashing Assessment with Smartwatches, arXiv:2112.06657",
        home="https://github.com/aiotgroup/UWash",
        people="1 with steps; whole washes of several",
        place="watch on the wrist",
        sensors="accel, gyro",
        rate="50 Hz, measured 49.2 to 50.0 Hz",
        labels="truth: nine steps of washing (labelData alone); wash: washing, over each whole wash",
        repairs=("sort_blocks", "spread_stamps"),
        traps=(
            "gyro is in deg/s, unlike most sets; it becomes rad/s",
            "label 0 of the whole washes means no step was labelled, not that nobody washed: no labelled span there",
            "344 equal stamps in labelData, 15 to 252 in each whole wash; gaps of up to 1 s",
            "subject_02_cond1.3_01 goes back by 1 ms once",
            "subject_02_cond1.2_03 and _04 are the same bytes: both are read, a finding duplicate_of tells",
            "labelData is of one person, who may be one of the others",
            "nobody does anything else here: a detector of washing would learn the device",
            "the sign of acceleration is not documented: it is kept",
            "names of files hold initials of people: readers take them out",
        ),
        files=_commit(
            "aiotgroup/UWash",
            "54ba1e81a7bd6f0b6e6faaa3ce04c636f49780ac",
            "*/pre_validation/dataset/labelData.csv",
            "*/inwildTest/inwildTest_dataset/*.csv",
        ),
        by_hand="",
        checked=f"{_REAL}; {_MADE}",
    ),
    PublicSet(
        name="broad",
        title="BROAD: 9-axis sensor with an optical reference of orientation",
        licence="CC BY 4.0",
        citation="Laidig, Caruso, Cereatti, Seel (2021), Data 6(7), doi:10.3390/data6070072",
        home="https://github.com/dlaidig/broad",
        people="none: moved by hand",
        place="none",
        sensors="accel, gyro, mag, reference_attitude, reference_position",
        rate="2000/7 Hz, stated; there are no stamps",
        labels="truth: movement, where errors count",
        repairs=(),
        traps=(
            "reference_attitude holds NaN where the cameras lost it",
            "the earth frames of reference and filter differ by a constant turn: take it out before comparing heading",
            "trial 32 carries a magnet with it: heading is expected to be bad",
            "reference_attitude is w, x, y, z, from the sensor to east, north, up",
        ),
        files=_commit("dlaidig/broad", "7e2f8189bb4a3ac91eae32c69b6bc87f08a6e2ad", "*/data_mat/*.mat"),
        by_hand="",
        checked=f"real files of 5 of 39 trials; {_MADE}",
    ),
    PublicSet(
        name="oxford_steps",
        title="Oxford step counter: a phone in six places, steps counted",
        licence="CC BY 4.0",
        citation="Oxford-step-counter, DataSet, validation (Salvi and contributors), 2017 to 2022",
        home="https://github.com/Oxford-step-counter/DataSet",
        people="1 of several",
        place="phone in hand, armband, front pocket, back pocket, bag, neck pouch",
        sensors="accel, steps_algorithm, steps_hardware",
        rate="100 Hz, measured 99.8 to 100.5 Hz",
        labels="truth: step, a point each",
        repairs=("spread_stamps",),
        traps=(
            "steps_hardware is 0 throughout: the counter of the phone did not report",
            "steps_algorithm is another program's count, up to 46 % too high: not the truth",
            "stamps repeat once or twice beside a gap of 0.22 s; the first row of one file is all zeros",
            "a phone, not a wrist, and no gyro",
            "the start is the one in the name of the file",
        ),
        files=_commit(
            "Oxford-step-counter/DataSet", "922cc0d8511a7189f7a667d173c21e9472729603", "*/validation/user*.csv"
        ),
        by_hand="",
        checked=f"{_REAL}; {_MADE}",
    ),
    PublicSet(
        name="esc10",
        title="ESC-10: ten classes of environmental sound",
        licence="CC BY 3.0; each clip CC0 or CC BY",
        citation="Piczak (2015), ESC: Dataset for Environmental Sound Classification, doi:10.1145/2733373.2806390",
        home="https://github.com/karolpiczak/ESC-10",
        people="none",
        place="none",
        sensors="audio",
        rate="44,100 Hz, stated",
        labels="truth: the class, over the whole clip",
        repairs=(),
        traps=(
            "takes of one sound are one recording: they share subject, and source['fold'] is the published fold",
            "20 of 24 clips of sneezing end in exact zeros: a finding zero_padding tells where",
            "clips last 4.98 to 5.03 s, not 5 s",
            "Ogg Vorbis: little near 16 kHz and above is the codec, not the sound",
            "rain and sea waves are no tap water: say so where they stand in for it",
        ),
        files=_commit("karolpiczak/ESC-10", "553c8f1743b9dba6b282e1323c3ca8fa76923448", "*/[0-9]*/*.ogg"),
        by_hand="",
        checked=f"real files of 4 classes; {_MADE}",
    ),
    PublicSet(
        name="esc50",
        title="ESC-50: fifty classes of environmental sound",
        licence="CC BY-NC 3.0; each clip its own",
        citation="Piczak (2015), ESC: Dataset for Environmental Sound Classification, doi:10.1145/2733373.2806390",
        home="https://github.com/karolpiczak/ESC-50",
        people="none",
        place="none",
        sensors="audio",
        rate="44,100 Hz, stated",
        labels="truth: the category, over the whole clip",
        repairs=(),
        traps=(
            "not for commercial use",
            "takes of one sound are one recording: they share subject, and source['fold'] is the published fold",
            "many clips are filled up with exact zeros: a finding zero_padding tells where",
        ),
        files=_commit(
            "karolpiczak/ESC-50", "33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6", "*/audio/*.wav", "*/meta/esc50.csv"
        ),
        by_hand="",
        checked=f"{_LAYOUT}; archives of a commit are made on request, so their bytes are not promised",
    ),
    PublicSet(
        name="uci_har",
        title="UCI HAR: human activity recognition using smartphones",
        licence="CC BY 4.0 (its readme forbids commercial use)",
        citation="Reyes-Ortiz, Anguita, Ghio, Oneto, Parra (2013), UCI, doi:10.24432/C54S4K",
        home="https://archive.ics.uci.edu/dataset/240/human+activity+recognition+using+smartphones",
        people="30",
        place="phone at the waist",
        sensors="accel, gyro",
        rate="50 Hz, stated; there are no stamps",
        labels="truth: walking, walking_upstairs, walking_downstairs, sitting, standing, laying",
        repairs=(),
        traps=(
            "no continuous recording: windows of 128 samples that share 64",
            "windows whose shared halves are identical are joined again, each stretch a recording of its own",
            "what lay between two stretches, and when they began, is not known",
            "noise filters ran over the signals before they were cut",
            "a waist, not a wrist",
            "g by the readme; the sign is not documented and is kept",
        ),
        files=(
            RemoteFile(
                "https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
                "uci_har.zip",
                "c00b803081a5c797cd5e4b83700a9810b38d53d9d84e01917e090e1fdbc81031",
                (
                    "UCI HAR Dataset.zip",
                    "*/t*/Inertial Signals/total_acc_*.txt",
                    "*/t*/Inertial Signals/body_gyro_*.txt",
                    "*/t*/subject_t*.txt",
                    "*/t*/y_t*.txt",
                ),
            ),
        ),
        by_hand="",
        checked=f"{_LAYOUT}; {_DIGEST}",
    ),
    PublicSet(
        name="pamap2",
        title="PAMAP2: physical activity monitoring",
        licence="CC BY 4.0",
        citation="Reiss, Stricker (2012), Introducing a New Benchmarked Dataset for Activity Monitoring, ISWC",
        home="https://archive.ics.uci.edu/dataset/231/pamap2+physical+activity+monitoring",
        people="9",
        place="over the wrist of the dominant arm (chest and ankle are not read)",
        sensors="accel, gyro, mag, temperature, heart_rate",
        rate="100 Hz, heart rate some 9 Hz, stated",
        labels="truth: 18 activities",
        repairs=(),
        traps=(
            "activity 0 is what lies between activities: outside the labelled spans",
            "rows of a sensor that lost its radio are NaN; a finding counts them",
            "accel is the one of +-16 g: the one of +-6 g saturates in running",
            "orientation is invalid in this collection, say its authors: it is left out",
            "the sign of acceleration is not documented: it is kept",
        ),
        files=(
            RemoteFile(
                "https://archive.ics.uci.edu/static/public/231/pamap2+physical+activity+monitoring.zip",
                "pamap2.zip",
                None,
                ("PAMAP2_Dataset.zip", "*/Protocol/*.dat", "*/Optional/*.dat"),
            ),
        ),
        by_hand="",
        checked=f"{_LAYOUT}; {_UNPINNED}",
    ),
    PublicSet(
        name="wisdm",
        title="WISDM smartphone and smartwatch activity and biometrics (2019)",
        licence="CC BY 4.0",
        citation="Weiss (2019), UCI, doi:10.24432/C5HK59",
        home="https://archive.ics.uci.edu/dataset/507/wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset",
        people="51",
        place="watch on the wrist, phone in a pocket",
        sensors="accel, gyro",
        rate="20 Hz, stated",
        labels="truth: 18 activities of three minutes",
        repairs=("drop_exact", "sort_blocks", "spread_stamps"),
        traps=(
            "stamps are said to be Unix time; samples of them are nanoseconds since the device was switched on",
            "watch and phone have clocks of their own: they are two recordings",
            "minutes pass between activities: a label ends where its rows end",
            "whether activities lie in a file in the order of time was not checked: stretches out of order are sorted",
        ),
        files=(
            RemoteFile(
                "https://archive.ics.uci.edu/static/public/507/"
                "wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip",
                "wisdm.zip",
                None,
                ("wisdm-dataset.zip", "*/raw/*/*/data_*.txt", "*/activity_key.txt"),
            ),
        ),
        by_hand="",
        checked=f"{_LAYOUT}; {_UNPINNED}",
    ),
    PublicSet(
        name="capture24",
        title="Capture-24: a day of ordinary life at the wrist",
        licence="CC BY 4.0",
        citation="Chan and others (2024), Scientific Data 11, 1135; arXiv:2402.19229",
        home="https://ora.ox.ac.uk/objects/uuid:99d7c092-d865-4a19-b096-cc16440cd001",
        people="151",
        place="wrist of the dominant hand",
        sensors="accel",
        rate="100 Hz, stated",
        labels="truth: some 200 annotations as they were written; one tier more for each scheme of its dictionary",
        repairs=(),
        traps=(
            "a third of the hours have no annotation: they lie outside the labelled spans",
            "a camera took a picture each 20 to 40 s: edges are no better than that",
            "Axivity's own axes and signs: +1 g upwards at rest",
            "stamps are local time without a zone",
            "some ten million rows a person: allow 1 GB of memory",
        ),
        files=(
            RemoteFile(
                "https://ora.ox.ac.uk/objects/uuid:99d7c092-d865-4a19-b096-cc16440cd001/files/rpr76f381b",
                "capture24.zip",
                "69740c22d3e000367988373336dc6486c10fe3f3f929811fd66e4d84861e40e2",
                ("*/P*.csv.gz", "*/annotation-label-dictionary.csv"),
            ),
        ),
        by_hand="",
        checked=f"{_LAYOUT}; {_DIGEST}",
    ),
    PublicSet(
        name="ppg_dalia",
        title="PPG-DaLiA: pulse at the wrist in everyday life",
        licence="CC BY 4.0",
        citation="Reiss, Indlekofer, Schmidt, Van Laerhoven (2019), Sensors 19(14); UCI, doi:10.24432/C53890",
        home="https://archive.ics.uci.edu/dataset/495/ppg+dalia",
        people="15",
        place="wrist",
        sensors="accel, ppg, eda, temperature, heart_rate, ibi",
        rate="accel 32 Hz, ppg 64 Hz, eda and temperature 4 Hz, stated",
        labels="activity: eight activities, on a clock that was not checked",
        repairs=(),
        traps=(
            "the reference, a heart rate from the ECG, is in pickles, which may run code and are never opened",
            "the ECG itself is in HDF5 files, for which there is no reader here",
            "heart_rate is the wristband's own figure, not the reference",
            "wristband and chest device were started apart, and aligned by taps",
            "what the times of the activities count from was not found documented",
            "S6 is good for the first 90 minutes only",
            "S1 and S2 went down the stairs once instead of twice",
        ),
        files=(
            RemoteFile(
                "https://archive.ics.uci.edu/static/public/495/ppg+dalia.zip",
                "ppg_dalia.zip",
                "5772387956e34e2e2dc4c2ddbeb98cb70569d5112fa4c13ee98a17680b84a1f3",
                ("data.zip", "*/S*_E4.zip", "*/S*_activity.csv"),
            ),
        ),
        by_hand="",
        checked=f"{_LAYOUT}; {_DIGEST}",
    ),
)

SETS: Mapping[str, PublicSet] = MappingProxyType({one.name: one for one in _LISTED})


def catalogue() -> pd.DataFrame:
    """Return a table of the public sets, one row each, with the fields of ``PublicSet`` as columns.

    In place of ``files`` stand ``url`` and ``sha256``, which is None where no hash of the download is known.
    """
    names = [field.name for field in fields(PublicSet) if field.name != "files"]
    rows = [
        {**{name: getattr(one, name) for name in names}, "url": one.files[0].url, "sha256": one.files[0].sha256}
        for one in SETS.values()
    ]
    return pd.DataFrame(rows)


def public_set(name: str) -> PublicSet:
    """Return one set of the catalogue, or raise a ValueError that lists the names there are."""
    if name not in SETS:
        raise ValueError(f"there is no public set {name!r}; there are {', '.join(SETS)}")
    return SETS[name]


def listed() -> str:
    """Return the sets in lines: name, title, people and sensors."""
    width = max(map(len, SETS))
    return "\n".join(f"{one.name:{width}}  {one.title} ({one.sensors}; {one.licence})" for one in SETS.values())


def described(one: PublicSet) -> str:
    """Return all that the catalogue says of one set in lines."""
    plain = {field.name: getattr(one, field.name) for field in fields(PublicSet) if field.name not in _IN_LINES}
    lines = [f"{name}: {text}" for name, text in plain.items() if text]
    lines += [f"repair: {repair}" for repair in one.repairs]
    lines += [f"trap: {trap}" for trap in one.traps]
    lines += [f"file: {remote.url} (sha256 {remote.sha256 or 'not known'})" for remote in one.files]
    return "\n".join(lines)


_IN_LINES = ("repairs", "traps", "files")
