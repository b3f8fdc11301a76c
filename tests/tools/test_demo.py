"""The demo trains, compares with its rival and says where the pictures are."""

import os
import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / 'tools' / 'demo.py'
SMALL = [
    'train_cfg.max_iters=3',
    'train_cfg.val_interval=3',
    'train_dataloader.dataset.image_size=(16,16)',
    'val_dataloader.dataset.image_size=(16,16)',
    'val_dataloader.dataset.length=4',
]


def test_demo(tmp_path):
    result = subprocess.run(
        [sys.executable, str(DEMO), '--work-dir', 'out', '--cfg-options', *SMALL],
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    said = result.stdout[result.stdout.index('Mean DSC on 4 drawn tasks') :]
    scores = [float(score) for score in re.findall(r' {2}(\d\.\d{3})$', said, re.M)]
    assert len(scores) == 2 and all(0 <= score <= 1 for score in scores)
    pictures = Path(tmp_path, re.search(r'segments: (.*)$', said, re.M)[1])
    assert len([*pictures.glob('val_*.png')]) == 4
