"""Elastic deformation of whole samples."""

import pickle

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.transforms.utils import cache_random_params
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS

from mmseg_universeg.datasets import DSB2018Dataset
from mmseg_universeg.datasets.transforms import BioMedicalElasticDeform
from mmseg_universeg.datasets.transforms.displacement import (
    dense_displacement,
    grid_displacement,
)

SCHEMES = [dict(scheme='unet'), dict(scheme='simard', alpha=60, sigma=4)]


def _results(img: np.ndarray, **others: np.ndarray) -> dict:
    maps = [key for key in others if key.endswith('_map')]
    return dict(img=img, seg_fields=maps, img_path='a.png', **others)


def _by(transform: BioMedicalElasticDeform, x: float, y: float) -> None:
    """Have the result at (x', y') come from the source at (x' + x, y' + y)."""
    transform.draw = lambda height, width: np.tile(
        np.float32([x, y]), (height, width, 1)
    )


def _shifted(array: np.ndarray, x: int, y: int, fill: float) -> np.ndarray:
    """Restate a shift by whole pixels, pixel by pixel."""
    expected = np.full_like(array, fill)
    height, width = array.shape[:2]
    for row, column in np.ndindex(height, width):
        if 0 <= row + y < height and 0 <= column + x < width:
            expected[row, column] = array[row + y, column + x]
    return expected


@pytest.fixture
def rng():
    np.random.seed(0)
    return np.random.default_rng(0)


@pytest.fixture
def sample(rng):
    """A sample with everything that can move, 48 x 64."""
    return _results(
        rng.integers(0, 256, (48, 64, 3), np.uint8),
        gt_seg_map=rng.integers(0, 3, (48, 64), np.uint8),
        gt_instance_map=rng.integers(0, 2**31 - 1, (48, 64), np.int32),
        gt_weight_map=rng.random((48, 64), np.float32),
        gt_bboxes=np.float32([[10, 12, 30, 40], [0, 0, 64, 48]]),
        gt_keypoints=np.float32([[[10, 12, 2], [1, 47.5, 1]]]),
    )


def test_one_shift_moves_everything_and_fills_each_as_documented(sample):
    before = pickle.loads(pickle.dumps(sample))
    transform = BioMedicalElasticDeform(1, pad_val=7)
    _by(transform, 5, -3)
    out = transform(sample)
    fills = dict(img=7, gt_seg_map=255, gt_instance_map=0, gt_weight_map=0)
    for key, fill in fills.items():
        np.testing.assert_array_equal(out[key], _shifted(before[key], 5, -3, fill))
        assert out[key].dtype == before[key].dtype
    np.testing.assert_array_equal(out['gt_bboxes'], [[5, 15, 25, 43], [0, 3, 59, 48]])
    # The second point leaves the image at the left and at the bottom.
    np.testing.assert_array_equal(out['gt_keypoints'], [[[5, 15, 2], [0, 48, 0]]])
    assert out['gt_bboxes'].dtype == out['gt_keypoints'].dtype == np.float32
    others = set(before) - set(fills) - {'gt_bboxes', 'gt_keypoints'}
    assert all(out[key] == before[key] for key in others)


def test_weights_are_interpolated_and_fade_out_to_zero():
    transform = BioMedicalElasticDeform(1)
    _by(transform, 0.5, 0)
    weights = np.float32([[2, 4, 10]])
    out = transform(_results(np.zeros((1, 3)), gt_weight_map=weights))
    np.testing.assert_allclose(out['gt_weight_map'], [[3, 7, 5]])


def test_prob_0_leaves_the_very_arrays(sample):
    before = dict(sample)
    out = BioMedicalElasticDeform(0)(sample)
    assert all(out[key] is before[key] for key in before)


@pytest.mark.parametrize('prob', [0.3, 1])
def test_probability(prob, rng):
    img = rng.random((16, 16))
    transform = BioMedicalElasticDeform(prob)
    changed = [(transform(_results(img))['img'] != img).any() for _ in range(200)]
    assert np.mean(changed) == pytest.approx(prob, abs=0.12)


@pytest.mark.parametrize('config', SCHEMES)
def test_seeds_reproduce_and_differ(config, sample):
    transform = TRANSFORMS.build(dict(type='BioMedicalElasticDeform', prob=1, **config))
    outs = []
    for seed in (3, 3, 4):
        np.random.seed(seed)
        outs.append(transform(pickle.loads(pickle.dumps(sample))))
    for key in ('img', 'gt_seg_map', 'gt_weight_map', 'gt_bboxes', 'gt_keypoints'):
        np.testing.assert_array_equal(outs[0][key], outs[1][key])
        assert (outs[0][key] != outs[2][key]).any()


@pytest.mark.parametrize(
    ('config', 'displacement'),
    [
        # Ronneberger et al. 2015, section 3.1; Simard et al. 2003, section 2.
        (dict(), lambda *size: grid_displacement(*size, grid_size=3, std=10)),
        (
            dict(scheme='simard'),
            lambda *size: dense_displacement(*size, alpha=34, sigma=4),
        ),
    ],
)
def test_defaults_are_those_of_the_papers(config, displacement):
    transform = BioMedicalElasticDeform(1, **config)
    np.random.seed(5)
    field = transform.draw(40, 50)
    np.random.seed(5)
    np.random.rand()  # whether to deform
    np.testing.assert_array_equal(field, displacement(40, 50))


def test_random_numbers_can_be_cached(rng):
    img = rng.random((16, 16))
    transform = BioMedicalElasticDeform(0.5)
    with cache_random_params(transform):
        outs = [transform(_results(img))['img'] for _ in range(8)]
    assert all((out == outs[0]).all() for out in outs)


def test_refuses_to_share_random_numbers_between_sizes(rng):
    transform = BioMedicalElasticDeform(1)
    with cache_random_params(transform):
        transform(_results(rng.random((16, 8))))
        with pytest.raises(ValueError, match=r'a\.png: .*\(8, 16\).*\(16, 8\)'):
            transform(_results(rng.random((8, 16))))


@pytest.mark.parametrize('config', SCHEMES)
@pytest.mark.parametrize('interpolation', ['linear', 'cubic'])
def test_image_and_labels_stay_together(config, interpolation, rng):
    transform = BioMedicalElasticDeform(1, interpolation=interpolation, **config)
    for _ in range(10):
        blobs = cv2.GaussianBlur(rng.random((96, 80), np.float32), (0, 0), 5)
        seg = (blobs > np.median(blobs)).astype(np.uint8)
        results = _results(
            seg.astype(np.float32), gt_seg_map=seg, gt_instance_map=seg * np.int32(9999)
        )
        out = transform(results)
        inside = out['gt_seg_map'] != 255
        assert inside.mean() > 0.4
        # The nearest pixel weighs a quarter or more.
        difference = np.abs(out['img'] - out['gt_seg_map'])[inside]
        assert difference.max() <= (0.76 if interpolation == 'linear' else 1)
        assert (difference > 0.5).mean() < 0.03
        np.testing.assert_array_equal(
            out['gt_instance_map'], 9999 * (out['gt_seg_map'] == 1).astype(int)
        )


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    channels=st.sampled_from([(), (1,), (3,), (6,)]),
    dtype=st.sampled_from(['bool', 'uint8', 'uint16', 'int16', 'float32', 'float64']),
    seg_dtype=st.sampled_from(['uint8', 'int16', 'int32', 'int64']),
    config=st.sampled_from(SCHEMES),
    interpolation=st.sampled_from(['linear', 'cubic']),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_label_is_invented(
    size, channels, dtype, seg_dtype, config, interpolation, seed
):
    np.random.seed(seed)
    img = np.random.randint(0, 2, (*size, *channels)).astype(dtype)
    seg = np.random.choice([0, 1, 5, 100], size).astype(seg_dtype)
    instances = np.random.choice([0, 2**24 + 1, 2**31 - 1], size).astype(np.int32)
    weights = np.random.uniform(1, 11, size).astype(np.float32)
    results = _results(
        img, gt_seg_map=seg, gt_instance_map=instances, gt_weight_map=weights
    )
    out = BioMedicalElasticDeform(1, interpolation=interpolation, **config)(results)
    for key, array in [('img', img), ('gt_seg_map', seg), ('gt_weight_map', weights)]:
        assert (out[key].shape, out[key].dtype) == (array.shape, array.dtype)
    assert np.isin(out['gt_seg_map'], [*np.unique(seg), 255]).all()
    assert np.isin(out['gt_instance_map'], [*np.unique(instances), 0]).all()
    assert out['gt_instance_map'].dtype == np.int32
    assert out['gt_weight_map'].min() >= 0
    assert out['gt_weight_map'].max() <= weights.max() * (1 + 1e-6)


def test_empty_boxes_and_points_and_a_test_sample_without_labels(rng):
    results = dict(
        img=rng.random((8, 9)),
        gt_bboxes=np.zeros((0, 4), np.float32),
        gt_keypoints=np.zeros((0, 17, 3), np.float32),
    )
    out = BioMedicalElasticDeform(1)(results)
    assert out['gt_bboxes'].shape == (0, 4)
    assert out['gt_keypoints'].shape == (0, 17, 3)


def test_real_nuclei_keep_their_instances_inside_their_class(data_root):
    init_default_scope('mmseg')
    dataset = DSB2018Dataset(
        data_root=str(data_root / 'dsb2018'),
        pipeline=[
            dict(type='LoadMedicalImage'),
            dict(type='LoadLabelMap', with_instances=True),
        ],
    )
    transform = BioMedicalElasticDeform(1)
    np.random.seed(0)
    for index in range(0, len(dataset), 40):
        before = dataset[index]
        ids, areas = np.unique(before['gt_instance_map'], return_counts=True)
        bright = before['img'].astype(float).mean(2)[before['gt_instance_map'] > 0]
        out = transform(before)
        labels, instances = out['gt_seg_map'], out['gt_instance_map']
        np.testing.assert_array_equal(instances > 0, labels == 1)
        kept, new_areas = np.unique(instances, return_counts=True)
        assert np.isin(kept, ids).all()
        assert new_areas[0] == pytest.approx(areas[0], rel=0.35)
        after = out['img'].astype(float).mean(2)[instances > 0]
        assert after.mean() == pytest.approx(bright.mean(), rel=0.15)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(prob=-0.1), 'prob .* found -0.1'),
        (dict(scheme='spline'), "scheme .* found 'spline'"),
        (dict(interpolation='nearest'), "interpolation .* found 'nearest'"),
        (dict(alpha=30), r"alpha is no parameter .* 'unet', .*grid_size.*std"),
        (dict(scheme='simard', std=3), r"std is no .* 'simard', .*alpha.*sigma"),
        (dict(grid_size=1), 'grid_size must be at least 2, found 1'),
        (dict(std=-1), 'std must be at least 0, found -1'),
        (dict(scheme='simard', sigma=0), 'sigma must be at least 0.1, found 0'),
    ],
)
def test_refuses_settings_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        BioMedicalElasticDeform(**arguments)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(gt_seg_map=np.zeros((48, 63), np.uint8)), r'gt_seg_map .*\(48, 63\)'),
        (dict(gt_seg_map=np.zeros((3, 48, 64), np.uint8)), r'gt_seg_map .*\(3, 48, 64'),
        (dict(img=np.zeros((1, 48, 64, 3))), r'img must be .*\(1, 48, 64, 3\)'),
        (dict(img=np.zeros((48, 64), complex)), 'img must be real, found complex'),
        (dict(gt_weight_map=np.zeros((48, 64), np.uint8)), 'floating, found uint8'),
        (dict(gt_seg_map=np.zeros((48, 64), bool)), 'gt_seg_map is bool.* 255'),
        (dict(gt_seg_map=np.zeros((48, 64), np.int8)), 'gt_seg_map is int8.* 255'),
        (dict(gt_edge_map=np.zeros((48, 64), np.uint8)), 'gt_edge_map is not listed'),
        (dict(seg_fields=[]), 'gt_seg_map is not listed in seg_fields'),
        (dict(gt_bboxes=np.zeros((2, 5), np.float32)), r'gt_bboxes .*\(2, 5\) float32'),
        (dict(gt_bboxes=np.zeros((2, 4), int)), r'gt_bboxes must .*\(2, 4\) int64'),
        (dict(gt_bboxes=np.float32([[3, 0, 2, 1]])), r'x1 <= x2 .*\[3.0, 0.0, 2.0'),
        (dict(gt_keypoints=np.zeros((5, 3))), r'gt_keypoints must .*\(5, 3\)'),
    ],
)
@pytest.mark.parametrize('prob', [0, 1])
def test_refuses_samples_that_do_not_fit(changes, message, prob, sample):
    with pytest.raises(ValueError, match=rf'a\.png: .*{message}'):
        BioMedicalElasticDeform(prob)(dict(sample, **changes))


def test_refuses_a_listed_map_that_is_missing(sample):
    del sample['gt_seg_map']
    with pytest.raises(KeyError, match=r"a\.png: seg_fields lists 'gt_seg_map'"):
        BioMedicalElasticDeform()(sample)


@pytest.mark.parametrize('pad_val', [-1, 256, 0.5])
def test_refuses_a_fill_value_that_the_image_cannot_hold(pad_val, sample):
    with pytest.raises(ValueError, match=f'img is uint8, .* outside, {pad_val}'):
        BioMedicalElasticDeform(pad_val=pad_val)(sample)


def test_bool_masks_with_a_fill_they_hold(rng):
    mask = rng.random((20, 20)) < 0.5
    out = BioMedicalElasticDeform(1, seg_pad_val=0)(_results(mask, gt_seg_map=mask))
    assert out['gt_seg_map'].dtype == out['img'].dtype == bool
