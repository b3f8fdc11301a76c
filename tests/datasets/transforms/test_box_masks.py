"""Loaded boxes: they follow what moves the image, and get masks at the end."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

from mmseg_universeg.datasets import DSB2018Dataset
from mmseg_universeg.datasets.transforms import (
    BioMedicalRandomMosaic,
    MasksForBoxPrompts,
    RandomAffineWarp,
    RandomCropWithBoxes,
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')
    np.random.seed(0)


def sample(labels, boxes, classes, **others):
    labels = np.asarray(labels)
    return dict(
        img=np.stack([labels] * 3, 2).astype(np.float32),
        img_path='a.png',
        ori_shape=labels.shape,
        gt_seg_map=labels,
        seg_fields=['gt_seg_map'],
        gt_bboxes=np.array(boxes, np.float32).reshape(-1, 4),
        gt_bboxes_labels=np.array(classes, np.int64),
        **others,
    )


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    crop=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_crop_moves_boxes_with_the_pixels(size, crop, seed):
    np.random.seed(seed)
    labels = np.random.randint(0, 4, size).astype(np.uint8)
    ends = [np.sort(np.random.randint(0, side + 1, (5, 2)), 1) for side in size]
    (y1, y2), (x1, x2) = ends[0].T, ends[1].T
    boxes = np.stack((x1, y1, x2, y2), 1)
    results = sample(labels, boxes, [1] * 5)
    whole = np.arange(labels.size).reshape(size)
    results.update(img=whole.copy())
    out = RandomCropWithBoxes(crop)(results)
    assert out['img_shape'] == out['img'].shape == out['gt_seg_map'].shape
    np.testing.assert_array_equal(out['gt_seg_map'], labels.ravel()[out['img']])
    for (a, b, c, d), moved in zip(boxes, out['gt_bboxes'].astype(int)):
        left, top, right, bottom = moved
        np.testing.assert_array_equal(
            np.sort(out['img'][top:bottom, left:right].ravel()),
            np.intersect1d(whole[b:d, a:c], out['img']),
        )
    assert out['gt_bboxes'].dtype == np.float32


def test_a_crop_without_boxes_is_that_of_mmseg():
    labels = np.random.randint(0, 3, (30, 40)).astype(np.uint8)
    outs = []
    for kind in ('RandomCrop', 'RandomCropWithBoxes'):
        np.random.seed(3)
        transform = TRANSFORMS.build(dict(type=kind, crop_size=(12, 50)))
        results = sample(labels, [], [])
        del results['gt_bboxes']
        outs.append(transform(results))
    assert outs[0].keys() == outs[1].keys()
    for key in ('img', 'gt_seg_map', 'img_shape'):
        np.testing.assert_array_equal(outs[0][key], outs[1][key])


def test_masks_are_the_class_inside_of_the_box():
    labels = np.zeros((10, 12), np.uint8)
    labels[2:8, 1:11] = 1
    labels[4:6] = 2
    # The second box has half of column 3, and less than half of column 8.
    results = sample(labels, [(0, 0, 6, 5), (3.5, 3, 8.4, 7)], [1, 2])
    out = MasksForBoxPrompts()(results)
    wanted = np.zeros((2, 10, 12), np.uint8)
    wanted[0, 2:4, 1:6] = 1
    wanted[1, 4:6, 3:8] = 1
    np.testing.assert_array_equal(out['gt_masks'], wanted)
    assert out['gt_masks'].dtype == np.uint8


def test_masks_are_the_instance_that_fills_the_box_best():
    labels = np.zeros((20, 30), np.uint8)
    instances = np.zeros((20, 30), np.int32)
    instances[0:20, 0:18] = 5  # large, and most of the second box
    instances[8:12, 14:22] = 9
    labels[instances > 0] = 1
    boxes = [(0, 0, 18, 20), (13, 7, 22, 12), (25, 0, 30, 20)]
    out = MasksForBoxPrompts()(
        sample(labels, boxes, [1, 1, 1], gt_instance_map=instances)
    )
    np.testing.assert_array_equal(out['gt_masks'][0], instances == 5)
    np.testing.assert_array_equal(out['gt_masks'][1], instances == 9)
    # A box around nothing is kept: it is still to be predicted and scored.
    assert not out['gt_masks'][2].any()


def test_boxes_that_left_the_image_are_dropped():
    labels = np.ones((10, 10), np.uint8)
    boxes = [(0, 2, 0, 6), (2, 3, 5, 6), (3, 10, 6, 10)]
    out = MasksForBoxPrompts()(sample(labels, boxes, [1, 2, 1]))
    assert out['gt_bboxes'].tolist() == [[2, 3, 5, 6]]
    assert out['gt_bboxes_labels'].tolist() == [2]
    # Nothing of its class is in it, which is to be scored but not to be learnt.
    assert out['gt_masks'].shape == (1, 10, 10) and not out['gt_masks'].any()
    trained = sample(labels, [*boxes, (0, 0, 3, 4), (0, 0, 11, 1)], [1, 2, 1, 1, 1])
    out = MasksForBoxPrompts(min_area=12)(trained)
    assert out['gt_bboxes'].tolist() == [[0, 0, 3, 4]]
    assert out['gt_bboxes_labels'].tolist() == [1] and out['gt_masks'].sum() == 12
    for some in ([], boxes[:1]):
        results = sample(labels, some, [1] * len(some))
        assert MasksForBoxPrompts(skip_empty=True)(dict(results)) is None
        assert MasksForBoxPrompts()(results)['gt_masks'].shape == (0, 10, 10)


def test_masks_of_the_file_s_size_for_scoring():
    labels = np.zeros((10, 12), np.uint8)
    labels[2:8, 1:11] = 1
    results = sample(labels, [(0, 0, 6, 5)], [1])
    del results['gt_seg_map']
    results['seg_fields'] = []
    results = TRANSFORMS.build(dict(type='Resize', scale=(48, 20)))(results)
    out = MasksForBoxPrompts()(dict(results, gt_seg_map=labels))
    np.testing.assert_allclose(out['gt_bboxes'], [[0, 0, 24, 10]])
    wanted = np.zeros((1, 10, 12), np.uint8)
    wanted[0, 2:5, 1:6] = 1
    np.testing.assert_array_equal(out['gt_masks'], wanted)


MOVES = {
    'resize': [dict(type='Resize', scale=(300, 200), keep_ratio=False)],
    'random resize': [
        dict(type='RandomResize', scale=(256, 256), ratio_range=(0.5, 1.5))
    ],
    'flip': [dict(type='RandomFlip', prob=1.0, direction='diagonal')],
    'crop': [dict(type='RandomCropWithBoxes', crop_size=(150, 170))],
    'centre crop': [dict(type='CenterCrop', crop_size=(160, 150))],
    'elastic': [dict(type='BioMedicalElasticDeform', prob=1.0, std=3.0)],
}


@pytest.mark.parametrize('name', MOVES)
def test_boxes_of_real_nuclei_follow_the_image(name, data_root, tmp_path):
    """Each box still holds its nucleus, and not much more, after any of the moves."""
    # MMCV's CenterCrop leaves the instance map behind.
    instances = name != 'centre crop'
    load = [
        dict(type='LoadMedicalImage'),
        dict(type='LoadLabelMap', with_instances=instances),
    ]
    options = dict(data_root=str(data_root / 'dsb2018'), indices=3)
    per = 'instance' if instances else 'component'
    nuclei = dict(type='BoxPromptsFromMask', per=per, min_area=60)
    plain = DSB2018Dataset(pipeline=[*load, nuclei], **options)
    content = {}
    for index in range(3):
        results = plain[index]
        content[results['img_path']] = dict(
            size=results['img'].shape[:2],
            boxes=[
                dict(label='nucleus', bbox=box.tolist()) for box in results['gt_bboxes']
            ],
        )
    (tmp_path / 'boxes.json').write_text(json.dumps(content))
    boxes = dict(
        type='LoadBoxPrompts',
        box_file=str(tmp_path / 'boxes.json'),
        classes=('background', 'nucleus'),
    )
    pipeline = [*load, boxes, *MOVES[name], dict(type='MasksForBoxPrompts')]
    moved = DSB2018Dataset(pipeline=pipeline, **options)
    checked = 0
    for index in range(3):
        out = moved[index]
        height, width = out['img'].shape[:2]
        for box, mask in zip(out['gt_bboxes'], out['gt_masks']):
            # Of an object that the border cuts the rest is smaller than its box.
            if (box[:2] <= 0).any() or (box[2:] >= (width, height)).any():
                continue
            rows, columns = np.nonzero(mask)
            tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            # An elastic box is around the moved corners, so looser.
            room = 8 if name == 'elastic' else 1.01
            assert np.abs(box - tight).max() <= room
            checked += 1
    assert checked >= 3


def test_warps_and_mosaics_that_leave_boxes_behind_refuse_them():
    labels = np.ones((16, 16), np.uint8)
    results = sample(labels, [(1, 1, 5, 5)], [1])
    with pytest.raises(ValueError, match=r'a\.png: RandomAffineWarp does not move'):
        RandomAffineWarp(prob=1)(dict(results))
    results['mix_results'] = [results] * 3
    with pytest.raises(ValueError, match=r'a\.png: BioMedicalRandomMosaic does not'):
        BioMedicalRandomMosaic(prob=1, img_scale=(16, 16))(results)


def test_missing_keys():
    results = sample(np.ones((4, 4), np.uint8), [], [])
    for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_seg_map'):
        some = {k: v for k, v in results.items() if k != key}
        with pytest.raises(KeyError, match=rf'a\.png: .*needs .?{key}'):
            Compose([dict(type='MasksForBoxPrompts')])(some)
