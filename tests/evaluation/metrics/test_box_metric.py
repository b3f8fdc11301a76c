"""BoxMetric: scores of each box, the ellipse beside them, tables and CSV."""

import csv

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from mmseg_universeg.evaluation import BoxMetric
from mmseg_universeg.evaluation.metrics.box_metric import box_ellipse
from mmseg_universeg.evaluation.scores import dice_score, surface_dice

CLASSES = ('background', 'liver', 'spleen')


def square(x1, y1, x2, y2, size=(20, 24)):
    mask = np.zeros(size, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def sample(preds, truths, labels, boxes=None, **metainfo):
    preds, truths = (np.reshape(m, (len(labels), 20, 24)) for m in (preds, truths))
    if boxes is None:
        boxes = [(2, 2, 10, 10)] * len(labels)
    one = SegDataSample(metainfo=metainfo)
    one.pred_instances = InstanceData(
        masks=torch.from_numpy(preds.astype(bool)),
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
    )
    one.gt_instances = InstanceData(
        masks=torch.from_numpy(truths.astype(np.uint8)), labels=torch.tensor(labels)
    )
    return one


def evaluate(samples, classes=CLASSES, **options):
    options.setdefault('csv_file', None)
    evaluator = Evaluator(METRICS.build(dict(type='BoxMetric', **options)))
    evaluator.dataset_meta = {'classes': classes}
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


@pytest.fixture
def log_folder(tmp_path):
    """The folder of a current log file."""
    folder = tmp_path / 'run'
    folder.mkdir()
    MMLogger.get_instance(str(tmp_path), log_file=str(folder / 'run.log'))
    yield folder
    MMLogger.get_instance(f'after {tmp_path}')


def test_means_medians_and_quartiles_over_boxes():
    # 8x8 truths of which 8, 6, 4 and 2 rows are found: DSC 1, 6/7, 2/3 and 2/5.
    truth = square(2, 2, 10, 10)
    preds = [square(2, 2, 10, 2 + rows) for rows in (8, 6, 4, 2)]
    scores = evaluate(
        [
            sample(preds[:3], [truth] * 3, [1, 1, 2], img_path='a'),
            sample(preds[3:], [truth], [1], img_path='b'),
            sample([], [], [], img_path='c'),
        ],
        metrics=['dsc'],
    )
    dsc = np.array([1, 6 / 7, 2 / 3, 2 / 5])
    assert scores['box/DSC'] == pytest.approx(dsc.mean())
    assert scores['box/DSC/liver'] == pytest.approx(dsc[[0, 1, 3]].mean())
    assert scores['box/DSC/spleen'] == pytest.approx(2 / 3)
    assert scores['box/DSC_median'] == pytest.approx((6 / 7 + 2 / 3) / 2)
    assert scores['box/DSC_q1'] == pytest.approx(np.percentile(dsc, 25))
    assert scores['box/DSC_q3'] == pytest.approx(np.percentile(dsc, 75))
    assert scores['box/DSC_median/liver'] == pytest.approx(6 / 7)
    # Of the 64 pixels of the box 52 have their centre in the circle.
    assert scores['box/ellipse_DSC'] == pytest.approx(2 * 52 / (52 + 64))
    ends = ('', '_q1', '_median', '_q3')
    assert set(scores) == {
        f'box/{name}{end}{of}'
        for name in ('DSC', 'ellipse_DSC')
        for end in ends
        for of in ('', '/liver', '/spleen')
    }


def test_ellipses():
    circle = box_ellipse(np.array((2, 2, 10, 10)), (20, 24))
    assert circle.sum() == 52
    assert not circle[:2].any() and not circle[:, 10:].any()
    # About pi / 4 of a large box, wherever it lies between pixels, and symmetric.
    box = np.array((10.3, 20.6, 170.3, 90.6))
    ellipse = box_ellipse(box, (100, 200))
    assert ellipse.sum() == pytest.approx(np.pi / 4 * 160 * 70, rel=3e-3)
    rows, columns = np.nonzero(ellipse)
    assert abs(columns.mean() + 0.5 - 90.3) < 0.05
    assert abs(rows.mean() + 0.5 - 55.6) < 0.05


def test_surface_scores_with_the_spacing_of_an_image_or_slice():
    truth, pred = square(2, 2, 10, 10), square(5, 2, 13, 10)
    for spacing in ((0.5, 2.0), (9.0, 0.5, 2.0)):
        scores = evaluate(
            [sample([pred], [truth], [1], img_path='a', spacing=spacing)],
            tolerance=3.0,
        )
        wanted = surface_dice(pred, truth, (0.5, 2.0), 3.0)
        assert scores['box/NSD'] == pytest.approx(wanted)
    assert wanted < surface_dice(pred, truth, (1, 1), 3.0)


def test_empty_masks():
    empty, truth = square(0, 0, 0, 0), square(2, 2, 10, 10)
    scores = evaluate(
        [sample([empty, empty, truth], [empty, truth, empty], [1] * 3, img_path='a')]
    )
    assert scores['box/DSC'] == scores['box/NSD'] == 0
    assert scores['box/DSC_q3'] == 0
    scores = evaluate([sample([empty], [empty], [1], img_path='a')])
    assert np.isnan(scores['box/DSC'])


def test_ignored_pixels_are_left_out():
    truth = square(2, 2, 10, 10)
    one = sample([square(2, 2, 14, 10)], [truth], [1], img_path='a')
    labels = np.where(square(10, 0, 24, 20), 255, truth.astype(int))
    one.gt_sem_seg = PixelData(data=torch.from_numpy(labels)[None])
    assert evaluate([one])['box/DSC'] == 1


def test_table_and_csv(log_folder):
    truth = square(2, 2, 10, 10)
    boxes = [(2, 2, 10, 10), (1.5, 2, 10, 12)]
    evaluate(
        [
            sample([truth, ~truth], [truth] * 2, [1, 2], boxes, img_path='/1/x.png'),
            sample([truth], [truth], [2], img_path='/2/x.png'),
            sample([], [], [], img_path='/3/y.png'),
        ],
        csv_file='boxes.csv',
    )
    with (log_folder / 'boxes.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [(r['image'], r['box'], r['class'], r['DSC']) for r in rows] == [
        ('1/x', '0', 'liver', '1.0'),
        ('1/x', '1', 'spleen', '0.0'),
        ('2/x', '0', 'spleen', '1.0'),
    ]
    assert [float(rows[1][k]) for k in ('x1', 'y1', 'x2', 'y2')] == list(boxes[1])
    ellipse = box_ellipse(np.array(boxes[1]), truth.shape)
    assert float(rows[1]['ellipse_DSC']) == pytest.approx(dice_score(ellipse, truth))
    assert list(rows[0])[-3:] == ['DSC', 'NSD', 'ellipse_DSC']
    log = (log_folder / 'run.log').read_text()
    assert '3 boxes in 3 images' in log
    lines = [line for line in log.splitlines() if line.startswith('| ')]
    assert 'NSD at 2 px' in lines[0] and 'DSC of ellipse' in lines[0]
    assert '0.5000, 0.5000 [0.2500, 0.7500]' in lines[2] and 'spleen' in lines[2]
    assert 'all boxes' in lines[3] and '0.6667, 1.0000 [0.5000, 1.0000]' in lines[3]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: delattr(s, 'pred_instances'), r'a\.png: no pred_instances'),
        (lambda s: delattr(s, 'gt_instances'), r'a\.png: no gt_instances with masks'),
        (lambda s: delattr(s.gt_instances, 'masks'), r'a\.png: no gt_instances with'),
        (
            lambda s: setattr(s, 'pred_instances', s.pred_instances[:1]),
            r'a\.png: predicted masks \(1, 20, 24\) and true masks \(2, 20, 24\)',
        ),
        (
            lambda s: setattr(
                s, 'gt_sem_seg', PixelData(data=torch.zeros(1, 20, 25, dtype=int))
            ),
            r'a\.png: gt_sem_seg \(20, 25\) and masks \(20, 24\)',
        ),
        (lambda s: s.set_metainfo(dict(spacing=(1, 2, 3, 4))), 'spacing must be 2'),
    ],
)
def test_bad_samples(change, message):
    truth = square(2, 2, 10, 10)
    one = sample([truth] * 2, [truth] * 2, [1, 2], img_path='a.png')
    change(one)
    with pytest.raises(ValueError, match=message):
        evaluate([one])


def test_nothing_to_score():
    truth = square(2, 2, 10, 10)
    with pytest.raises(ValueError, match='no box to score in 1 images'):
        evaluate([sample([], [], [], img_path='a')])
    with pytest.raises(ValueError, match=r"BoxMetric needs class .*no 'classes'"):
        evaluate([sample([truth], [truth], [1], img_path='a')], classes=None)
    with pytest.raises(ValueError, match='some images have a spacing'):
        evaluate(
            [
                sample([truth], [truth], [1], img_path='a', spacing=(1, 1)),
                sample([truth], [truth], [1], img_path='b'),
            ]
        )
    with pytest.raises(ValueError, match='metrics must be a list'):
        BoxMetric(metrics='dsc')
