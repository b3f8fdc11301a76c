"""The table of a model in context, the mean mask and a trained rival."""

import json
import os
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmseg.registry import MODELS
from PIL import Image

from mmseg_universeg import config_path

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / 'tools/in_context_table.py'))
NETWORK = dict(type='UniverSeg', features=(4, 4))

# What both experiments share. Their data are folders of 20x24 images.
COMMON = """
default_scope = 'mmseg'
custom_imports = dict(imports=['mmseg_universeg'])
log_processor = dict(by_epoch=False)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False))
load_from = None
load = [
    dict(type='LoadMedicalImage'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=(16, 16), keep_ratio=False),
]
support_pipeline = [load[0], dict(type='LoadLabelMap'), *load[1:]]
test_pipeline = [*load, dict(type='LoadLabelMap'), dict(type='PackSegInputs')]
images = dict(
    type='ImageMaskFolderDataset',
    classes=('background', 'left', 'right'),
    label_values={0: 0, 1: 1, 2: 2, 3: 255},
    serialize_data=False,
)
supports = dict(data_root=FOLDER + '/train', pipeline=support_pipeline, **images)
test_dataloader = dict(
    batch_size=2,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(data_root=FOLDER + '/test', pipeline=test_pipeline, **images),
)
test_evaluator = [dict(type='CaseMetric')]
test_cfg = dict(type='TestLoop')
val_dataloader, val_evaluator, val_cfg = test_dataloader, test_evaluator, None
"""
IN_CONTEXT = (
    COMMON
    + """
model = dict(
    type='UniverSeg',
    features=(4, 4),
    data_preprocessor=dict(type='EpisodeDataPreprocessor'),
)
custom_hooks = [
    dict(type='SupportSetHook', dataset=supports, size=4),
    dict(type='CaseOverlayHook'),
]
"""
)
RIVAL = (
    COMMON
    + """
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor', size_divisor=2, test_cfg=dict(size_divisor=2)
    ),
    backbone=dict(type='UNetEncoder', in_channels=1, widths=(4, 4)),
    decode_head=dict(
        type='UNetHead',
        in_channels=(4, 4),
        num_classes=3,
        out_channels=3,
        loss_decode=dict(type='HybridDiceCELoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
supports['pipeline'] = [*support_pipeline, dict(type='PackSegInputs')]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=supports,
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
custom_hooks = [dict(type='CaseOverlayHook')]
"""
)


def write_images(folder: Path, masks: list[np.ndarray]) -> None:
    """Noise under names that are unique over folders, and its masks."""
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    for number, mask in enumerate(masks):
        name = f'{folder.name}{number}.png'
        noise = rng.integers(0, 255, mask.shape, np.uint8)
        Image.fromarray(noise).save(folder / 'images' / name)
        Image.fromarray(mask).save(folder / 'masks' / name)


def stripes(left: int, right: int) -> np.ndarray:
    """Of 24 columns the first are of class 1, the last of class 2."""
    mask = np.zeros((20, 24), np.uint8)
    mask[:, :left], mask[:, 24 - right :] = 1, 2
    return mask


@pytest.fixture
def files(tmp_path) -> Path:
    """Eight supports, two tested images, both configs and the network's weights."""
    both = stripes(6, 6)
    # Of the others the right is of no class.
    write_images(tmp_path / 'train', [both] * 4 + [np.where(both == 2, 3, both)] * 4)
    write_images(tmp_path / 'test', [stripes(12, 3), stripes(9, 6)])
    head = f'FOLDER = {str(tmp_path)!r}\n'
    (tmp_path / 'in-context.py').write_text(head + IN_CONTEXT)
    (tmp_path / 'rival.py').write_text(head + RIVAL)
    torch.manual_seed(0)
    torch.save(MODELS.build(NETWORK).state_dict(), tmp_path / 'weights.pth')
    return tmp_path


@pytest.fixture
def run(files, monkeypatch, capsys):
    """Run the tool on these files; its exit status, output and errors."""
    # As the tool sets it for its process, but not for the tests after this one.
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')

    def run(*options, checkpoint='weights.pth', config='in-context.py'):
        arguments = [files / config, *([files / checkpoint] if checkpoint else [])]
        arguments += ['--rival', files / 'rival.py', '--work-dir', files / 'work']
        capsys.readouterr()
        status = TOOL['main']([str(a) for a in (*arguments, *options)])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The folders of the rows that are computed from here on."""
    folders = []
    test = Runner.test

    def recorded(runner):
        folders.append(Path(runner.work_dir).name)
        return test(runner)

    monkeypatch.setattr(Runner, 'test', recorded)
    return folders


def cells(printed: str) -> list[list[str]]:
    """Rows of the Markdown table at the end of some output."""
    lines = printed[printed.index('| method |') :].splitlines()
    return [line.strip('| ').split(' | ') for line in lines]


def test_rows_and_hand_computed_scores(files, run):
    out = files / 'table.md'
    status, printed, _ = run('--sizes', '2', '1', '--draws', '2', '--out', out)
    assert status == 0
    header, _, *rows = cells(out.read_text())
    assert printed.endswith(out.read_text())
    assert header == [
        'method',
        'supports per class',
        'training images',
        'left',
        'right',
        'mean',
        'CPU minutes',
    ]
    assert [row[:2] for row in rows] == [
        ['UniverSeg', '1'],
        ['MeanSupportMask', '1'],
        ['rival', '1'],
        ['UniverSeg', '2'],
        ['MeanSupportMask', '2'],
        ['rival', '2'],
        ['UniverSeg, mean of 2 draws', '2'],
    ]
    # All supports have 6 columns of the left; tested are 12 and 9 of them. Those of the
    # right have 6 too; tested are 3 and 6. Nothing depends on the draw.
    left = (2 * 6 / (6 + 12) + 2 * 6 / (6 + 9)) / 2
    right = (2 * 3 / (6 + 3) + 1) / 2
    wanted = ['-', *(f'{v:.3f}' for v in (left, right, (left + right) / 2))]
    assert rows[1][2:6] == rows[4][2:6] == wanted
    scores = json.loads(
        next(files.glob('work/*_MeanSupportMask_2_*/scores.json')).read_text()
    )
    assert scores['scores']['case/DSC/left'] == pytest.approx(left, abs=1e-4)
    # Each is trained on one image for each of three classes, or on two.
    assert 1 <= int(rows[2][2]) <= 3 and 2 <= int(rows[5][2]) <= 6
    assert not list(files.rglob('test_*.png'))


def test_rival_learns_from_the_very_supports(run, monkeypatch):
    trained, shown = {}, {}
    train, test = Runner.train, Runner.test

    def paths(dataset):
        found = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
        assert len(set(found)) == len(found)
        return {os.path.realpath(path) for path in found}

    def recorded_train(runner):
        result = train(runner)
        trained[len(trained)] = paths(runner.train_dataloader.dataset)
        return result

    def recorded_test(runner):
        result = test(runner)
        for hook in runner.hooks:
            if type(hook).__name__ == 'SupportSetHook':
                shown.setdefault((hook.size, hook.num_ensembles), hook.support['paths'])
        return result

    monkeypatch.setattr(Runner, 'train', recorded_train)
    monkeypatch.setattr(Runner, 'test', recorded_test)
    assert run('--sizes', '1', '2', '4', '--draws', '3', '--seed', '5')[0] == 0
    assert [trained[i] for i in range(3)] == [shown[size, 1] for size in (1, 2, 4)]
    # Of the second draw and the third it has not learnt.
    assert shown[4, 1] <= shown[4, 3]
    assert len(shown[1, 1]) < len(shown[4, 1])


def test_goes_on_where_it_stopped(files, run, made, monkeypatch):
    options = ('--sizes', '1', '2', '--draws', '1')

    def stop(runner):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Runner, 'train', stop)
        with pytest.raises(KeyboardInterrupt):
            run(*options)
    first = [name.rpartition('_')[0] for name in made]
    assert first == ['in-context_UniverSeg_1', 'in-context_MeanSupportMask_1']
    assert not list(files.glob('work/rival_1/*scores.json*'))
    made.clear()
    whole = run(*options)
    assert whole[0] == 0
    assert made[0] == 'rival_1' and len(made) == 4
    made.clear()
    again = run(*options)
    assert made == [] and cells(again[1]) == cells(whole[1])


def test_computes_again_what_has_changed(files, run, made):
    options = ('--sizes', '1', '--draws', '1')
    first = cells(run(*options)[1])
    assert len(made) == 3
    # Other weights under another name are another row, the same ones are not.
    weights = torch.load(files / 'weights.pth')
    torch.save(weights, files / 'same.pth')
    torch.save({k: v + 0.1 for k, v in weights.items()}, files / 'other.pth')
    made.clear()
    run(*options, checkpoint='same.pth')
    assert made == []
    run(*options, checkpoint='other.pth')
    assert [name.rpartition('_')[0] for name in made] == ['in-context_UniverSeg_1']
    made.clear()
    run(*options, '--cfg-options', 'test_cfg.fp16=True')
    assert [name.rpartition('_')[0] for name in made] == [
        'in-context_UniverSeg_1',
        'in-context_MeanSupportMask_1',
    ]
    made.clear()
    rival = files / 'rival.py'
    rival.write_text(rival.read_text().replace('lr=0.1', 'lr=0.2'))
    run(*options)
    assert made == ['rival_1']
    made.clear()
    run(*options, '--seed', '1')
    assert len(made) == 3
    # What was first is there still, but for the rival, which is one a folder.
    made.clear()
    rival.write_text(rival.read_text().replace('lr=0.2', 'lr=0.1'))
    assert [row[:-1] for row in cells(run(*options)[1])] == [r[:-1] for r in first]
    assert made == ['rival_1']


def test_only(run, made):
    rival = run('--sizes', '1', '--only', 'rival', checkpoint=None)
    assert made == ['rival_1'] and len(cells(rival[1])) == 3
    made.clear()
    status, printed, _ = run('--sizes', '1', '--draws', '1', '--only', 'in-context')
    assert status == 0 and len(made) == 2
    assert [row[0] for row in cells(printed)[2:]] == ['UniverSeg', 'MeanSupportMask']
    made.clear()
    run('--sizes', '1', '--draws', '1')
    assert made == []


def test_takes_the_weights_of_the_config(files, run):
    config = files / 'in-context.py'
    options = ('--sizes', '1', '--draws', '1', '--only', 'in-context')
    assert 'load_from is None, give a CHECKPOINT' in run(*options, checkpoint=None)[2]
    given = run(*options)[1]
    text = config.read_text().replace(
        'load_from = None', "load_from = FOLDER + '/weights.pth'"
    )
    config.write_text(text)
    assert cells(run(*options, checkpoint=None)[1]) == cells(given)


def test_draws_nothing_from_too_few_images(files, run):
    status, _, error = run('--sizes', '5', '--only', 'rival')
    assert status == 1
    assert "4 of its 8 images hold the class 'right', wanted 5" in error
    assert not (files / 'work').exists()


def test_refuses_a_rival_on_other_images(files, run):
    rival = files / 'rival.py'
    text = rival.read_text()
    rival.write_text(text.replace("FOLDER + '/test'", "FOLDER + '/train'"))
    status, _, error = run('--sizes', '1')
    assert status == 1
    assert f'{rival}: tests 8 images with the classes' in error
    assert 'wanted the 2 images' in error
    rival.write_text(text + "\ntrain_dataloader['dataset']['indices'] = 2\n")
    status, _, error = run('--sizes', '4', '--only', 'rival')
    assert status == 1
    assert 'images of the support set, wanted all; not' in error
    assert not (files / 'work').exists()


def test_needs_one_support_set(files, run):
    config = files / 'in-context.py'
    config.write_text(config.read_text().replace('custom_hooks', 'other_hooks'))
    status, _, error = run('--sizes', '1')
    assert status == 1
    assert 'custom_hooks hold 0 SupportSetHook, wanted one' in error


SIZES = {
    'wbc': 64,
    'wbc-dataset2': 64,
    'acdc': 64,
    'dsb2018': 64,
    'isbi2012': 21,
    'drive': 20,
}


@pytest.mark.parametrize('name', SIZES)
def test_both_experiments_have_the_same_images(name, data_root, monkeypatch):
    monkeypatch.setenv('MMSEG_UNIVERSEG_DATA', str(data_root))
    in_context, rival = (
        TOOL['read_config'](config_path(f'{stem}_{name}.py'))
        for stem in ('universeg_shipped', 'unet_few-shot')
    )
    tested = in_context.test_dataloader.dataset
    assert tested == rival.test_dataloader.dataset and tested.split == 'test'
    if name == 'drive':
        assert tested.field_of_view == 'ignore'
    (hook,) = in_context.custom_hooks
    supports, training, tested = (
        TOOL['image_paths'](TOOL['build_dataset'](dataset))
        for dataset in (hook.dataset, rival.train_dataloader.dataset, tested)
    )
    assert supports == training and not set(training) & set(tested)
    assert hook.size == SIZES[name] <= len(supports)
    if hook.size < 64:
        assert hook.size == len(supports)
    load, *_ = rival.train_dataloader.dataset.pipeline
    assert load.transforms == hook.dataset.pipeline
    flips = [t for t in rival.train_dataloader.dataset.pipeline if 'Flip' in t.type]
    assert bool(flips) == (name != 'acdc')
