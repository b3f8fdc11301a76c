"""The base configs of data sets with boxes give what a prompted segmentor reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_universeg

FOLDER = Path(mmseg_universeg.config_path('_base_/datasets/acdc.py')).parent


def load(name: str) -> Config:
    init_default_scope('mmseg')
    return Config.fromfile(FOLDER / f'{name}.py')


def build(cfg: Config, part: str, count: int, **options):
    return DATASETS.build(
        {**cfg[f'{part}_dataloader'].dataset, 'indices': count, **options}
    )


def check_packed(packed: dict, size: tuple[int, int]) -> int:
    """Check an item and return its number of boxes."""
    assert packed['inputs'].shape == (3, *size)
    assert packed['inputs'].dtype == torch.float32
    assert packed['inputs'].min() >= 0 and packed['inputs'].max() <= 1
    sample = packed['data_samples']
    instances, labels = sample.gt_instances, sample.gt_sem_seg.data[0]
    assert instances.masks.shape == (len(instances), *labels.shape)
    scale = torch.tensor([*labels.shape[::-1]] * 2) / torch.tensor([*size[::-1]] * 2)
    for box, mask, label in zip(instances.bboxes, instances.masks, instances.labels):
        assert (labels[mask == 1] == label).all()
        rows, columns = torch.where(mask)
        x1, y1, x2, y2 = (box * scale).tolist()
        assert x1 <= columns.min() + 0.01 and y1 <= rows.min() + 0.01
        assert x2 >= columns.max() + 0.99 and y2 >= rows.max() + 0.99
    return len(instances)


@pytest.mark.parametrize('name', ['dsb2018_boxes', 'acdc_boxes'])
def test_items_and_scores(name, data_root, monkeypatch):
    monkeypatch.setenv('MMSEG_UNIVERSEG_DATA', str(data_root))
    np.random.seed(0)
    cfg = load(name)
    train = build(cfg, 'train', 4)
    counts = [check_packed(train[index], (512, 512)) for index in range(4)]
    assert min(counts) >= 1 and max(counts) <= 8
    dataset = build(cfg, 'val', 4)
    evaluator = Evaluator(cfg.val_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    for index in range(4):
        packed = dataset[index]
        check_packed(packed, (512, 512))
        sample = packed['data_samples']
        truth, (height, width) = sample.gt_instances, sample.ori_shape
        scale = torch.tensor([width, height, width, height]) / 512
        sample.pred_instances = InstanceData(
            masks=truth.masks.bool(), bboxes=truth.bboxes * scale
        )
        sample.pred_sem_seg = PixelData(data=sample.gt_sem_seg.data)
        evaluator.process([sample])
    scores = evaluator.evaluate(4)
    assert scores['box/DSC'] == scores['box/NSD'] == scores['case/DSC'] == 1
    assert 0.4 < scores['box/ellipse_DSC'] < 0.9


def test_flare22(tmp_path):
    cfg = load('flare22_boxes')
    labels = np.zeros((64, 48), np.uint8)
    labels[5:35, 10:40], labels[40:60, 3:20] = 1, 9
    image = np.random.default_rng(0).integers(50, 201, labels.shape, np.uint8)
    for part, case in (('train', 'a'), ('test', 'b')):
        for kind, pixels in (('images', image), ('masks', labels)):
            (tmp_path / part / kind).mkdir(parents=True)
            file = tmp_path / part / kind / f'{case}_slice_000.png'
            Image.fromarray(pixels).save(file)
        (tmp_path / 'cases').mkdir(exist_ok=True)
        (tmp_path / 'cases' / f'{case}.json').write_text(
            json.dumps(dict(spacing_of_axes_mm=[5, 0.8, 0.7]))
        )
    np.random.seed(0)
    train = build(cfg, 'train', 1, data_root=str(tmp_path))
    seen = set()
    for _ in range(12):
        packed = train[0]
        assert check_packed(packed, (1024, 1024)) == 1
        assert (packed['inputs'].min(), packed['inputs'].max()) == (0, 1)
        seen.add(int(packed['data_samples'].gt_instances.labels))
    assert seen == {1, 9}
    packed = build(cfg, 'test', 1, data_root=str(tmp_path))[0]
    assert (packed['inputs'].min(), packed['inputs'].max()) == (0, 1)
    sample = packed['data_samples']
    assert sample.gt_instances.labels.tolist() == [1, 9]
    np.testing.assert_allclose(
        sample.gt_instances.bboxes[0] * torch.tensor([48, 64, 48, 64]) / 1024,
        [10, 5, 40, 35],
        atol=1e-3,
    )
    assert sample.gt_instances.masks.shape == (2, 64, 48)
    assert (sample.case_id, sample.slice_index) == ('b', 0)
    assert sample.spacing == (5, 0.8, 0.7)
