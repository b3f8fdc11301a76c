"""Predictions as NIfTI files: they lie on the scans that their slices are of."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmseg.registry import METRICS

from mmseg_universeg.utils.nifti import NiftiVolume


def predictions(case: str, labels: np.ndarray, indices: list[int]) -> list[dict]:
    """Samples as the evaluator gives them: of some slices of (D, H, W) labels."""
    return [
        dict(
            img_path=f'{case}_{index}.png',
            case_id=case,
            slice_index=index,
            pred_sem_seg=dict(data=torch.from_numpy(labels[index : index + 1].copy())),
        )
        for index in indices
    ]


def write(tmp_path: Path, samples: list[dict], scans: Path, **kwargs) -> dict:
    metric = METRICS.build(
        dict(
            type='NiftiPredictions',
            scans=str(scans),
            output_dir=str(tmp_path / 'out'),
            **kwargs,
        )
    )
    evaluator = Evaluator([metric])
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize('axes', ['RAS', 'LPI', 'SRP'])
def test_two_scans_in_any_order(tmp_path, axes):
    rng = np.random.default_rng(1)
    expected, samples = {}, []
    for case in ('a', 'b'):
        truth = rng.integers(0, 300, (5, 6, 7)).astype(np.int16)
        ornt = nibabel.orientations.axcodes2ornt(axes)
        affine = nibabel.orientations.inv_ornt_aff(ornt, truth.shape)
        affine = affine @ np.diag([0.75, 1.25, 3, 1])
        image = nibabel.Nifti1Image(truth, affine)
        nibabel.save(image, tmp_path / f'{case}_0000.nii.gz')
        stack = NiftiVolume(tmp_path / f'{case}_0000.nii.gz').read()
        samples += predictions(case, stack.astype(np.int64), [*range(len(stack))])
        expected[case] = image
    order = [samples[place] for place in rng.permutation(len(samples))]
    assert write(tmp_path, order, tmp_path, suffix='_0000.nii.gz') == {}
    for case, image in expected.items():
        found = nibabel.load(tmp_path / f'out/{case}.nii.gz')
        np.testing.assert_array_equal(found.affine, image.affine)
        np.testing.assert_array_equal(found.dataobj, image.dataobj)


def test_real_scan_of_which_slices_are_missing(tmp_path, data_root):
    path = data_root / 'nifti/prostate_mr_label.nii.gz'
    stack = NiftiVolume(path).read().astype(np.int64)
    kept = [index for index, labels in enumerate(stack) if labels.any()][1:]
    write(tmp_path, predictions('prostate_mr', stack, kept), path.parent)
    found = NiftiVolume(tmp_path / 'out/prostate_mr.nii.gz')
    # on the scan, whose name the case has
    NiftiVolume(data_root / 'nifti/prostate_mr.nii.gz').check_same_place(found)
    left_out = np.setdiff1d(np.arange(len(stack)), kept)
    assert stack[left_out].any() and not found.read()[left_out].any()
    np.testing.assert_array_equal(found.read()[kept], stack[kept])


def test_what_cannot_be_written(tmp_path):
    labels = np.ones((4, 5, 6), np.int64)
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16), np.diag([-1, -1, 1, 1])),
        tmp_path / 'c.nii.gz',
    )
    with pytest.raises(FileNotFoundError, match=re.escape('d.nii.gz: no such file')):
        write(tmp_path, predictions('d', labels, [0]), tmp_path)
    with pytest.raises(ValueError, match=re.escape('c_0.png: has no slice_')):
        write(
            tmp_path,
            [dict(predictions('c', labels, [0])[0], slice_index=None)],
            tmp_path,
        )
    with pytest.raises(ValueError, match=r'must be \(D, H, W\) = \(1, 5, 6\)'):
        write(tmp_path, predictions('c', labels[:, :4], [0]), tmp_path)
    two = predictions('c', labels, [0]) + predictions('c', labels[:, :4], [1])
    with pytest.raises(ValueError, match="case 'c': its slices differ in size"):
        write(tmp_path, two, tmp_path)
    assert not list((tmp_path / 'out').glob('*'))
    write(tmp_path, predictions('c', labels, [0, 1]), tmp_path)
    with pytest.raises(FileExistsError, match=re.escape('c.nii.gz exists')):
        write(tmp_path, predictions('c', labels, [0]), tmp_path)
