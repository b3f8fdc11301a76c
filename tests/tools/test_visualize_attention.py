"""Pictures of attention, and what the tool refuses."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

TOOL = runpy.run_path(str(Path(__file__).parents[2] / 'tools/visualize_attention.py'))
HEAD = dict(type='SegformerHead', channels=8, num_classes=2)
SEGFORMER = dict(
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=8,
        num_layers=[1, 2, 1, 1],
        num_heads=[1, 2, 5, 8],
    ),
    decode_head=dict(in_channels=[8, 16, 40, 64], in_index=[0, 1, 2, 3], **HEAD),
)
VIT = dict(
    backbone=dict(
        type='VisionTransformer',
        img_size=64,
        embed_dims=16,
        num_layers=3,
        num_heads=4,
        out_indices=(0, 2),
    ),
    decode_head=dict(in_channels=[16, 16], in_index=[0, 1], **HEAD),
)


@pytest.fixture
def make(tmp_path):
    """Write a config, weights, and a test and a training image 60 wide, 40 high."""

    def make(parts, kind='MultiLabelEncoderDecoder'):
        rng = np.random.default_rng(0)
        loaders = {}
        for split in ('test', 'train'):
            (tmp_path / split).mkdir()
            image = rng.integers(0, 255, (40, 60, 3), np.uint8)
            Image.fromarray(image).save(tmp_path / split / 'a.png')
            loaders[f'{split}_dataloader'] = dict(
                dataset=dict(
                    type='BaseSegDataset',
                    data_root=str(tmp_path),
                    data_prefix=dict(img_path=split),
                    img_suffix='.png',
                    metainfo=dict(
                        classes=('left', 'right'), palette=[[255, 0, 0], [0, 255, 0]]
                    ),
                    pipeline=[
                        dict(type='LoadImageFromFile'),
                        dict(type='Resize', scale=(64, 48), keep_ratio=False),
                        dict(type='PackSegInputs'),
                    ],
                )
            )
        cfg = Config(
            dict(
                default_scope='mmseg',
                model=dict(
                    type=kind,
                    data_preprocessor=dict(
                        type='SegDataPreProcessor',
                        mean=[127.5] * 3,
                        std=[127.5] * 3,
                        test_cfg=dict(size_divisor=32),
                    ),
                    test_cfg=dict(mode='whole'),
                    **parts,
                ),
                **loaders,
            )
        )
        cfg.dump(tmp_path / 'config.py')
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(cfg.model)
        # Everywhere the first class.
        torch.nn.init.zeros_(model.decode_head.conv_seg.weight)
        with torch.no_grad():
            model.decode_head.conv_seg.bias.copy_(torch.tensor([1.0, -1.0]))
        torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')

        def run(*options, split='test'):
            arguments = ['config.py', 'weights.pth', f'{split}/a.png']
            arguments = [str(tmp_path / name) for name in arguments]
            return TOOL['main'](
                [*arguments, *options, '--out', str(tmp_path / 'o.png')]
            )

        return run

    return make


@pytest.mark.parametrize('parts', [SEGFORMER, VIT], ids=['segformer', 'vit'])
def test_a_grid_of_layers_and_heads(make, tmp_path, parts):
    run = make(parts)
    assert run('--pixel', '59', '0') == 0
    first = np.asarray(Image.open(tmp_path / 'o.png'))
    heads = 8 if parts is SEGFORMER else 4
    assert first.shape[1] == pytest.approx(120 * (heads + 0.8), abs=1)
    (tmp_path / 'o.png').unlink()
    # Of a training image, for all pixels that are predicted; one layer and rollout.
    assert run('--organ', 'left', '--layers', '2', split='train') == 0
    second = np.asarray(Image.open(tmp_path / 'o.png'))
    assert second.shape[0] < first.shape[0]


def test_classes_that_exclude_each_other(make, tmp_path, capsys):
    run = make(SEGFORMER, kind='EncoderDecoder')
    assert run('--organ', 'left', '--layers', '1') == 0
    assert (tmp_path / 'o.png').is_file()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--organ', 'middle'], r"--organ must be one of ['left', 'right'], found"),
        (['--organ', 'right'], "the model predicts 'right' nowhere"),
        (['--pixel', '60', '0'], '--pixel 60 0 is outside the image, 60 wide and 40'),
        (['--organ', 'left', '--layers', '6'], '--layers must be from 1 to 5'),
        (
            ['--pixel', '1', '1', '--cfg-options', 'model.decode_head.channels=4'],
            'weights.pth: does not fit the config',
        ),
        (
            ['--pixel', '1', '1', '--cfg-options', 'test_dataloader.dataset.data_prefix'
             '.img_path=train', 'train_dataloader.dataset.data_prefix.img_path=train'],
            'test/a.png: is neither among',
        ),
    ],
)  # fmt: skip
def test_what_is_refused(make, tmp_path, capsys, options, message):
    assert make(SEGFORMER)(*options) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'o.png').exists()


def test_does_not_write_over_a_file(make, tmp_path, capsys):
    run = make(SEGFORMER)
    (tmp_path / 'o.png').write_text('precious')
    assert run('--pixel', '1', '1') == 1
    assert 'o.png: is there already' in capsys.readouterr().err
    assert (tmp_path / 'o.png').read_text() == 'precious'


def test_backbones_without_attention_are_refused(make, capsys):
    run = make(
        dict(
            backbone=dict(type='UNetEncoder', widths=(4, 8)),
            decode_head=dict(in_channels=[4, 8], in_index=[0, 1], **HEAD),
        )
    )
    assert run('--pixel', '1', '1') == 1
    assert 'found UNetEncoder' in capsys.readouterr().err
