"""Intensities to 8 bits: by hand, and against the released formula in float64."""

import numpy as np
import pytest

from mmseg_universeg.utils.eight_bit import (
    CT_WINDOWS,
    colour_to_uint8,
    percentiles_to_uint8,
    window_to_uint8,
)

RNG = np.random.default_rng(0)


def released(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """As the released code does it: clip, scale by the range left, cut."""
    clipped = np.clip(image.astype(np.float64), low, high)
    span = clipped.max() - clipped.min()
    return ((clipped - clipped.min()) / span * 255.0).astype(np.uint8)


def test_window_by_hand() -> None:
    image = np.array([[-2000, -160, -159], [40, 239, 3000]], np.int16)
    found = window_to_uint8(image, 40, 400)
    # 1/400, 200/400 and 399/400 of 255, rounded down.
    assert found.tolist() == [[0, 0, 0], [127, 254, 255]]
    assert found.dtype == np.uint8


@pytest.mark.parametrize('name', CT_WINDOWS)
@pytest.mark.parametrize('dtype', [np.int16, np.float64])
def test_window_equals_the_released_code(name: str, dtype: type) -> None:
    level, width = CT_WINDOWS[name]
    image = RNG.integers(-1500, 2500, (3, 20, 20)).astype(dtype)
    wanted = released(image, level - width / 2, level + width / 2)
    np.testing.assert_array_equal(window_to_uint8(image, level, width), wanted)


def test_windows_of_the_paper() -> None:
    assert CT_WINDOWS == {
        'soft-tissue': (40, 400),
        'lung': (-600, 1500),
        'brain': (40, 80),
        'bone': (400, 1800),
    }


def test_a_grey_value_is_the_same_unit_in_every_scan() -> None:
    water = window_to_uint8(np.zeros((2, 2)), 40, 400)
    assert (water == 102).all()  # 160/400 of 255, whatever else is in the scan


def test_percentiles_equal_the_released_code() -> None:
    image = RNG.gamma(2, 200, (4, 30, 30)).astype(np.uint16)
    image[:, :8] = 0
    kept = image.copy()
    low, high = np.percentile(image[image > 0], (0.5, 99.5))
    wanted = released(image, low, high)
    wanted[image == 0] = 0
    found = percentiles_to_uint8(image)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(image, kept)
    assert found.max() == 255 and not found[:, :8].any()


def test_percentiles_by_hand() -> None:
    image = np.arange(202.0).reshape(2, 101)  # 1 to 201 are not 0: 2 to 200 remain
    found = percentiles_to_uint8(image).ravel()
    assert found[[0, 1, 2, 101, 200, 201]].tolist() == [0, 0, 0, 127, 255, 255]


def test_negative_values_count() -> None:
    image = RNG.normal(0, 1, (20, 20))
    found = percentiles_to_uint8(image)
    assert found[np.unravel_index(image.argmin(), image.shape)] == 0
    assert abs(int(np.median(found)) - 127) < 15


def test_colour_is_left_as_it_is() -> None:
    image = RNG.integers(30, 200, (5, 6, 3))
    for dtype in (np.uint8, np.uint16, np.float32):
        found = colour_to_uint8(image.astype(dtype))
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, image)


def test_other_colour_is_scaled_by_its_range() -> None:
    deep = np.array([[[0, 1000, 2000], [4000, 3000, 1]]], np.uint16)
    assert colour_to_uint8(deep).tolist() == [[[0, 63, 127], [255, 191, 0]]]
    unit = np.array([[[0.0, 0.25, 1.0]]], np.float32)
    assert colour_to_uint8(unit).tolist() == [[[0, 63, 255]]]


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize(
    'scale', [percentiles_to_uint8, colour_to_uint8, lambda i: window_to_uint8(i, 0, 1)]
)
def test_not_finite(scale, value: float) -> None:
    image = RNG.random((2, 3, 3))
    image[1, 1, 1] = value
    with pytest.raises(ValueError, match='1 of 18 values are NaN or infinite'):
        scale(image)


def test_no_contrast() -> None:
    with pytest.raises(ValueError, match='all values are 0'):
        percentiles_to_uint8(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r'9 non-zero values are both 7'):
        percentiles_to_uint8(np.full((3, 3), 7))
    with pytest.raises(ValueError, match='all values are 300'):
        colour_to_uint8(np.full((3, 3, 3), 300))
    with pytest.raises(ValueError, match='width of a window must be above 0, found 0'):
        window_to_uint8(np.zeros((3, 3)), 40, 0)
