"""MedSAMNpzDataset and its loading transforms."""

import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

from mmseg_universeg.datasets import MedSAMNpzDataset
from mmseg_universeg.datasets.transforms import npz
from mmseg_universeg.evaluation import CaseMetric
from mmseg_universeg.utils.medsam_npz import MedSAMNpz, write_medsam_npz

RNG = np.random.default_rng(0)
CLASSES = ('background', 'liver', 'spleen')
LOAD = [dict(type='LoadMedSAMNpzImage'), dict(type='LoadMedSAMNpzLabelMap')]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmseg')


def content(*shape, spacing=(5.0, 0.7, 0.8), indices=None, channels=()):
    imgs = RNG.integers(0, 256, (*shape, *channels), np.uint8)
    return MedSAMNpz(imgs, RNG.integers(0, 3, shape, np.uint8), spacing, indices)


@pytest.fixture
def volumes(tmp_path):
    """Three volumes, one of them in colour, and a picture."""
    volumes = {
        'a': content(3, 8, 9, indices=(4, 5, 9)),
        'b': content(2, 6, 7, spacing=None),
        'c': content(2, 8, 9, channels=(3,)),
        'p': content(5, 7, spacing=None),
    }
    for name, volume in volumes.items():
        write_medsam_npz(tmp_path / f'{name}.npz', volume)
    return volumes


def build(root: Path, **options) -> MedSAMNpzDataset:
    options.setdefault('pipeline', LOAD)
    return MedSAMNpzDataset(str(root), CLASSES, **options)


def test_every_slice_is_an_item(tmp_path, volumes):
    dataset = build(tmp_path)
    assert dataset.metainfo['classes'] == CLASSES
    items = [dataset[index] for index in range(len(dataset))]
    assert [Path(i['img_path']).relative_to(tmp_path).as_posix() for i in items] == [
        'a.npz/000',
        'a.npz/001',
        'a.npz/002',
        'b.npz/000',
        'b.npz/001',
        'c.npz/000',
        'c.npz/001',
        'p.npz',
    ]
    for name, volume in volumes.items():
        own = [i for i in items if Path(i['npz_path']).stem == name]
        imgs, gts = volume.imgs, volume.gts
        if name == 'p':
            imgs, gts = imgs[None], gts[None]
        np.testing.assert_array_equal(np.stack([i['img'] for i in own]), imgs)
        np.testing.assert_array_equal(np.stack([i['gt_seg_map'] for i in own]), gts)
        for item in own:
            assert item['img_shape'] == item['ori_shape'] == gts.shape[1:]
            assert item['seg_fields'] == ['gt_seg_map']
    assert [i.get('slice_index') for i in items] == [4, 5, 9, 0, 1, 0, 1, None]
    assert [i.get('case_id') for i in items] == [*'aaabbcc', None]
    assert items[0]['spacing'] == items[6]['spacing'] == (5.0, 0.7, 0.8)
    assert 'spacing' not in items[3] and 'spacing' not in items[7]


def test_files_of_the_release_have_their_spacing_turned(tmp_path):
    volume = content(2, 6, 7)
    np.savez_compressed(
        tmp_path / 'CT_Abd_1.npz',
        imgs=volume.imgs,
        gts=volume.gts,
        spacing=(0.8, 0.7, 5.0),
    )
    assert build(tmp_path)[0]['spacing'] == (5.0, 0.7, 0.8)


def test_a_volume_is_read_once_in_order_and_kept_alone(tmp_path, volumes, monkeypatch):
    read = []
    original = npz.read_medsam_npz
    monkeypatch.setattr(
        npz,
        'read_medsam_npz',
        lambda path: read.append(Path(path).stem) or original(path),
    )
    npz._kept.clear()
    dataset = build(tmp_path)
    assert not read  # neither images nor labels when the data set is made
    for index in range(len(dataset)):
        dataset[index]['img'][:] = 0  # a pipeline may write into what it got
        dataset[index]
    assert read == ['a', 'b', 'c', 'p']
    np.testing.assert_array_equal(dataset[0]['img'], volumes['a'].imgs[0])


def test_memory_is_that_of_one_volume(tmp_path):
    shape = (32, 256, 256)
    for name in 'abc':
        empty = MedSAMNpz(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
        write_medsam_npz(tmp_path / f'{name}.npz', empty)
    dataset = build(tmp_path)
    npz._kept.clear()
    tracemalloc.start()
    for index in range(len(dataset)):
        dataset[index]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    volume = 2 * np.prod(shape)
    assert volume < peak < 1.5 * volume


def test_a_file_that_was_written_anew_is_read_anew(tmp_path, volumes):
    dataset = build(tmp_path)
    dataset[0]
    changed = MedSAMNpz(255 - volumes['a'].imgs, volumes['a'].gts)
    write_medsam_npz(tmp_path / 'a.npz', changed)
    np.testing.assert_array_equal(dataset[0]['img'], changed.imgs[0])


def test_splits_divide_files(tmp_path):
    for name in 'abcdefghij':
        write_medsam_npz(tmp_path / f'{name}.npz', content(3, 4, 4))
    cases = [
        {item['case_id'] for item in build(tmp_path, split=split)}
        for split in ('train', 'test')
    ]
    assert [len(found) for found in cases] == [7, 3]
    assert cases[0] | cases[1] == set('abcdefghij')


def test_values_of_labels(tmp_path):
    volume = content(1, 6, 7)
    write_medsam_npz(tmp_path / 'a.npz', volume)
    values = {0: 0, 1: 2, 2: 1, 7: 255}
    found = build(tmp_path, label_values=values)[0]['gt_seg_map']
    np.testing.assert_array_equal(found, np.array([0, 2, 1])[volume.gts[0]])
    np.savez(tmp_path / 'a.npz', imgs=volume.imgs, gts=volume.gts + 1)
    with pytest.raises(ValueError, match=r'a\.npz: mask holds values outside .*: 3 '):
        build(tmp_path)[0]
    cleaned = build(tmp_path, stray='background')[0]['gt_seg_map']
    np.testing.assert_array_equal(cleaned, (volume.gts[0] + 1) % 3)
    with pytest.raises(ValueError, match='label_values must give whole'):
        build(tmp_path, label_values={0: 0, 1: 1})
    with pytest.raises(ValueError, match=r"stray must be .* found 'drop'"):
        build(tmp_path, stray='drop')


def test_volumes_are_scored_in_mm(tmp_path):
    gts = np.zeros((4, 20, 20), np.uint8)
    gts[1:3, 5:12, 4:10] = 1
    write_medsam_npz(tmp_path / 'a.npz', MedSAMNpz(gts, gts, (5.0, 0.7, 0.8)))
    keys = ('img_path', 'case_id', 'slice_index', 'spacing')
    pipeline = [*LOAD, dict(type='PackSegInputs', meta_keys=keys)]
    dataset = build(tmp_path, pipeline=pipeline)
    metric = CaseMetric(metrics=['hd95'], csv_file=None)
    metric.dataset_meta = dataset.metainfo
    for packed in dataset:
        sample = packed['data_samples']
        moved = sample.gt_sem_seg.data.roll(3, dims=-1)
        sample.pred_sem_seg = PixelData(data=moved)
        metric.process(None, [sample.to_dict()])
    # Three columns.
    assert metric.evaluate(4)['case/HD95/liver'] == pytest.approx(3 * 0.8)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.95])
def test_a_truncated_file_is_named_at_the_start(tmp_path, volumes, share):
    whole = (tmp_path / 'b.npz').read_bytes()
    (tmp_path / 'b.npz').write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r'b\.npz: not a whole NPZ file'):
        build(tmp_path)


def test_a_damaged_file_is_named_when_it_is_read(tmp_path, volumes):
    damaged = bytearray((tmp_path / 'b.npz').read_bytes())
    damaged[60:90] = bytes(30)
    (tmp_path / 'b.npz').write_bytes(damaged)
    dataset = build(tmp_path)
    assert dataset[0]['case_id'] == 'a'
    with pytest.raises(ValueError, match=r'b\.npz: not a whole NPZ file'):
        dataset[3]


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return pytest.fail, ('code of the file was run',)


@pytest.mark.parametrize('key', ['imgs', 'gts', 'spacing'])
def test_pickles_are_refused(tmp_path, key):
    arrays = dict(imgs=content(2, 4, 4).imgs, gts=content(2, 4, 4).gts)
    arrays[key] = np.array([Harmful()] * 2, object)
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(ValueError, match=r'a\.npz: refused, it holds pickled objects'):
        build(tmp_path)[0]


def test_missing_files(tmp_path, volumes):
    dataset = build(tmp_path)
    npz._kept.clear()
    shutil.move(tmp_path / 'a.npz', tmp_path / 'gone')
    with pytest.raises(FileNotFoundError, match=r'a\.npz: no such NPZ file'):
        dataset[0]
    with pytest.raises(FileNotFoundError, match=r'none/: no such folder.*medsam\.py'):
        build(tmp_path / 'none')
    np.savez(tmp_path / 'x.npz', imgs=np.zeros(3))
    with pytest.raises(ValueError, match=r'x\.npz: has no gts, wanted both'):
        build(tmp_path)
