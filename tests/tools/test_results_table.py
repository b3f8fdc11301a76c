"""Tables of results made from work directories."""

import json
import re
import runpy
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmseg_universeg.utils.config import resolve_config

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / 'tools/results_table.py'))
TINY = ROOT / 'tests/project/tiny.py'

CONFIG = """
size = 64
model = dict(type='Any', width=8)
custom_hooks = [dict(type='SupportSetHook', size=size)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=20, val_interval=10)
randomness = dict(seed=0)
load_from = None
resume = False
"""
TRAINED = [
    {'loss': 0.5, 'iter': 10, 'step': 10},
    {'case/DSC': 0.5, 'case/DSC/nucleus': 0.5, 'time': 0.1, 'step': 10},
    {'loss': 0.4, 'iter': 20, 'step': 20},
    {'case/DSC': 0.8, 'case/DSC/nucleus': 0.8, 'time': 0.1, 'step': 20},
]


def with_dice(dice: float) -> list[dict]:
    return [*TRAINED[:3], {**TRAINED[3], 'case/DSC': dice, 'case/DSC/nucleus': dice}]


@pytest.fixture
def write(tmp_path):
    """Write the files that a run leaves, as small as possible."""
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'exp.py').write_text(CONFIG)

    def write(
        name: str,
        scalars: list[dict] | None = None,
        test: dict | None = None,
        stamp: str = '20261121_120000',
        seconds: int = 90,
        **options,
    ) -> Path:
        work_dir = tmp_path / name
        folder = work_dir / stamp
        (folder / 'vis_data').mkdir(parents=True)
        cfg = Config.fromfile(tmp_path / 'configs' / 'exp.py')
        cfg.merge_from_dict({k.replace('__', '.'): v for k, v in options.items()})
        cfg.merge_from_dict(dict(work_dir=str(work_dir), launcher='none'))
        for path in (work_dir / 'exp.py', folder / 'vis_data' / 'config.py'):
            cfg.dump(path)
        start = time.mktime(time.strptime(stamp, '%Y%m%d_%H%M%S'))
        first, last = (
            time.strftime('%Y/%m/%d %H:%M:%S', time.localtime(start + passed))
            for passed in (0, seconds)
        )
        (folder / f'{stamp}.log').write_text(
            f'{first} - mmengine - INFO - \nRuntime environment:\n'
            f'    seed: {cfg.randomness.seed}\n    Distributed training: False\n'
            f'{last} - mmengine - INFO - Iter(val) [2/2]\n+---+\n'
        )
        if scalars:
            lines = ''.join(json.dumps(line) + '\n' for line in scalars)
            (folder / 'vis_data' / 'scalars.json').write_text(lines)
        if test:
            (folder / f'{stamp}.json').write_text(json.dumps(test))
        return work_dir

    return write


@pytest.fixture
def make(tmp_path, monkeypatch, capsys):
    """Run the tool; return the lines that it printed."""

    def make(*arguments, configs: Path = tmp_path / 'configs') -> list[str]:
        argv = ['results_table.py', *arguments, '--configs', configs]
        monkeypatch.setattr(sys, 'argv', [str(argument) for argument in argv])
        TOOL['main']()
        return capsys.readouterr().out.splitlines()

    return make


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]


def test_a_training(write, make):
    assert make(write('a', TRAINED)) == [
        '| experiment | seed | case/DSC | case/DSC/nucleus | iterations | minutes '
        '| command |',
        '| --- | --- | --- | --- | --- | --- | --- |',
        '| exp | 0 | 0.800 | 0.800 | 20 | 1.5 | `python tools/train.py configs/exp.py`'
        ' |',
    ]


def test_seeds_share_a_row(write, make):
    work_dirs = [
        write(f'a{seed}', with_dice(dice), seconds=seconds, randomness__seed=seed)
        for seed, dice, seconds in [(0, 0.8, 60), (1, 0.9, 120), (2, 0.85, 60)]
    ]
    *_, row = make(*work_dirs, '--metrics', 'case/DSC', 'time')
    assert cells(row) == [
        'exp',
        '0, 1, 2',
        '0.850 ± 0.050',
        '0.100 ± 0.000',
        '20',
        '1.3',
        '`python tools/train.py configs/exp.py --cfg-options randomness.seed=$seed`',
    ]
    *_, row = make(work_dirs[1])
    assert cells(row)[1] == '1'
    assert cells(row)[-1].endswith('exp.py --cfg-options randomness.seed=1`')


def test_what_was_changed_makes_a_row_and_its_command(write, make):
    work_dirs = [
        write('a', TRAINED),
        write('b', TRAINED, custom_hooks__0__size=16, model__extra='x|y'),
        # Variables that a config has used up already change nothing.
        write('c', TRAINED, size=32, randomness__seed=1),
    ]
    *_, first, second = make(*work_dirs)
    assert cells(first)[:2] == ['exp', '0, 1']
    assert cells(second)[:2] == [
        r'exp custom_hooks.0.size=16 model.extra=x\|y',
        '0',
    ]
    assert cells(second)[-1] == (
        '`python tools/train.py configs/exp.py --cfg-options '
        r"custom_hooks.0.size=16 'model.extra=x\|y'`"
    )


def test_a_test_counts_with_its_checkpoint(write, make):
    write('a', TRAINED)
    figures = {'case/DSC': 0.7, 'case/DSC/nucleus': 0.6}
    tested = write(
        'a', test=figures, stamp='20261121_130000', load_from='c/iter_20.pth'
    )
    *_, row = make(tested)
    command = '`python tools/test.py configs/exp.py c/iter_20.pth`'
    assert cells(row) == ['exp', '0', '0.700', '0.600', '-', '-', command]


def test_refuses_scores_that_two_processes_have_written(write, make):
    tested = write('a', test={'case/DSC': 0.7}, stamp='20261121_130000')
    (file,) = tested.glob('*/2*.json')
    file.write_text(file.read_text() + '}')
    with pytest.raises(SystemExit, match=r'130000\.json: no JSON of a test'):
        make(tested)


def test_the_newest_run_counts_and_what_it_resumed(write, make):
    write('a', TRAINED[:3], seconds=600)
    write('a', TRAINED[:3], stamp='20261121_130000', seconds=60)
    write('a', with_dice(0.4), stamp='20261122_010000', seconds=30, resume=True)
    *_, row = make(write('a', {}, dict(x=1), stamp='20261121_140000'))
    assert cells(row) == [
        'exp',
        '0',
        '0.400',
        '0.400',
        '20',
        '1.5',
        '`python tools/train.py configs/exp.py`',
    ]


def test_metrics_that_only_some_runs_have(write, make):
    other = [*TRAINED[:3], {'case/DSC': 0.9, 'case/DSC/vessel': 0.9, 'step': 20}]
    runs = write('a', TRAINED), write('b', other, model__width=4)
    header, _, first, second = make(*runs)
    assert cells(header)[2:5] == ['case/DSC', 'case/DSC/nucleus', 'case/DSC/vessel']
    assert cells(first)[2:5] == ['0.800', '0.800', '-']
    assert cells(second)[2:5] == ['0.900', '-', '0.900']


@pytest.mark.parametrize('scalars', [[], TRAINED[:1], TRAINED[:2], TRAINED[:3]])
def test_refuses_what_has_not_finished(write, make, scalars):
    write('a', TRAINED)
    work_dir = write('a', scalars, stamp='20261121_130000')
    with pytest.raises(SystemExit) as end:
        make(work_dir)
    step = scalars[-1]['step'] if scalars else None
    assert str(end.value) == (
        f'results_table.py: {work_dir}: no finished validation or test in its newest '
        'run 20261121_130000, wanted a validation after train_cfg.max_iters=20; '
        f'scalars.json ends at step {step}'
    )


def test_refuses_a_line_that_was_cut_off(write, make):
    work_dir = write('a', TRAINED)
    file = next(work_dir.glob('*/vis_data/scalars.json'))
    file.write_text(file.read_text()[:-10])
    with pytest.raises(SystemExit, match='no finished validation or test'):
        make(work_dir)


def test_refuses_other_folders_and_metrics(write, make, tmp_path):
    empty = tmp_path / 'empty'
    empty.mkdir()
    with pytest.raises(SystemExit, match=f'{empty}: no run in it'):
        make(empty)
    with pytest.raises(SystemExit, match=r'a: no metric case/NSD, found .*case/DSC'):
        make(write('a', TRAINED), '--metrics', 'case/DSC', 'case/NSD')
    with pytest.raises(SystemExit, match=r'a and .*b hold the same .* the same seed 0'):
        make(tmp_path / 'a', write('b', TRAINED))
    (tmp_path / 'a' / 'other.py').touch()
    with pytest.raises(
        SystemExit, match=r'wanted the config of one run, found .*other'
    ):
        make(tmp_path / 'a')
    with pytest.raises(SystemExit, match=r'no config file .*exp\.py'):
        make(tmp_path / 'b', configs=empty)


TEXT = (
    '# Ä title\r\n<!-- table: one -->\n| old |\n<!-- end of table -->\nbetween\n'
    '<!-- table: two --><!-- end of table -->\nafter'
)


def test_a_training_by_epochs(write, make):
    epochs = dict(
        train_cfg__max_iters=None,  # no option removes a key
        train_cfg__type='EpochBasedTrainLoop',
        train_cfg__max_epochs=6,
    )
    lines = [
        {'loss': 0.4, 'iter': 90, 'epoch': 6, 'step': 90},
        {'case/DSC': 0.8, 'time': 0.1, 'step': 6},
    ]
    *_, row = make(write('a', lines, **epochs))
    assert cells(row)[2:4] == ['0.800', '6 epochs']
    with pytest.raises(SystemExit, match=r'train_cfg\.max_epochs=6; .* at step 90'):
        make(write('b', lines[:1], **epochs))


def test_no_metrics_at_all(write, make):
    header, _, row = make(write('a', TRAINED), '--metrics')
    assert cells(header) == ['experiment', 'seed', 'iterations', 'minutes', 'command']
    assert cells(row)[:3] == ['exp', '0', '20']


def test_multiplications_of_a_head_that_checks_sizes():
    model = MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            backbone=dict(type='mmseg.UNetEncoder', in_channels=2, widths=(3, 4)),
            decode_head=dict(
                type='mmseg.UNetHead', in_channels=(3, 4), num_classes=5, norm_cfg=None
            ),
            test_cfg=dict(mode='whole'),
        )
    )
    # 3x3 convolutions, two a level, at 8x12 and half of it; the second level's come up
    # by a transposed convolution of 2x2, each output of one input; 5 classes by 1x1.
    wanted = 96 * 9 * (6 + 9) + 24 * 9 * (12 + 16)
    wanted += 96 * (4 * 3) + 96 * 9 * (6 * 3 + 9) + 96 * 15
    assert TOOL['count_macs'](model, (8, 12)) == wanted


def test_multiplications_of_a_convolution_by_hand():
    model = MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            backbone=dict(type='mmseg.UNetEncoder', in_channels=2, widths=(3, 4)),
            decode_head=dict(
                type='mmseg.FCNHead',
                in_channels=3,
                in_index=0,
                channels=3,
                num_convs=0,
                concat_input=False,
                num_classes=5,
            ),
            test_cfg=dict(mode='whole'),
        )
    )
    # Of 3x3: 2 to 3 and 3 to 3; and 3 to 5 of 1x1. The second level goes nowhere.
    wanted = 8 * 12 * 9 * (6 + 9) + 8 * 12 * 15
    assert TOOL['count_macs'](model, (8, 12)) == wanted


def test_updates_a_file_between_its_markers(write, make, tmp_path):
    file, link = tmp_path / 'README.md', tmp_path / 'link.md'
    file.write_bytes(TEXT.encode())
    file.chmod(0o640)
    link.symlink_to(file)
    work_dir = write('a', TRAINED)
    one = '\n'.join(make(work_dir, '--update', link, '--name', 'one'))
    wanted = TEXT.replace('| old |', one)
    assert file.read_bytes() == wanted.encode()
    make(work_dir, '--update', file, '--name', 'one')
    assert file.read_bytes() == wanted.encode()
    make(work_dir, '--update', file, '--name', 'two')
    assert file.read_bytes().decode() == wanted.replace(
        'two --><', f'two -->\n{one}\n<'
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert not [*tmp_path.glob('*.tmp')]


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ('no marker', 'holds the marker <!-- table: one --> 0 times'),
        (2 * TEXT, 'holds the marker <!-- table: one --> 2 times'),
        ('<!-- table: one -->', 'no marker <!-- end of table --> after'),
        (
            '<!-- table: one -->\n<!-- table: two -->\n<!-- end of table -->',
            'no marker <!-- end of table --> after <!-- table: one -->',
        ),
    ],
)
def test_refuses_a_file_without_the_markers(write, make, tmp_path, text, wanted):
    file = tmp_path / 'README.md'
    file.write_bytes(text.encode())
    with pytest.raises(SystemExit, match=wanted):
        make(write('a', TRAINED), '--update', file, '--name', 'one')
    assert file.read_bytes() == text.encode()


def test_update_needs_a_name(write, make, tmp_path):
    with pytest.raises(SystemExit):
        make(write('a', TRAINED), '--update', tmp_path / 'README.md')


def test_real_runs(make, tmp_path):
    (tmp_path / 'copies').mkdir()
    path = resolve_config(str(TINY), str(tmp_path / 'copies'))
    work_dir = tmp_path / 'work'

    def runner(**settings) -> Runner:
        cfg = Config.fromfile(path)
        changed = {
            'train_cfg.max_iters': 2,
            'train_cfg.val_interval': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'val_dataloader.dataset.length': 2,
            # One of a name in a process, which keeps to the first one's folder.
            'visualizer.name': str(tmp_path / 'trained'),
        }
        cfg.merge_from_dict({**changed, **settings, 'work_dir': str(work_dir)})
        return Runner.from_cfg(cfg)

    trained = runner()
    trained.train()
    *_, row = make(work_dir, '--parameters', configs=TINY.parent)
    name, seed, dice, _, iterations, minutes, parameters, command = cells(row)
    assert name.startswith('tiny ')
    assert 'train_cfg.max_iters=2' in name.split()
    assert seed == '0'
    score = trained.message_hub.get_scalar('val/case/DSC').current()
    assert dice == f'{score:.3f}'
    assert iterations == '2'
    assert 0 <= float(minutes) < 2
    count = sum(parameter.numel() for parameter in trained.model.parameters())
    assert parameters == f'{count:,}'
    assert command.startswith('`python tools/train.py configs/tiny.py --cfg-options ')

    time.sleep(1.1)  # folders are named by the second
    checkpoint = str(work_dir / 'iter_2.pth')
    scores = runner(
        **{'visualizer.name': str(tmp_path / 'tested')}, load_from=checkpoint
    ).test()
    *_, row = make(work_dir, configs=TINY.parent)
    assert cells(row)[2] == f'{scores["case/DSC"]:.3f}'
    assert cells(row)[4:6] == ['-', '-']
    assert f'`python tools/test.py configs/tiny.py {checkpoint} ' in cells(row)[-1]
