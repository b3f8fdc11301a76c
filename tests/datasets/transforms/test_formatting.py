"""Packing of episodes and of weighted samples."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.structures import SegDataSample

from mmseg_universeg.datasets.transforms import (
    PackEpisodeInputs,
    PackWeightedSegInputs,
)


@pytest.fixture
def episode():
    rng = np.random.default_rng(0)
    images = [
        dict(
            img=rng.random((16, 24), np.float32),
            gt_seg_map=rng.integers(0, 2, (16, 24), np.uint8),
            seg_fields=['gt_seg_map'],
            img_shape=(16, 24),
            ori_shape=(16, 24),
            img_path=f'{index}.png',
        )
        for index in range(4)
    ]
    return dict(images=images, task='cells/nucleus')


def test_shapes_dtypes_values_and_metainfo(episode):
    packed = PackEpisodeInputs()(episode)
    inputs, sample = packed['inputs'], packed['data_samples']
    images = episode['images']
    assert {key: (tuple(x.shape), x.dtype) for key, x in inputs.items()} == {
        'img': ((1, 16, 24), torch.float32),
        'support_imgs': ((3, 1, 16, 24), torch.float32),
        'support_masks': ((3, 1, 16, 24), torch.float32),
    }
    np.testing.assert_array_equal(inputs['img'][0], images[0]['img'])
    for index in range(3):
        support = images[index + 1]
        np.testing.assert_array_equal(inputs['support_imgs'][index, 0], support['img'])
        np.testing.assert_array_equal(
            inputs['support_masks'][index, 0], support['gt_seg_map']
        )
    assert isinstance(sample, SegDataSample)
    assert sample.gt_sem_seg.data.dtype == torch.int64
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0], images[0]['gt_seg_map'])
    assert sample.metainfo == dict(
        task='cells/nucleus', img_path='0.png', ori_shape=(16, 24), img_shape=(16, 24)
    )


def test_packed_arrays_are_not_the_episodes_own(episode):
    before = episode['images'][0]['img'].copy()
    PackEpisodeInputs()(episode)['inputs']['img'].zero_()
    np.testing.assert_array_equal(episode['images'][0]['img'], before)


def test_an_empty_query_is_fine(episode):
    episode['images'][0]['gt_seg_map'][:] = 0
    assert not PackEpisodeInputs()(episode)['data_samples'].gt_sem_seg.data.any()


def test_refuses_a_support_set_without_foreground(episode):
    for image in episode['images'][1:]:
        image['gt_seg_map'][:] = 0
    with pytest.raises(ValueError, match=r"'cells/nucleus': no support.*'1\.png'"):
        PackEpisodeInputs()(episode)


def test_refuses_a_mask_that_is_not_binary(episode):
    episode['images'][2]['gt_seg_map'][0, 0] = 255
    with pytest.raises(ValueError, match=r'2\.png: .*found \[0, 1, 255\]'):
        PackEpisodeInputs()(episode)


@pytest.mark.parametrize(
    ('key', 'array', 'message'),
    [
        ('img', np.zeros((16, 24, 3), np.float32), r'found shape \(16, 24, 3\)'),
        ('img', np.zeros((16, 24), np.uint8), 'uint8'),
        ('img', np.zeros((16, 16), np.float32), r'size of the query.*\(16, 24\)'),
        ('gt_seg_map', np.zeros((8, 24), np.uint8), r'mask \(8, 24\)'),
    ],
)
def test_refuses_other_images(episode, key, array, message):
    episode['images'][3][key] = array
    with pytest.raises(ValueError, match=rf'3\.png: .*{message}'):
        PackEpisodeInputs()(episode)


def test_refuses_a_missing_meta_key(episode):
    with pytest.raises(KeyError, match='case_id'):
        PackEpisodeInputs(meta_keys=('task', 'case_id'))(episode)


@pytest.fixture
def weighted():
    rng = np.random.default_rng(0)
    return dict(
        img=rng.integers(0, 256, (6, 8, 3), np.uint8),
        gt_seg_map=np.uint8(rng.integers(0, 2, (6, 8))),
        gt_weight_map=rng.random((6, 8), np.float32),
        seg_fields=['gt_seg_map', 'gt_weight_map'],
        img_path='a.png',
        ori_shape=(6, 8),
    )


def test_weighted_packs_what_mmseg_packs_and_the_weights(weighted):
    weighted['gt_seg_map'][2, 3] = 255
    expected = PackSegInputs()(dict(weighted))
    weights = weighted['gt_weight_map'].copy()
    packed = PackWeightedSegInputs()(weighted)
    torch.testing.assert_close(packed['inputs'], expected['inputs'])
    sample = packed['data_samples']
    assert sample.metainfo == expected['data_samples'].metainfo
    torch.testing.assert_close(
        sample.gt_sem_seg.data, expected['data_samples'].gt_sem_seg.data
    )
    assert isinstance(sample.gt_weight_map, PixelData)
    assert sample.gt_weight_map.data.dtype == torch.float32
    weights[2, 3] = 0
    np.testing.assert_array_equal(sample.gt_weight_map.data, weights[None])
    assert weighted['gt_weight_map'][2, 3] != 0


@pytest.mark.parametrize('key', ['gt_seg_map', 'gt_weight_map'])
def test_weighted_refuses_a_missing_map(weighted, key):
    del weighted[key]
    with pytest.raises(KeyError, match=rf"a\.png: .* needs '{key}'"):
        PackWeightedSegInputs()(weighted)


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        (np.zeros((6, 7), np.float32), r'found float32 \(6, 7\)'),
        (np.zeros((6, 8), np.uint8), r'found uint8 \(6, 8\)'),
    ],
)
def test_weighted_refuses_maps_that_do_not_fit(weighted, weights, message):
    with pytest.raises(ValueError, match=rf'a\.png: .*\(6, 8\), {message}'):
        PackWeightedSegInputs()({**weighted, 'gt_weight_map': weights})
