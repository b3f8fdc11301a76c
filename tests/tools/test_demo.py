"""The demo segments, trains, compares and says where the pictures are."""

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
    first = re.search(r'^Mean DSC of .* on 4 tasks: (\d\.\d{3})$', result.stdout, re.M)
    said = result.stdout[result.stdout.index('Mean DSC on 4 drawn tasks') :]
    scores = re.findall(r' {2}(\d\.\d{3})$', said, re.M)
    assert len(scores) == 3 and all(0 <= float(score) <= 1 for score in scores)
    assert scores[0] == first[1]
    folders = [Path(found) for found in re.findall(r' (/.*/vis_image)$', said, re.M)]
    for folder, kind in zip(folders, ('shipped', 'trained'), strict=True):
        assert folder.is_relative_to(tmp_path / 'out' / kind)
        assert len([*folder.glob('val_*.png')]) == 4
