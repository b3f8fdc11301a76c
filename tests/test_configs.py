"""Every experiment builds, trains two steps and validates, on its own data."""

from pathlib import Path

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

import mmseg_universeg

FOLDER = Path(mmseg_universeg.config_path('universeg_multi.py')).parent
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
# What an experiment loads that is not in the repository, and what stands in for it.
RELEASED = 'universeg_v1-released_wbc.py'
FINE_TUNED = 'universeg_wbc_finetune.py'


def shrink(node: object) -> None:
    """Cut data sets and support sets to a few images, in place."""
    if isinstance(node, ConfigDict):
        kind = node.get('type')
        if kind == 'InContextDataset' or (
            kind == 'SyntheticTasksDataset' and 'pipeline' in node
        ):
            node.update(support_size=2, length=4, batch_size=2)
        elif kind == 'SupportSetHook':
            node.update(size=2)
        elif 'split' in node:
            node.update(indices=12)
        for value in node.values():
            shrink(value)
    elif isinstance(node, list | tuple):
        for value in node:
            shrink(value)


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_and_validates(name, tmp_path, data_root, parity_root):
    cfg = Config.fromfile(mmseg_universeg.config_path(name))
    shrink(cfg._cfg_dict)
    cfg.work_dir = str(tmp_path)
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.val_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
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
