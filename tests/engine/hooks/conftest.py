"""A small data set of files and a model that needs a support set."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS

_count = itertools.count()
CLASSES = ('background', 'ring', 'core')
PALETTE = ((0, 0, 0), (0, 200, 120), (220, 60, 160))


def load(results):
    """Load pipeline of a support set: grey image in [0, 1] and label map."""
    image = cv2.imread(results['img_path'], cv2.IMREAD_GRAYSCALE)
    results['img'] = image.astype(np.float32) / 255
    results['gt_seg_map'] = cv2.imread(results['seg_map_path'], cv2.IMREAD_UNCHANGED)
    return results


class Remembering(BaseModel):
    """Calls class 1 what is above half grey, and keeps what set_support gets."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.calls = []

    def set_support(self, images, masks, subsets=None, num_classes=None):
        assert not images.requires_grad
        self.calls.append((images, masks, subsets, num_classes))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return {'loss': self.weight**2}
        if isinstance(inputs, dict):
            inputs = inputs['img']
        for image, sample in zip(inputs, data_samples):
            pred = (image.float().mean(0, keepdim=True) > 0.5 * image.max()).long()
            sample.pred_sem_seg = PixelData(data=pred)
        return data_samples


@pytest.fixture
def make_files(tmp_path):
    """Write images and label maps; the value is the number of pairs."""

    def make(name, count, without_core=(), size=(32, 40)):
        root = tmp_path / name
        for folder in ('images', 'masks'):
            (root / folder).mkdir(parents=True)
        for index in range(count):
            rows, cols = np.indices(size)
            distance = np.hypot(rows - 14 - index % 4, cols - 18 + index % 5)
            mask = (distance < 10).astype(np.uint8)
            if index not in without_core:
                mask += distance < 4
            image = np.uint8(40 + 80 * mask)
            cv2.imwrite(str(root / 'images' / f'{index:02d}.png'), image)
            cv2.imwrite(str(root / 'masks' / f'{index:02d}.png'), mask)
        return root

    return make


@pytest.fixture
def dataset_cfg():
    """Config of a data set of such files."""

    def make(root, pipeline, **kwargs):
        return {
            'type': 'BaseSegDataset',
            'data_root': str(root),
            'data_prefix': {'img_path': 'images', 'seg_map_path': 'masks'},
            'img_suffix': '.png',
            'metainfo': {'classes': CLASSES, 'palette': PALETTE},
            'pipeline': pipeline,
            **kwargs,
        }

    return make


@pytest.fixture
def support_cfg(dataset_cfg):
    """Config of such a data set as a support set."""
    return lambda root, **kwargs: dataset_cfg(root, [load], **kwargs)


@pytest.fixture
def test_cfg(dataset_cfg):
    """Config of such a data set to test."""
    pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'LoadAnnotations'},
        {'type': 'PackSegInputs'},
    ]
    return lambda root, **kwargs: dataset_cfg(root, pipeline, **kwargs)


@pytest.fixture
def make_runner(tmp_path):
    """A runner of the model over a data set, with hooks."""

    def make(dataset, hooks, model=None, batch_size=2, **kwargs):
        init_default_scope('mmseg')
        name = f'{tmp_path.name}-{next(_count)}'
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        loader = {
            'batch_size': batch_size,
            'num_workers': 0,
            'dataset': dataset,
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        }
        evaluator = [
            {'type': 'CaseMetric', 'metrics': ['dsc']},
            {'type': 'IoUMetric', 'iou_metrics': ['mDice']},
        ]
        return Runner(
            model=Remembering() if model is None else model,
            work_dir=str(tmp_path / 'work'),
            experiment_name=name,
            default_scope='mmseg',
            val_dataloader=loader,
            val_evaluator=evaluator,
            val_cfg={'type': 'ValLoop'},
            test_dataloader=loader,
            test_evaluator=evaluator,
            test_cfg={'type': 'TestLoop'},
            custom_hooks=hooks,
            visualizer={
                'type': 'Visualizer',
                'name': name,
                'vis_backends': [
                    {'type': 'LocalVisBackend'},
                    {'type': 'TensorboardVisBackend'},
                ],
            },
            log_level='WARNING',
            **kwargs,
        )

    return make
