"""What the configs of MedSAM set: the published protocols, and the classes of boxes."""

import pytest
from mmengine.config import Config

from mmseg_universeg import config_path
from mmseg_universeg.datasets import ACDCSlicesDataset, FLARE22Dataset


def load(name: str) -> Config:
    return Config.fromfile(config_path(name))


@pytest.mark.parametrize(
    ('name', 'optimizer', 'frozen'),
    [
        (
            'medsam_vit-b_flare22.py',
            dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.01),
            ('prompt_encoder',),
        ),
        (
            'medsam_vit-b_decoder_flare22.py',
            dict(type='Adam', lr=1e-5, weight_decay=0),
            ('image_encoder', 'prompt_encoder'),
        ),
    ],
)
def test_protocols(name, optimizer, frozen):
    cfg = load(name)
    assert cfg.optim_wrapper.to_dict() == dict(type='OptimWrapper', optimizer=optimizer)
    assert 'param_scheduler' not in cfg  # the rate is constant
    assert cfg.model.frozen == frozen
    assert cfg.model.backbone.arch == 'vit_b'
    assert cfg.model.backbone.image_size == cfg.model.decode_head.image_size == 1024
    loss = dict(type='HybridDiceCELoss', squared=True, per_image=True, smooth=1e-5)
    assert cfg.model.decode_head.loss_decode.to_dict() == loss


@pytest.mark.parametrize('name', ['decoder-cached', 'gallbladder', 'zero-shot'])
def test_inherits_the_decoders_protocol(name):
    cfg = load(f'medsam_vit-b_{name}_flare22.py')
    base = load('medsam_vit-b_decoder_flare22.py')
    assert cfg.model.frozen == base.model.frozen
    if name == 'zero-shot':
        assert cfg.optim_wrapper is None
    else:
        assert cfg.optim_wrapper == base.optim_wrapper


@pytest.mark.parametrize(
    ('name', 'dataset', 'train', 'test'),
    [
        (
            'medsam_small-unseen_acdc.py',
            ACDCSlicesDataset,
            ['right ventricle', 'myocardium'],
            ['left ventricle'],
        ),
        (
            'medsam_vit-b_gallbladder_flare22.py',
            FLARE22Dataset,
            ['gallbladder'],
            ['gallbladder'],
        ),
    ],
)
def test_classes_of_boxes(name, dataset, train, test):
    cfg = load(name)
    names = dataset.METAINFO['classes']
    for part, wanted in (('train', train), ('val', test), ('test', test)):
        pipeline = cfg[f'{part}_dataloader'].dataset.pipeline
        (boxes,) = [step for step in pipeline if step.type == 'BoxPromptsFromMask']
        assert [names[index] for index in boxes.classes] == wanted
