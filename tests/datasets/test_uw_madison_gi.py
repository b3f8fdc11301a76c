"""UWMadisonGIDataset on what the converter writes."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_universeg.datasets import UWMadisonGIDataset
from mmseg_universeg.utils.image_io import read_image

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'uw_madison_gi.py'
LOAD = [dict(type='LoadSliceStack'), dict(type='LoadMultiLabelMap')]
ORDER = ('stomach', 'large bowel', 'small bowel')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def converted(data_root, tmp_path_factory):
    """The real slices, in five folds."""
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.write_preview = lambda *_: None
    out = tmp_path_factory.mktemp('uw') / 'out'
    source = str(data_root / 'uw_madison_gi')
    assert tool.main(['prepare', source, '-o', str(out)]) == 0
    return out


@pytest.fixture
def scans(tmp_path):
    """Written by hand: one scan of slices 1 to 4 and 7, and two of one slice."""
    for folder in ('images', 'masks', 'cases'):
        (tmp_path / folder).mkdir()
    cases = {'case2': [('day0', (1, 2, 3, 4, 7))], 'case10': [('day3', (5,))]}
    cases['case9'] = [('day0', (1,))]
    for case, days in cases.items():
        slices = []
        for day, indices in days:
            for index in indices:
                name = f'{case}_{day}_slice_{index:04d}'
                slices.append(
                    dict(
                        name=name,
                        scan=f'{case}_{day}',
                        day=day,
                        slice_index=index,
                        spacing_of_axes_mm=[3.0, 1.6, 1.5],
                    )
                )
                image = np.full((6, 8), 1000 * index, np.uint16)
                mask = np.zeros((6, 8, 3), np.uint8)
                # Stomach, large and small bowel; all of them in column 4.
                mask[1:3, 4:, 2] = mask[2:5, 2:5, 0] = mask[:, 4] = 255
                cv2.imwrite(str(tmp_path / 'images' / f'{name}.png'), image)
                cv2.imwrite(str(tmp_path / 'masks' / f'{name}.png'), mask[..., ::-1])
        record = dict(name=case, slices=slices)
        (tmp_path / 'cases' / f'{case}.json').write_text(json.dumps(record))
    folds = dict(folds=2, cases=dict(case2=0, case10=1, case9=0))
    (tmp_path / 'folds.json').write_text(json.dumps(folds))
    return tmp_path


def build(root, **kwargs):
    kwargs.setdefault('pipeline', LOAD)
    return UWMadisonGIDataset(data_root=str(root), **kwargs)


def test_items_in_order(scans):
    dataset = build(scans)
    found = [(d['case_id'], d['day_id'], d['slice_index']) for d in dataset]
    assert found == [
        *(('case2_day0', 'day0', index) for index in (1, 2, 3, 4, 7)),
        ('case9_day0', 'day0', 1),
        ('case10_day3', 'day3', 5),
    ]
    assert all(item['spacing'] == (3.0, 1.6, 1.5) for item in dataset)
    assert dataset.metainfo['classes'] == ('large bowel', 'small bowel', 'stomach')


@pytest.mark.parametrize(
    ('options', 'wanted'),
    [
        # By hand, for slices 1, 2, 3, 4 and 7. Of slice 5, which 3 and 7 look for,
        # there is none: the next between is taken.
        ({}, [(1, 1, 3), (1, 2, 4), (1, 3, 4), (2, 4, 4), (7, 7, 7)]),
        (dict(slice_stride=1), [(1, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 4), (7, 7, 7)]),
        (dict(slice_stride=3), [(1, 1, 4), (1, 2, 4), (1, 3, 4), (1, 4, 7), (4, 7, 7)]),
        (
            dict(slice_stride=1, num_slices=5),
            [
                (1, 1, 1, 2, 3),
                (1, 1, 2, 3, 4),
                (1, 2, 3, 4, 4),
                (2, 3, 4, 4, 4),
                (7, 7, 7, 7, 7),
            ],
        ),
    ],
)
def test_neighbours_are_channels(scans, options, wanted):
    dataset = build(scans, **options)
    for item, places in zip(dataset, wanted):
        assert item['img'].dtype == np.uint16
        assert item['img'].shape == (6, 8, len(places))
        np.testing.assert_array_equal(item['img'][0, 0], np.multiply(places, 1000))
    # A scan of one slice is all border.
    assert set(dataset[5]['img'].ravel()) == {1000}


def test_one_slice(scans):
    dataset = build(scans, num_slices=1)
    assert [item['img'][0, 0] for item in dataset][:2] == [1000, 2000]
    assert dataset[0]['img'].shape == (6, 8)


def test_masks_overlap(scans):
    masks = build(scans)[0]['gt_seg_map']
    wanted = np.zeros((3, 6, 8), np.uint8)
    wanted[2, 1:3, 4:], wanted[0, 2:5, 2:5], wanted[:, :, 4] = 1, 1, 1
    np.testing.assert_array_equal(masks, wanted.transpose(1, 2, 0))
    assert masks.dtype == np.uint8


@pytest.mark.parametrize(
    ('order', 'on_top'),
    [(ORDER, 3), (('small bowel', 'stomach', 'large bowel'), 2), (ORDER[::-1], 2)],
)
def test_one_label_map_in_a_stated_order(scans, order, on_top):
    dataset = build(scans, overlap_order=order)
    assert dataset.metainfo['classes'] == (
        'background',
        'large bowel',
        'small bowel',
        'stomach',
    )
    assert len(dataset.metainfo['palette']) == 4
    labels = dataset[0]['gt_seg_map']
    wanted = np.zeros((6, 8), np.uint8)
    wanted[1:3, 4:], wanted[2:5, 2:5], wanted[:, 4] = 3, 1, on_top
    np.testing.assert_array_equal(labels, wanted)


def test_folds_are_the_split(scans):
    for fold, split, cases in (
        (0, 'test', ['case2', 'case9']),
        (0, 'train', ['case10']),
        (1, 'test', ['case10']),
        (1, 'train', ['case2', 'case9']),
        (1, 'all', ['case2', 'case9', 'case10']),
    ):
        dataset = build(scans, split=split, fold=fold, pipeline=[])
        found = [item['case_id'] for item in dataset]
        assert list(dict.fromkeys(c.split('_')[0] for c in found)) == cases


def test_real_folds_and_volumes(converted):
    everything = build(converted)
    assert len(everything) == 36
    tested = []
    for fold in range(5):
        train, test = (
            build(converted, split=split, fold=fold, pipeline=[])
            for split in ('train', 'test')
        )
        cases = [{d['case_id'].split('_')[0] for d in part} for part in (train, test)]
        assert not cases[0] & cases[1]
        assert len(train) + len(test) == 36
        tested += [d['img_path'] for d in test]
    items = [everything.get_data_info(place) for place in range(36)]
    assert sorted(tested) == sorted(item['img_path'] for item in items)
    for item in (everything[place] for place in range(0, 36, 5)):
        # Slices of two sizes are never channels of one image.
        assert item['img'].shape[:2] == item['gt_seg_map'].shape[:2]
        image = read_image(item['img_path'])
        np.testing.assert_array_equal(item['img'][..., 1], image)
        assert item['spacing'] == (3.0, 1.5, 1.5)
    # No two slices of one day and size lie so near.
    one = next(d for d in items if 'day16_slice_0074' in d['img_path'])
    assert one['case_id'] == 'case118_day16_266_266_1.50_1.50'
    assert len(set(one['slice_paths'])) == 1


def test_a_real_sample_through_a_pipeline(converted):
    pipeline = [
        dict(type='LoadSliceStack'),
        dict(type='MinMaxNormalize', percentiles=(1, 99)),
        dict(type='LoadMultiLabelMap'),
        dict(type='Resize', scale=(288, 288)),
        dict(type='RandomFlip', prob=1.0),
        dict(type='RandomCrop', crop_size=(200, 240)),
        dict(type='PackMultiLabelInputs'),
    ]
    dataset = DATASETS.build(
        dict(type='UWMadisonGIDataset', data_root=str(converted), pipeline=pipeline[:2])
    )
    names = [Path(dataset.get_data_info(i)['img_path']).stem for i in range(36)]
    place = names.index('case101_day20_slice_0110')
    image = dataset[place]['img']
    raw = read_image(dataset[place]['img_path'])
    # This slice has no neighbours: it is in all of the channels.
    low, high = np.percentile([raw] * 3, (1, 99))
    wanted = (np.clip(raw, low, high) - low) / (high - low)
    np.testing.assert_allclose(image[..., 1], wanted, atol=1e-6)
    # Not cut to 8 bits: the levels of the file between the percentiles.
    levels = len(np.unique(raw[(raw > low) & (raw < high)]))
    assert len(np.unique(image[..., 1])) == levels + 2
    packed = build(converted, pipeline=pipeline)[place]
    assert packed['inputs'].shape == (3, 200, 240)
    sample = packed['data_samples']
    assert sample.gt_sem_seg.data.shape == (3, 200, 240)
    assert sample.gt_sem_seg.data.unique().tolist() == [0, 1]
    assert sample.case_id.startswith('case101_day20')
    assert (sample.slice_index, sample.spacing) == (110, (3.0, 1.5, 1.5))
    assert sample.ori_shape == (310, 360)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(split='val'), r"split must be one of .*, found 'val'"),
        (dict(fold=2), r'has folds 0 to 1, found fold=2'),
        (dict(fold=-1), r'has folds 0 to 1, found fold=-1'),
        (dict(num_slices=2), 'num_slices must be odd, 1 or more; found 2'),
        (dict(num_slices=-1), 'num_slices must be odd'),
        (dict(slice_stride=0), 'slice_stride must be 1 or more, found 0'),
        (dict(overlap_order=ORDER[:2]), r"name each of .* once, found \['stomach',"),
        (dict(metainfo=dict(classes=('stomach',))), 'classes'),
        (dict(reduce_zero_label=True), 'without reduce_zero_label'),
    ],
)
def test_bad_arguments(scans, options, message):
    with pytest.raises(ValueError, match=message):
        build(scans, **options)


def test_missing_and_damaged_files(scans):
    name = 'case2_day0_slice_0003.png'
    (scans / 'masks' / name).rename(scans / 'kept.png')
    with pytest.raises(FileNotFoundError, match=rf'masks/{name}: no such file'):
        build(scans)
    (scans / 'kept.png').rename(scans / 'masks' / name)
    (scans / 'images' / name).write_bytes(b'')
    with pytest.raises(ValueError, match=rf'{name}: the file is empty'):
        build(scans)[2]
    cv2.imwrite(str(scans / 'images' / name), np.zeros((6, 7), np.uint16))
    with pytest.raises(
        ValueError, match=rf'{name}: is uint16 \(6, 7\), wanted a grey slice, .*\(6, 8'
    ):
        build(scans)[0]
    (scans / 'cases' / 'case9.json').write_text('{')
    with pytest.raises(ValueError, match=r'case9\.json: not a JSON file'):
        build(scans)
    (scans / 'cases' / 'case9.json').write_text('{}')
    with pytest.raises(ValueError, match=r"case9\.json: has no 'slices'"):
        build(scans)
    (scans / 'folds.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'folds\.json: .*uw_madison_gi\.py'):
        build(scans)
