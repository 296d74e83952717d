"""Writes public sets in their documented layouts, as the source has them: a second or two of each.

Nothing here was recorded; values are drawn, and only the layout is that of the set.
"""

import gzip
import shutil
from pathlib import Path

import numpy as np
import scipy.io
import soundfile

from tests.formats import empatica

START_MS = 1_657_533_977_810
NAMES = (
    "spsw",
    "uwash",
    "broad",
    "oxford_steps",
    "esc10",
    "esc50",
    "uci_har",
    "pamap2",
    "wisdm",
    "capture24",
    "ppg_dalia",
)


def write(name, folder):
    """Return the folder with a set in the source's own layout."""
    WRITERS[name](folder)
    return folder


def motion(count, *, seed=0, up=9.81):
    """Return (n, 6): acceleration in m/s2 of a wrist face up, and angular velocity."""
    random = np.random.default_rng(seed)
    return np.column_stack([random.normal([0, 0, up], 0.4, (count, 3)), random.normal(0, 1, (count, 3))])


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def rows(lines):
    return "".join(f"{','.join(str(cell) for cell in line)}\n" for line in lines)


def write_spsw(folder, *, count=150):
    header = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro", "timestamp", "label")
    names = np.repeat(["SEATED", "STANDING_UP", "WALKING"], count // 3)
    stamps = START_MS + np.floor(np.arange(count) * 9.643).astype(int)
    stamps[40] = stamps[39]  # the rows differ, the stamp repeats
    for who, kind in (("s01", "sw"), ("s01", "sp"), ("s02", "sw")):
        values = motion(count, seed=len(who + kind))
        lines = [(*value, stamp, name) for value, stamp, name in zip(values, stamps, names, strict=True)]
        put(folder / "DATA" / who / f"{who}_01_{kind}.csv", rows([header, *lines]))


def write_uwash(folder, *, count=200, initials="qqq"):
    header = ("acc_x", "acc_y", "acc_z", "gyr_x", "gyr_y", "gyr_z", "timestamp", "label")
    inwild = folder / "inwildTest" / "inwildTest_dataset"

    def text(stamps, labels, seed):
        values = motion(count, seed=seed) * [1, 1, 1, 57.3, 57.3, 57.3]
        return rows(
            [header, *((*value, float(t), float(k)) for value, t, k in zip(values, stamps, labels, strict=True))]
        )

    stamps = START_MS + np.arange(count) * 20
    stamps[30] = stamps[29]
    labels = np.repeat([0, 1, 0, 2], count // 4)
    put(folder / "pre_validation" / "dataset" / "labelData.csv", text(stamps, labels, 1))
    whole = text(stamps, np.zeros(count), 2)
    put(inwild / f"imuData_1 {initials}_1.1.1.csv", whole)
    put(inwild / f"imuData_1  {initials}_1.1.2.csv", whole)
    stamps = START_MS + np.arange(count) * 20
    stamps[[80, 81]] = stamps[[81, 80]]  # one stamp goes back
    put(inwild / f"imuData_2 {initials}_1.3.1.csv", text(stamps, np.zeros(count), 3))


def write_broad(folder, *, count=400):
    values = motion(count)
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
    turns[50:60] = np.nan
    moving = np.zeros((count, 1), dtype=np.uint8)
    moving[100:300] = 1
    (folder / "data_mat").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(
        folder / "data_mat" / "02_undisturbed_slow_rotation_B.mat",
        {
            "imu_acc": values[:, :3],
            "imu_gyr": values[:, 3:],
            "imu_mag": values[:, :3] * 4,
            "opt_quat": turns,
            "opt_pos": np.zeros((count, 3)),
            "movement": moving,
            "sampling_rate": 2000 / 7,
            "info": "text",
        },
    )


def write_oxford_steps(folder, *, count=300):
    stamps = 1_012_461_540_465 + np.arange(count) * 10_000_000
    stamps[200] = stamps[199]
    values = motion(count)[:, :3]
    values[0] = 0
    steps = np.arange(count) // 50
    lines = [(t, *value, 2 * k, k, 0) for t, value, k in zip(stamps, values, steps, strict=True)]
    put(folder / "validation" / "user1_hand_1506421989895.csv", rows(lines))


def sound(path, *, padded):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)
    if padded:
        values[4_000:] = 0
    soundfile.write(path, values, 16_000)


def write_esc10(folder):
    sound(folder / "002 - Rain" / "1-17367-A.ogg", padded=False)
    sound(folder / "003 - Sea waves" / "2-17368-B.ogg", padded=False)


def write_esc50(folder):
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    lines = [("1-100-A-10.wav", 1, 10, "rain", True, 100, "A"), ("5-200-B-24.wav", 5, 24, "sneezing", False, 200, "B")]
    put(folder / "meta" / "esc50.csv", rows([header, *lines]))
    sound(folder / "audio" / "1-100-A-10.wav", padded=False)
    sound(folder / "audio" / "5-200-B-24.wav", padded=True)


def write_uci_har(folder):
    """Two stretches of person 1, of 320 and 192 samples, and one of person 3."""
    signals = [motion(count, seed=count, up=1.0) for count in (320, 192, 256)]
    windows = [one[at : at + 128] for one in signals for at in range(0, len(one) - 64, 64)]
    people, labels = [1] * 6 + [3] * 3, [5] * 4 + [1] * 2 + [6] * 3
    base = folder / "UCI HAR Dataset" / "train"
    put(base / "subject_train.txt", "".join(f"{who}\n" for who in people))
    put(base / "y_train.txt", "".join(f"{label}\n" for label in labels))
    names = [f"{sensor}_{axis}_train.txt" for sensor in ("total_acc", "body_gyro") for axis in "xyz"]
    for column, name in enumerate(names):
        lines = ("".join(f"{value: .7e}".rjust(16) for value in window[:, column]) + "\n" for window in windows)
        put(base / "Inertial Signals" / name, "".join(lines))
    return signals


def write_pamap2(folder, *, count=300):
    values = np.random.default_rng(0).normal(0, 1, (count, 54))
    values[:, 0] = 8.38 + np.arange(count) * 0.01
    values[:, 1] = np.repeat([0, 1, 0, 12], count // 4)
    values[:, 2] = np.where(np.arange(count) % 11 == 0, 104.0, np.nan)
    values[:, 4:7] = motion(count)[:, :3]
    values[20:25, 3:20] = np.nan  # the radio was lost
    lines = (" ".join("NaN" if np.isnan(cell) else f"{cell:g}" for cell in line) + "\n" for line in values)
    put(folder / "PAMAP2_Dataset" / "Protocol" / "subject101.dat", "".join(lines))


def write_wisdm(folder, *, count=60):
    for device, boot in (("watch", 252_207_666_810_782), ("phone", 90_000_000_000)):
        for sensor in ("accel", "gyro"):
            values = motion(count * 2)[:, :3] if sensor == "accel" else motion(count * 2)[:, 3:]
            stamps = boot + np.arange(count * 2) * 50_354_004 + np.repeat([0, 600 * 10**9], count)
            codes = np.repeat(["A", "S"], count)
            lines = zip(stamps, codes, values, strict=True)
            text = "".join(f"1600,{code},{t},{x:.6f},{y:.6f},{z:.6f};\n" for t, code, (x, y, z) in lines)
            put(folder / "wisdm-dataset" / "raw" / device / sensor / f"data_1600_{sensor}_{device}.txt", text)


def write_capture24(folder, *, count=400):
    said = np.repeat(["", "7030 sleeping;MET 0.95", '"home, alone;9060 sitting";MET 1.3', ""], count // 4)
    values = motion(count, up=1.0)[:, :3]
    stamps = np.datetime64("2014-05-07T13:29:50.430", "us") + np.arange(count) * 10_000
    lines = [
        (str(t).replace("T", " "), *value, '"' + word.replace('"', '""') + '"' if word else "")
        for t, value, word in zip(stamps, values, said, strict=True)
    ]
    path = folder / "capture24" / "P001.csv.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(rows([("time", "x", "y", "z", "annotation"), *lines]).encode()))
    names = [("annotation", "label:Walmsley2020"), ("7030 sleeping;MET 0.95", "sleep")]
    put(folder / "capture24" / "annotation-label-dictionary.csv", rows(names))


def write_ppg_dalia(folder):
    base = folder / "PPG_FieldStudy" / "S1"
    base.mkdir(parents=True, exist_ok=True)
    shutil.move(empatica.write(folder, zipped=True), base / "S1_E4.zip")
    put(
        base / "S1_activity.csv",
        "# SUBJECT_ID,S1\n# NO_ACTIVITY,0\n# BASELINE,2\n# STAIRS,8\n# NO_ACTIVITY,12\n# SOCCER,14\n",
    )
    put(base / "S1.pkl", "no pickle is opened")


WRITERS = {name: globals()[f"write_{name}"] for name in NAMES}


def repacked(folder, target):
    """Return the folder ``target`` with all files of ``folder`` side by side, text in gzip."""
    target.mkdir()
    for path in sorted(Path(folder).rglob("*")):
        if path.suffix == ".csv" and path.is_file():
            (target / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return target
