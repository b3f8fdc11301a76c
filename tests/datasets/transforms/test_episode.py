"""Augmentation of episodes."""

import random

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_universeg.datasets.transforms import AugmentAlike, AugmentEach

EVERYTHING = [
    dict(type='RandomFlip', prob=[0.3, 0.3], direction=['horizontal', 'vertical']),
    dict(type='RandomAffineWarp', prob=0.5),
    dict(type='RandomElastic', prob=0.5),
    dict(type='RandomBrightnessContrast', prob=0.5),
    dict(type='RandomGamma', prob=0.5),
    dict(type='RandomGaussianBlur', prob=0.5),
    dict(type='RandomSharpness', prob=0.5),
    dict(type='RandomFlipIntensities', prob=0.5),
    dict(type='RandomEdgeLabels', prob=0.3),
    dict(type='RandomFlipLabels', prob=0.5),
]


class Draw(BaseTransform):
    """Keeps what the three global sources of randomness gave."""

    def transform(self, results: dict) -> dict:
        results['drawn'] = (
            np.random.rand(),
            random.random(),
            tuple(np.random.permutation(9)),
        )
        return results


class Push(BaseTransform):
    """Moves everything out of the picture with a given probability."""

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        if np.random.rand() < self.prob:
            results['gt_seg_map'][:] = 0
        return results


def _episode(count: int, same: bool = False) -> dict:
    rng = np.random.default_rng(0)
    images = []
    for index in range(count):
        if same:
            rng = np.random.default_rng(0)
        mask = np.zeros((48, 48), np.uint8)
        top, left = rng.integers(8, 20, 2)
        mask[top : top + 16, left : left + 16] = 1
        img = rng.random((48, 48), np.float32)
        images.append(
            dict(
                img=img,
                gt_seg_map=mask,
                seg_fields=['gt_seg_map'],
                img_shape=(48, 48),
                img_path=f'{index}.png',
            )
        )
    return dict(images=images, task='t')


@pytest.mark.parametrize('seed', range(20))
def test_alike_gives_equal_images_equal_results(seed):
    np.random.seed(seed)
    out = AugmentAlike(EVERYTHING)(_episode(5, same=True))['images']
    for image in out[1:]:
        np.testing.assert_array_equal(image['img'], out[0]['img'])
        np.testing.assert_array_equal(image['gt_seg_map'], out[0]['gt_seg_map'])


def test_alike_rewinds_both_sources_and_leaves_them_as_after_the_first():
    np.random.seed(1)
    random.seed(1)
    expected = Draw()({})['drawn']
    following = np.random.rand(), random.random()
    np.random.seed(1)
    random.seed(1)
    out = AugmentAlike([Draw()])(_episode(6))['images']
    assert [image['drawn'] for image in out] == [expected] * 6
    assert (np.random.rand(), random.random()) == following


def test_each_draws_anew_for_every_image():
    out = AugmentEach([Draw()])(_episode(6))['images']
    assert len({image['drawn'] for image in out}) == 6


def test_flipped_labels_hit_the_query_and_every_support():
    flipped = []
    for seed in range(40):
        np.random.seed(seed)
        transform = AugmentAlike([dict(type='RandomFlipLabels', prob=0.5)])
        out = transform(_episode(4))['images']
        pairs = zip(out, _episode(4)['images'])
        hit = {bool((a['gt_seg_map'] != b['gt_seg_map']).all()) for a, b in pairs}
        assert len(hit) == 1
        flipped += hit
    assert 8 < sum(flipped) < 32


def test_what_wipes_out_every_support_is_drawn_anew():
    for seed in range(100):
        np.random.seed(seed)
        images = AugmentAlike([Push(0.5)])(_episode(4))['images']
        assert all(image['gt_seg_map'].any() for image in images)


@pytest.mark.parametrize('kind', [AugmentAlike, AugmentEach])
def test_what_always_wipes_out_every_support_is_left_out(kind):
    out = kind([Push(1)])(_episode(4))['images']
    for image, before in zip(out, _episode(4)['images']):
        np.testing.assert_array_equal(image['gt_seg_map'], before['gt_seg_map'])


def test_an_episode_without_foreground_passes_through():
    episode = _episode(3)
    for image in episode['images']:
        image['gt_seg_map'][:] = 0
    out = AugmentEach([Draw()])(episode)['images']
    assert all('drawn' in image for image in out)


@pytest.mark.parametrize('kind', ['AugmentAlike', 'AugmentEach'])
def test_built_from_a_config_keeps_the_other_keys(kind):
    transform = TRANSFORMS.build(dict(type=kind, transforms=EVERYTHING))
    out = transform(_episode(3))
    assert out['task'] == 't'
    assert [image['img_path'] for image in out['images']] == ['0.png', '1.png', '2.png']
    for image in out['images']:
        assert set(np.unique(image['gt_seg_map'])) <= {0, 1}
        assert image['img'].dtype == np.float32
