"""The benchmark of elastic deformation, on a small image."""

import re
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import torch

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/transforms.py'


def test_prints_ours_beside_the_others(monkeypatch, capsys):
    argv = [str(SCRIPT), '--size', '32', '--rounds', '2']
    monkeypatch.setattr(sys, 'argv', argv)
    threads = cv2.getNumThreads(), torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])
    table = capsys.readouterr().out
    rows = re.findall(r'^(\w+).*? +(\d+) +([\d.]+) +([\d.]+)x$', table, re.M)
    names = ['ours', 'ours', 'MONAI']
    if find_spec('albumentations'):
        names += ['albumentations'] * 2
    else:
        assert 'pip install albumentations' in table
    assert [name for name, *_ in rows] == names
    assert all(float(rate) > 0 for _, rate, *_ in rows)
    assert max(float(ratio) for name, *_, ratio in rows if name != 'ours') == 1
