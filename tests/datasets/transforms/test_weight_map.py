"""The border weight map of the U-Net paper, and its way through a pipeline."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope
from mmseg.models import SegDataPreProcessor
from mmseg.registry import TRANSFORMS
from scipy.ndimage import distance_transform_edt

from mmseg_universeg.datasets import DSB2018Dataset, ISBI2012Dataset
from mmseg_universeg.datasets.transforms import GenerateBorderWeightMap
from mmseg_universeg.datasets.transforms.weight_map import border_weights
from mmseg_universeg.models.decode_heads.skip_decode_head import SkipDecodeHead


def _plain_border_weights(instances: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """Equation 2's second term: a distance map of the whole image per object."""
    ids = np.setdiff1d(instances, [0])
    if len(ids) < 2:
        return np.zeros(instances.shape)
    distances = np.sort([distance_transform_edt(instances != i) for i in ids], axis=0)
    return w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))


def _results(instances: np.ndarray, **others) -> dict:
    return dict(
        img=np.zeros((*instances.shape, 3), np.uint8),
        img_path='a.png',
        gt_seg_map=(instances > 0).astype(np.uint8),
        gt_instance_map=instances,
        seg_fields=['gt_seg_map', 'gt_instance_map'],
        **others,
    )


def _discs(height: int, width: int, number: int) -> np.ndarray:
    instances = np.zeros((height, width), np.int32)
    rng = np.random.default_rng(0)
    for index in range(number):
        centre = [int(v) for v in rng.integers(0, (width, height))]
        cv2.circle(instances, centre, int(rng.integers(2, 12)), 7 * index + 3, -1)
    return instances


@pytest.fixture
def blocks():
    """Two blocks 20 pixels high with a gap of 4 between them."""
    instances = np.zeros((60, 30), np.int32)
    instances[8:28], instances[32:52] = 1, 2
    return instances


def test_numbers_of_two_blocks(blocks):
    weights = GenerateBorderWeightMap()(_results(blocks))['gt_weight_map']
    assert weights.dtype == np.float32
    assert weights.shape == blocks.shape
    # d1 + d2 is 5 in the gap and in the first row of either block, then 6 and 7.
    expected = 10 * np.exp(-np.array([49, 36, 25, 25, 25, 25, 25, 25, 36, 49]) / 50)
    np.testing.assert_allclose(expected[[0, 1, 2]], [3.7531, 4.8675, 6.0653], atol=5e-5)
    for column in weights.T:
        np.testing.assert_allclose(column[25:35], 1 + expected, rtol=1e-6)


@pytest.mark.parametrize('number', [0, 1])
def test_no_rim_with_less_than_two_objects(number):
    instances = np.zeros((20, 20), np.int32)
    instances[5:9, 5:9] = number
    weights = GenerateBorderWeightMap()(_results(instances))['gt_weight_map']
    np.testing.assert_array_equal(weights, 1)


def test_touching_objects():
    instances = np.int32([[1, 1, 2, 2]])
    expected = 10 * np.exp(-np.array([4, 1, 1, 4]) / 50)
    np.testing.assert_allclose(border_weights(instances), [expected], rtol=1e-6)


@pytest.mark.parametrize(('w0', 'sigma'), [(10.0, 5.0), (3.0, 1.0), (50.0, 12.0)])
def test_agrees_with_whole_distance_maps(w0, sigma):
    instances = _discs(150, 170, 60)
    np.testing.assert_allclose(
        border_weights(instances, w0, sigma),
        _plain_border_weights(instances, w0, sigma),
        rtol=1e-6,
        atol=2e-8,
    )


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    ids=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_ids_and_sizes(height, width, ids, seed):
    rng = np.random.default_rng(seed)
    instances = rng.choice(np.array([0, *ids], np.int32), (height, width))
    before = instances.copy()
    np.testing.assert_allclose(
        border_weights(instances, sigma=2.0),
        _plain_border_weights(instances, 10, 2),
        rtol=1e-6,
        atol=2e-8,
    )
    np.testing.assert_array_equal(instances, before)


def test_class_weights_are_added(blocks):
    results = _results(blocks)
    results['gt_seg_map'][:, 0] = 255
    weights = GenerateBorderWeightMap(class_weight=[0.5, 2])(results)['gt_weight_map']
    border = _plain_border_weights(
        np.where(results['gt_seg_map'] == 255, 0, blocks), 10, 5
    )
    expected = border + np.where(blocks > 0, 2, 0.5)
    expected[:, 0] = 0
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-7)


def test_objects_from_a_class_are_its_components_by_sides():
    labels = np.uint8([[0, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]])
    components = np.int32([[1, 1, 0, 2], [0, 0, 2, 2], [3, 0, 2, 2]])
    results = dict(gt_seg_map=labels, seg_fields=['gt_seg_map'])
    weights = GenerateBorderWeightMap(instances_from=0)(results)['gt_weight_map']
    expected = 1 + _plain_border_weights(components, 10, 5)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert results['seg_fields'] == ['gt_seg_map', 'gt_weight_map']


def test_a_second_map_replaces_the_first(blocks):
    results = GenerateBorderWeightMap()(_results(blocks))
    results = GenerateBorderWeightMap(w0=1)(results)
    assert results['seg_fields'] == ['gt_seg_map', 'gt_instance_map', 'gt_weight_map']
    assert results['gt_weight_map'].max() < 2


def test_real_membranes_and_nuclei(data_root):
    init_default_scope('mmseg')
    loading = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
    sections = ISBI2012Dataset(data_root=str(data_root / 'isbi2012'), pipeline=loading)
    results = GenerateBorderWeightMap(instances_from=0)(sections[0])
    labels, weights = results['gt_seg_map'], results['gt_weight_map']
    assert weights.min() >= 1
    # Membranes are a few pixels wide, so they weigh much, and cells little.
    assert np.median(weights[labels == 1]) > 4
    assert np.median(weights[labels == 0]) < 1.5

    loading[1] = dict(type='LoadLabelMap', with_instances=True)
    nuclei = DSB2018Dataset(data_root=str(data_root / 'dsb2018'), pipeline=loading)
    results = nuclei[0]
    weights = GenerateBorderWeightMap()(results)['gt_weight_map']
    expected = 1 + _plain_border_weights(results['gt_instance_map'], 10, 5)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize('arguments', [dict(w0=0), dict(sigma=-1)])
def test_refuses_settings_that_cannot_be(arguments):
    with pytest.raises(ValueError, match='w0 and sigma must be positive'):
        GenerateBorderWeightMap(**arguments)


@pytest.mark.parametrize(
    ('arguments', 'changes', 'message'),
    [
        ({}, dict(gt_instance_map=np.zeros((9, 30), np.int32)), r'int32 \(9, 30\)'),
        ({}, dict(gt_instance_map=np.zeros((60, 30), np.uint8)), r'uint8 \(60, 30\)'),
        ({}, dict(gt_instance_map=np.full((60, 30), -4, np.int32)), 'found -4'),
        ({}, dict(gt_seg_map=np.zeros((60, 30, 1), np.uint8)), r'\(60, 30, 1\)'),
        (dict(class_weight=[1]), {}, r'holds \[0, 1\], class_weight has 1 values'),
    ],
)
def test_refuses_maps_that_do_not_fit(arguments, changes, message, blocks):
    with pytest.raises(ValueError, match=rf'a\.png: .*{message}'):
        GenerateBorderWeightMap(**arguments)({**_results(blocks), **changes})


@pytest.mark.parametrize('key', ['gt_seg_map', 'gt_instance_map'])
def test_refuses_missing_maps(key, blocks):
    results = _results(blocks)
    del results[key]
    with pytest.raises(KeyError, match=f'needs.*{key}'):
        GenerateBorderWeightMap()(results)


def _pipeline(*transforms: dict) -> Compose:
    return Compose([TRANSFORMS.build(transform) for transform in transforms])


MAKE = dict(type='GenerateBorderWeightMap')
PACK = dict(type='PackWeightedSegInputs')
FIXED = [
    dict(type='RandomFlip', prob=1.0, direction='horizontal'),
    dict(type='RandomFlip', prob=1.0, direction='diagonal'),
    dict(type='RandomRotFlip', rotate_prob=0.0, flip_prob=1.0),
    dict(type='Resize', scale=(160, 120)),  # as large as the image
    dict(type='BioMedicalElasticDeform', prob=1.0, std=0.0),
]


@pytest.mark.parametrize('transform', FIXED, ids=lambda transform: transform['type'])
def test_either_order_gives_one_map_where_distances_stay(transform):
    packed = []
    for order in [(MAKE, transform), (transform, MAKE)]:
        np.random.seed(0)
        packed.append(_pipeline(*order, PACK)(_results(_discs(120, 160, 40))))
    maps = [p['data_samples'].gt_weight_map.data for p in packed]
    assert maps[0].max() > 5
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-5)
    # The map lies where the labels lie: it is largest between objects.
    labels = packed[0]['data_samples'].gt_sem_seg.data
    assert maps[0][labels == 0].max() > 5


def test_a_crop_carries_the_map():
    crop = dict(type='RandomCrop', crop_size=(50, 60))
    np.random.seed(0)
    results = _pipeline(MAKE, crop)(_results(_discs(120, 160, 40)))
    whole = border_weights(_discs(120, 160, 40)) + 1
    windows = np.lib.stride_tricks.sliding_window_view(whole, (50, 60))
    assert (windows == results['gt_weight_map']).all((2, 3)).any()
    assert results['gt_weight_map'].dtype == np.float32


@pytest.mark.parametrize('keep_ratio', [True, False])
@pytest.mark.parametrize('order', ['before', 'after'])
def test_a_resize_carries_ids_and_weights(keep_ratio, order):
    resize = dict(type='Resize', scale=(300, 200), keep_ratio=keep_ratio)
    instances = _discs(120, 160, 40)
    transforms = (MAKE, resize) if order == 'before' else (resize, MAKE)
    results = _pipeline(*transforms)(_results(instances.copy()))
    size = results['img'].shape[:2]
    assert size == (200, 267 if keep_ratio else 300)
    for key, dtype in [('gt_instance_map', np.int32), ('gt_weight_map', np.float32)]:
        assert results[key].shape == size
        assert results[key].dtype == dtype
    np.testing.assert_array_equal(
        np.unique(results['gt_instance_map']), np.unique(instances)
    )
    np.testing.assert_array_equal(
        results['gt_instance_map'] > 0, results['gt_seg_map'] == 1
    )
    if order == 'before':
        whole = border_weights(instances) + 1
        assert np.isin(results['gt_weight_map'], whole).all()


@pytest.mark.parametrize(
    'transform',
    [
        dict(type='RandomRotate', prob=1.0, degree=(30, 30)),
        dict(type='BioMedicalElasticDeform', prob=1.0),
        dict(
            type='RandomCutOut', prob=1.0, n_holes=3, cutout_shape=(20, 20),
            seg_fill_in=255,
        ),
    ],
    ids=lambda transform: transform['type'],
)  # fmt: skip
@pytest.mark.parametrize('order', ['before', 'after'])
def test_what_is_filled_in_weighs_nothing_and_is_no_object(transform, order):
    transforms = (MAKE, transform) if order == 'before' else (transform, MAKE)
    np.random.seed(0)
    instances = np.zeros((120, 160), np.int32)
    instances[50:70, 60:80] = 1
    # One object only, so there is no rim unless the filling makes one.
    sample = _pipeline(*transforms, PACK)(_results(instances))['data_samples']
    weights, filled = sample.gt_weight_map.data, sample.gt_sem_seg.data == 255
    assert filled.any()
    assert (weights[filled] == 0).all()
    assert weights.max() <= 1 + 1e-6
    assert (weights[~filled] == 1).float().mean() > 0.95


def test_elastic_deformation_bends_the_map_with_the_labels():
    np.random.seed(0)
    elastic = dict(type='BioMedicalElasticDeform', prob=1.0, std=4.0)
    results = _pipeline(MAKE, elastic)(_results(_discs(120, 160, 40)))
    bent = results['gt_weight_map']
    inside = cv2.erode((results['gt_seg_map'] != 255).astype(np.uint8), np.ones((9, 9)))
    new = border_weights(results['gt_instance_map']) + 1
    # Distances change by the deformation, the pattern does not.
    assert np.corrcoef(bent[inside > 0], new[inside > 0])[0, 1] > 0.9


@pytest.mark.parametrize(
    ('transforms', 'error', 'message'),
    [
        (
            [dict(type='Pad', size_divisor=64), MAKE, PACK],
            ValueError,
            'Pad came before',
        ),
        ([MAKE, dict(type='Pad', size=(192, 192)), PACK], ValueError, 'Pad came after'),
        (
            [
                MAKE,
                dict(type='Pad', size=(192, 192)),
                dict(type='RandomFlip', prob=1.0),
                dict(type='RandomCrop', crop_size=(32, 32)),
                PACK,
            ],
            ValueError,
            'Pad came after',
        ),
        (
            [MAKE, dict(type='CenterCrop', crop_size=64), PACK],
            ValueError,
            r'\(64, 64\)',
        ),
        (
            [MAKE, dict(type='RandomFlip', prob=1.0, swap_seg_labels=[(0, 1)]), PACK],
            ValueError,
            'swapped weights too',
        ),
        ([dict(type='CenterCrop', crop_size=64), MAKE], ValueError, r'\(120, 160\)'),
        (
            [dict(type='Pad', size=(192, 192)), dict(type='BioMedicalElasticDeform')],
            ValueError,
            r'gt_instance_map .* \(192, 192\)',
        ),
        (
            [dict(type='RandomRotFlip', rotate_prob=1.0, flip_prob=0.0)],
            cv2.error,
            'remap',
        ),
        ([PACK], KeyError, "needs 'gt_weight_map'"),
    ],
)
def test_refuses_what_moves_the_labels_only(transforms, error, message):
    with pytest.raises(error, match=message):
        _pipeline(*transforms)(_results(_discs(120, 160, 5)))


def test_pad_and_swap_before_a_map_from_labels():
    sample = _pipeline(
        dict(type='RandomFlip', prob=1.0, swap_seg_labels=[(0, 1)]),
        dict(type='Pad', size=(192, 192)),
        dict(type='GenerateBorderWeightMap', instances_from=0),
        PACK,
    )(dict(_results(_discs(120, 160, 5)), seg_fields=['gt_seg_map']))['data_samples']
    assert sample.gt_weight_map.data.shape == (1, 192, 192)
    assert (sample.gt_weight_map.data[sample.gt_sem_seg.data == 255] == 0).all()


class _Head(SkipDecodeHead):
    def __init__(self) -> None:
        super().__init__([2], 2, num_classes=3)


def test_weights_reach_the_head_in_a_padded_batch():
    pipeline = _pipeline(MAKE, PACK)
    sizes = [(40, 48), (33, 50)]
    packed = [pipeline(_results(_discs(*size, 12))) for size in sizes]
    expected = [p['data_samples'].gt_weight_map.data[0].clone() for p in packed]
    packed = pickle.loads(pickle.dumps(packed))  # from a worker
    batch = SegDataPreProcessor(size_divisor=32)(
        dict(
            inputs=[p['inputs'] for p in packed],
            data_samples=[p['data_samples'] for p in packed],
        ),
        training=True,
    )
    labels, weights = _Head().stack_truth(batch['data_samples'])
    assert weights.shape == labels.shape == (2, 64, 64)
    assert weights.dtype == torch.float32
    for (height, width), label, weight, whole in zip(sizes, labels, weights, expected):
        torch.testing.assert_close(weight[:height, :width], whole)
        assert (weight[height:] == 0).all()
        assert (weight[:, width:] == 0).all()
        assert (label[weight == 0] == 255).all()
