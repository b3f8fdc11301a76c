"""What the weights that ship find in real images, as recorded when they were made."""

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

import mmseg_universeg

# DSC of each class in four test images, with eight supports of the first 32 images of
# the train split.
RECORDED = {
    'wbc': {'cytoplasm': 0.8986, 'nucleus': 0.9646},
    'acdc': {
        'right ventricle': 0.6527,
        'myocardium': 0.5230,
        'left ventricle': 0.8664,
    },
    'dsb2018': {'nucleus': 0.9051},
    'isbi2012': {'cell': 0.8940, 'membrane': 0.6736},
    'drive': {'vessel': 0.2468},
}


@pytest.mark.parametrize('name', RECORDED)
def test_recorded_scores(name, tmp_path, data_root):
    cfg = Config.fromfile(mmseg_universeg.config_path(f'universeg_shipped_{name}.py'))
    cfg.work_dir = str(tmp_path)
    cfg.visualizer.name = f'recorded {name}'
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False, batch_size=4)
    cfg.test_dataloader.dataset.indices = 4
    cfg.test_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
    support = next(h for h in cfg.custom_hooks if h.type == 'SupportSetHook')
    support.update(size=8)
    support.dataset.indices = 32
    cfg.custom_hooks = [support]
    scores = Runner.from_cfg(cfg).test()
    found = {key.split('/')[-1]: scores[key] for key in scores if key.count('/') == 2}
    assert found == pytest.approx(RECORDED[name], abs=2e-3)
