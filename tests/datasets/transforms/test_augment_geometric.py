"""Affine and elastic augmentation."""

import cv2
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from mmseg_universeg.datasets.transforms import RandomAffineWarp, RandomElastic

STILL = dict(degrees=(0, 0), translate=0, scale=(1, 1))


def _results(img: np.ndarray, **maps: np.ndarray) -> dict:
    return dict(img=img, seg_fields=list(maps), img_path='a.png', **maps)


@pytest.fixture
def smooth(rng):
    return cv2.GaussianBlur(rng.random((48, 64), np.float32), (0, 0), 3)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_affine_by_whole_pixels_is_a_shift(rng, monkeypatch):
    img = rng.random((40, 50), np.float32)
    seg = rng.integers(0, 5, (40, 50), np.uint8)
    # The last draw is that of the moves: a fifth of the width, a tenth up.
    uniform = np.random.uniform
    monkeypatch.setattr(
        np.random,
        'uniform',
        lambda low, high, size=None: (
            uniform(low, high) if size is None else np.array([0.2, -0.1])
        ),
    )
    transform = RandomAffineWarp(1, (0, 0), 0.2, (1, 1), seg_fill=255)
    out = transform(_results(img, gt_seg_map=seg))
    for key, array, fill in [('img', img, 0), ('gt_seg_map', seg, 255)]:
        expected = np.roll(array, (-4, 10), (0, 1))
        np.testing.assert_allclose(out[key][:36, 10:], expected[:36, 10:], atol=1e-6)
        assert (out[key][36:] == fill).all()
        assert (out[key][:, :10] == fill).all()


def test_affine_quarter_turn_is_counter_clockwise_about_the_centre(rng):
    img = rng.random((33, 33), np.float32)
    seg = rng.integers(0, 5, (33, 33), np.uint8)
    transform = RandomAffineWarp(1, (90, 90), 0, (1, 1))
    out = transform(_results(img, gt_seg_map=seg))
    np.testing.assert_allclose(out['img'], np.rot90(img), atol=1e-5)
    np.testing.assert_array_equal(out['gt_seg_map'], np.rot90(seg))


def test_affine_scale_above_one_enlarges_about_the_centre():
    seg = np.zeros((65, 65), np.uint8)
    seg[22:43, 22:43] = 1
    transform = RandomAffineWarp(1, (0, 0), 0, (1.5, 1.5))
    out = transform(_results(seg.astype(np.float32), gt_seg_map=seg))['gt_seg_map']
    assert out.sum() == pytest.approx(21**2 * 1.5**2, rel=0.1)
    np.testing.assert_array_equal(out, out[::-1, ::-1])


@pytest.mark.parametrize(
    'config',
    [
        dict(type='RandomAffineWarp', degrees=(-180, 180), translate=0.2),
        dict(type='RandomElastic'),
    ],
)
@pytest.mark.parametrize('border', ['constant', 'reflect'])
def test_image_and_maps_move_together(config, border, rng):
    transform = TRANSFORMS.build(dict(config, prob=1, border=border))
    blob = cv2.GaussianBlur(rng.random((96, 80), np.float32), (0, 0), 5)
    seg = (blob > np.median(blob)).astype(np.uint8)
    for _ in range(20):
        out = transform(_results(seg.astype(np.float32), gt_seg_map=seg))
        # The nearest of the four pixels of an interpolation weighs a quarter
        # or more.
        assert np.abs(out['img'] - out['gt_seg_map']).max() <= 0.76
        assert ((out['img'] > 0.5) != out['gt_seg_map']).mean() < 0.03
        assert (out['gt_seg_map'] != seg).any()
        assert out['gt_seg_map'].dtype == np.uint8


@pytest.mark.parametrize(
    'transform',
    [RandomAffineWarp(1, **STILL), RandomElastic(1, alpha=(0, 0))],
)
@pytest.mark.parametrize('channels', [(), (1,), (3,)])
def test_no_displacement_is_identity(transform, channels, rng):
    img = rng.random((32, 40, *channels), np.float32)
    seg = rng.integers(0, 256, (32, 40), np.uint8)
    instances = rng.integers(0, 2**20, (32, 40), np.int32)
    out = transform(_results(img, gt_seg_map=seg, gt_instance_map=instances))
    np.testing.assert_allclose(out['img'], img, atol=1e-6)
    np.testing.assert_array_equal(out['gt_seg_map'], seg)
    np.testing.assert_array_equal(out['gt_instance_map'], instances)
    assert out['gt_instance_map'].dtype == np.int32


def test_elastic_displaces_by_the_documented_amount():
    # A ramp deformed shows the displacement along its axis.
    ramp = np.tile(np.arange(256, dtype=np.float32), (256, 1))
    transform = RandomElastic(1, alpha=(100, 100), sigma=(6, 6))
    shifts = [
        (transform(_results(ramp.copy()))['img'] - ramp)[40:-40, 40:-40]
        for _ in range(10)
    ]
    assert np.std(shifts) == pytest.approx(0.163 * 100 / 6, rel=0.1)
    assert abs(np.mean(shifts)) < 0.2


def test_elastic_of_an_image_smaller_than_its_kernel(rng):
    img = rng.random((12, 20), np.float32)
    out = RandomElastic(1, sigma=(9, 9))(_results(img))['img']
    assert out.shape == img.shape
    assert np.isfinite(out).all()


def test_reflect_brings_nothing_new_in(smooth):
    seg = np.ones(smooth.shape, np.uint8)
    transform = RandomAffineWarp(1, (30, 60), 0.2, (0.8, 0.8), border='reflect')
    out = transform(_results(smooth + 1, gt_seg_map=seg))
    assert out['img'].min() >= smooth.min() + 1 - 1e-5
    assert (out['gt_seg_map'] == 1).all()


@pytest.mark.parametrize('prob', [0, 0.3, 1])
def test_probability(prob, smooth):
    transform = RandomElastic(prob)
    changed = [(transform(_results(smooth))['img'] != smooth).any() for _ in range(200)]
    assert np.mean(changed) == pytest.approx(prob, abs=0.12)


@pytest.mark.parametrize(
    ('name', 'wrong', 'message'),
    [
        ('RandomAffineWarp', dict(prob=1.5), 'prob .* found 1.5'),
        ('RandomAffineWarp', dict(translate=12), 'fraction .* found 12'),
        ('RandomAffineWarp', dict(scale=(0, 1)), r'scale .* found \(0, 1\)'),
        ('RandomAffineWarp', dict(degrees=(9, -9)), r'degrees .* found \(9, -9\)'),
        ('RandomElastic', dict(alpha=(-1, 1)), r'alpha .* found \(-1, 1\)'),
        ('RandomElastic', dict(sigma=(0, 1)), r'sigma .* found \(0, 1\)'),
        ('RandomElastic', dict(border='wrap'), "border .* found 'wrap'"),
    ],
)
def test_refuses_ranges_that_cannot_be(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build(dict(type=name, **wrong))
