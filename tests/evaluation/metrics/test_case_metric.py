"""CaseMetric: policy, volumes, gathering, table and CSV."""

import csv
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, METRICS
from mmseg.structures import SegDataSample

from mmseg_universeg.evaluation import CaseMetric
from mmseg_universeg.evaluation.scores import dice_score, hausdorff_95, surface_dice

CLASSES = ('background', 'cytoplasm', 'nucleus')


def label_map(seed, size=(20, 24)):
    """A disc within a disc, at a random place."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(size)
    distance = np.hypot(rows - rng.uniform(7, 12), cols - rng.uniform(8, 14))
    return ((distance < 7).astype(int) + (distance < 4)).astype(np.int64)


def sample(pred, truth, **metainfo):
    result = SegDataSample(metainfo=metainfo)
    result.pred_sem_seg = PixelData(data=torch.as_tensor(np.array(pred))[None])
    result.gt_sem_seg = PixelData(data=torch.as_tensor(np.array(truth))[None])
    return result


def evaluate(samples, classes=CLASSES, **kwargs):
    kwargs.setdefault('csv_file', None)
    evaluator = Evaluator(CaseMetric(**kwargs))
    evaluator.dataset_meta = {'classes': classes}
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


def read_csv(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture
def log_folder(tmp_path):
    """The folder of a current log file."""
    folder = tmp_path / 'run'
    folder.mkdir()
    MMLogger.get_instance(str(tmp_path), log_file=str(folder / 'run.log'))
    yield folder
    # The latest logger is the current one.
    MMLogger.get_instance(f'after {tmp_path}')


def test_means_over_cases_then_classes():
    truth = np.zeros((10, 10), dtype=int)
    truth[:4, :4], truth[6:, 6:] = 1, 2
    half = truth.copy()
    half[2:4, :4] = 0
    wrong = truth.copy()
    wrong[6:, 6:] = 0
    scores = evaluate(
        [sample(half, truth, img_path='a.png'), sample(wrong, truth, img_path='b.png')]
    )
    # Cytoplasm: 2 * 8 / (8 + 16) and 1; nucleus: 1 and nothing found.
    assert scores['case/DSC/cytoplasm'] == pytest.approx((2 / 3 + 1) / 2)
    assert scores['case/DSC/nucleus'] == pytest.approx(0.5)
    assert scores['case/DSC'] == pytest.approx((5 / 6 + 0.5) / 2)
    assert scores['case/NSD/nucleus'] == pytest.approx(0.5)
    # The infinite distance is not in the mean.
    assert scores['case/HD95/nucleus'] == 0
    assert scores['case/HD95/cytoplasm'] == pytest.approx(2 / 2)
    assert set(scores) == {
        f'case/{metric}{name}'
        for metric in ('DSC', 'NSD', 'HD95')
        for name in ('', '/cytoplasm', '/nucleus')
    }


def test_class_in_neither_mask_is_skipped():
    truth = np.ones((6, 6), dtype=int)
    truth[0] = 0
    with_nucleus = truth.copy()
    with_nucleus[5] = 2
    scores = evaluate(
        [sample(truth, truth, img_path='a'), sample(with_nucleus, truth, img_path='b')]
    )
    assert scores['case/DSC/nucleus'] == 0
    assert np.isnan(scores['case/HD95/nucleus'])
    scores = evaluate([sample(truth, truth, img_path='a')])
    assert np.isnan(scores['case/DSC/nucleus'])
    assert scores['case/DSC'] == 1


def test_background_is_left_out_by_name():
    truth = label_map(0)
    scores = evaluate(
        [sample(truth, truth, img_path='a')],
        classes=('cell', 'Background', 'rest'),
        metrics=['dsc'],
    )
    assert set(scores) == {'case/DSC', 'case/DSC/cell', 'case/DSC/rest'}


def test_ignored_pixels_are_in_neither_mask():
    truth = np.zeros((8, 8), dtype=int)
    truth[2:6, 2:6] = 1
    pred = truth.copy()
    pred[0, :] = 1
    truth[0, :] = 255
    scores = evaluate([sample(pred, truth, img_path='a')])
    assert scores['case/DSC/cytoplasm'] == 1
    assert scores['case/HD95/cytoplasm'] == 0


def test_tolerance_and_spacing():
    truth = np.zeros((20, 20), dtype=int)
    truth[5:10, 5:10] = 1
    pred = np.roll(truth, 3, axis=0)
    arrays = pred == 1, truth == 1
    for tolerance, spacing in ((2.0, None), (1.5, 0.5), (3.0, (2.0, 1.0))):
        scores = evaluate(
            [sample(pred, truth, img_path='a')], tolerance=tolerance, spacing=spacing
        )
        mm = np.broadcast_to(1.0 if spacing is None else spacing, 2)
        expected = surface_dice(*arrays, mm, tolerance)
        assert scores['case/NSD/cytoplasm'] == pytest.approx(expected)
        assert scores['case/HD95/cytoplasm'] == pytest.approx(3 * mm[0])
    # That of the sample goes before that of the metric.
    scores = evaluate([sample(pred, truth, img_path='a', spacing=(4, 1))], spacing=1.0)
    assert scores['case/HD95/cytoplasm'] == pytest.approx(12)


def test_medians_and_quartiles_on_request(log_folder):
    truth = np.zeros((10, 10), dtype=int)
    truth[:8, :8] = 1
    samples = []
    for rows in (8, 6, 4, 2):  # DSC 1, 6/7, 2/3 and 2/5
        pred = truth.copy()
        pred[rows:] = 0
        samples.append(sample(pred, truth, img_path=f'{rows}.png'))
    scores = evaluate(samples, metrics=['dsc'], quartiles=True)
    wanted = np.percentile([1, 6 / 7, 2 / 3, 2 / 5], [25, 50, 75])
    found = [scores[f'case/DSC_{q}/cytoplasm'] for q in ('q1', 'median', 'q3')]
    assert found == pytest.approx(wanted)
    low, median, high = wanted
    cell = f'{median:.4f} [{low:.4f}, {high:.4f}]'
    assert cell in (log_folder / 'run.log').read_text()


def test_the_form_of_the_released_evaluation_has_its_own_name(log_folder):
    truth = np.zeros((40, 40), dtype=int)
    truth[5:30, 5:30] = 1
    pred = np.roll(truth, 3, axis=1)
    scores = evaluate(
        [sample(pred, truth, img_path='a.png')], metrics=['nsd', 'nsd_medsam']
    )
    masks = pred[..., None] == 1, truth[..., None] == 1
    assert scores['case/NSD_MedSAM/cytoplasm'] == pytest.approx(
        surface_dice(*masks, (1, 1, 1), 2.0)
    )
    assert scores['case/NSD_MedSAM'] > 0.9 > 0.6 > scores['case/NSD']
    assert 'NSD (H,W,1) at 2 px' in (log_folder / 'run.log').read_text()


def slices_of(case_id, maps, **metainfo):
    return [
        sample(p, t, img_path=f'{case_id}_{z}', case_id=case_id, slice_index=z)
        for z, (p, t) in enumerate(maps)
    ]


def test_slices_are_scored_as_a_volume_in_any_order():
    maps = [(label_map(z), label_map(z + 1)) for z in range(4)]
    pred, truth = (np.stack(m) for m in zip(*maps))
    samples = slices_of('p1', maps)
    spacing = (5.0, 1.0, 2.0)
    scores = evaluate([samples[i] for i in (2, 0, 3, 1)], spacing=spacing)
    for index, name in ((1, 'cytoplasm'), (2, 'nucleus')):
        masks = pred == index, truth == index
        assert scores[f'case/DSC/{name}'] == pytest.approx(dice_score(*masks))
        assert scores[f'case/NSD/{name}'] == pytest.approx(
            surface_dice(*masks, spacing, 2.0)
        )
        assert scores[f'case/HD95/{name}'] == pytest.approx(
            hausdorff_95(*masks, spacing)
        )


def test_volumes_of_acdc(data_root):
    """Real slices, read and packed as a config does."""
    init_default_scope('mmseg')
    dataset = DATASETS.build(
        {
            'type': 'ACDCSlicesDataset',
            'data_root': str(data_root / 'acdc_slices'),
            'split': 'all',
            'indices': 25,
            'pipeline': [
                {'type': 'LoadMedicalImage'},
                {'type': 'LoadLabelMap'},
                {'type': 'PackSegInputs', 'meta_keys': ('case_id', 'slice_index')},
            ],
        }
    )
    samples, volumes = [], {}
    for index in range(25):
        one = dataset[index]['data_samples']
        truth = one.gt_sem_seg.data
        one.pred_sem_seg = PixelData(data=torch.roll(truth, 2, dims=-1))
        samples.append(one)
        volumes.setdefault(one.case_id, []).append(truth[0].numpy())
    assert 1 < len(volumes) < 5
    scores = evaluate(samples, dataset.metainfo['classes'], metrics=['dsc'])
    for label, name in enumerate(dataset.metainfo['classes'][1:], start=1):
        masks = [np.stack(slices) == label for slices in volumes.values()]
        expected = [dice_score(np.roll(mask, 2, axis=-1), mask) for mask in masks]
        assert scores[f'case/DSC/{name}'] == pytest.approx(np.mean(expected))


def test_one_slice_alone_is_scored_as_an_image():
    pred, truth = label_map(0), label_map(1)
    image = evaluate([sample(pred, truth, img_path='a')], spacing=(1.0, 2.0))
    volume = evaluate(slices_of('p', [(pred, truth)]), spacing=(9.0, 1.0, 2.0))
    assert volume == image


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'slice_index': 0}, "case 'p': two slices have one index"),
        ({'slice_index': None}, "case_id 'p' but no slice_index"),
        ({'spacing': (1, 1, 1)}, "case 'p': its slices differ in spacing"),
    ],
)
def test_slices_that_make_no_volume(change, message):
    samples = slices_of('p', [(label_map(0), label_map(0))] * 2)
    samples[1].set_metainfo(change)
    with pytest.raises(ValueError, match=message):
        evaluate(samples)


def test_slices_of_two_sizes():
    small = label_map(0, (18, 24))
    with pytest.raises(ValueError, match=r"'p': its slices differ in size.*18, 24"):
        evaluate(slices_of('p', [(label_map(0), label_map(0)), (small, small)]))


def test_missing_slices_are_background(log_folder):
    samples = slices_of('p7', [(label_map(z), label_map(z)) for z in range(4)])
    del samples[2]
    assert evaluate(samples)['case/DSC'] == 1
    log = (log_folder / 'run.log').read_text()
    assert "case 'p7': slices are missing, found [0, 1, 3]" in log


def test_distances_across_missing_slices():
    # a voxel that is right, and one more, four slices of 3 mm further on
    voxel = np.zeros((20, 26), int)
    voxel[5, 5] = 1
    nothing = np.zeros_like(voxel)
    samples = slices_of(
        'p', [(voxel, voxel), *[(nothing, nothing)] * 3, (voxel, nothing)]
    )
    for data_sample in samples:
        data_sample.set_metainfo(dict(spacing=(3.0, 1.0, 1.0)))
    whole = evaluate(samples, metrics=['hd95'])['case/HD95/cytoplasm']
    gap = evaluate([samples[0], samples[4]], metrics=['hd95'])['case/HD95/cytoplasm']
    assert gap == whole > 6


def test_episodes():
    truth = (label_map(0) > 0).astype(int)
    scores = evaluate(
        [
            sample(truth, truth, task='WBC/nucleus', img_path='x', case_id='ignored'),
            sample(1 - truth, truth, task='WBC/nucleus', img_path='x'),
        ],
        classes=None,
        metrics=['dsc'],
    )
    assert scores == {'case/DSC': 0.5, 'case/DSC/foreground': 0.5}


def test_csv_and_table(log_folder):
    truth = label_map(3)
    nothing = np.zeros_like(truth)
    evaluate(
        [
            sample(truth, truth, img_path='/d/1/x.png'),
            sample(nothing, truth, img_path='/d/2/x.png'),
            sample(nothing, nothing, img_path='/d/y.png'),
            sample(truth > 0, truth > 0, img_path='x', task='T'),
            *slices_of('p', [(truth, truth), (truth, truth)]),
        ],
        csv_file='cases.csv',
    )
    rows = read_csv(log_folder / 'cases.csv')
    assert list(rows[0]) == ['case', 'class', 'DSC', 'NSD', 'HD95']
    assert [(r['case'], r['class']) for r in rows] == [
        ('1/x', 'cytoplasm'),
        ('1/x', 'nucleus'),
        ('2/x', 'cytoplasm'),
        ('2/x', 'nucleus'),
        ('y', 'cytoplasm'),
        ('y', 'nucleus'),
        ('T#3', 'foreground'),
        ('p', 'cytoplasm'),
        ('p', 'nucleus'),
    ]
    assert [rows[i]['DSC'] for i in (0, 2, 4)] == ['1.0', '0.0', 'nan']
    assert [rows[i]['HD95'] for i in (0, 2, 4)] == ['0.0', 'inf', 'nan']
    assert sorted(os.listdir(log_folder)) == ['cases.csv', 'run.log']
    log = (log_folder / 'run.log').read_text()
    assert 'NSD at 2 px' in log and 'HD95 (px)' in log and '5 cases' in log
    assert '(1 infinite)' in log and str(log_folder / 'cases.csv') in log
    evaluate([sample(truth, truth, img_path='a', spacing=1.0)])
    assert 'HD95 (mm)' in (log_folder / 'run.log').read_text()


def test_csv_at_a_given_place(tmp_path):
    path = tmp_path / 'a' / 'b.csv'
    truth = label_map(0)
    evaluate(
        [sample(truth, truth, img_path='z.png')], metrics=['dsc'], csv_file=str(path)
    )
    assert read_csv(path)[0] == {'case': 'z', 'class': 'cytoplasm', 'DSC': '1.0'}


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'metrics': ['dice']}, "list of .*'dsc', 'nsd', .*'hd95'.*got \\['dice'\\]"),
        ({'metrics': 'dsc'}, 'must be a list'),
        ({'metrics': []}, 'must be a list'),
        ({'tolerance': -1}, 'tolerance must be 0 mm or more, got -1'),
        ({'spacing': (1, 0)}, 'spacing must be positive'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        CaseMetric(**kwargs)


def test_bad_samples():
    truth = label_map(0)
    with pytest.raises(ValueError, match=r'x\.png: truth holds the value 7; wanted 0'):
        evaluate([sample(truth, np.where(truth == 2, 7, truth), img_path='x.png')])
    with pytest.raises(ValueError, match=r'x\.png: prediction \(19, 24\) and truth'):
        evaluate([sample(truth[1:], truth, img_path='x.png')])
    with pytest.raises(ValueError, match=r'x\.png: spacing must be 2 positive'):
        evaluate([sample(truth, truth, img_path='x.png', spacing=(1, 2, 3))])
    with pytest.raises(ValueError, match="no 'classes'"):
        evaluate([sample(truth, truth, img_path='x.png')], classes=None)
    without = sample(truth, truth, img_path='x.png')
    del without.gt_sem_seg
    with pytest.raises(ValueError, match=r'x\.png: no gt_sem_seg'):
        evaluate([without])
    with pytest.raises(ValueError, match='some cases have a spacing and some'):
        evaluate(
            [
                sample(truth, truth, img_path='x', spacing=(1, 1)),
                sample(truth, truth, img_path='y'),
            ]
        )
    with pytest.raises(ValueError, match='no sample'):
        evaluate([])


def masks_sample(pred, truth, **metainfo):
    """Masks (C, H, W), of classes that may overlap."""
    result = SegDataSample(metainfo=metainfo)
    result.pred_sem_seg = PixelData(data=torch.as_tensor(pred))
    result.gt_sem_seg = PixelData(data=torch.as_tensor(truth))
    return result


def test_overlapping_classes():
    truth, pred = np.zeros((2, 3, 10, 10), dtype=int)
    truth[0, :4, :4] = truth[1, 2:6, 2:6] = 1  # they share 2 x 2 pixels
    pred[0, :4, :4] = pred[1, 2:4, 2:6] = pred[2, 9, 9] = 1
    classes = ('a', 'b', 'c')
    scores = evaluate(
        [masks_sample(pred, truth, img_path='x.png')], classes, metrics=['dsc', 'hd95']
    )
    # 2 * 8 / (8 + 16); the third is predicted where there is none.
    wanted = {'case/DSC/a': 1, 'case/DSC/b': 2 / 3, 'case/DSC/c': 0}
    assert {k: scores[k] for k in wanted} == pytest.approx(wanted)
    assert scores['case/HD95/a'] == 0 and np.isnan(scores['case/HD95/c'])


def test_masks_that_do_not_overlap_are_scored_as_label_maps():
    maps = [(label_map(z), label_map(z + 1)) for z in range(3)]
    maps[1][1][0, :5] = 255
    alone = slices_of('p2', [(label_map(8), label_map(9))])
    samples = [*slices_of('p1', maps), *alone, sample(*maps[0], img_path='a.png')]
    samples[-1].gt_sem_seg.data[0, :3] = 255
    as_masks = []
    for one in samples:
        pred, truth = one.pred_sem_seg.data[0], one.gt_sem_seg.data[0]
        indices = torch.arange(3)[:, None, None]
        truth = torch.where(truth == 255, 255, (truth == indices).long())
        pred = (pred == indices).long()
        as_masks.append(masks_sample(pred, truth, **one.metainfo))
    wanted = evaluate(samples, spacing=1.5)
    assert evaluate(as_masks, spacing=1.5) == pytest.approx(wanted)


def test_bad_masks():
    truth = np.zeros((3, 4, 4), dtype=int)
    for pred, wrong, message in (
        (truth, truth + 2, r'x\.png: truth holds the value 2; wanted 0 to 1'),
        (truth + 2, truth, r'x\.png: predicted masks hold \[2\], wanted 0 and 1'),
        (truth[:2], truth[:2], r'truth \(2, 4, 4\) must be .* masks of 3 classes'),
        (truth[:1], truth, r'prediction \(1, 4, 4\) and truth \(3, 4, 4\)'),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate([masks_sample(pred, wrong, img_path='x.png')])


def test_beside_iou_metric():
    """Same samples for both, left as they were."""
    pred, truth = label_map(0), label_map(1)
    truth[0] = 255
    one = sample(pred, truth, img_path='a')
    evaluator = Evaluator(
        [
            METRICS.build({'type': 'CaseMetric', 'csv_file': None}),
            METRICS.build({'type': 'IoUMetric', 'iou_metrics': ['mDice']}),
        ]
    )
    evaluator.dataset_meta = {'classes': CLASSES}
    evaluator.process([one])
    np.testing.assert_array_equal(one.pred_sem_seg.data[0].numpy(), pred)
    np.testing.assert_array_equal(one.gt_sem_seg.data[0].numpy(), truth)
    scores = evaluator.evaluate(1)
    # With one case IoUMetric's sums are this case's.
    known = truth != 255
    dice = [dice_score(known & (pred == c), truth == c) for c in range(3)]
    assert scores['mDice'] == pytest.approx(100 * np.mean(dice), abs=0.01)
    assert scores['case/DSC'] == pytest.approx(np.mean(dice[1:]))


def distributed_samples():
    """Seven samples: images and the slices of two volumes."""
    maps = [(label_map(i), label_map(i + 10)) for i in range(7)]
    return [
        *slices_of('p1', maps[:3]),
        sample(*maps[3], img_path='/d/x.png'),
        *slices_of('p2', maps[4:6]),
        sample(*maps[6], img_path='/d/y.png'),
    ]


def run_rank(rank, port, folder):
    """One of two processes; run as a script, see below."""
    # Importing MONAI takes seconds, which those who do not score should not pay.
    assert 'monai' not in sys.modules
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'tcp://127.0.0.1:{port}', rank=rank, world_size=2
    )
    samples = distributed_samples()
    metric = CaseMetric(
        ['dsc'], csv_file=f'{folder}/cases_{rank}.csv', collect_dir=folder
    )
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = {'classes': CLASSES}
    # As MMEngine's DefaultSampler: dealt out in turn, padded from the beginning.
    for index in range(rank, 8, 2):
        evaluator.process([samples[index % 7]])
    torch.save(evaluator.evaluate(7), f'{folder}/scores_{rank}.pt')
    torch.distributed.destroy_process_group()


def test_two_processes_like_one(tmp_path):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    folder = tmp_path / 'gloo'
    folder.mkdir()
    # Not multiprocessing: it would import this module by its name, and upstream's
    # mmsegmentation installs a package of the name tests.
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)}
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(port), str(folder)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    alone = evaluate(
        distributed_samples(), metrics=['dsc'], csv_file=str(tmp_path / 'alone.csv')
    )
    for process in ranks:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    for rank in (0, 1):
        scores = torch.load(folder / f'scores_{rank}.pt', weights_only=True)
        assert scores == alone
    # Written by the main process alone.
    assert not (folder / 'cases_1.csv').exists()
    together = read_csv(folder / 'cases_0.csv')
    assert together == read_csv(tmp_path / 'alone.csv')
    assert len(together) == 2 * 4


if __name__ == '__main__':
    run_rank(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
