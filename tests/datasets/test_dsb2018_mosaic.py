"""The data set config of mosaics, on the real images."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import PackSegInputs, RandomCrop
from mmseg.models import SegDataPreProcessor
from mmseg.registry import DATASETS

from mmseg_universeg import config_path


@pytest.fixture
def config() -> dict:
    init_default_scope('mmseg')
    config = Config.fromfile(config_path('_base_/datasets/dsb2018_mosaic.py'))
    config.train_dataloader.dataset.dataset.update(indices=8)
    config.test_dataloader.dataset.update(indices=2)
    return config


def test_gives_crops_of_mosaics_and_of_images(config, data_root):
    train = config.train_dataloader.dataset
    np.random.seed(0)
    shapes = set()
    for item in DATASETS.build(train):
        sample = item['data_samples']
        assert item['inputs'].shape == (3, 128, 128)
        assert item['inputs'].dtype == torch.float32
        assert sample.gt_sem_seg.data.shape == (1, 128, 128)
        assert set(sample.gt_sem_seg.data.unique().tolist()) <= {0, 1, 255}
        assert sample.img_shape == (128, 128)
        shapes.add(sample.ori_shape)
    assert (512, 512) in shapes
    assert len(shapes) > 1


def test_tests_on_whole_images(config, data_root):
    for item in DATASETS.build(config.test_dataloader.dataset):
        assert item['inputs'].shape[1:] == item['data_samples'].ori_shape
        assert item['data_samples'].gt_sem_seg.data.unique().tolist() == [0, 1]


def test_an_image_smaller_than_the_crop_is_padded_and_ignored():
    # RandomCrop leaves it as it is; the preprocessor fills up to its size.
    img = np.full((100, 300, 3), 200, np.uint8)
    results = dict(img=img, gt_seg_map=img[..., 0] // 200, seg_fields=['gt_seg_map'])
    item = PackSegInputs()(RandomCrop((256, 256))(results))
    assert item['inputs'].shape == (3, 100, 256)
    preprocessor = SegDataPreProcessor(size=(256, 256), seg_pad_val=255)
    batch = preprocessor(pseudo_collate([item]), training=True)
    assert batch['inputs'].shape == (1, 3, 256, 256)
    labels = batch['data_samples'][0].gt_sem_seg.data[0]
    assert (labels[:100] == 1).all()
    assert (labels[100:] == 255).all()
