"""UWMadisonMetric against values worked out by hand, and what it writes."""

import csv

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from scipy.spatial.distance import directed_hausdorff

from mmseg_universeg.datasets.transforms.multi_label import read_multi_label_mask
from mmseg_universeg.evaluation import UWMadisonMetric
from mmseg_universeg.evaluation.scores import normalised_hausdorff

CLASSES = ('large bowel', 'small bowel', 'stomach')
PREFIX = 'uw_madison/'


def slices(scan, pred, truth):
    """Samples of a scan: masks (D, C, H, W), or label maps (D, 1, H, W)."""
    samples = []
    for index, maps in enumerate(zip(pred, truth)):
        name = f'{scan}_slice_{index:04d}'
        meta = dict(img_path=f'/d/{name}.png', case_id=scan, slice_index=index)
        sample = SegDataSample(metainfo=meta)
        sample.pred_sem_seg, sample.gt_sem_seg = (
            PixelData(data=torch.from_numpy(np.int64(m))) for m in maps
        )
        samples.append(sample)
    return samples


def evaluate(samples, classes=CLASSES, **kwargs):
    kwargs.setdefault('csv_file', None)
    evaluator = Evaluator(UWMadisonMetric(**kwargs))
    evaluator.dataset_meta = {'classes': classes}
    for sample in samples:
        evaluator.process([sample])
    found = evaluator.evaluate(len(samples))
    return {key.removeprefix(PREFIX): value for key, value in found.items()}


def test_by_hand():
    # Two slices of 4 x 5.
    truth, pred = np.zeros((2, 2, 3, 4, 5), int)
    # Large bowel: right in the first slice, one of two pixels in the second.
    truth[0, 0, 0, :2] = pred[0, 0, 0, :2] = 1
    truth[1, 0, 0, :2] = pred[1, 0, 0, 0] = 1
    # Small bowel: predicted in the first slice three columns away, in neither mask of
    # the second.
    truth[0, 1, 1, 1] = pred[0, 1, 1, 4] = 1
    # Stomach: nowhere predicted.
    truth[1, 2] = 1
    found = evaluate(slices('case1_day0', pred, truth))
    # Farthest: pixel (1, 0, 1) from (1, 0, 0) or (0, 0, 1): 1/5 or 1/2 away.
    large, small = 0.2 / 3**0.5, 0.6 / 3**0.5
    wanted = {
        'Dice/large bowel': (1 + 2 / 3) / 2,
        'Dice/small bowel': 0,
        'Dice/stomach': 0,
        'Hausdorff/large bowel': large,
        'Hausdorff/small bowel': small,
        'Hausdorff/stomach': 1,
        # Over four pairs of slices that are not both empty, and three organs.
        'Dice': (1 + 2 / 3 + 0 + 0) / 4,
        'Hausdorff': (large + small + 1) / 3,
    }
    for end in ('', '/large bowel', '/small bowel', '/stomach'):
        dice, distance = wanted[f'Dice{end}'], wanted[f'Hausdorff{end}']
        wanted[f'score{end}'] = 0.4 * dice + 0.6 * (1 - distance)
    assert found == pytest.approx(wanted)


def test_a_single_class_is_a_mask():
    truth, pred = np.zeros((2, 2, 1, 4, 5), int)
    truth[0, 0, :2] = pred[0, 0, 0] = 1  # 10 and 5 pixels; the second slice is empty
    found = evaluate(slices('case1_day0', pred, truth), classes=('stomach',))
    assert found['Dice'] == found['Dice/stomach'] == pytest.approx(2 * 5 / 15)


def test_means_are_over_all_slices_and_all_scans():
    truth = np.zeros((4, 3, 4, 4), int)
    truth[:, 0, 1:3, 1:3] = 1
    nothing = np.zeros_like(truth)
    found = evaluate([*slices('a', truth, truth), *slices('b', nothing[:1], truth[:1])])
    # Four slices of five are right, one scan of two.
    assert found['Dice'] == pytest.approx(0.8)
    assert found['Hausdorff'] == pytest.approx(0.5)
    assert found['score'] == pytest.approx(0.4 * 0.8 + 0.6 * 0.5)
    assert np.isnan(found['Dice/stomach']) and np.isnan(found['Hausdorff/stomach'])


def test_both_empty_everywhere_is_nothing_to_score():
    empty = np.zeros((2, 3, 4, 4), int)
    assert all(np.isnan(v) for v in evaluate(slices('a', empty, empty)).values())


def test_distance_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for density in (0.01, 0.1, 0.5) * 5:
        masks = rng.random((2, 5, 7, 11)) < density
        masks[0, 4, 6, 3] = masks[1, 0, 0, 9] = True
        points = [np.argwhere(mask) / mask.shape for mask in masks]
        wanted = max(directed_hausdorff(*p)[0] for p in (points, points[::-1]))
        assert normalised_hausdorff(*masks) == pytest.approx(wanted / 3**0.5)
        assert normalised_hausdorff(*masks) == normalised_hausdorff(*masks[::-1])
    assert normalised_hausdorff(masks[0], masks[0]) == 0


def test_label_maps_are_scored_as_masks_that_do_not_overlap():
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(0, 4, (2, 3, 1, 6, 8))
    as_masks = evaluate(
        slices('a', *(np.arange(1, 4)[:, None, None] == m for m in (pred, truth)))
    )
    labels = evaluate(slices('a', pred, truth), ('background', *CLASSES))
    assert as_masks == pytest.approx(labels)


def test_ignored_pixels_are_in_neither_mask():
    truth = np.zeros((2, 3, 4, 4), int)
    truth[:, 0, :2] = 1
    pred = truth.copy()
    pred[:, 0, 3] = 1
    truth[:, :, 3] = 255
    found = evaluate(slices('a', pred, truth))
    assert (found['Dice'], found['Hausdorff']) == (1, 0)


def test_csv_and_predictions(tmp_path):
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(0, 2, (2, 3, 3, 6, 8))
    samples = slices('case1_day0', pred, truth) + slices('case1_day2', truth, truth)
    evaluate(
        samples, csv_file=str(tmp_path / 'a.csv'), output_dir=str(tmp_path / 'masks')
    )
    with (tmp_path / 'a.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [(row['scan'], row['class']) for row in rows] == [
        (scan, name) for scan in ('case1_day0', 'case1_day2') for name in CLASSES
    ]
    assert float(rows[3]['Dice']) == 1 and float(rows[3]['Hausdorff']) == 0
    dice = [
        2 * (p[0] & t[0]).sum() / (p[0].sum() + t[0].sum()) for p, t in zip(pred, truth)
    ]
    assert float(rows[0]['Dice']) == pytest.approx(np.mean(dice))
    for index, masks in enumerate(pred):
        path = tmp_path / 'masks' / f'case1_day0_slice_{index:04d}.png'
        written = read_multi_label_mask(str(path))
        np.testing.assert_array_equal(written, masks.transpose(1, 2, 0))
    assert len(list((tmp_path / 'masks').iterdir())) == 6


def test_what_is_refused(tmp_path):
    truth = np.zeros((2, 3, 4, 4), int)

    def refused(message, classes=CLASSES, pred=truth, truth=truth, **options):
        samples = slices('a', pred, truth)
        for key in options.pop('without', ()):
            samples[0].set_metainfo({key: None})
        samples[1].set_metainfo(options.pop('change', {}))
        with pytest.raises(ValueError, match=message):
            evaluate(samples, classes, **options)

    refused('a_slice_0000.png: has no case_id in its metainfo', without=['case_id'])
    refused('a_slice_0000.png: has no slice_index', without=['slice_index'])
    refused("case 'a': two slices have one index", change=dict(slice_index=0))
    refused('truth holds the value 2; wanted 0 to 1', truth=truth + 2)
    refused(r'predicted masks hold \[-3\], wanted 0 and 1', pred=truth - 3)
    refused(r'\(2, 4, 4\).* masks of 3 classes', pred=truth[:, :2], truth=truth[:, :2])
    refused(r'prediction \(3, 4, 3\) and truth \(3, 4, 4\)', pred=truth[..., :3])
    refused("no 'classes'", classes=None)
    refused(
        'three organs, found 1',
        classes=('background', 'liver'),
        pred=truth[:, :1],
        truth=truth[:, :1],
        output_dir=str(tmp_path),
    )
    with pytest.raises(ValueError, match='no sample'):
        evaluate([])
