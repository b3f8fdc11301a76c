"""The benchmark of UNet 3+ runs and prints its ratios."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/unet3plus.py'


def test_prints_plain_and_ours_side_by_side():
    command = [sys.executable, '-W', 'ignore', str(SCRIPT), '--threads', '1']
    command += ['--image-size', '32', '--width', '4', '--repeat', '1']
    command += ['--works', 'training']
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = re.findall(
        r'^(plain|ours):.*?([\d.]+) +([\d.]+)x +\d+ +[\d.]+x$', table, re.M
    )
    assert [name for name, *_ in rows] == ['plain', 'ours'], table
    assert rows[0][2] == '1.00'
    assert all(float(seconds) > 0 for _, seconds, _ in rows)
