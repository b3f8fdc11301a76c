"""FLARE22Dataset on what the MedSAM converter writes."""

import importlib.util
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_universeg.datasets import FLARE22Dataset, MedSAMNpzDataset

LOAD = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'medsam.py'
CASES = {'train': ['FLARE22_Tr_0002', 'FLARE22_Tr_0010'], 'test': ['FLARE22_Tr_0001']}


@pytest.fixture
def root(tmp_path):
    """Three cases of two or three slices."""
    init_default_scope('mmseg')
    rng = np.random.default_rng(0)
    (tmp_path / 'cases').mkdir()
    for part, cases in CASES.items():
        for kind in ('images', 'masks'):
            (tmp_path / part / kind).mkdir(parents=True)
        for case in cases:
            for index in (9, 10, 101)[: 2 + (part == 'test')]:
                for kind, most in (('images', 256), ('masks', 14)):
                    pixels = rng.integers(0, most, (12, 16), np.uint8)
                    name = f'{case}_slice_{index:03d}.png'
                    Image.fromarray(pixels).save(tmp_path / part / kind / name)
            record = dict(name=case, spacing_of_axes_mm=[2.5, 0.7, 0.8])
            (tmp_path / 'cases' / f'{case}.json').write_text(json.dumps(record))
    return tmp_path


def test_slices_in_order_with_their_spacing(root):
    dataset = FLARE22Dataset(data_root=str(root), pipeline=LOAD)
    found = [(d['case_id'], d['slice_index']) for d in dataset]
    assert found == [
        ('FLARE22_Tr_0001', 9),
        ('FLARE22_Tr_0001', 10),
        ('FLARE22_Tr_0001', 101),
        ('FLARE22_Tr_0002', 9),
        ('FLARE22_Tr_0002', 10),
        ('FLARE22_Tr_0010', 9),
        ('FLARE22_Tr_0010', 10),
    ]
    for item in dataset:
        assert item['spacing'] == (2.5, 0.7, 0.8)
        for key, kind in (('img', 'images'), ('gt_seg_map', 'masks')):
            file = (
                Path(item['img_path']).parents[1] / kind / Path(item['img_path']).name
            )
            np.testing.assert_array_equal(item[key], np.asarray(Image.open(file)))


def test_the_folders_are_the_split(root):
    for split, cases in CASES.items():
        dataset = FLARE22Dataset(data_root=str(root), split=split, pipeline=LOAD)
        assert {item['case_id'] for item in dataset} == set(cases)
    with pytest.raises(ValueError, match=r"split must be one of .* found 'val'"):
        FLARE22Dataset(data_root=str(root), split='val')


def test_thirteen_organs_by_name():
    # In the order of the challenge's numbers.
    assert FLARE22Dataset.METAINFO['classes'] == (
        'background',
        'liver',
        'right kidney',
        'spleen',
        'pancreas',
        'aorta',
        'inferior vena cava',
        'right adrenal gland',
        'left adrenal gland',
        'gallbladder',
        'esophagus',
        'stomach',
        'duodenum',
        'left kidney',
    )
    palette = FLARE22Dataset.METAINFO['palette']
    assert len({tuple(colour) for colour in palette}) == 14


def test_wrong_files_are_named(root):
    record = root / 'cases' / 'FLARE22_Tr_0010.json'
    for text, message in (
        ('{', 'JSONDecodeError'),
        ('{}', "KeyError: 'spacing_of_axes_mm'"),
        ('{"spacing_of_axes_mm": null}', 'TypeError'),
        ('{"spacing_of_axes_mm": [1, 2]}', 'ValueError'),
    ):
        record.write_text(text)
        with pytest.raises(
            ValueError, match=rf'0010\.json: wanted three numbers .*{message}'
        ):
            FLARE22Dataset(data_root=str(root))
    record.unlink()
    with pytest.raises(FileNotFoundError, match=r'0010\.json: .*medsam\.py'):
        FLARE22Dataset(data_root=str(root))
    for kind in ('images', 'masks'):
        Image.new('L', (4, 4)).save(root / 'train' / kind / 'other.png')
    with pytest.raises(ValueError, match=r'other\.png: wanted a name like'):
        FLARE22Dataset(data_root=str(root))
    with pytest.raises(FileNotFoundError, match=r'none/test/images: .*medsam\.py'):
        FLARE22Dataset(data_root=str(root / 'none'), split='test')


def test_slices_and_npz_of_the_converter_are_the_same_items(tmp_path):
    init_default_scope('mmseg')
    rng = np.random.default_rng(0)
    for number in range(2):
        labels = np.zeros((20, 24, 4), np.uint8)
        labels[3:9, 3:15, 1:3], labels[10:18, 5:20, 2:4] = 1, 13
        for folder, end, voxels in (
            ('ct', '_0000', rng.integers(-1000, 1500, labels.shape).astype(np.int16)),
            ('gt', '', labels),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            file = tmp_path / folder / f'FLARE22_Tr_000{number}{end}.nii.gz'
            affine = np.diag((0.8, 0.9, 5.0, 1.0))
            nibabel.save(nibabel.Nifti1Image(voxels, affine), file)
    spec = importlib.util.spec_from_file_location('medsam', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / 'out'
    arguments = ['-i', tmp_path / 'ct', '-gt', tmp_path / 'gt', '-o', out]
    arguments += ['--img-suffix', '_0000.nii.gz', '--modality', 'CT']
    arguments += ['--min-voxels', '9', '--min-pixels', '9']
    assert tool.main([str(argument) for argument in arguments]) == 0
    for part in ('train', 'test'):
        slices = FLARE22Dataset(data_root=str(out), split=part, pipeline=LOAD)
        volumes = MedSAMNpzDataset(
            str(out / part / 'npz'),
            slices.metainfo['classes'],
            pipeline=[
                dict(type='LoadMedSAMNpzImage'),
                dict(type='LoadMedSAMNpzLabelMap'),
            ],
        )
        assert len(slices) == len(volumes) == 3  # the first slice has no label
        for one, other in zip(slices, volumes):
            assert set(np.unique(one['gt_seg_map'])) <= {0, 1, 13}
            for key in ('img', 'gt_seg_map'):
                np.testing.assert_array_equal(one[key], other[key])
            for key in ('case_id', 'slice_index'):
                assert one[key] == other[key]
            assert one['spacing'] == pytest.approx(other['spacing'])
            assert one['spacing'] == pytest.approx((5, 0.9, 0.8))
