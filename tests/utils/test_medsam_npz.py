"""NPZ files: ours, those of the released code, and those that are refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from mmseg_universeg.utils.medsam_npz import (
    MedSAMNpz,
    read_medsam_npz,
    read_medsam_npz_outline,
    write_medsam_npz,
)

RNG = np.random.default_rng(0)
IMGS = RNG.integers(0, 256, (3, 8, 9), np.uint8)
GTS = RNG.integers(0, 4, (3, 8, 9), np.uint8)


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    write_medsam_npz(path, MedSAMNpz(IMGS, GTS, (5.0, 0.7, 0.8), (4, 5, 9)))
    found = read_medsam_npz(path)
    np.testing.assert_array_equal(found.imgs, IMGS)
    np.testing.assert_array_equal(found.gts, GTS)
    assert found.spacing == (5.0, 0.7, 0.8)
    assert found.slice_indices == (4, 5, 9)
    # Ours say their order: asking for another changes nothing.
    assert read_medsam_npz(path, unsaid_spacing_axes='xyz').spacing == (5.0, 0.7, 0.8)
    assert list(tmp_path.iterdir()) == [path]
    # What the release reads.
    with np.load(path, allow_pickle=True) as file:
        assert {'imgs', 'gts', 'spacing'} <= set(file)
        assert file['imgs'].dtype == file['gts'].dtype == np.uint8
        assert file['spacing'].tolist() == [5.0, 0.7, 0.8]


def test_released_spacing_is_x_y_z(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, imgs=IMGS, gts=GTS, spacing=(0.8, 0.7, 5.0))
    assert read_medsam_npz(path).spacing == (5.0, 0.7, 0.8)
    assert read_medsam_npz(path, unsaid_spacing_axes='zyx').spacing == (0.8, 0.7, 5.0)
    assert read_medsam_npz(path).slice_indices is None
    with pytest.raises(ValueError, match="must be 'xyz' or 'zyx', found 'yzx'"):
        read_medsam_npz(path, unsaid_spacing_axes='yzx')


def test_outline(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    write_medsam_npz(path, MedSAMNpz(IMGS, GTS, (5.0, 0.7, 0.8), (4, 5, 9)))
    assert read_medsam_npz_outline(path) == ((3, 8, 9), (5.0, 0.7, 0.8), (4, 5, 9))
    np.savez(path, imgs=IMGS, gts=GTS, spacing=(0.8, 0.7, 5.0))
    assert read_medsam_npz_outline(path) == ((3, 8, 9), (5.0, 0.7, 0.8), None)
    write_medsam_npz(path, MedSAMNpz(IMGS[0], GTS[0]))
    assert read_medsam_npz_outline(path) == ((8, 9), None, None)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r'a\.npz: not a whole NPZ file'):
        read_medsam_npz_outline(path)
    np.savez(path, imgs=IMGS, gts=np.array([Harmful()], object))
    with pytest.raises(ValueError, match=r'a\.npz: refused, it holds pickled objects'):
        read_medsam_npz_outline(path)
    with pytest.raises(FileNotFoundError, match=r'b\.npz: no such NPZ file'):
        read_medsam_npz_outline(tmp_path / 'b.npz')


@pytest.mark.parametrize('shape', [(8, 9), (8, 9, 3)])
def test_pictures(tmp_path: Path, shape: tuple) -> None:
    path = tmp_path / 'a.npz'
    picture = RNG.integers(0, 256, shape, np.uint8)
    write_medsam_npz(path, MedSAMNpz(picture, GTS[0]))
    with np.load(path) as file:
        assert set(file) == {'imgs', 'gts'}
    found = read_medsam_npz(path)
    np.testing.assert_array_equal(found.imgs, picture)
    assert found.spacing is None and found.slice_indices is None


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.97])
def test_truncated(tmp_path: Path, share: float) -> None:
    path = tmp_path / 'a.npz'
    write_medsam_npz(path, MedSAMNpz(IMGS, GTS))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r'a\.npz: not a whole NPZ file'):
        read_medsam_npz(path)


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    write_medsam_npz(path, MedSAMNpz(IMGS, GTS))
    content = bytearray(path.read_bytes())
    content[150:200] = bytes(50)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'a\.npz: not a whole NPZ file'):
        read_medsam_npz(path)


class Harmful:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return pytest.fail, ('code of the file was run',)


@pytest.mark.parametrize('key', ['imgs', 'spacing'])
def test_pickles_are_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / 'a.npz'
    arrays = dict(imgs=IMGS, gts=GTS, spacing=np.ones(3))
    arrays[key] = np.array([Harmful()], object)
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match=r'a\.npz: refused, it holds pickled objects'):
        read_medsam_npz(path)


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / 'a.npz'
    with pytest.raises(FileNotFoundError, match=r'a\.npz: no such NPZ file'):
        read_medsam_npz(path)
    with path.open('wb') as file:
        np.save(file, IMGS)
    with pytest.raises(ValueError, match=r'a\.npz: not a whole NPZ file'):
        read_medsam_npz(path)
    np.savez(path, imgs=IMGS, labels=GTS)
    with pytest.raises(ValueError, match=r'a\.npz: has no gts, wanted both'):
        read_medsam_npz(path)
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('a.txt', 'no array')
    with pytest.raises(ValueError, match=r'a\.npz: has no imgs and gts'):
        read_medsam_npz(path)


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        (dict(imgs=IMGS.astype(float)), 'imgs is float64, wanted uint8'),
        (dict(gts=GTS.astype(np.int16)), 'gts is int16, wanted uint8'),
        (dict(gts=GTS[:2]), r'imgs \(3, 8, 9\) and gts \(2, 8, 9\) do not fit'),
        (dict(imgs=IMGS[0, 0], gts=GTS[0, 0]), 'do not fit'),
        (dict(spacing=(1.0, 2.0)), r'spacing \(1.0, 2.0\) of labels'),
        (dict(spacing=(1.0, 0.0, 2.0)), 'wanted three positive lengths'),
        (dict(spacing=(1.0, np.nan, 2.0)), 'wanted three positive lengths'),
        (dict(slice_indices=(1, 2)), '2 slice_indices'),
    ],
)
def test_what_does_not_fit(tmp_path: Path, changed: dict, message: str) -> None:
    good = dict(imgs=IMGS, gts=GTS, spacing=(1.0, 1.0, 1.0), slice_indices=(1, 2, 3))
    path = tmp_path / 'a.npz'
    with pytest.raises(ValueError, match=rf'a\.npz: .*{message}'):
        write_medsam_npz(path, MedSAMNpz(**{**good, **changed}))
    assert not path.exists()
    np.savez(path, **{**good, **changed})
    with pytest.raises(ValueError, match=rf'a\.npz: .*{message}'):
        read_medsam_npz(path, unsaid_spacing_axes='zyx')
