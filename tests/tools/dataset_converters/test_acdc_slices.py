"""Volumes of ACDC to slices, and back through the data set."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmseg_universeg.datasets import ACDCSlicesDataset

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'acdc_slices.py'
RNG = np.random.default_rng(0)


class Done(NamedTuple):
    """What a run of the tool ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture) -> Callable[..., Done]:
    """Run the tool with these arguments, in this process because it is quicker."""
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def call(*arguments: str | Path) -> Done:
        status = tool.main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return call


def _save(path: Path, volume: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)


@pytest.fixture
def volumes(tmp_path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two volumes (10, 12, 3) of one patient, columns first."""
    made = {}
    for frame in ('01', '12'):
        image = RNG.integers(0, 3000, (10, 12, 3)).astype(np.int16)
        label = RNG.integers(0, 4, (10, 12, 3)).astype(np.uint8)
        image[..., 2] = 5  # a slice of constant intensity
        stem = tmp_path / 'training' / 'patient007' / f'patient007_frame{frame}'
        _save(stem.with_name(stem.name + '.nii.gz'), image)
        _save(stem.with_name(stem.name + '_gt.nii.gz'), label)
        made[f'patient007_frame{frame}'] = (image, label)
    return made


def test_slices(tmp_path: Path, volumes: dict, run: Callable) -> None:
    done = run(tmp_path / 'training', '--out', tmp_path)
    assert done.returncode == 0, done.stderr
    init_default_scope('mmseg')
    load = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
    dataset = ACDCSlicesDataset(data_root=str(tmp_path / 'acdc_slices'), pipeline=load)
    assert len(dataset) == 6
    for results in dataset:
        image, label = volumes[results['case_id']]
        index = results['slice_index']
        np.testing.assert_array_equal(results['gt_seg_map'], label[..., index].T)
        pixels = image[..., index].T.astype(np.float64)
        low, high = pixels.min(), pixels.max()
        scaled = np.zeros_like(pixels)
        if high > low:
            scaled = (pixels - low) / (high - low) * 255
        assert np.abs(results['img'] - scaled).max() <= 0.5 + 1e-6
    again = run(tmp_path / 'training', '--out', tmp_path)
    assert again.returncode == 1
    assert 'exists and is not overwritten' in again.stderr


def test_what_does_not_fit(tmp_path: Path, volumes: dict, run: Callable) -> None:
    none = run(tmp_path / 'none', '--out', tmp_path / 'data')
    assert none.returncode == 1
    assert 'wanted the training folder of ACDC' in none.stderr
    label = tmp_path / 'training' / 'patient007' / 'patient007_frame12_gt.nii.gz'
    _save(label, np.full((10, 12, 3), 7, np.uint8))
    bad = run(tmp_path / 'training', '--out', tmp_path / 'data')
    assert bad.returncode == 1
    assert 'patient007_frame12_gt.nii.gz: labels [7]' in bad.stderr
    _save(label, np.zeros((10, 11, 3), np.uint8))
    bad = run(tmp_path / 'training', '--out', tmp_path / 'data')
    assert '(10, 11, 3), wanted the three axes (10, 12, 3)' in bad.stderr
    assert not (tmp_path / 'data' / 'acdc_slices').exists()
