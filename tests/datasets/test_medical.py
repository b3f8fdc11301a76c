"""Layouts, splits and folders of one's own, on small files."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_universeg.datasets import (
    ACDCSlicesDataset,
    DRIVEArchiveDataset,
    DSB2018Dataset,
    ImageMaskFolderDataset,
    ISBI2012Dataset,
    WBCDataset,
)
from mmseg_universeg.datasets.splits import default_data_root, split_groups

LOAD = [dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')]
OPTIONS = dict(classes=('background', 'lesion'), label_values={0: 0, 255: 1})


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('mmseg')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten images with masks, of three kinds of file."""
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
    for i in range(10):
        image = np.full((6, 8), 10 * i, np.uint8)
        suffix = ('.png', '.TIF', '.bmp')[i % 3]
        Image.fromarray(image).save(tmp_path / 'images' / f'case {i}{suffix}')
        mask = np.zeros((6, 8), np.uint8)
        mask[: i // 2 + 1] = 255
        Image.fromarray(mask).save(tmp_path / 'masks' / f'case {i}.png')
    return tmp_path


def _names(dataset) -> list[str]:
    return [Path(d['img_path']).stem for d in dataset.load_data_list()]


# Splits


def test_split_is_70_to_30_and_seeded() -> None:
    names = [f'{i:02d}' for i in range(30)]
    train = split_groups(names, 'train', 42)
    assert len(train) == 21
    assert train == split_groups(names[::-1] * 2, 'train', 42)  # order is nothing
    assert train != split_groups(names, 'train', 43)
    assert split_groups(names, 'test', 42) == set(names) - train
    assert split_groups(names, 'all', 42) == set(names)
    order = np.random.default_rng(42).permutation(30)
    assert train == {names[i] for i in order[:21]}


def test_one_image_is_for_training() -> None:
    assert split_groups(['a'], 'train', 0) == {'a'}
    assert split_groups(['a'], 'test', 0) == set()


def test_unknown_split(root: Path) -> None:
    with pytest.raises(ValueError, match=r"one of \['train', 'test', 'all'\].*'val'"):
        ImageMaskFolderDataset(str(root), split='val', **OPTIONS)


def test_default_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('MMSEG_UNIVERSEG_DATA', raising=False)
    assert Path(default_data_root('wbc')) == Path('data/wbc')
    monkeypatch.setenv('MMSEG_UNIVERSEG_DATA', 'elsewhere')
    assert Path(default_data_root('wbc')) == Path('elsewhere/wbc')


# A folder of one's own


def test_own_folder(root: Path, tmp_path: Path) -> None:
    config = tmp_path / 'config.py'
    config.write_text(
        "dataset = dict(type='ImageMaskFolderDataset', "
        f'data_root={str(root)!r}, '
        "classes=('background', 'lesion'), label_values={0: 0, 255: 1}, "
        "pipeline=[dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')])"
    )
    cfg = Config.fromfile(config)
    cfg.dump(tmp_path / 'dumped.py')  # whole numbers as keys survive
    for file in (config, tmp_path / 'dumped.py'):
        dataset = DATASETS.build(Config.fromfile(file).dataset)
        assert dataset.metainfo['classes'] == ('background', 'lesion')
        assert len(dataset.metainfo['palette']) == 2
        assert _names(dataset) == [f'case {i}' for i in range(10)]
        for i in range(10):
            results = dataset[i]
            assert (results['img'] == 10 * i).all()
            assert results['gt_seg_map'].sum() == 8 * (i // 2 + 1)


def test_own_folder_split(root: Path) -> None:
    train = _names(ImageMaskFolderDataset(str(root), split='train', **OPTIONS))
    test = _names(ImageMaskFolderDataset(str(root), split='test', **OPTIONS))
    assert len(train) == 7
    assert sorted(train + test) == [f'case {i}' for i in range(10)]


@pytest.mark.parametrize(
    ('lost', 'message'),
    [('masks/case 4.png', 'no mask'), ('images/case 4.TIF', 'no image')],
)
def test_file_without_partner_is_named(root: Path, lost: str, message: str) -> None:
    (root / lost).unlink()
    with pytest.raises(FileNotFoundError, match=message) as error:
        ImageMaskFolderDataset(str(root), **OPTIONS)
    assert 'case 4' in str(error.value)


def test_two_images_of_one_name(root: Path) -> None:
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(root / 'images' / 'case 0.bmp')
    with pytest.raises(ValueError, match='same name but for the suffix'):
        ImageMaskFolderDataset(str(root), **OPTIONS)


def test_files_that_are_no_images(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / 'images' / 'notes.txt').touch()
    (root / 'images' / '._case 0.png').touch()
    assert len(ImageMaskFolderDataset(str(root), **OPTIONS)) == 10


@pytest.mark.parametrize(
    'label_values',
    [{0: 0}, {0: 0, 255: 2}, {'0': 0, '255': 1}, {0: 0, 1: 1, 2: 2}],
)
def test_label_values_and_classes_must_fit(root: Path, label_values: dict) -> None:
    with pytest.raises(ValueError, match='label_values must give'):
        ImageMaskFolderDataset(
            str(root), classes=('background', 'lesion'), label_values=label_values
        )


def test_some_values_may_be_ignored(root: Path) -> None:
    mask = np.array(Image.open(root / 'masks' / 'case 0.png'))
    mask[5] = 9
    Image.fromarray(mask).save(root / 'masks' / 'case 0.png')
    plain = ImageMaskFolderDataset(str(root), pipeline=LOAD, **OPTIONS)
    with pytest.raises(ValueError, match=r'case 0\.png.* 9 \(8 pixels\)'):
        plain[0]
    options = {**OPTIONS, 'label_values': {0: 0, 255: 1, 9: 255}}
    dataset = ImageMaskFolderDataset(str(root), pipeline=LOAD, **options)
    assert (dataset[0]['gt_seg_map'][5] == 255).all()
    dataset = ImageMaskFolderDataset(
        str(root), pipeline=LOAD, stray='background', **OPTIONS
    )
    assert (dataset[0]['gt_seg_map'][5] == 0).all()


# Folders that are missing or empty


@pytest.mark.parametrize(
    ('dataset', 'command'),
    [
        (WBCDataset, 'download.py wbc'),
        (DSB2018Dataset, 'download.py dsb2018'),
        (ISBI2012Dataset, 'download.py isbi2012'),
        (DRIVEArchiveDataset, 'download.py drive'),
        (ACDCSlicesDataset, 'download.py acdc'),
    ],
)
def test_missing_folder_says_how_to_get_it(
    tmp_path: Path, dataset: type, command: str
) -> None:
    with pytest.raises(FileNotFoundError, match=command) as error:
        dataset(data_root=str(tmp_path / 'none'))
    assert str(tmp_path / 'none') in str(error.value)


def test_empty_folders(tmp_path: Path) -> None:
    for name in ('Dataset 1', 'stage1_train', 'image', 'images'):
        (tmp_path / name).mkdir()
    for dataset in (WBCDataset, DSB2018Dataset, ISBI2012Dataset, ACDCSlicesDataset):
        with pytest.raises(FileNotFoundError, match=str(tmp_path)):
            dataset(data_root=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r'images: no file in it.*\.png'):
        ImageMaskFolderDataset(str(tmp_path), **OPTIONS)


# Layouts that are not as they should be


def test_wbc_options() -> None:
    with pytest.raises(ValueError, match="'Dataset 1' or 'Dataset 2', found 'A'"):
        WBCDataset(folder='A')
    with pytest.raises(ValueError, match="found 'drop'"):
        WBCDataset(stray='drop')
    with pytest.raises(ValueError, match="'keep' or 'ignore', found True"):
        DRIVEArchiveDataset(field_of_view=True)


def test_acdc_name(tmp_path: Path) -> None:
    for kind in ('images', 'masks'):
        (tmp_path / kind).mkdir()
        Image.new('L', (4, 4)).save(tmp_path / kind / 'slice7.png')
    with pytest.raises(ValueError, match=r'slice7\.png: wanted a name like'):
        ACDCSlicesDataset(data_root=str(tmp_path))


def test_dsb2018_wants_one_image(tmp_path: Path) -> None:
    for kind in ('images', 'masks'):
        folder = tmp_path / 'stage1_train' / 'abc' / kind
        folder.mkdir(parents=True)
        for name in ('a.png', 'b.png'):
            Image.new('L', (4, 4)).save(folder / name)
    with pytest.raises(ValueError, match='abc/images: holds 2 PNG'):
        DSB2018Dataset(data_root=str(tmp_path))
