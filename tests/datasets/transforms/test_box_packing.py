"""Packing of samples with box prompts."""

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_universeg.datasets import ACDCSlicesDataset
from mmseg_universeg.datasets.transforms import PackBoxPromptInputs


@pytest.fixture
def results():
    labels = np.zeros((20, 30), np.uint8)
    labels[2:6, 3:9] = 1
    labels[10:20, 5:25] = 2
    masks = np.stack([labels == 1, labels == 2]).astype(np.uint8)
    return dict(
        img=np.random.default_rng(0).random((20, 30, 3), np.float32),
        img_path='a.png',
        ori_shape=(20, 30),
        img_shape=(20, 30),
        case_id='p1',
        slice_index=4,
        spacing=(5.0, 1.0, 1.0),
        gt_seg_map=labels,
        seg_fields=['gt_seg_map'],
        gt_bboxes=np.array([(3, 2, 9, 6), (4, 8, 30, 20)]),
        gt_bboxes_labels=np.array([1, 2], np.int32),
        gt_masks=masks,
    )


def as_floats(results):
    results['gt_bboxes'] = results['gt_bboxes'].astype(np.float64)
    return results


def test_everything_is_packed(results):
    packed = PackBoxPromptInputs()(as_floats(results))
    np.testing.assert_array_equal(
        packed['inputs'].numpy(), results['img'].transpose(2, 0, 1)
    )
    one = packed['data_samples']
    assert one.gt_sem_seg.data.shape == (1, 20, 30)
    instances = one.gt_instances
    assert instances.bboxes.tolist() == [[3, 2, 9, 6], [4, 8, 30, 20]]
    assert instances.labels.tolist() == [1, 2]
    dtypes = (instances.bboxes.dtype, instances.labels.dtype, instances.masks.dtype)
    assert dtypes == (torch.float32, torch.int64, torch.uint8)
    np.testing.assert_array_equal(instances.masks.numpy(), results['gt_masks'])
    assert (one.case_id, one.slice_index, one.spacing) == ('p1', 4, (5.0, 1.0, 1.0))
    assert one.img_path == 'a.png' and 'flip' not in one.metainfo


def test_no_boxes_and_no_masks(results):
    results.update(
        gt_bboxes=np.zeros((0, 4), np.float32),
        gt_bboxes_labels=np.zeros(0, np.int64),
        gt_masks=np.zeros((0, 20, 30), np.uint8),
    )
    instances = PackBoxPromptInputs()(results)['data_samples'].gt_instances
    assert instances.bboxes.shape == (0, 4) and len(instances) == 0
    assert instances.masks.shape == (0, 20, 30)
    del results['gt_masks'], results['gt_seg_map']
    one = PackBoxPromptInputs()(results)['data_samples']
    assert 'masks' not in one.gt_instances and 'gt_sem_seg' not in one


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(gt_bboxes=np.array([(3, 2, 9, 6), (4, 8, 30, 20)])), 'floating, found'),
        (dict(gt_bboxes=np.float32([(3, 2, 9, 6), (4, 8, 31, 20)])), 'box 1.* inside'),
        (dict(gt_bboxes=np.float32([(3, 2, 9, 6), (4, 8, 4, 20)])), 'box 1.* no area'),
        (dict(gt_bboxes=np.float32([(3, 2, np.nan, 6)])), 'box 0.* NaN'),
        (dict(gt_bboxes=np.float32([(9, 2, 3, 6)])), 'box 0.* inverted'),
        (dict(gt_bboxes_labels=np.array([1])), r'must be 2 integers.* \(1,\) int64'),
        (dict(gt_bboxes_labels=np.array([1.0, 2])), 'must be 2 integers.* float64'),
        (dict(gt_masks=np.ones((1, 20, 30), np.uint8)), r'shape \(2, 20, 30\).* \(1,'),
        (dict(gt_masks=np.ones((2, 10, 30), np.uint8)), r'shape \(2, 20, 30\)'),
        (dict(gt_masks=np.ones((2, 20, 30), bool)), 'gt_masks must be uint8.* bool'),
        (dict(gt_masks=np.full((2, 20, 30), 255, np.uint8)), 'hold 0 and 1, found 255'),
    ],
)
def test_wrong_boxes_labels_and_masks_are_refused(results, changes, message):
    with pytest.raises(ValueError, match=rf'a\.png: .*{message}'):
        PackBoxPromptInputs()({**as_floats(results), **changes})


@pytest.mark.parametrize('key', ['gt_bboxes', 'gt_bboxes_labels'])
def test_missing_keys(results, key):
    del results[key]
    with pytest.raises(KeyError, match=rf"a\.png: PackBoxPromptInputs needs '{key}'"):
        PackBoxPromptInputs()(results)


@pytest.mark.parametrize(
    'move',
    [
        dict(type='RandomFlip', prob=1.0, direction='vertical'),
        dict(type='Resize', scale=(60, 40), keep_ratio=False),
        dict(type='RandomRotate', prob=1.0, degree=(80.0, 100.0), seg_pad_val=255),
    ],
)
def test_masks_that_were_left_behind_are_noticed(results, move):
    init_default_scope('mmseg')
    moved = TRANSFORMS.build(move)(as_floats(results))
    with pytest.raises(ValueError, match=r'a\.png: .*after all geometric transforms'):
        PackBoxPromptInputs()(moved)


@pytest.mark.parametrize('scoring', [False, True])
def test_boxes_over_any_data_set_of_mmseg(tmp_path, scoring):
    init_default_scope('mmseg')
    labels = np.zeros((40, 60), np.uint8)
    labels[10:30, 15:45] = 1
    for folder in ('img', 'ann'):
        (tmp_path / folder).mkdir()
        Image.fromarray(labels).save(tmp_path / folder / 'a.png')
    resize = dict(type='Resize', scale=(120, 40), keep_ratio=False)
    annotations = dict(type='LoadAnnotations')
    dataset = BaseSegDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='img', seg_map_path='ann'),
        img_suffix='.png',
        metainfo=dict(classes=('background', 'lesion')),
        pipeline=[
            dict(type='LoadImageFromFile'),
            *([resize, annotations] if scoring else [annotations, resize]),
            dict(type='BoxPromptsFromMask'),
            dict(type='PackBoxPromptInputs'),
        ],
    )
    instances = dataset[0]['data_samples'].gt_instances
    assert instances.bboxes.tolist() == [[30, 10, 90, 30]]
    assert instances.masks.shape == ((1, 40, 60) if scoring else (1, 40, 120))


def test_real_slices_for_scoring_at_their_own_size(data_root):
    init_default_scope('mmseg')
    dataset = ACDCSlicesDataset(
        data_root=str(data_root / 'acdc_slices'),
        indices=6,
        pipeline=[
            dict(type='LoadMedicalImage'),
            dict(type='ToThreeChannels'),
            dict(type='Resize', scale=(128, 128), interpolation='bicubic'),
            dict(type='MinMaxNormalize'),
            dict(type='LoadLabelMap'),
            dict(type='BoxPromptsFromMask'),
            dict(type='PackBoxPromptInputs'),
        ],
    )
    packed = [dataset[index] for index in range(6)]
    assert sum(len(p['data_samples'].gt_instances) for p in packed) > 6
    for one in packed:
        assert one['inputs'].shape == (3, 128, 128)
        assert (one['inputs'].min(), one['inputs'].max()) == (0, 1)
        sample = one['data_samples']
        size = sample.gt_sem_seg.shape
        assert size == sample.ori_shape != (128, 128)
        scale = torch.tensor([128 / size[1], 128 / size[0]]).repeat(2)
        for box, mask in zip(sample.gt_instances.bboxes, sample.gt_instances.masks):
            rows, columns = torch.where(mask)
            tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            torch.testing.assert_close(box, torch.stack(tight) * scale)
