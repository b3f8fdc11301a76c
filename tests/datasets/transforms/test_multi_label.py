"""Masks of classes that overlap: loaded, moved with the image, packed."""

import warnings

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from mmseg_universeg.datasets.transforms import (
    LoadMultiLabelMap,
    LoadSliceStack,
    PackMultiLabelInputs,
)


@pytest.fixture
def masks():
    return np.random.default_rng(0).integers(0, 2, (12, 16, 3), np.uint8)


@pytest.fixture
def results(tmp_path, masks):
    cv2.imwrite(str(tmp_path / 'mask.png'), 255 * masks[..., ::-1])
    return dict(
        img_path='a.png',
        ori_shape=(12, 16),
        seg_map_path=str(tmp_path / 'mask.png'),
        seg_fields=[],
    )


def test_loaded_once(results, masks):
    loaded = LoadMultiLabelMap()(LoadMultiLabelMap()(results))
    np.testing.assert_array_equal(loaded['gt_seg_map'], masks)
    assert loaded['seg_fields'] == ['gt_seg_map']


def test_label_map_by_order(results, masks):
    labels = LoadMultiLabelMap()({**results, 'overlap_order': [2, 0, 1]})['gt_seg_map']
    # Pixel by pixel.
    for row, column in np.ndindex(12, 16):
        present = [c + 1 for c in (2, 0, 1) if masks[row, column, c]]
        assert labels[row, column] == (present or [0])[0]


@pytest.mark.parametrize(
    'transform',
    [
        dict(type='Resize', scale=(32, 24)),
        dict(type='Resize', scale=(7, 5)),
        dict(type='RandomFlip', prob=1.0, direction='horizontal'),
        dict(type='RandomFlip', prob=1.0, direction='vertical'),
        dict(type='RandomCrop', crop_size=(6, 7)),
    ],
)
def test_each_channel_moves_as_a_label_map_does(masks, transform):
    init_default_scope('mmseg')
    moved = []
    for labels in (masks, *(masks[..., c] for c in range(3))):
        np.random.seed(1)
        sample = dict(
            img=masks.astype(np.float32),
            img_shape=(12, 16),
            gt_seg_map=labels.copy(),
            seg_fields=['gt_seg_map'],
        )
        moved.append(TRANSFORMS.build(transform)(sample))
    for channel, alone in enumerate(moved[1:]):
        np.testing.assert_array_equal(
            moved[0]['gt_seg_map'][..., channel], alone['gt_seg_map']
        )
    if transform['type'] != 'Resize':
        np.testing.assert_array_equal(moved[0]['gt_seg_map'], moved[0]['img'])


def test_files_that_are_refused(results, tmp_path):
    def refused(pixels, message, **change):
        cv2.imwrite(results['seg_map_path'], pixels)
        with pytest.raises(ValueError, match=message):
            LoadMultiLabelMap()({**results, **change})

    right = np.zeros((12, 16, 3), np.uint8)
    refused(right[..., 0], r'mask\.png: is uint8 \(12, 16\), wanted a mask of 8 bits')
    refused(right.astype(np.uint16), 'is uint16')
    refused(right + 1, r'holds \[1\], wanted 0 and 255')
    refused(right[1:], r'mask of size \(11, 16\).*wanted \(12, 16\).*image a\.png')
    refused(right, 'has 3 channels, which overlap_order', overlap_order=[0, 1])
    refused(right, 'has 3 channels, which overlap_order', overlap_order=[0, 1, 1])
    for key in ('img_path', 'ori_shape', 'seg_map_path'):
        with pytest.raises(KeyError, match=f"LoadMultiLabelMap needs '{key}'"):
            LoadMultiLabelMap()({k: v for k, v in results.items() if k != key})


def test_packed_as_mmseg_packs_but_for_the_masks(results, masks):
    sample = {
        **results,
        'img': masks.astype(np.float32),
        'img_shape': (12, 16),
        'gt_seg_map': masks,
        'case_id': 'case1_day0',
        'day_id': 'day0',
        'slice_index': 7,
        'spacing': (3.0, 1.5, 1.5),
    }
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        packed = PackMultiLabelInputs()(sample)
    wanted = PackSegInputs()({k: v for k, v in sample.items() if k != 'gt_seg_map'})
    torch.testing.assert_close(packed['inputs'], wanted['inputs'])
    data_sample = packed['data_samples']
    assert data_sample.gt_sem_seg.data.dtype == torch.int64
    np.testing.assert_array_equal(data_sample.gt_sem_seg.data, masks.transpose(2, 0, 1))
    assert data_sample.metainfo == wanted['data_samples'].metainfo | dict(
        case_id='case1_day0', day_id='day0', slice_index=7, spacing=(3.0, 1.5, 1.5)
    )
    only = PackMultiLabelInputs(meta_keys=('case_id',))(sample)['data_samples']
    assert only.metainfo == dict(case_id='case1_day0')
    without = PackMultiLabelInputs()(
        {k: v for k, v in sample.items() if k != 'gt_seg_map'}
    )
    assert 'gt_sem_seg' not in without['data_samples']


def test_packing_ignored_pixels_and_others(results, masks):
    sample = {**results, 'img': masks, 'gt_seg_map': masks.copy()}
    sample['gt_seg_map'][3, 4] = 255
    packed = PackMultiLabelInputs()(sample)['data_samples'].gt_sem_seg.data
    assert packed[:, 3, 4].tolist() == [255] * 3
    for place, value, message in (
        ((0, 0, 0), 255, 'is 255 in some channels of a pixel only'),
        ((0, 0), 2, r'a\.png: gt_seg_map holds \[0, 1, 2\], wanted 0, 1 and 255'),
    ):
        wrong = masks.copy()
        wrong[place] = value
        with pytest.raises(ValueError, match=message):
            PackMultiLabelInputs()({**sample, 'gt_seg_map': wrong})
    with pytest.raises(ValueError, match=r'is \(12, 16\), wanted \(H, W, C\)'):
        PackMultiLabelInputs()({**sample, 'gt_seg_map': masks[..., 0]})


def test_slice_stack_needs_paths(results):
    with pytest.raises(KeyError, match="LoadSliceStack needs 'slice_paths'"):
        LoadSliceStack()(results)
