"""CaseOverlayHook: which cases are drawn, where to, and with what."""

import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_universeg.engine import CaseOverlayHook
from mmseg_universeg.engine.hooks import overlay


class Episodes(BaseDataset):
    """Episodes as PackEpisodeInputs gives them."""

    METAINFO = {'classes': ('background', 'foreground')}

    def load_data_list(self):
        return [{'index': index} for index in range(5)]

    def prepare_data(self, idx):
        mask = torch.zeros(1, 24, 24)
        mask[:, 4 : 12 + idx, 6:16] = 1
        sample = SegDataSample(metainfo={'task': 'toy/a b', 'img_path': 'no file'})
        sample.gt_sem_seg = PixelData(data=mask.long())
        return {
            'inputs': {
                'img': mask / 2,
                'support_imgs': torch.stack([mask / 2] * 3),
                'support_masks': torch.stack([mask] * 3),
            },
            'data_samples': sample,
        }


@pytest.fixture
def calls(monkeypatch):
    """Arguments of each picture that was drawn."""
    seen = []
    draw = overlay.case_picture

    def spy(*args, **kwargs):
        seen.append((args, kwargs))
        return draw(*args, **kwargs)

    monkeypatch.setattr(overlay, 'case_picture', spy)
    return seen


def names(runner):
    """Names of the PNG files, and the number of TensorBoard's files."""
    files = sorted(Path(runner.log_dir).rglob('*.png'))
    assert all(cv2.imread(str(file)).shape[1] == 960 for file in files)
    events = [
        file
        for file in Path(runner.log_dir).rglob('events.out.tfevents*')
        if file.stat().st_size > 10_000
    ]
    assert len(events) == 1
    return [file.name for file in files]


def test_in_context_test(make_runner, make_files, support_cfg, test_cfg, calls):
    runner = make_runner(
        test_cfg(make_files('tested', 7)),
        [
            {'type': 'CaseOverlayHook', 'max_cases': 3, 'num_supports': 4},
            {
                'type': 'SupportSetHook',
                'dataset': support_cfg(make_files('pool', 6)),
                'size': 5,
            },
        ],
    )
    scores = runner.test()
    # Evenly spread over the seven.
    assert names(runner) == [
        'test_0000_00_0.png',
        'test_0003_03_0.png',
        'test_0006_06_0.png',
    ]
    (image, truth, pred, classes, palette), kwargs = calls[1]
    assert image.shape == (32, 40, 3) and image.dtype == np.uint8
    assert truth.shape == pred.shape == (32, 40)
    assert classes == ('background', 'ring', 'core')
    assert tuple(palette[2]) == (220, 60, 160)
    assert re.fullmatch(r'03    DSC: ring [01]\.\d{3}, core 0\.000', kwargs['title'])
    assert kwargs['support_title'] == 'Support: 4 of 6 images'
    images, masks, subsets, _ = runner.model.calls[0]
    assert len(kwargs['supports']) == 4
    # One of each class in turn, the background last.
    first = [subsets[0, c, 0].item() for c in (1, 2, 0)]
    for index, (support, labels) in zip(dict.fromkeys(first), kwargs['supports']):
        np.testing.assert_array_equal(support, images[index, 0].numpy())
        np.testing.assert_array_equal(labels, masks[index].numpy())
    assert scores['case/DSC/core'] == 0


def test_episodes(make_runner, calls):
    runner = make_runner(Episodes(), [CaseOverlayHook(max_cases=2)], batch_size=2)
    runner.val()
    assert names(runner) == ['val_0000_toy_a_b_0.png', 'val_0004_toy_a_b_0.png']
    (image, _, _, classes, _), kwargs = calls[0]
    assert image.shape == (24, 24) and image.max() == 1
    assert classes == ('background', 'foreground')
    assert kwargs['title'] == 'toy/a b    DSC: foreground 1.000'
    assert len(kwargs['supports']) == 3
    assert kwargs['support_title'] == 'Support: 3 of 3 images'


def test_testing_leaves_the_training_data_alone(
    make_runner, make_files, support_cfg, test_cfg, calls
):
    """A test whose config also trains, on other classes and on missing files."""
    runner = make_runner(
        test_cfg(make_files('tested', 3)),
        [
            CaseOverlayHook(max_cases=3),
            {
                'type': 'SupportSetHook',
                'dataset': support_cfg(make_files('pool', 3)),
                'size': 2,
            },
        ],
        batch_size=1,
        train_dataloader={
            'batch_size': 1,
            'dataset': {'type': 'DSB2018Dataset', 'data_root': 'missing'},
            'sampler': {'type': 'InfiniteSampler'},
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': 2},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
    )
    runner.test()
    assert len(names(runner)) == 3
    assert [args[3] for args, _ in calls] == [('background', 'ring', 'core')] * 3


def test_training_with_best_checkpoint(
    make_runner, make_files, support_cfg, test_cfg, tmp_path
):
    """All hooks together: a validation after each of two iterations."""
    tested = make_files('tested', 3)
    cfg = test_cfg(tested)
    runner = make_runner(
        cfg,
        [
            CaseOverlayHook(max_cases=1),
            {
                'type': 'SupportSetHook',
                'dataset': support_cfg(make_files('pool', 3)),
                'size': 2,
            },
        ],
        train_dataloader={
            'batch_size': 1,
            'num_workers': 0,
            'dataset': cfg,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': False},
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': 2, 'val_interval': 1},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'by_epoch': False,
                'save_best': 'case/DSC',
                'rule': 'greater',
            }
        },
    )
    runner.train()
    assert (tmp_path / 'work' / 'best_case_DSC_iter_1.pth').is_file()
    assert names(runner) == ['val_0000_00_1.png', 'val_0000_00_2.png']
    assert len(runner.model.calls) == 2
    csv_files = list((tmp_path / 'work').rglob('cases.csv'))
    assert [file.parent for file in csv_files] == [Path(runner.log_dir)]


def test_image_that_is_no_plain_file(tmp_path):
    inputs = torch.rand(1, 6, 8)
    shown = overlay._shown_image(inputs, 'missing.nii.gz', (12, 16))
    assert shown.shape == (12, 16) and shown.min() >= 0 and shown.max() <= 1
    # A file of another size than the label map is not what was segmented.
    cv2.imwrite(str(tmp_path / 'x.png'), np.zeros((5, 5, 3), np.uint8))
    shown = overlay._shown_image(inputs, str(tmp_path / 'x.png'), (6, 8))
    assert shown.shape == (6, 8) and shown.max() == 1


@pytest.mark.parametrize('kwargs', [{'max_cases': 0}, {'num_supports': -1}])
def test_bad_arguments(kwargs):
    with pytest.raises(ValueError, match='CaseOverlayHook needs'):
        CaseOverlayHook(**kwargs)


@pytest.mark.parametrize('classes', [('a', 'b'), ('a',)])
@pytest.mark.parametrize('augmented', [False, True])
def test_overlapping_classes_over_a_16_bit_slice(tmp_path, calls, classes, augmented):
    rng = np.random.default_rng(0)
    path = tmp_path / 'slice.png'
    slices = rng.integers(0, 4000, (3, 20, 30), np.uint16)
    cv2.imwrite(str(path), slices[1])
    truth = torch.zeros(2, 20, 30, dtype=torch.int64)
    truth[0, 2:12], truth[1, 8:18], truth[:, :, 25:] = 1, 1, 255
    truth = truth[: len(classes)]
    sample = SegDataSample(metainfo=dict(img_path=str(path)))
    sample.gt_sem_seg = PixelData(data=truth)
    sample.pred_sem_seg = PixelData(data=(truth > 0).long())
    drawn = []
    visualizer = SimpleNamespace(
        dataset_meta=dict(classes=classes, palette=[[200, 0, 0], [0, 200, 0]]),
        add_image=lambda name, picture, step: drawn.append(name),
    )
    loader = SimpleNamespace(dataset=[sample])
    runner = SimpleNamespace(val_dataloader=loader, visualizer=visualizer, hooks=[])
    hook = CaseOverlayHook()
    hook.before_val_epoch(runner)
    inputs = [torch.from_numpy(slices.astype(np.float32))]
    batch = dict(inputs=inputs)
    if augmented:  # a list for each view, the flipped one first
        views = [SegDataSample(metainfo=dict(flip=flip)) for flip in (True, False)]
        batch = dict(
            inputs=[[inputs[0].flip(-1)], inputs], data_samples=[[v] for v in views]
        )
    hook.after_val_iter(runner, 0, batch, [sample])
    assert drawn == ['val_0000_slice']
    (image, shown, pred, *_), kwargs = calls[0]
    # Ignored pixels do not count, and the slice is drawn, not its neighbours.
    scores = ', '.join(f'{name} 1.000' for name in classes)
    assert kwargs['title'] == f'slice    DSC: {scores}'
    np.testing.assert_array_equal(shown, truth.numpy() == 1)
    np.testing.assert_array_equal(pred, truth.numpy() > 0)
    low, high = slices[1].min(), slices[1].max()
    np.testing.assert_allclose(image, (slices[1] - low) / (high - low), atol=1e-6)
