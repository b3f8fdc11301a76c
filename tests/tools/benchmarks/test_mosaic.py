"""The benchmark of mosaics runs and prints its ratio."""

import re
import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/mosaic.py'


@pytest.mark.parametrize('options', [(), ('--dsb2018',)])
def test_prints_both_speeds_and_their_ratio(
    options, request, monkeypatch, capsys
) -> None:
    if options:
        request.getfixturevalue('data_root')
    toy = ['--size', '32', '--number', '4', '--images', '3', '--rounds', '1']
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *toy, *options])
    threads = cv2.getNumThreads(), torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPT), run_name='__main__')
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])
    printed = capsys.readouterr().out
    theirs, ours = (
        float(speed)
        for speed in re.findall(r'RandomMosaic: ([\d.]+) images per second', printed)
    )
    assert min(theirs, ours) > 0
    ratio = float(printed.splitlines()[-1].removeprefix('ratio: '))
    assert ratio == pytest.approx(ours / theirs, rel=0.01, abs=0.01)
