"""Boxes from label maps: what they are around, growth, choice, sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from scipy.ndimage import label

from mmseg_universeg.datasets import ACDCSlicesDataset, DSB2018Dataset
from mmseg_universeg.datasets.transforms import BoxPromptsFromMask


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')
    np.random.seed(0)


def sample(labels, **others):
    labels = np.asarray(labels)
    return dict(
        img=np.zeros((*labels.shape, 3), np.float32),
        img_path='a.png',
        ori_shape=labels.shape,
        gt_seg_map=labels,
        seg_fields=['gt_seg_map'],
        **others,
    )


@pytest.fixture
def labels():
    """Two objects of class 1, which touch at a corner of one pixel, one of class 2."""
    labels = np.zeros((40, 60), np.uint8)
    labels[2:6, 3:13] = 1
    labels[6:9, 13:17] = 1
    labels[20:38, 30:32] = 2
    labels[30:, 50:] = 255
    return labels


def test_one_box_per_class(labels):
    out = BoxPromptsFromMask(min_area=1)(sample(labels))
    assert out['gt_bboxes'].tolist() == [[3, 2, 17, 9], [30, 20, 32, 38]]
    assert out['gt_bboxes_labels'].tolist() == [1, 2]
    np.testing.assert_array_equal(out['gt_masks'], [labels == 1, labels == 2])
    dtypes = {k: out[k].dtype for k in ('gt_bboxes', 'gt_bboxes_labels', 'gt_masks')}
    assert dtypes == dict(
        gt_bboxes=np.float32, gt_bboxes_labels=np.int64, gt_masks=np.uint8
    )


def test_one_box_per_component_joined_at_corners(labels):
    labels[2:4, 40:45] = 1
    out = BoxPromptsFromMask(per='component', min_area=1)(sample(labels))
    assert out['gt_bboxes'].tolist() == [
        [3, 2, 17, 9],
        [40, 2, 45, 4],
        [30, 20, 32, 38],
    ]
    assert out['gt_bboxes_labels'].tolist() == [1, 1, 2]
    assert [mask.sum() for mask in out['gt_masks']] == [52, 10, 36]


def test_one_box_per_instance(labels):
    instances = np.zeros(labels.shape, np.int32)
    instances[2:6, 3:13] = 7
    instances[6:9, 13:17] = 2**31 - 1
    instances[20:40, 30:32] = 3  # two rows more than the class
    out = BoxPromptsFromMask(per='instance', min_area=1)(
        sample(labels, gt_instance_map=instances)
    )
    assert out['gt_bboxes'].tolist() == [
        [3, 2, 13, 6],
        [13, 6, 17, 9],
        [30, 20, 32, 38],
    ]
    assert out['gt_bboxes_labels'].tolist() == [1, 1, 2]
    np.testing.assert_array_equal(out['gt_masks'][2], labels == 2)


def test_classes_are_chosen_by_index(labels):
    out = BoxPromptsFromMask(classes=(2,), min_area=1)(sample(labels))
    assert out['gt_bboxes_labels'].tolist() == [2]
    out = BoxPromptsFromMask(classes=(0, 2))(sample(labels))
    assert out['gt_bboxes'].tolist() == [[0, 0, 60, 40]]  # class 2 is too small


def test_small_objects_get_no_box(labels):
    assert BoxPromptsFromMask(min_area=37)(sample(labels))['gt_masks'].sum() == 52
    transform = BoxPromptsFromMask(per='component', min_area=36)
    assert transform(sample(labels))['gt_bboxes_labels'].tolist() == [1, 2]


def test_no_box_at_all(labels):
    out = BoxPromptsFromMask()(sample(labels))
    assert out['gt_bboxes'].shape == (0, 4)
    assert out['gt_bboxes_labels'].shape == (0,)
    assert out['gt_masks'].shape == (0, 40, 60)
    assert BoxPromptsFromMask(skip_empty=True)(sample(labels)) is None


def test_skipping_makes_the_data_set_draw_another_image(data_root):
    dataset = ACDCSlicesDataset(
        data_root=str(data_root / 'acdc_slices'),
        indices=12,
        pipeline=[
            dict(type='LoadMedicalImage'),
            dict(type='LoadLabelMap'),
            dict(type='BoxPromptsFromMask', classes=(1,), skip_empty=True),
        ],
    )
    areas = []
    for index in range(12):
        results = dataset[index]
        assert len(results['gt_bboxes']) == 1
        assert results['gt_masks'].sum() >= 100
        areas.append(dataset.get_data_info(index)['img_path'] == results['img_path'])
    assert not all(areas)  # some slices lie beyond the right ventricle


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), max_shift=st.integers(1, 20))
def test_random_growth_keeps_to_its_range_and_to_the_image(seed, max_shift):
    np.random.seed(seed)
    labels = np.zeros((30, 50), np.uint8)
    labels[10:20, 5:45] = 1
    boxes = np.concatenate(
        [
            BoxPromptsFromMask(max_shift=max_shift)(sample(labels))['gt_bboxes']
            for _ in range(10)
        ]
    )
    low = np.array((5, 10)) - boxes[:, :2]
    high = boxes[:, 2:] - (45, 20)
    for grown, most in ((low, (5, 10)), (high, (5, 10))):
        assert (grown >= 0).all()
        assert (grown <= np.minimum(max_shift, most)).all()
        np.testing.assert_array_equal(grown, grown.round())


def test_every_growth_is_equally_likely_and_sides_are_independent():
    labels = np.zeros((60, 60), np.uint8)
    labels[20:40, 20:40] = 1
    transform = BoxPromptsFromMask(max_shift=2)
    boxes = [transform(sample(labels))['gt_bboxes'][0] for _ in range(900)]
    grown = np.abs(np.array(boxes) - (20, 20, 40, 40)).astype(int)
    for side in grown.T:
        # 300 each are expected, with a standard deviation of 14.
        assert np.abs(np.bincount(side, minlength=3) - 300).max() < 70
    assert np.abs(np.corrcoef(grown.T) - np.eye(4)).max() < 0.15


def test_fixed_growth(labels):
    out = BoxPromptsFromMask(shift=4, min_area=1)(sample(labels))
    assert out['gt_bboxes'].tolist() == [[0, 0, 21, 13], [26, 16, 36, 40]]
    assert out['gt_masks'].sum() == 52 + 36


def test_a_limited_number_of_boxes_is_drawn():
    labels = np.zeros((4, 40), np.uint8)
    labels[:, ::4] = 1
    transform = BoxPromptsFromMask(per='component', min_area=1, max_boxes=3)
    seen = np.zeros(40)
    for _ in range(60):
        out = transform(sample(labels))
        starts = out['gt_bboxes'][:, 0]
        assert len(set(starts)) == 3 == len(out['gt_masks'])
        assert (np.diff(starts) > 0).all()
        for box, mask in zip(out['gt_bboxes'], out['gt_masks']):
            assert (np.flatnonzero(mask.any(0)) == box[0]).all()
        seen[starts.astype(int)] += 1
    assert (seen[::4] > 5).all()
    many = BoxPromptsFromMask(per='component', min_area=1, max_boxes=99)
    assert len(many(sample(labels))['gt_bboxes']) == 10


def test_boxes_of_a_map_loaded_after_resizing_lie_on_the_image(labels):
    img = np.random.rand(40, 60, 3)
    resize = TRANSFORMS.build(dict(type='Resize', scale=(90, 20), keep_ratio=False))
    results = resize(dict(img=img, img_path='a.png', ori_shape=(40, 60)))
    results['gt_seg_map'] = labels
    out = BoxPromptsFromMask(shift=1, min_area=1)(results)
    # x times 1.5, y times 0.5, then one pixel of the image more.
    assert out['gt_bboxes'].tolist() == [[3.5, 0, 26.5, 5.5], [44, 9, 49, 20]]
    np.testing.assert_array_equal(out['gt_masks'], [labels == 1, labels == 2])


@pytest.mark.parametrize(
    'change',
    [
        dict(img=np.zeros((30, 30, 3))),  # resized and cropped
        dict(flip=True),
        dict(scale_factor=None),
        dict(ori_shape=(41, 60)),
    ],
)
def test_a_map_that_does_not_lie_on_the_image_is_refused(labels, change):
    results = sample(labels)
    results.update(img=np.zeros((20, 90, 3)), scale_factor=(1.5, 0.5))
    results.update(change)
    with pytest.raises(ValueError, match=r'a\.png: gt_seg_map of size \(40, 60\)'):
        BoxPromptsFromMask()(results)


def test_diameters_of_masks():
    rows, columns = np.indices((80, 80))
    # An ellipse with half axes 20 and 8 that lies at 45 degrees about (40.5, 40.5).
    u, v = (columns + rows - 80) / 2**0.5, (columns - rows) / 2**0.5
    labels = ((u / 20) ** 2 + (v / 8) ** 2 <= 1).astype(np.uint8)
    tight, out = (
        BoxPromptsFromMask(around=around)(sample(labels))
        for around in ('mask', 'diameter')
    )
    np.testing.assert_allclose(
        out['gt_bboxes'], [[20.5, 20.5, 60.5, 60.5]], rtol=0, atol=1
    )
    half = (400 / 2 + 64 / 2) ** 0.5
    np.testing.assert_allclose(
        tight['gt_bboxes'],
        [[40.5 - half, 40.5 - half, 40.5 + half, 40.5 + half]],
        rtol=0,
        atol=1,
    )
    np.testing.assert_array_equal(out['gt_masks'][0], labels)


@pytest.mark.parametrize(
    'moves',
    [
        [dict(type='Resize', scale=(256, 192), keep_ratio=False)],
        [dict(type='RandomFlip', prob=1.0, direction='diagonal')],
        [dict(type='RandomCrop', crop_size=(150, 170))],
        [dict(type='BioMedicalElasticDeform', prob=1.0, std=4.0)],
        [dict(type='RandomRotate', prob=1.0, degree=20.0, seg_pad_val=255)],
    ],
)
def test_boxes_made_last_fit_whatever_moved_the_maps(moves, data_root):
    dataset = DSB2018Dataset(
        data_root=str(data_root / 'dsb2018'),
        indices=4,
        pipeline=[
            dict(type='LoadMedicalImage'),
            dict(type='LoadLabelMap', with_instances=True),
            *moves,
            dict(type='BoxPromptsFromMask', per='instance', min_area=30),
        ],
    )
    for index in range(4):
        out = dataset[index]
        assert out['gt_masks'].shape[1:] == out['img'].shape[:2]
        assert len(out['gt_bboxes']) > 0
        for box, mask in zip(out['gt_bboxes'], out['gt_masks']):
            rows, columns = np.nonzero(mask)
            tight = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert tuple(box) == tight
            assert (out['gt_seg_map'][mask == 1] == 1).all()


def test_real_structures_have_one_box_each(data_root):
    dataset = ACDCSlicesDataset(
        data_root=str(data_root / 'acdc_slices'),
        indices=30,
        pipeline=[dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')],
    )
    boxes = 0
    for index in range(0, 30, 5):
        results = dataset[index]
        labels = results['gt_seg_map']
        out = BoxPromptsFromMask()(results)
        wanted = [c for c in (1, 2, 3) if (labels == c).sum() >= 100]
        assert out['gt_bboxes_labels'].tolist() == wanted
        parts = BoxPromptsFromMask(per='component', min_area=1)(results)
        for c in (1, 2, 3):
            count = label(labels == c, np.ones((3, 3)))[1]
            assert (parts['gt_bboxes_labels'] == c).sum() == count
        boxes += len(wanted)
    assert boxes > 8


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(per='organ'), "per must be one of .*'instance'.* found 'organ'"),
        (dict(around='circle'), "around must be one of .* found 'circle'"),
        (dict(classes=(1, 255)), r'classes must be .* to 254, found \(1, 255\)'),
        (dict(classes=('liver',)), r"classes must be indices .*found \('liver',\)"),
        (dict(max_shift=-1), 'max_shift .* found -1 and 0'),
        (dict(shift=-1), 'shift .* found 0 and -1'),
        (dict(max_shift=5, shift=5), 'one of them 0, found 5 and 5'),
        (dict(min_area=0), 'at least 1, found 0 and None'),
        (dict(max_boxes=0), 'at least 1, found 100 and 0'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BoxPromptsFromMask(**arguments)


def test_bad_samples(labels):
    results = sample(labels)
    with pytest.raises(KeyError, match=r'a\.png: .*needs gt_instance_map'):
        BoxPromptsFromMask(per='instance')(results)
    for instances in (np.zeros((40, 61), int), np.zeros((40, 60))):
        with pytest.raises(ValueError, match=r'a\.png: gt_instance_map must hold int'):
            BoxPromptsFromMask(per='instance')(dict(results, gt_instance_map=instances))
    for wrong in (labels[None], labels.astype(float)):
        with pytest.raises(ValueError, match=r'a\.png: gt_seg_map must be \(H, W\)'):
            BoxPromptsFromMask()(dict(results, gt_seg_map=wrong))
    del results['gt_seg_map']
    with pytest.raises(KeyError, match=r'a\.png: .*needs gt_seg_map'):
        BoxPromptsFromMask()(results)
