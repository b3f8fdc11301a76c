"""Four images joined into one."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmengine.dataset import BaseDataset, ConcatDataset
from mmseg.datasets import MultiImageMixDataset
from mmseg.datasets.transforms import RandomMosaic

from mmseg_universeg.datasets.transforms import BioMedicalRandomMosaic

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
SIDES = st.integers(8, 40)
RATIOS = st.floats(0, 2)


def _sample(img: np.ndarray, **maps: np.ndarray) -> dict:
    maps.setdefault('gt_seg_map', np.zeros(img.shape[:2], np.uint8))
    return dict(img=img, img_path='a.png', seg_fields=list(maps), **maps)


def _random_image(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    """All values of an integer dtype; of a floating one -1000 to 1000."""
    if dtype.startswith('float'):
        return rng.uniform(-1000, 1000, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def _random_samples(
    rng: np.random.Generator,
    sizes: list[tuple[int, int]],
    channels: tuple = (3,),
    dtype: str = 'uint8',
) -> list[dict]:
    return [
        _sample(
            _random_image(rng, (*size, *channels), dtype),
            gt_seg_map=rng.integers(0, 5, size, np.uint8),
        )
        for size in sizes
    ]


def _together(samples: list[dict]) -> dict:
    return dict(samples[0], mix_results=samples[1:])


def _join(samples: list[dict], **settings) -> dict:
    return BioMedicalRandomMosaic(1, **settings)(_together(samples))


# Geometry


def test_tiles_meet_at_the_centre():
    samples = [
        _sample(np.full((4, 4), v, np.uint8), gt_seg_map=np.full((4, 4), v, np.uint8))
        for v in (1, 2, 3, 4)
    ]
    samples[3]['img'] = samples[3]['img'][:2, :1]
    samples[3]['gt_seg_map'] = samples[3]['gt_seg_map'][:2, :1]
    out = _join(samples, img_scale=(4, 6), center_ratio_range=(0.75, 0.75), pad_val=9)
    # Centre at x=4, y=3. Enlarged to a height of 4: 4x4 each, and 4x2 the last.
    wanted = np.array(
        [
            [1, 1, 1, 1, 2, 2, 2, 2, 9, 9, 9, 9],
            [1, 1, 1, 1, 2, 2, 2, 2, 9, 9, 9, 9],
            [1, 1, 1, 1, 2, 2, 2, 2, 9, 9, 9, 9],
            [3, 3, 3, 3, 4, 4, 9, 9, 9, 9, 9, 9],
            [3, 3, 3, 3, 4, 4, 9, 9, 9, 9, 9, 9],
            [3, 3, 3, 3, 4, 4, 9, 9, 9, 9, 9, 9],
            [3, 3, 3, 3, 4, 4, 9, 9, 9, 9, 9, 9],
            [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        ]
    )
    np.testing.assert_array_equal(out['img'], wanted)
    np.testing.assert_array_equal(out['gt_seg_map'], np.where(wanted == 9, 255, wanted))
    assert out['img_shape'] == out['ori_shape'] == (8, 12)


def test_which_part_of_an_image_is_cropped():
    ramp = np.arange(16, dtype=np.uint8).reshape(4, 4)
    samples = [_sample(ramp + 16 * number) for number in range(4)]
    out = _join(samples, img_scale=(4, 4), center_ratio_range=(0.5, 0.5))['img']
    # Towards the centre at (2, 2) all of the last; of the others what is left of them.
    np.testing.assert_array_equal(out[:2, :2], ramp[2:, 2:])
    np.testing.assert_array_equal(out[:2, 2:6], ramp[2:] + 16)
    np.testing.assert_array_equal(out[2:6, :2], ramp[:, 2:] + 32)
    np.testing.assert_array_equal(out[2:6, 2:6], ramp + 48)
    assert (out[6:] == 0).all()
    assert (out[:, 6:] == 0).all()


@settings(max_examples=150, deadline=None)
@given(
    # MMSeg fails where nothing is left of a side.
    sizes=st.lists(st.tuples(SIDES, SIDES), min_size=4, max_size=4),
    scale=st.tuples(st.integers(5, 40), st.integers(5, 40)),
    ratios=st.tuples(RATIOS, RATIOS).map(sorted),
    channels=st.sampled_from([(), (2,), (3,), (5,)]),
    dtype=st.sampled_from(['uint8', 'uint16', 'int16', 'float32']),
    seed=st.integers(0, 1000),
)
def test_equals_mmsegs(sizes, scale, ratios, channels, dtype, seed):
    samples = _random_samples(np.random.default_rng(seed), sizes, channels, dtype)
    # None of them fits as it is: all are interpolated.
    assume(all(min(np.divide(scale, size)) != 1 for size in sizes))
    same = dict(
        img_scale=scale, center_ratio_range=tuple(ratios), pad_val=7, seg_pad_val=9
    )
    np.random.seed(seed)
    theirs = RandomMosaic(1, **same)(_together(copy.deepcopy(samples)))
    np.random.seed(seed)
    np.random.rand()  # MMSeg's transform draws whether to make a mosaic
    ours = BioMedicalRandomMosaic(1, **same)(_together(samples))
    for key in ('img', 'gt_seg_map'):
        assert ours[key].dtype == theirs[key].dtype
        np.testing.assert_array_equal(ours[key], theirs[key])
    assert ours['img_shape'] == theirs['img_shape'][:2]


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(SIZES, min_size=4, max_size=4),
    scale=SIZES,
    ratios=st.tuples(RATIOS, RATIOS).map(sorted),
)
def test_image_and_maps_agree_everywhere(sizes, scale, ratios):
    # Each image is of one value, so that interpolation leaves it as it is.
    samples = []
    for number, size in enumerate(sizes, 1):
        labels = np.full(size, number, np.uint8)
        samples.append(
            _sample(
                labels * np.float32(0.5),
                gt_seg_map=labels,
                gt_weight_map=labels * np.float32(2),
            )
        )
    out = _join(
        samples, img_scale=scale, center_ratio_range=ratios, pad_val=0, seg_pad_val=0
    )
    assert out['gt_seg_map'].shape == (2 * scale[0], 2 * scale[1])
    np.testing.assert_allclose(out['img'], out['gt_seg_map'] * 0.5, atol=1e-6)
    np.testing.assert_array_equal(out['gt_weight_map'], out['gt_seg_map'] * 2.0)


def test_image_of_labels_agrees_pixel_by_pixel():
    rng = np.random.default_rng(0)
    samples = []
    for size in [(20, 30), (20, 11), (7, 30), (20, 30)]:  # as large as fits
        labels = rng.integers(0, 5, size, np.uint8)
        samples.append(_sample(50 * labels, gt_seg_map=labels))
    for _ in range(10):
        out = _join(samples, img_scale=(20, 30), pad_val=250, seg_pad_val=5)
        np.testing.assert_array_equal(out['img'], 50 * out['gt_seg_map'])
        assert len(np.unique(out['gt_seg_map'])) > 4


# Images of every kind


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int16', 'float32', 'float64'])
@pytest.mark.parametrize('channels', [(), (1,), (2,), (3,), (7,)])
def test_dtype_channels_and_values_are_kept(dtype, channels):
    rng = np.random.default_rng(0)
    samples = _random_samples(rng, [(8, 8)] * 4, channels, dtype)
    out = _join(samples, img_scale=(8, 8), center_ratio_range=(1, 1))['img']
    assert out.dtype == dtype
    first, second, third, fourth = (sample['img'] for sample in samples)
    wanted = np.concatenate(
        [np.concatenate([first, second], 1), np.concatenate([third, fourth], 1)]
    )
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize('channels', [1, 129, 300])
def test_channels_are_resized_as_if_alone(channels):
    rng = np.random.default_rng(0)
    sizes = [(9, 12), (3, 5), (20, 8), (1, 1)]
    samples = _random_samples(rng, sizes, (channels,))
    alone = [
        [dict(sample, img=sample['img'][..., channel]) for sample in samples]
        for channel in range(channels)
    ]
    same = dict(img_scale=(8, 9), center_ratio_range=(0.8, 0.8))
    np.testing.assert_array_equal(
        _join(samples, **same)['img'],
        np.stack([_join(one, **same)['img'] for one in alone], axis=-1),
    )


@pytest.mark.parametrize('dtype', ['int8', 'int32', 'int64', 'float16', 'bool'])
def test_refuses_other_dtypes(dtype):
    samples = [_sample(np.zeros((4, 4), dtype)) for _ in range(4)]
    with pytest.raises(ValueError, match=rf'a\.png: image of {dtype}, wanted one of'):
        _join(samples)


@pytest.mark.parametrize('size', [(1, 1), (1, 500), (500, 1)])
def test_smallest_and_longest_images(size):
    samples = [_sample(np.full(size, 3, np.uint8)) for _ in range(4)]
    out = _join(samples, img_scale=(20, 10), center_ratio_range=(1, 1))['img']
    # Enlarged to 10x10; a side of one pixel stays one pixel.
    length = {(1, 1): (10, 10), (1, 500): (1, 10), (500, 1): (20, 1)}[size]
    assert (out == 3).sum() == 4 * length[0] * length[1]
    assert (out[20 - length[0] : 20 + length[0], 10 - length[1] : 10 + length[1]]).all()


# Maps


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int32', 'int64', 'uint64'])
def test_labels_are_the_nearest_ones_in_any_dtype(dtype):
    rng = np.random.default_rng(0)
    samples = _random_samples(rng, [(9, 12), (3, 5), (20, 8), (1, 1)])
    same = dict(img_scale=(8, 9), center_ratio_range=(0.8, 0.8))
    wanted = _join(samples, **same)['gt_seg_map']
    for sample in samples:
        sample['gt_seg_map'] = sample['gt_seg_map'].astype(dtype)
    out = _join(samples, **same)['gt_seg_map']
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, wanted)


def test_label_maps_that_are_listed_twice():
    samples = _random_samples(np.random.default_rng(0), [(16, 16)] * 4)
    same = dict(img_scale=(12, 12), center_ratio_range=(0.6, 0.6))
    wanted = _join(samples, **same)
    for sample in samples:
        sample['seg_fields'] = ['gt_seg_map', 'gt_seg_map']
    out = _join(samples, **same)
    np.testing.assert_array_equal(out['gt_seg_map'], wanted['gt_seg_map'])


def test_weights_keep_to_their_labels():
    rng = np.random.default_rng(0)
    samples = _random_samples(rng, [(9, 12), (30, 5), (20, 8), (13, 13)])
    for sample in samples:
        weights = (1 + sample['gt_seg_map'] / 3).astype(np.float32)
        sample.update(gt_weight_map=weights, seg_fields=['gt_weight_map', 'gt_seg_map'])
    out = _join(samples, img_scale=(16, 16))
    assert out['gt_weight_map'].dtype == np.float32
    table = np.append(1 + np.arange(255) / 3, 0).astype(np.float32)
    np.testing.assert_array_equal(out['gt_weight_map'], table[out['gt_seg_map']])
    assert (out['gt_seg_map'] == 255).any()


@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int32'])
def test_instances_of_four_images_share_no_number(dtype):
    rng = np.random.default_rng(0)
    samples = _random_samples(rng, [(10, 10)] * 4)
    for sample, most in zip(samples, (3, 0, 60, 7)):
        numbers = rng.integers(0, most + 1, (10, 10)).astype(dtype)
        numbers[5, 5] = most
        sample.update(gt_instance_map=numbers)
        sample['seg_fields'].append('gt_instance_map')
    out = _join(samples, img_scale=(10, 10), center_ratio_range=(1, 1))
    found = out['gt_instance_map']
    assert found.dtype == dtype
    parts = [found[:10, :10], found[:10, 10:], found[10:, :10], found[10:, 10:]]
    for part, sample, before in zip(parts, samples, (0, 3, 3, 63)):
        numbers = sample['gt_instance_map']
        wanted = np.where(numbers > 0, numbers.astype(int) + before, 0)
        np.testing.assert_array_equal(part, wanted)
    small = _join(samples, img_scale=(4, 4), center_ratio_range=(1, 1))
    assert small['gt_instance_map'].shape == (8, 8)
    padded = _join(samples, img_scale=(10, 14), center_ratio_range=(1, 1))
    assert (padded['gt_instance_map'][padded['gt_seg_map'] == 255] == 0).all()


def test_a_single_image_four_times_has_four_times_its_instances():
    numbers = np.array([[0, 1], [2, 2]], np.int32)
    sample = _sample(np.zeros((2, 2), np.uint8), gt_instance_map=numbers)
    sample['seg_fields'] = ['gt_seg_map', 'gt_instance_map']
    out = _join([sample] * 4, img_scale=(2, 2), center_ratio_range=(1, 1))
    np.testing.assert_array_equal(
        out['gt_instance_map'], [[0, 1, 0, 3], [2, 2, 4, 4], [0, 5, 0, 7], [6, 6, 8, 8]]
    )


def test_nothing_is_changed_in_place():
    samples = _random_samples(np.random.default_rng(0), [(9, 12)] * 4)
    for sample in samples:
        sample['gt_instance_map'] = sample['gt_seg_map'].astype(np.int32)
        sample['seg_fields'].append('gt_instance_map')
    before = copy.deepcopy(samples)
    out = _join(samples, img_scale=(8, 9))
    for sample, old in zip(samples, before):
        assert sample.keys() == old.keys()
        for key in ('img', 'gt_seg_map', 'gt_instance_map'):
            np.testing.assert_array_equal(sample[key], old[key])
            assert not np.shares_memory(sample[key], out[key])


def test_copies_no_sample(monkeypatch):
    samples = _together(_random_samples(np.random.default_rng(0), [(9, 12)] * 4))

    def refuse(*_):
        raise AssertionError('a deep copy')

    monkeypatch.setattr(copy, 'deepcopy', refuse)
    out = BioMedicalRandomMosaic(1, img_scale=(8, 9))(samples)
    assert out['img'].shape == (16, 18, 3)


# In MMSeg's wrapper


class _Numbers(BaseDataset):
    """Images that hold their own number."""

    def load_data_list(self) -> list[dict]:
        return [dict(number=number) for number in range(30)]


def _wrapped(transform: dict, load: Callable[[dict], dict]) -> MultiImageMixDataset:
    inside = ConcatDataset([_Numbers(pipeline=[load])])
    return MultiImageMixDataset(inside, [transform])


def _load(results: dict) -> dict:
    rng = np.random.default_rng(results['number'])
    return _random_samples(rng, [(results['number'] % 9 + 6, 12)])[0]


OURS = dict(type='BioMedicalRandomMosaic', prob=0.5, img_scale=(16, 12))


@pytest.mark.parametrize('prob', [0, 0.3, 1])
def test_loads_others_only_for_a_mosaic(prob):
    loaded = []

    def load(results: dict) -> dict:
        loaded.append(results['number'])
        return _load(results)

    dataset = _wrapped(dict(OURS, prob=prob), load)
    np.random.seed(0)
    mosaics = 0
    for index in range(200):
        loaded.clear()
        item = dataset[index % 30]
        mosaic = item['img'].shape[:2] == (32, 24)
        assert len(loaded) == (4 if mosaic else 1)
        assert loaded[0] == index % 30
        assert 'mix_results' not in item
        mosaics += mosaic
    assert abs(mosaics / 200 - prob) < 0.1  # three standard deviations
    assert mosaics == 200 * prob or 0 < prob < 1


def test_an_image_without_mosaic_stays_as_it_is():
    wanted = _load(dict(number=3))
    item = _wrapped(dict(OURS, prob=0), _load)[3]
    assert item.keys() - {'sample_idx', 'number'} == wanted.keys()
    for key in ('img', 'gt_seg_map'):
        np.testing.assert_array_equal(item[key], wanted[key])


def test_equals_mmsegs_in_its_wrapper(monkeypatch):
    # The coin, the indices and the centre each have random numbers of their own:
    # MMSeg draws the coin after the indices, we before.
    def items(kind: str) -> list[dict]:
        for seed, name in enumerate(('rand', 'randint', 'uniform')):
            monkeypatch.setattr(
                np.random, name, getattr(np.random.RandomState(seed), name)
            )
        dataset = _wrapped(dict(OURS, type=kind, prob=1), _load)
        return [dataset[index] for index in range(20)]

    for theirs, ours in zip(items('RandomMosaic'), items('BioMedicalRandomMosaic')):
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        np.testing.assert_array_equal(ours['gt_seg_map'], theirs['gt_seg_map'])
        assert ours['img'].shape == (32, 24, 3)


def test_a_seed_repeats_the_draws():
    dataset = _wrapped(OURS, _load)

    def images(seed: int) -> list[np.ndarray]:
        np.random.seed(seed)
        return [dataset[index]['img'] for index in range(10)]

    first, again, other = images(1), images(1), images(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))
    assert {img.shape[0] == 32 for img in first} == {True, False}


# Errors


@pytest.mark.parametrize(
    ('arguments', 'wanted'),
    [
        (dict(prob=1.5), r'prob must be in \[0, 1\], found 1\.5'),
        (dict(prob=1, img_scale=640), 'img_scale must be .* found 640'),
        (dict(prob=1, img_scale=(640,)), 'img_scale must be'),
        (dict(prob=1, img_scale=(640, 0)), 'img_scale must be'),
        (dict(prob=1, img_scale=(640.0, 640)), 'whole pixels'),
        (dict(prob=1, center_ratio_range=(0.5, 2.5)), 'center_ratio_range'),
        (dict(prob=1, center_ratio_range=(1.5, 0.5)), 'center_ratio_range'),
    ],
)
def test_refuses_arguments(arguments, wanted):
    with pytest.raises(ValueError, match=wanted):
        BioMedicalRandomMosaic(**arguments)


def _lose(key: str) -> Callable[[dict], object]:
    return lambda sample: sample.pop(key)


def _set(key: str, value: object) -> Callable[[dict], object]:
    return lambda sample: sample.update({key: value})


@pytest.mark.parametrize(
    ('spoil', 'error', 'wanted'),
    [
        (_set('seg_fields', []), KeyError, "'gt_seg_map' is not in seg_fields"),
        (_lose('seg_fields'), KeyError, "'gt_seg_map' is not in seg_fields"),
        (_lose('gt_seg_map'), KeyError, r"lack \['gt_seg_map'\]"),
        (
            _set('gt_weight_map', np.ones((4, 4), np.float32)),
            KeyError,
            "'gt_weight_map' is not in seg_fields",
        ),
        (
            _set('gt_instance_map', np.ones((4, 4), np.int32)),
            KeyError,
            "'gt_instance_map' is not in seg_fields",
        ),
    ],
)
@pytest.mark.parametrize('prob', [0, 1])
def test_refuses_maps_that_would_not_follow(spoil, error, wanted, prob):
    # Whether a mosaic is made or not: the first image shows what is wrong.
    sample = _sample(np.zeros((4, 4), np.uint8))
    others = [copy.deepcopy(sample) for _ in range(3 * prob)]
    spoil(sample)
    with pytest.raises(error, match=wanted):
        BioMedicalRandomMosaic(prob)(dict(sample, mix_results=others))


@pytest.mark.parametrize(
    ('spoil', 'error', 'wanted'),
    [
        (_lose('gt_seg_map'), KeyError, r"b\.png: has no 'gt_seg_map', which a\.png"),
        (
            _set('gt_seg_map', np.zeros((4, 5), np.uint8)),
            ValueError,
            r'b\.png: gt_seg_map of size \(4, 5\) .* wanted \(4, 4\)',
        ),
        (
            _set('gt_seg_map', np.zeros((4, 4), int)),
            ValueError,
            r'b\.png: gt_seg_map .* int64 cannot be joined with that of a\.png',
        ),
        (
            _set('img', np.zeros((4, 4, 1), np.uint8)),
            ValueError,
            r'b\.png: img of shape \(4, 4, 1\) .* \(4, 4, 3\) and uint8',
        ),
        (
            _set('img', np.zeros((4, 4, 3), np.uint16)),
            ValueError,
            r'b\.png: img .* uint16 cannot be joined .* uint8',
        ),
    ],
)
def test_refuses_images_that_do_not_go_together(spoil, error, wanted):
    samples = [_sample(np.zeros((4, 4, 3), np.uint8)) for _ in range(4)]
    samples[2]['img_path'] = 'b.png'
    spoil(samples[2])
    with pytest.raises(error, match=wanted):
        _join(samples)


@pytest.mark.parametrize('number', [1, 2, 4])
def test_refuses_another_number_of_images(number):
    samples = [_sample(np.zeros((4, 4), np.uint8)) for _ in range(1 + number)]
    with pytest.raises(ValueError, match=f'three images or none, found {number}'):
        _join(samples)


def test_refuses_the_inner_pipeline():
    with pytest.raises(KeyError, match='not into that of the data set inside'):
        BioMedicalRandomMosaic(0.5)(_sample(np.zeros((4, 4), np.uint8)))


@pytest.mark.parametrize(
    ('fills', 'wanted'),
    [
        (dict(pad_val=300), 'img: its dtype uint8 cannot hold the fill value 300'),
        (dict(pad_val=0.5), 'img: its dtype uint8 cannot hold the fill value 0.5'),
        (dict(seg_pad_val=-1), 'gt_seg_map: its dtype uint8 cannot hold .* -1'),
    ],
)
def test_refuses_fill_values_that_do_not_fit(fills, wanted):
    with pytest.raises(ValueError, match=wanted):
        _join([_sample(np.zeros((4, 4), np.uint8))] * 4, **fills)


def test_refuses_more_instances_than_the_dtype_holds():
    numbers = np.full((4, 4), 70, np.uint8)
    sample = _sample(np.zeros((4, 4), np.uint8), gt_instance_map=numbers)
    sample['seg_fields'].append('gt_seg_map')
    with pytest.raises(ValueError, match='numbered to 280, do not fit into uint8'):
        _join([sample] * 4)
    sample['gt_instance_map'] = numbers.astype(np.float32)
    with pytest.raises(ValueError, match='must hold integers, found float32'):
        _join([sample] * 4)
