"""Pictures of drawn tasks, and what the tool refuses."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / 'tools/draw_tasks.py'))
ORANGE = np.array([255, 176, 0])

CONFIG = """
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='SyntheticTasksDataset',
        image_size=(32, 48),
        support_size=(1, 4),
        batch_size=4,
        families=dict(lesion=1.0),
        pipeline=[dict(type='PackEpisodeInputs')],
    ),
)
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG)
    return path


def run(*arguments) -> int:
    return TOOL['main']([str(argument) for argument in arguments])


def test_draws_the_tasks_of_the_config_that_ships(tmp_path, capsys):
    out = tmp_path / 'tasks.jpg'
    assert run('--out', out, '--tasks', 5, '--supports', 2) == 0
    assert capsys.readouterr().out.endswith(f'{out}\n')
    with Image.open(out) as image:
        assert (image.format, image.size[0]) == ('JPEG', 1600)
        # Two rows of strips of three square images, with a caption each.
        strip = (16 - 5 * 0.12) / 4 / 3
        assert image.size[1] == pytest.approx(100 * (2 * (strip + 0.18) + 0.12), abs=2)
    assert [path.name for path in tmp_path.iterdir()] == ['tasks.jpg']


def test_a_config_of_ones_own_and_its_seed(tmp_path, config):
    pictures = {}
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        out = tmp_path / f'{name}.png'
        assert run(config, '--out', out, '--tasks', 2, '--seed', seed) == 0
        with Image.open(out) as image:
            assert image.format == 'PNG'
            pictures[name] = np.asarray(image)
    assert np.array_equal(pictures['a'], pictures['b'])
    assert not np.array_equal(pictures['a'], pictures['c'])


def test_outlines_lie_around_the_masks():
    images = []
    for left in (8, 40):
        mask = np.zeros((64, 64), np.uint8)
        mask[20:44, left : left + 16] = 1
        images.append(dict(img=np.full((64, 64), 0.5, np.float32), gt_seg_map=mask))
    drawn = TOOL['picture']([dict(images=images, task='blobs-place')])
    lines = np.abs(drawn.astype(int) - ORANGE).max(-1) < 60
    ys, xs = np.nonzero(lines)
    # The strip of 2 * 64 + 2 pixels is 3.85 inches wide, the first 0.12 from the left.
    pixel = 385 / 130
    in_first = xs < 12 + 64 * pixel
    for where, left in ((in_first, 8), (~in_first, 66 + 40)):
        assert xs[where].min() == pytest.approx(12 + left * pixel, abs=3)
        assert xs[where].max() == pytest.approx(12 + (left + 16) * pixel, abs=3)
    high = 385 / 2
    assert np.ptp(ys) == pytest.approx(24 / 64 * high, abs=4)


def test_refuses_to_overwrite(tmp_path, config, capsys):
    out = tmp_path / 'tasks.jpg'
    out.write_text('mine')
    assert run(config, '--out', out) == 1
    assert f'{out}: is there already' in capsys.readouterr().err
    assert out.read_text() == 'mine'


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--out', 'a.gif'], 'a.gif: must end in .jpg or .png'),
        (['--tasks', '0'], 'batch_size and length must be at least 1'),
        (['--supports', '0'], 'support_size must be a number from 1'),
        (['--seed', '-1'], 'seed must be at least 0, found -1'),
    ],
)
def test_bad_arguments(arguments, message, tmp_path, config, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(config, '--out', 'a.jpg', *arguments) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['config.py']


@pytest.mark.parametrize(
    'text, message',
    [
        (
            'train_dataloader = dict(dataset=dict(type="WBCDataset"))',
            'found WBCDataset',
        ),
        ('x = 1', 'train_dataloader'),
    ],
)
def test_configs_without_drawn_tasks(text, message, tmp_path, config, capsys):
    config.write_text(text)
    assert run(config, '--out', tmp_path / 'a.jpg') == 1
    said = capsys.readouterr().err
    assert said.startswith(f'draw_tasks.py: {config}: ')
    assert message in said


def test_missing_config(tmp_path, capsys):
    assert run('missing.py', '--out', tmp_path / 'a.jpg') == 1
    assert "there is no config file 'missing.py'" in capsys.readouterr().err
