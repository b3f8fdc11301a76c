"""The benchmark of UNet++ prints each depth with its parameters."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/unetpp.py'


def test_deeper_networks_have_more_parameters():
    command = [sys.executable, '-W', 'ignore', str(SCRIPT), '--threads', '1']
    command += ['--image-size', '32', '--repeat', '1']
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r'^L(\d)(.*?) +([\d,]+) +[\d.]+ +([\d.]+)x$', table, re.M)
    depths = [(int(depth), mode.strip(', ')) for depth, mode, *_ in rows]
    fast = [(depth, '') for depth in (1, 2, 3, 4)]
    assert depths == [*fast, (4, 'accurate mode')], table
    counts = [int(row[2].replace(',', '')) for row in rows]
    assert counts[:4] == sorted(set(counts[:4])) and counts[3] == counts[4]
    assert rows[3][3] == '1.00'
