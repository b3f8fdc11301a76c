"""Intensity augmentations."""

import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

NAMES = [
    'RandomFlipIntensities',
    'RandomBrightnessContrast',
    'RandomGamma',
    'RandomGaussianNoise',
    'RandomGaussianBlur',
    'RandomSharpness',
]


def _apply(img: np.ndarray, name: str, **kwargs) -> np.ndarray:
    transform = TRANSFORMS.build(dict(type=name, prob=1, **kwargs))
    return transform(dict(img=img, img_path='a.png'))['img']


@pytest.fixture
def img():
    return np.random.default_rng(0).random((40, 56), np.float32)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('channels', [(), (1,), (3,)])
def test_stays_in_range_shape_and_dtype(name, channels):
    rng = np.random.default_rng(1)
    shape = (24, 32, *channels)
    for img in [rng.random(shape), rng.integers(0, 2, shape)]:
        img = img.astype(np.float32)
        kept = img.copy()
        for _ in range(10):
            out = _apply(img, name)
            assert out.shape == shape
            assert out.dtype == np.float32
            assert out.min() >= 0
            assert out.max() <= 1
        np.testing.assert_array_equal(img, kept)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('wrong', [2.0, -0.5, np.nan])
def test_refuses_images_outside_the_range(name, wrong, img):
    img[3, 3] = wrong
    with pytest.raises(ValueError, match=rf'a\.png: {name} needs a float32'):
        _apply(img, name)


@pytest.mark.parametrize('name', NAMES)
def test_refuses_other_dtypes(name, img):
    with pytest.raises(ValueError, match='found uint8'):
        _apply((img * 255).astype(np.uint8), name)


@pytest.mark.parametrize('name', NAMES)
def test_rounding_errors_beyond_the_range_are_clipped(name, img):
    img[0, 0], img[0, 1] = -1e-6, 1 + 1e-6
    out = _apply(img, name)
    assert out.min() >= 0
    assert out.max() <= 1


def test_flip(img):
    np.testing.assert_allclose(_apply(img, 'RandomFlipIntensities'), 1 - img)


def test_brightness_and_contrast(img):
    out = _apply(
        img, 'RandomBrightnessContrast', brightness=(0.1, 0.1), contrast=(0.5, 0.5)
    )
    np.testing.assert_allclose(out, 0.5 * img + 0.35, atol=1e-6)
    out = _apply(
        img, 'RandomBrightnessContrast', brightness=(0, 0), contrast=(3.0, 3.0)
    )
    np.testing.assert_allclose(out, (3 * img - 1).clip(0, 1), atol=1e-6)


def test_gamma(img):
    out = _apply(img, 'RandomGamma', gamma=(2, 2))
    np.testing.assert_allclose(out, img**2, atol=1e-6)


def test_noise_has_the_mean_and_strength_drawn():
    img = np.full((200, 200), 0.5, np.float32)
    noise = _apply(img, 'RandomGaussianNoise', mean=(0.1, 0.1), std=(0.05, 0.05)) - 0.5
    assert noise.mean() == pytest.approx(0.1, abs=2e-3)
    assert noise.std() == pytest.approx(0.05, rel=0.03)


def test_noise_differs_between_images_at_one_random_state(img):
    noises = []
    for scale in (0.5, 0.5, 0.6):
        np.random.seed(3)
        grey = np.full_like(img, scale)
        noises.append(_apply(grey, 'RandomGaussianNoise', std=(0.02, 0.02)) - scale)
    np.testing.assert_array_equal(noises[0], noises[1])
    assert abs(np.corrcoef(noises[0].ravel(), noises[2].ravel())[0, 1]) < 0.1
    assert noises[0].mean() == pytest.approx(noises[2].mean(), abs=3e-3)


def test_blur_is_a_gaussian(img):
    out = _apply(img, 'RandomGaussianBlur', sigma=(1.2, 1.2))
    expected = gaussian_filter(img.astype(np.float64), 1.2, mode='mirror')
    np.testing.assert_allclose(out, expected, atol=1e-3)


@pytest.mark.parametrize('factor', [0, 1, 3])
def test_sharpness_is_pillows(factor, img):
    grey = (img * 100 + 70).astype(np.uint8)
    pillow = ImageEnhance.Sharpness(Image.fromarray(grey)).enhance(factor)
    out = _apply(
        grey.astype(np.float32) / 255, 'RandomSharpness', factor=(factor, factor)
    )
    # Pillow rounds the smoothed copy to whole grey levels.
    difference = out * 255 - np.asarray(pillow, np.float32)
    assert np.abs(difference[1:-1, 1:-1]).max() <= 1 + abs(1 - factor) / 2 + 1e-3


@pytest.mark.parametrize(
    ('name', 'wrong'),
    [
        ('RandomBrightnessContrast', dict(brightness=(-2, 0))),
        ('RandomBrightnessContrast', dict(contrast=(-1, 1))),
        ('RandomGamma', dict(gamma=(0, 1))),
        ('RandomGaussianNoise', dict(std=(-1, 0))),
        ('RandomGaussianNoise', dict(mean=(0.2, 0.1))),
        ('RandomGaussianBlur', dict(sigma=(0, 1))),
        ('RandomSharpness', dict(factor=(1, 2, 3))),
    ],
)
def test_refuses_ranges_that_cannot_be(name, wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} must be'):
        TRANSFORMS.build(dict(type=name, **wrong))
