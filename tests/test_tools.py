"""Training and testing from the command line, alone, in two processes, resumed."""

import json
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmseg_universeg.utils.config import config_path, resolve_config, shipped_file
from mmseg_universeg.utils.stack import find_stack

ROOT = Path(__file__).resolve().parents[1]
TINY = Path(__file__).parent / 'project' / 'tiny.py'


def run(*command, cwd, check=True, **env):
    """Run a program, with our test modules in reach, on one thread."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    environment |= {'PYTHON': sys.executable, 'PYTHONPATH': str(TINY.parent), **env}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def train(work_dir, *options, check=True, config=TINY, tool=ROOT / 'tools/train.py'):
    command = [sys.executable, tool, config, '--work-dir', work_dir, *options]
    return run(*command, cwd=work_dir.parent, check=check)


def weights(work_dir: Path, iteration: int) -> dict:
    path = work_dir / f'iter_{iteration}.pth'
    return torch.load(path, weights_only=False)['state_dict']


def logged(work_dir: Path) -> list[dict]:
    """What the last run in this work directory has logged, line by line."""
    last = max(path for path in work_dir.iterdir() if path.is_dir())
    path = [*last.glob('2*.json'), *last.glob('vis_data/scalars.json')][0]
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics(work_dir: Path) -> dict:
    """The last metrics that a run in this work directory has logged."""
    return {k: value for k, value in logged(work_dir)[-1].items() if 'case/' in k}


def assert_equal_weights(found: dict, wanted: dict):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    """The work directory of six undisturbed iterations."""
    work_dir = tmp_path_factory.mktemp('trained') / 'work'
    train(work_dir)
    return work_dir


def run_here(monkeypatch, capsys, *arguments):
    """Run one of our tools in this process, to its early end; what it said."""
    monkeypatch.setattr(sys, 'argv', [str(argument) for argument in arguments])
    # As the tools set it for their process, but not for the tests after this one.
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / 'tools' / arguments[0]), run_name='__main__')
    return capsys.readouterr().out if end.value.code == 0 else str(end.value)


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
def test_our_tools_have_the_flags_of_mmsegs(name, monkeypatch, capsys):
    ours = run_here(monkeypatch, capsys, name, '--help')
    theirs = shipped_file('mmseg', f'tools/{name}').read_text()
    flags = re.findall(r"'(--[a-z-]+)'", theirs)
    assert {'--cfg-options', '--launcher', '--work-dir'} <= set(flags)
    assert [flag for flag in flags if flag not in ours] == []


def test_trained_by_bases_of_two_packages(trained):
    assert weights(trained, 6)
    assert 0 < metrics(trained)['case/DSC'] < 1


def test_killed_and_resumed_equals_undisturbed(trained, tmp_path):
    work_dir = tmp_path / 'work'
    killed = train(work_dir, check=False, config=TINY.parent / 'killed.py')
    assert killed.returncode == -9
    assert (work_dir / 'last_checkpoint').read_text().endswith('iter_4.pth')
    resumed = train(work_dir, '--resume')
    assert 'resumed epoch: 0, iter: 4' in resumed.stdout
    assert 'weights_only=False' not in resumed.stdout
    assert_equal_weights(weights(work_dir, 6), weights(trained, 6))
    states = [
        torch.load(d / 'iter_6.pth', weights_only=False) for d in (work_dir, trained)
    ]
    for found, wanted in zip(*(s['optimizer']['state'].values() for s in states)):
        assert torch.equal(found['momentum_buffer'], wanted['momentum_buffer'])
    assert metrics(work_dir) == metrics(trained)


def test_upstream_refuses_other_globals_still():
    if find_stack() != 'openmmlab':
        pytest.skip('the fork has its own list of allowed globals')
    allowed = torch.serialization.get_safe_globals()
    (lookup,) = [item[0] for item in allowed if isinstance(item, tuple)]
    from mmengine.logging import HistoryBuffer

    assert lookup(HistoryBuffer, 'mean') is HistoryBuffer.mean
    for owner, name in ((HistoryBuffer, '__init__'), (os, 'system')):
        with pytest.raises(Exception, match='refused to look up'):
            lookup(owner, name)


def test_two_processes_equal_one(trained, tmp_path):
    # The same four episodes make up each step, as two halves whose gradients are
    # averaged: equal but for float32 rounding.
    dist_train, dist_test = (ROOT / 'tools' / f'dist_{n}.sh' for n in ('train', 'test'))
    work_dir = tmp_path / 'work'
    half = ['--cfg-options', 'train_dataloader.batch_size=2']
    options = ['--work-dir', work_dir]
    port = str(29500 + os.getpid() % 1000)
    run(dist_train, TINY, 2, *options, *half, cwd=tmp_path, PORT=port)
    for name, wanted in weights(trained, 6).items():
        torch.testing.assert_close(
            weights(work_dir, 6)[name], wanted, rtol=1e-4, atol=1e-6
        )
    assert metrics(work_dir) == pytest.approx(metrics(trained), abs=1e-3)

    # The same weights tested by two and by one: the same cases, the same scores.
    options = ['--work-dir', tmp_path / 'test']
    run(dist_test, TINY, trained / 'iter_6.pth', 2, *options, cwd=tmp_path, PORT=port)
    assert metrics(tmp_path / 'test') == pytest.approx(metrics(trained), abs=1e-6)


def test_two_processes_with_different_numbers_of_boxes(tmp_path):
    config, work_dir = TINY.parent / 'tiny_medsam.py', tmp_path / 'work'
    port = str(29500 + os.getpid() % 1000)
    command = [ROOT / 'tools/dist_train.sh', config, 2, '--work-dir', work_dir]
    run(*command, cwd=tmp_path, PORT=port)
    losses = [line['loss'] for line in logged(work_dir)]
    assert len(losses) == 3
    assert all(0 < loss < math.inf for loss in losses)
    assert all(value.isfinite().all() for value in weights(work_dir, 3).values())


def test_mmsegs_own_tools_run_our_configs(tmp_path):
    small = ['model.features=4,4', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2']
    small += ['default_hooks.checkpoint.interval=2']
    for mode in ('train', 'val', 'test'):
        small += [f'{mode}_dataloader.dataset.image_size=16,16']
    for mode in ('val', 'test'):
        small += [f'{mode}_dataloader.dataset.length=4']
    config = config_path('universeg_synthetic.py')
    work_dir = tmp_path / 'work'
    options = ['--work-dir', work_dir, '--cfg-options', *small]
    tools = [shipped_file('mmseg', f'tools/{name}.py') for name in ('train', 'test')]
    run(sys.executable, tools[0], config, *options, cwd=tmp_path)
    trained = metrics(work_dir)
    assert 0 <= trained['case/DSC'] <= 1
    run(
        sys.executable,
        tools[1],
        config,
        work_dir / 'iter_2.pth',
        *options,
        cwd=tmp_path,
    )
    assert metrics(work_dir) == pytest.approx(trained, abs=1e-6)


@pytest.mark.parametrize('name', ['train.py', 'test.py'])
def test_work_dir_that_cannot_be_written(name, monkeypatch, capsys, tmp_path):
    # A folder below a file: root may write anywhere, but not there.
    file = tmp_path / 'file'
    file.touch()
    checkpoint = ['any.pth'] if name == 'test.py' else []
    options = ['--work-dir', file / 'work']
    said = run_here(monkeypatch, capsys, name, TINY, *checkpoint, *options)
    wanted = f"the work directory '{file}/work' cannot be written (Not a directory)"
    assert said == f'{wanted}; give another with --work-dir'


@pytest.mark.parametrize(
    ('config', 'wanted'),
    [
        ('missing.py', "no config file 'missing.py'"),
        ('mmseg_universeg::_base_/default_run.py', '_base_/default_runtime.py'),
        ('no_such_package::x.py', "'no_such_package' is not an installed package"),
    ],
)
def test_config_that_does_not_exist(config, wanted, monkeypatch, capsys):
    said = run_here(monkeypatch, capsys, 'train.py', config)
    assert said.startswith('train.py: ')
    assert wanted in said


def test_resolve_config_replaces_names_at_any_depth(tmp_path):
    from mmengine.config import Config

    base = "_base_ = 'mmseg::_base_/schedules/schedule_20k.py'\nx = 1\n"
    (tmp_path / 'base.py').write_text(base)
    top = (
        '_base_ = [\n    "./base.py",\n    "mmseg_universeg::_base_/models/'
        'universeg_v1.py",\n]\nfolder = "{{ fileDirname }}"\ny = _base_.x + 1\n'
    )
    (tmp_path / 'top.py').write_text(top)
    (tmp_path / 'copies').mkdir()
    path = resolve_config(str(tmp_path / 'top.py'), str(tmp_path / 'copies'))
    assert Path(path).name == 'top.py'
    cfg = Config.fromfile(path)
    assert (cfg.x, cfg.y, cfg.folder) == (1, 2, str(tmp_path))
    assert cfg.train_cfg.max_iters == 20000
    assert cfg.model.type == 'UniverSeg'
    # Without such names a config is read where it lies.
    plain = str(ROOT / 'configs/_base_/default_runtime.py')
    assert resolve_config(plain, str(tmp_path)) == plain
