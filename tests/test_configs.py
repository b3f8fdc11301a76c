"""Every experiment builds, trains two steps and validates, on its own data."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from PIL import Image

import mmseg_universeg

FOLDER = Path(mmseg_universeg.config_path('universeg_multi.py')).parent
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
# What an experiment loads that is not in the repository, and what stands in for it.
RELEASED = 'universeg_v1-released_wbc.py'
FINE_TUNED = 'universeg_wbc_finetune.py'


def write_own_data(folder: Path) -> None:
    """Twelve bright squares on noise, with their masks."""
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((40, 48), np.uint8)
        y, x = rng.integers(0, 20, 2)
        mask[y : y + 16, x : x + 16] = 255
        image = (mask // 2 + rng.integers(0, 60, mask.shape)).astype(np.uint8)
        Image.fromarray(image).save(folder / 'images' / f'{number}.png')
        Image.fromarray(mask).save(folder / 'masks' / f'{number}.png')


def shrink(node: object, own_data: Path, images: int) -> None:
    """Cut data sets and support sets to a few images, in place."""
    if isinstance(node, Config | ConfigDict):
        kind = node.get('type')
        if kind == 'InContextDataset' or (
            kind == 'SyntheticTasksDataset' and 'pipeline' in node
        ):
            node.update(support_size=2, length=4, batch_size=2)
        elif kind == 'SupportSetHook':
            node.update(size=2)
        elif 'split' in node:
            node.update(indices=images)
        if kind == 'ImageMaskFolderDataset':
            assert node.data_root == 'data/mine'
            node.update(data_root=str(own_data))
        for value in node.values():
            shrink(value, own_data, images)
    elif isinstance(node, list | tuple):
        for value in node:
            shrink(value, own_data, images)


def without_downloads(model: ConfigDict) -> None:
    """Start from scratch what starts from published weights by default."""
    backbone = model.get('backbone', {})
    if backbone.get('type') == 'TIMMBackbone':
        assert backbone.pretrained
        backbone.pretrained = False
    elif backbone.get('init_cfg'):
        scheme = backbone.init_cfg.checkpoint.split('://')[0]
        assert scheme in ('torchvision', 'mmcls')
        del backbone.init_cfg


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_and_validates(name, tmp_path, data_root, parity_root):
    cfg = Config.fromfile(mmseg_universeg.config_path(name))
    write_own_data(tmp_path / 'mine')
    in_context = cfg.model.type != 'EncoderDecoder'
    shrink(cfg, tmp_path / 'mine', 12 if in_context else 3)
    without_downloads(cfg.model)
    cfg.work_dir = str(tmp_path / 'work_dir')
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.val_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.val_dataloader.batch_size = min(2, cfg.val_dataloader.batch_size)
    if name == RELEASED:
        assert cfg.load_from.startswith('https://github.com/JJGO/UniverSeg/releases')
        cfg.load_from = (parity_root / 'universeg_v1_random.pt').as_uri()
    elif name == FINE_TUNED:
        assert cfg.load_from == 'work_dirs/universeg_multi/iter_4500.pth'
        cfg.load_from = str(parity_root / 'universeg_v1_random.pt')
    runner = Runner.from_cfg(cfg)
    if cfg.model.type == 'MeanSupportMask':  # has nothing to train
        runner.val()
    else:
        runner.train()
        assert runner.iter == 2
    assert runner.message_hub.get_scalar('val/case/DSC').current() >= 0


def test_model_index_names_existing_configs():
    root = FOLDER.parent
    names = []
    for file in yaml.safe_load((root / 'model-index.yml').read_text())['Import']:
        for model in yaml.safe_load((root / file).read_text())['Models']:
            assert (root / model['Config']).is_file()
            assert Path(model['Config']).stem == model['Name']
            names.append(model['Name'])
    assert len(set(names)) == len(names)
