"""The benchmark of episodes, on a config of small files."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).parents[3] / 'tools/benchmarks/episodes.py'

CONFIG = """
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type={kind!r},
        datasets=[
            dict(
                type='BaseSegDataset',
                data_root={root!r},
                data_prefix=dict(img_path='img', seg_map_path='seg'),
                img_suffix='.png',
                seg_map_suffix='.png',
                metainfo=dict(classes=('background', 'square')),
                pipeline=[
                    dict(type='LoadImageFromFile', color_type='unchanged'),
                    dict(type='LoadAnnotations'),
                    dict(type='ToGrayscale'),
                    dict(type='MinMaxNormalize'),
                ],
            )
        ],
        pipeline=[dict(type='PackEpisodeInputs')],
        support_size=3,
    ),
)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Write a config, run the script on it and return what it printed."""

    def run(kind: str = 'InContextDataset') -> str:
        for folder in ('img', 'seg'):
            (tmp_path / folder).mkdir()
            for index in range(5):
                array = np.zeros((16, 16), np.uint8)
                array[4:9, 3 + index : 9 + index] = 1
                cv2.imwrite(str(tmp_path / folder / f'{index}.png'), array)
        config = tmp_path / 'config.py'
        config.write_text(CONFIG.format(kind=kind, root=str(tmp_path)))
        argv = [str(SCRIPT), str(config), '--episodes', '3']
        monkeypatch.setattr(sys, 'argv', argv)
        threads = cv2.getNumThreads(), torch.get_num_threads()
        try:
            runpy.run_path(str(SCRIPT), run_name='__main__')
        finally:
            cv2.setNumThreads(threads[0])
            torch.set_num_threads(threads[1])
        return capsys.readouterr().out

    return run


def test_prints_both_times_and_their_ratio(run):
    lines = run().splitlines()
    kept = next(line for line in lines if line.lstrip().startswith('kept:'))
    decoded = next(line for line in lines if line.lstrip().startswith('decoded each'))
    assert 'ms per batch of 4' in kept
    assert 'ms per batch of 4' in decoded
    assert float(lines[-1].removeprefix('ratio: ')) > 0


def test_refuses_other_data_sets(run):
    with pytest.raises(SystemExit):
        run('BaseSegDataset')
