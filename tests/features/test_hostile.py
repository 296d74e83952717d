"""What is wrong or hostile is refused by name, leaves nothing behind, and changes nothing beside it."""

import io
import os
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest

from tests.features.oracle import noise, table_of_tsfresh
from tests.features.test_equal_tsfresh import same
from wristkit.features import FeatureExtractor, WristStream
from wristkit.features.cache import FeatureCache
from wristkit.features.extract import series_features
from wristkit.features.table import table_of
from wristkit.features.wrist import wrist_features, wrist_set

CHANNELS = tuple(f"{stream}_{axis}" for stream in ("accel", "gyro") for axis in "xyz")
INF = np.inf


def minimal(values, folder, **more):
    return table_of(values, "minimal", channels=CHANNELS, rate_hz=50.0, cache=FeatureCache(folder), **more)


def wrist(count=3, samples=64):
    return np.random.default_rng(0).normal(size=(count, 6, samples))


# Infinity, beside what is finite

INFINITE = np.array(
    [
        [-INF, 1.0, 1.0, 2.0, 0.5, 2.0, 0.1],
        [-INF, 1.0, -INF, 2.0, 0.5, 2.0, 0.1],
        [INF, 1.0, INF, INF, 0.5, 0.5, 0.1],
        [INF, 1.0, -INF, 3.0, 0.5, 0.5, 0.1],
        [0.3, INF, INF, 3.0, 0.7, 0.5, 0.1],
        [0.3, np.nan, INF, 3.0, -INF, 0.5, 0.1],
        [0.3, 0.1, 0.2, 3.0, -1.0, 0.5, 0.1],
    ]
)


@pytest.mark.parametrize(
    "settings",
    [
        {"sum_of_reoccurring_values": None, "sum_of_reoccurring_data_points": None},
        {
            "change_quantiles": [
                {"ql": low, "qh": high, "isabs": size, "f_agg": name}
                for low, high in ((0.0, 0.5), (0.0, 1.0), (0.2, 0.9))
                for size in (True, False)
                for name in ("mean", "var", "median")
            ]
        },
    ],
)
def test_infinite_samples_count_as_in_tsfresh(settings):
    ours = series_features(INFINITE[:, None], channels=["a"], settings=settings)
    assert same(ours, table_of_tsfresh(settings, INFINITE)) == {}


def test_a_nan_in_one_window_does_not_change_another():
    settings = {"change_quantiles": [{"ql": 0.0, "qh": 1.0, "isabs": True, "f_agg": "mean"}]}
    values = np.array([[[0.3, INF, INF, 3.0, 0.7]], [[0.1, np.nan, 0.4, 1.0, 2.0]]])
    both = series_features(values, channels=["a"], settings=settings)
    alone = series_features(values[:1], channels=["a"], settings=settings)
    pd.testing.assert_frame_equal(both[:1], alone)


# Values and settings that are none


@pytest.mark.parametrize(
    "values", [np.ones((1, 1, 9)) + 1j, np.zeros((1, 1, 9), "datetime64[s]"), np.ma.masked_equal(np.ones((1, 1, 9)), 1)]
)
def test_values_that_are_no_real_numbers_are_refused(values):
    with pytest.raises(TypeError, match=r"expected real numbers|mask"):
        series_features(values, channels=["a"], settings="minimal")


@pytest.mark.parametrize(
    ("settings", "error", "told"),
    [
        (5, TypeError, "settings is 5, expected 'minimal'"),
        ({"a": {}}, ValueError, "no calculator"),
        ({"mean": 5}, TypeError, "'mean' are 5, expected None or a list"),
        ({"mean": "x"}, TypeError, "'mean' are 'x', expected None or a list"),
        ({"c3": [5]}, TypeError, "expected None or a list of dictionaries"),
        ({"fft_coefficient": [{"coeff": 1}]}, ValueError, "fft_coefficient lack 'attr'"),
    ],
)
def test_settings_of_another_kind_are_refused_by_name(settings, error, told):
    with pytest.raises(error, match=told):
        series_features(np.ones((1, 1, 20)), channels=["a"], settings=settings)


def test_a_function_that_gives_nothing_is_refused():
    def nothing(_series):
        return []

    with pytest.raises(ValueError, match="nothing gave nothing"):
        series_features(np.ones((1, 1, 20)), channels=["a"], settings={nothing: None, "mean": None})


# Files in the cache


class _Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def archive(**members):
    """Return an archive of these bytes by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


def array(values):
    """Return the bytes of an array, of objects by pickle."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def header(text):
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


TWO, NAMES = np.zeros((3, 60)), np.array([f"x{place}" for place in range(60)])
HUGE = header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 900000000000000), }")
DAMAGED = {
    "an array alone": array(TWO),
    "names that are one": archive(values=array(TWO), names=array(np.array("x"))),
    "text for numbers": archive(values=array(TWO.astype(str)), names=array(NAMES)),
    "whole numbers": archive(values=array(TWO.astype(int)), names=array(NAMES)),
    "a header that says petabytes": archive(values=HUGE, names=array(NAMES)),
    "a header without an end": archive(values=header(b"{'descr': ((((((((("), names=array(NAMES)),
    "members that are no arrays": archive(values=b"nothing", names=b"nothing"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_file_that_holds_no_table_is_told_and_made_anew(tmp_path, kind):
    expected = minimal(wrist(), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(DAMAGED[kind])
    with pytest.warns(UserWarning, match="damaged"):
        pd.testing.assert_frame_equal(minimal(wrist(), tmp_path), expected)
    pd.testing.assert_frame_equal(minimal(wrist(), tmp_path), expected)


def test_an_encrypted_file_is_told_and_made_anew(tmp_path):
    expected = minimal(wrist(), tmp_path)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    place = -1
    while (place := content.find(b"PK\x01\x02", place + 1)) >= 0:
        content[place + 8] |= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="encrypted"):
        pd.testing.assert_frame_equal(minimal(wrist(), tmp_path), expected)


def test_no_code_in_a_file_of_the_cache_is_run(tmp_path):
    expected, trap = minimal(wrist(), tmp_path / "cache"), tmp_path / "trap"
    (path,) = (tmp_path / "cache").iterdir()
    evil = array(np.array([_Evil(trap)], dtype=object))
    for content in (
        archive(values=array(TWO), names=evil),
        archive(values=evil, names=evil),
        pickle.dumps(_Evil(trap)),
    ):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match="damaged"):
            pd.testing.assert_frame_equal(minimal(wrist(), tmp_path / "cache"), expected)
        assert not trap.exists()


# scikit-learn


def test_the_index_of_a_frame_is_kept():
    frame = pd.DataFrame(noise(32), index=list("wxyz"))
    assert list(FeatureExtractor("minimal").fit_transform(frame).index) == list("wxyz")


def test_channels_may_be_an_array():
    table = FeatureExtractor("minimal", channels=np.array(CHANNELS)).fit_transform(wrist())
    assert table.columns[0] == "accel_x__sum_values"


def test_other_features_than_those_of_the_fit_are_refused():
    def odd(series):
        return {"up": 1.0} if series[0] > 0 else {"down": 1.0}

    fitted = FeatureExtractor({odd: None}).fit(np.ones((2, 20)))
    with pytest.raises(ValueError, match="fit again"):
        fitted.transform(-np.ones((2, 20)))
    changed = FeatureExtractor("minimal").fit(np.ones((2, 20))).set_params(settings={"mean": None})
    with pytest.raises(ValueError, match="fit again"):
        changed.transform(np.ones((2, 20)))


# The wrist's own


@pytest.mark.parametrize("size", [1.1e30, 1e154, 1e300, np.nan, -INF])
def test_what_no_sensor_gives_is_refused_with_its_window_whichever_it_is(size):
    values = wrist(count=900)
    values[700, 2, 5] = size
    with pytest.raises(ValueError, match=r"window 700 holds .*, expected numbers of at most 1e\+30"):
        wrist_features(values, channels=CHANNELS, rate_hz=50.0)
    stream = WristStream(CHANNELS, rate_hz=50.0, samples=64, hop=32)
    stream.push(values[0].T[:50])
    with pytest.raises(ValueError, match=r"expected numbers of at most 1e\+30"):
        stream.push(values[700].T)
    expected = wrist_features(values[:1], channels=CHANNELS, rate_hz=50.0).to_numpy()
    assert stream.push(values[0].T[50:]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", [1e30, 1e-3, 1e-8, 1e-20, 1e-160, 1e-300, 5e-324, 0.0])
@pytest.mark.parametrize("samples", [4, 9, 64])
@pytest.mark.parametrize("rate_hz", [0.1, 50.0, 10_000.0])
def test_values_of_any_size_give_numbers_without_a_warning(size, samples, rate_hz):
    moving = np.clip(wrist(samples=samples), -1, 1) * size
    values = np.concatenate([moving, np.full((1, 6, samples), size), 1.0 + np.minimum(moving, 1e29)])
    assert np.isfinite(wrist_features(values, channels=CHANNELS, rate_hz=rate_hz).to_numpy()).all()


def test_the_layout_of_windows_does_not_change_a_bit():
    values = wrist(count=20)
    expected = wrist_features(values, channels=CHANNELS, rate_hz=50.0).to_numpy()
    for other in (
        np.asfortranarray(values),
        values.transpose(0, 2, 1).copy().transpose(0, 2, 1),
        values[::-1].copy()[::-1],
    ):
        assert wrist_features(other, channels=CHANNELS, rate_hz=50.0).to_numpy().tobytes() == expected.tobytes()


def test_channels_named_twice_and_no_features_are_refused():
    with pytest.raises(ValueError, match="twice"):
        wrist_set((*CHANNELS, "accel_x"), rate_hz=50.0, samples=64)
    with pytest.raises(ValueError, match="only is empty"):
        WristStream(CHANNELS, rate_hz=50.0, samples=64, hop=32, only=[])
