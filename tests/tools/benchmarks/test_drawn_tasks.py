"""The benchmark of drawn tasks, on small ones."""

import re
import runpy
import sys
import time
from pathlib import Path

import cv2
import pytest
import torch

from mmseg_universeg.datasets.drawing import FAMILIES, HARDER_FAMILIES

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/drawn_tasks.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the script with options and return what it printed."""

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *options])
        threads = cv2.getNumThreads(), torch.get_num_threads()
        try:
            runpy.run_path(str(SCRIPT), run_name='__main__')
        finally:
            cv2.setNumThreads(threads[0])
            torch.set_num_threads(threads[1])
        return capsys.readouterr().out

    return run


def test_prints_speeds_their_ratio_and_what_keeps_up(run):
    toy = ['--image-size', '16', '24', '--support-size', '2', '--tasks', '2']
    tables = run(*toy).strip().split('\n\n')
    assert [table.split(',')[0] for table in tables] == ['16x16', '24x24']
    for table in tables:
        rows = dict(re.findall(r'^ +(\S.*?)  +([\d.e+]+) .*\d$', table, re.M))
        speeds = {name: float(speed) for name, speed in rows.items()}
        families = {family.__name__ for family in (*FAMILIES, *HARDER_FAMILIES)}
        sketches = {'sketches', 'of few maps'}
        assert set(speeds) == {'simple tasks', 'every kind', *sketches, *families}
        images = re.search(r'simple tasks +\S+ +(\S+)', table)[1]
        simple, every = speeds['simple tasks'], speeds['every kind']
        assert float(images) == pytest.approx(3 * simple, rel=0.01)
        ratio = float(re.search(r'every kind : simple +(\S+)', table)[1])
        assert ratio == pytest.approx(every / simple, rel=0.02, abs=0.01)
        for name in sketches:
            ratio = float(re.search(rf'{name} : every kind +(\S+)', table)[1])
            assert ratio == pytest.approx(speeds[name] / every, rel=0.02, abs=0.01)
        work = float(re.search(r'one training step: (\S+) GFLOP', table)[1])
        for what in ('draw', 'sketch', 'sketch with few maps'):
            batch, rate = re.search(
                rf'processes {what} a batch of 8 in (\S+) s .* sustains (\S+) T', table
            ).groups()
            wanted = 2 * 8 * work / float(batch) / 1000
            assert float(rate) == pytest.approx(wanted, rel=0.02)
        assert 'waits' not in table


def test_measures_a_device(run):
    toy = ['--image-size', '16', '--support-size', '2', '--tasks', '2']
    table = run(*toy, '--device', 'cpu')
    sketching = float(re.search(r'few maps a batch of 8 in (\S+) s', table)[1])
    drawing, share, training, waiting = map(
        float,
        re.search(
            r'on cpu: the images of such a batch in (\S+) s, (\S+)% of a training '
            r'step with them, in (\S+) s; beside 2 processes it waits (\d+)%',
            table,
        ).groups(),
    )
    assert 0 < drawing < training
    assert share / 100 == pytest.approx(drawing / training, rel=0.01)
    wanted = max(0, 1 - training / sketching)
    assert waiting / 100 == pytest.approx(wanted, abs=0.01)


class Slow(torch.utils.data.Dataset):
    """Items that take a known time."""

    def __len__(self) -> int:
        return 10_000

    def __getitem__(self, idx: int) -> dict:
        time.sleep(0.01)
        return dict(idx=idx)


def test_a_loader_is_timed_by_the_batch():
    time_loader = runpy.run_path(str(SCRIPT))['time_loader']
    # Two processes take 40 ms for eight items, more on a loaded machine; of twelve
    # batches at most four may have been there before.
    assert time_loader(Slow(), 12) > 8 / 12 * 0.04


class OneConvolution(torch.nn.Module):
    """Of the pairs of support images and masks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 5, padding=2)

    def logits(self, images, support_images, support_masks):
        pairs = torch.cat([support_images, support_masks], 2)
        return self.conv(pairs.flatten(0, 1)).mean(0, keepdim=True)


def test_counts_multiplications_with_addition():
    forward_macs = runpy.run_path(str(SCRIPT))['forward_macs']
    assert forward_macs(OneConvolution(), 16, 7) == 7 * 16 * 16 * 25 * 2 * 3
