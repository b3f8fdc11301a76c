"""Grey and [0, 1]."""

import numpy as np
import pytest
from PIL import Image

from mmseg_universeg.datasets.transforms import (
    DarkBackground,
    MinMaxNormalize,
    ToGrayscale,
    ToThreeChannels,
)

RNG = np.random.default_rng(0)


def _apply(transform, img: np.ndarray) -> np.ndarray:
    return transform(dict(img=img, img_path='image.png'))['img']


def test_luma_is_that_of_pillow() -> None:
    img = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    grey = _apply(ToGrayscale(), img)
    assert grey.dtype == np.float32
    assert grey.shape == (20, 30)
    plain = img.astype(np.float64) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey, plain, atol=1e-4)
    pillow = np.asarray(Image.fromarray(img).convert('L'), np.float64)
    assert np.abs(grey - pillow).max() <= 0.51


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_grey_stays(dtype: type) -> None:
    img = (RNG.random((5, 6)) * 250).astype(dtype)
    grey = _apply(ToGrayscale(), img)
    assert grey.dtype == np.float32
    np.testing.assert_array_equal(grey, img.astype(np.float32))


@pytest.mark.parametrize('shape', [(5, 6, 2), (5, 6, 4), (2, 5, 6, 3)])
def test_other_channels_are_refused(shape: tuple) -> None:
    with pytest.raises(ValueError, match=r'image\.png: ToGrayscale wants'):
        _apply(ToGrayscale(), np.zeros(shape))


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int16, np.float32])
def test_range_is_that_of_the_image(dtype: type) -> None:
    img = RNG.integers(3, 200, (5, 6)).astype(dtype)
    scaled = _apply(MinMaxNormalize(), img)
    assert scaled.dtype == np.float32
    plain = (img.astype(np.float64) - img.min()) / (float(img.max()) - img.min())
    np.testing.assert_allclose(scaled, plain, atol=1e-7)
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_affine_change_of_intensity_changes_nothing() -> None:
    img = RNG.random((5, 6)).astype(np.float32)
    np.testing.assert_allclose(
        _apply(MinMaxNormalize(), img * 1000 - 300),
        _apply(MinMaxNormalize(), img),
        atol=1e-5,
    )


def test_clip_first() -> None:
    img = np.array([[-2000.0, -100.0, 0.0, 300.0, 3000.0]])
    scaled = _apply(MinMaxNormalize(clip=(-100, 300)), img)
    np.testing.assert_allclose(scaled, [[0, 0, 0.25, 1, 1]], atol=1e-7)


def test_percentiles() -> None:
    img = np.arange(101, dtype=np.float32)[None]
    scaled = _apply(MinMaxNormalize(percentiles=(10, 90)), img)[0]
    assert (scaled[:11] == 0).all()
    assert (scaled[90:] == 1).all()
    assert scaled[50] == pytest.approx(0.5)


@pytest.mark.parametrize('options', [{}, {'clip': (0, 5)}, {'percentiles': (1, 99)}])
def test_constant_image_becomes_zeros(options: dict) -> None:
    scaled = _apply(MinMaxNormalize(**options), np.full((5, 6), 17, np.uint16))
    assert scaled.dtype == np.float32
    assert (scaled == 0).all()


def test_nan_and_infinity_are_named() -> None:
    img = np.zeros((5, 6), np.float32)
    img[0, :2], img[1, 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r'image\.png: image holds 3 of 30 values'):
        _apply(MinMaxNormalize(), img)
    with pytest.raises(ValueError, match=r'image\.png'):
        _apply(MinMaxNormalize(clip=(0, 1)), img)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'clip': (1, 1)}, 'low < high'),
        ({'percentiles': (-1, 99)}, 'percentiles must be'),
        ({'clip': (0, 1), 'percentiles': (0, 1)}, 'not both'),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MinMaxNormalize(**options)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_three_channels(dtype) -> None:
    grey = RNG.integers(0, 256, (5, 7)).astype(dtype)
    out = _apply(ToThreeChannels(), grey)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, np.stack([grey] * 3, axis=2))
    assert _apply(ToThreeChannels(), out) is out
    with pytest.raises(ValueError, match=r'image\.png: .*found \(5, 7, 4\)'):
        _apply(ToThreeChannels(), np.zeros((5, 7, 4)))


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_background_becomes_dark(shape: tuple[int, ...]) -> None:
    light = np.full(shape, 0.75, np.float32)
    light[1, 1:4] = 0.25
    dark = _apply(DarkBackground(), light)
    assert dark.dtype == np.float32
    np.testing.assert_array_equal(dark, 1 - light)
    assert _apply(DarkBackground(), dark) is dark
    with pytest.raises(ValueError, match=r'image\.png: DarkBackground needs a float32'):
        _apply(DarkBackground(), np.full(shape, 200, np.uint8))
