"""The benchmark of MedSAM runs and prints its ratios."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/medsam.py'
ROWS = {
    'training': ['frozen', 'cached', 'all'],
    'inference': ['1', '16', '64'],
}


@pytest.fixture
def medsam(monkeypatch):
    """The benchmark's functions, on a toy of MedSAM."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    toy = ['--image-size', '32', '--repeat', '1', '--threads', '1']
    monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *toy])
    script = runpy.run_path(str(SCRIPT))
    args = script['parse_args']()
    args.arch = dict(width=8, depth=1, heads=2, global_attention=(0,))
    threads = torch.get_num_threads()
    yield script, args
    torch.set_num_threads(threads)


@pytest.mark.parametrize('work', ROWS)
def test_prints_every_row_and_its_ratio(medsam, monkeypatch, capsys, work):
    script, args = medsam
    found = {}

    def measure_here(args, work, form):
        found[form] = script['measure'](args, work, form)
        return json.loads(json.dumps(found[form]))

    monkeypatch.setitem(script['print_table'].__globals__, 'run_cell', measure_here)
    script['print_table'](args, work)
    table = capsys.readouterr().out
    rows = re.findall(r' ([\d.]+) +([\d.]+)x +[\d.]+ +\d+$', table, re.M)
    assert list(found) == ROWS[work]
    assert len(rows) == 3, table
    assert rows[0][1] == '1.00'
    first, *_, last = (cell['seconds'] for cell in found.values())
    wanted = first / last if work == 'training' else last / first
    assert float(rows[-1][1]) == pytest.approx(wanted, abs=0.01)
    assert 'float32' in script['describe'](args)
