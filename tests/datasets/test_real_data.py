"""The data sets on the real files, against a plain reading of the same files."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

import mmseg_universeg  # noqa: F401  registers the data sets

LOAD = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
STRAY = {'034', '035', '047', '050', '076'}


def _build(name: str, **options):
    init_default_scope('mmseg')
    return DATASETS.build(dict(type=name, **options))


@pytest.fixture(autouse=True)
def _data(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MMSEG_UNIVERSEG_DATA', str(data_root))


def _plain(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def _check(results: dict, plain: np.ndarray) -> None:
    """One item: its image file pixel by pixel, its labels against ``plain``."""
    img = _plain(results['img_path'])
    img = img[..., :3] if img.ndim == 3 else img
    np.testing.assert_array_equal(results['img'], img)
    np.testing.assert_array_equal(results['gt_seg_map'], plain)
    assert results['gt_seg_map'].dtype == np.uint8


@pytest.mark.parametrize(
    ('name', 'options', 'counts'),
    [
        ('WBCDataset', {'folder': 'Dataset 1'}, (210, 90, 300)),
        ('WBCDataset', {'folder': 'Dataset 2'}, (70, 30, 100)),
        ('DSB2018Dataset', {}, (116, 50, 166)),
        ('ISBI2012Dataset', {}, (21, 9, 30)),
        ('DRIVEArchiveDataset', {}, (20, 20, 40)),
        ('ACDCSlicesDataset', {}, (398, 180, 578)),
    ],
)
def test_splits(name: str, options: dict, counts: tuple) -> None:
    paths = []
    for split, count in zip(('train', 'test', 'all'), counts):
        dataset = _build(name, split=split, lazy_init=True, **options)
        infos = dataset.load_data_list()
        assert len(infos) == count
        paths.append({info['img_path'] for info in infos})
        assert all(Path(info['img_path']).is_file() for info in infos)
        assert infos[0]['seg_fields'] == []
    train, test, everything = paths
    assert not train & test
    assert train | test == everything
    if name != 'DRIVEArchiveDataset':
        other = _build(name, split='train', split_seed=1, lazy_init=True, **options)
        assert {d['img_path'] for d in other.load_data_list()} != train


@pytest.mark.parametrize('folder', ['Dataset 1', 'Dataset 2'])
def test_wbc_pixels(data_root: Path, folder: str) -> None:
    dataset = _build('WBCDataset', folder=folder, stray='background', pipeline=LOAD)
    ours, plain = Counter(), Counter()
    for index in range(len(dataset)):
        label_map = dataset[index]['gt_seg_map']
        raw = _plain(data_root / 'wbc' / folder / f'{index + 1:03d}.png')
        for c, value in enumerate((0, 128, 255)):
            ours[c] += int((label_map == c).sum())
            plain[c] += int((raw == value).sum())
        plain[0] += int((~np.isin(raw, (0, 128, 255))).sum())
        if index % 29 == 0:
            _check(dataset[index], (raw == 128) * 1 + (raw == 255) * 2)
    assert ours == plain


def test_wbc_strays_are_named() -> None:
    dataset = _build('WBCDataset', folder='Dataset 2', pipeline=LOAD)
    found = set()
    for index in range(len(dataset)):
        path = dataset.get_data_info(index)['seg_map_path']
        try:
            dataset[index]
        except ValueError as error:
            assert str(error).startswith(path)
            assert 'wanted [0, 128, 255]' in str(error)
            found.add(Path(path).stem)
    assert found == STRAY


def test_wbc_subset_of_classes() -> None:
    dataset = _build(
        'WBCDataset',
        pipeline=LOAD,
        metainfo=dict(classes=('background', 'nucleus')),
    )
    results = dataset[0]
    raw = _plain(results['seg_map_path'])
    wanted = np.select([raw == 0, raw == 255], [0, 1], 255)
    np.testing.assert_array_equal(results['gt_seg_map'], wanted)


def test_dsb2018_pixels_and_instances() -> None:
    pipeline = [dict(type='LoadMedicalImage')]
    pipeline.append(dict(type='LoadLabelMap', with_instances=True))
    dataset = _build('DSB2018Dataset', pipeline=pipeline)
    overlaps = []
    for index in range(0, len(dataset), 33):
        results = dataset[index]
        masks = [_plain(path) > 0 for path in results['seg_map_path']]
        _check(results, np.any(masks, axis=0))
        instances = results['gt_instance_map']
        assert instances.max() == len(masks)
        claimed = np.sum(masks, axis=0)
        overlaps.append(int((claimed > 1).sum()))
        for number, mask in enumerate(masks, 1):
            alone = mask & (claimed == 1)
            assert (instances[alone] == number).all()
    assert max(overlaps) <= 2


def test_dsb2018_two_nuclei_share_a_pixel(data_root: Path) -> None:
    pipeline = [dict(type='LoadMedicalImage')]
    pipeline.append(dict(type='LoadLabelMap', with_instances=True))
    dataset = _build('DSB2018Dataset', pipeline=pipeline)
    infos = dataset.load_data_list()
    index = next(i for i, d in enumerate(infos) if '/1609b1b8480ee526' in d['img_path'])
    results = dataset[index]
    masks = np.stack([_plain(path) > 0 for path in results['seg_map_path']])
    shared = masks.sum(0) > 1
    assert shared.sum() == 1
    assert results['gt_instance_map'][shared] == masks[:, shared].argmax() + 1


def test_isbi2012_pixels(data_root: Path) -> None:
    dataset = _build('ISBI2012Dataset', pipeline=LOAD)
    assert dataset.metainfo['classes'] == ('cell', 'membrane')
    for index in range(0, 30, 4):
        stem = Path(dataset.get_data_info(index)['img_path']).stem
        raw = _plain(data_root / 'isbi2012' / 'label' / f'{stem}.png')
        _check(dataset[index], raw == 0)
        assert 0.1 < (raw == 0).mean() < 0.4  # membranes are the thin part


@pytest.mark.parametrize('split', ['train', 'test'])
def test_drive_pixels_and_field_of_view(data_root: Path, split: str) -> None:
    kept = _build('DRIVEArchiveDataset', split=split, pipeline=LOAD)
    ignored = _build(
        'DRIVEArchiveDataset', split=split, field_of_view='ignore', pipeline=LOAD
    )
    folder = {'train': 'training', 'test': 'test'}[split]
    first = {'train': 21, 'test': 1}[split]
    for index in range(0, 20, 5):
        number = f'{first + index:02d}'
        root = data_root / 'DRIVE' / folder
        vessel = _plain(root / '1st_manual' / f'{number}_manual1.gif') == 255
        field = _plain(root / 'mask' / f'{number}_{folder}_mask.gif') == 255
        _check(kept[index], vessel)
        _check(ignored[index], np.where(field, vessel, 255))
        assert kept[index]['fov_path'].endswith(f'{number}_{folder}_mask.gif')
        assert kept[index]['img'].shape == (584, 565, 3)


def test_acdc_pixels_and_cases(data_root: Path) -> None:
    dataset = _build('ACDCSlicesDataset', pipeline=LOAD)
    infos = dataset.load_data_list()
    volumes: dict[str, list[int]] = {}
    for info in infos:
        volumes.setdefault(info['case_id'], []).append(info['slice_index'])
        name = f'{info["case_id"]}_slice_{info["slice_index"]}.png'
        assert Path(info['img_path']).name == Path(info['seg_map_path']).name == name
    assert len(volumes) == 60  # thirty patients at two times
    assert all(found == list(range(len(found))) for found in volumes.values())
    for index in range(0, len(infos), 37):
        _check(dataset[index], _plain(infos[index]['seg_map_path']))


@pytest.mark.parametrize('seed', [0, 42])
def test_acdc_never_divides_a_patient(seed: int) -> None:
    patients = []
    for split in ('train', 'test'):
        dataset = _build('ACDCSlicesDataset', split=split, split_seed=seed)
        patients.append({d['case_id'].split('_')[0] for d in dataset.load_data_list()})
    assert len(patients[0]) == 21
    assert len(patients[1]) == 9
    assert not patients[0] & patients[1]


def test_a_whole_pipeline_of_the_configs() -> None:
    pipeline = [
        dict(type='LoadMedicalImage'),
        dict(type='ToGrayscale'),
        dict(type='MinMaxNormalize'),
        dict(type='Resize', scale=(64, 64), keep_ratio=False),
        dict(type='LoadLabelMap'),
        dict(type='PackSegInputs'),
    ]
    dataset = _build('DRIVEArchiveDataset', split='test', pipeline=pipeline)
    packed = dataset[0]
    assert packed['inputs'].shape == (1, 64, 64)
    assert packed['inputs'].min() >= 0
    assert packed['inputs'].max() <= 1
    sample = packed['data_samples']
    assert sample.gt_sem_seg.shape == (584, 565)
    assert sample.ori_shape == (584, 565)
