"""NPZ files of images and masks, as the released MedSAM code reads and writes them."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .whole_files import whole_file

# In the order of the axes of `imgs`, as written here, and as written by SimpleITK.
_ARRAY_AXES = 'zyx'
_RELEASED_AXES = 'xyz'
_OPTIONAL = ('spacing', 'spacing_axes', 'slice_indices')


@dataclass(frozen=True)
class MedSAMNpz:
    """Contents of one file.

    Attributes:
        imgs: uint8, (D, H, W) of a volume, (H, W) of a picture; with (…, 3) at the
            end in RGB.
        gts: uint8 labels, (D, H, W) or (H, W).
        spacing: Size of a voxel along D, H and W, mm: in the order of the axes of
            ``imgs``. None where the file has none.
        slice_indices: Place in its volume of each of the D slices, from 0. None where
            the file has none.
    """

    imgs: np.ndarray
    gts: np.ndarray
    spacing: tuple[float, float, float] | None = None
    slice_indices: tuple[int, ...] | None = None


def write_medsam_npz(path: str | Path, content: MedSAMNpz) -> None:
    """Write a file with the keys of the released code, and two more for volumes.

    Next to ``imgs``, ``gts`` and ``spacing``, a volume has ``spacing_axes`` ('zyx':
    the order of the axes of ``imgs``; the released code stores x, y, z and does not
    say so) and ``slice_indices``. Programs of the release leave both unread.

    Raises:
        OSError: The file cannot be written.
        ValueError: The arrays do not fit each other.
    """
    _check(content, path)
    arrays = dict(imgs=content.imgs, gts=content.gts)
    if content.spacing is not None:
        arrays['spacing'] = np.array(content.spacing, np.float64)
        arrays['spacing_axes'] = np.array(_ARRAY_AXES)
    if content.slice_indices is not None:
        arrays['slice_indices'] = np.array(content.slice_indices, np.int64)
    with whole_file(Path(path)) as file:
        np.savez_compressed(file, **arrays)


def read_medsam_npz(
    path: str | Path, unsaid_spacing_axes: str = _RELEASED_AXES
) -> MedSAMNpz:
    """Read a file of this package or of the released code.

    Args:
        path: The file.
        unsaid_spacing_axes: Order of ``spacing`` in files that do not say it:
            ``'xyz'`` as the released code has it, or ``'zyx'``, the order of the
            array's axes.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A truncated or damaged file, one that holds pickled objects
            (which could run code), lacks a key, or whose arrays do not fit.
    """
    with _open(path) as file:
        arrays = {key: file[key] for key in ('imgs', 'gts', *_OPTIONAL) if key in file}
    content = MedSAMNpz(
        arrays['imgs'], arrays['gts'], *_about_slices(arrays, path, unsaid_spacing_axes)
    )
    _check(content, path)
    return content


def read_medsam_npz_outline(
    path: str | Path, unsaid_spacing_axes: str = _RELEASED_AXES
) -> tuple[tuple[int, ...], tuple[float, ...] | None, tuple[int, ...] | None]:
    """Read of a file what stands beside images and labels, in milliseconds.

    Returns:
        Shape of ``gts``; ``spacing`` and ``slice_indices`` as in `MedSAMNpz`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A truncated file, pickled objects, or a key that is missing.
    """
    with _open(path) as file:
        arrays = {key: file[key] for key in _OPTIONAL if key in file}
        with file.zip.open('gts.npy') as member:
            major, minor = np.lib.format.read_magic(member)
            if (major, minor) != (1, 0):
                raise ValueError(f'gts has NPY version {major}.{minor}, wanted 1.0')
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        if dtype.hasobject:
            raise ValueError('gts holds pickled objects')
    return shape, *_about_slices(arrays, path, unsaid_spacing_axes)


@contextmanager
def _open(path: str | Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open a file that has images and labels; errors of reading it name it."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in ('imgs', 'gts') if key not in file]
            if not missing:
                yield file
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such NPZ file') from None
    # A single array (NPY) is no context manager.
    except (
        OSError,
        EOFError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if 'pickle' in str(error):
            raise ValueError(
                f'{path}: refused, it holds pickled objects, which could run code'
            ) from error
        raise ValueError(f'{path}: not a whole NPZ file ({error})') from error
    if missing:
        raise ValueError(f'{path}: has no {" and ".join(missing)}, wanted both')


def _about_slices(
    arrays: dict[str, np.ndarray], path: str | Path, unsaid_spacing_axes: str
) -> tuple[tuple[float, ...] | None, tuple[int, ...] | None]:
    """Return spacing, in the order of the array's axes, and slice_indices."""
    if unsaid_spacing_axes not in (_ARRAY_AXES, _RELEASED_AXES):
        raise ValueError(
            f"unsaid_spacing_axes must be 'xyz' or 'zyx', found {unsaid_spacing_axes!r}"
        )
    spacing, indices = arrays.get('spacing'), arrays.get('slice_indices')
    if spacing is not None:
        spacing = tuple(np.ravel(spacing).tolist())
        axes = str(arrays.get('spacing_axes', unsaid_spacing_axes))
        if axes == _RELEASED_AXES:
            spacing = spacing[::-1]
        elif axes != _ARRAY_AXES:
            raise ValueError(f"{path}: spacing_axes is {axes!r}, wanted 'xyz' or 'zyx'")
    if indices is not None:
        indices = tuple(np.ravel(indices).tolist())
    return spacing, indices


def _check(content: MedSAMNpz, path: str | Path) -> None:
    """Raise ValueError unless the arrays fit each other."""
    imgs, gts = content.imgs, content.gts
    for name, array in (('imgs', imgs), ('gts', gts)):
        if array.dtype != np.uint8:
            raise ValueError(f'{path}: {name} is {array.dtype}, wanted uint8')
    if gts.ndim not in (2, 3) or imgs.shape not in (gts.shape, (*gts.shape, 3)):
        raise ValueError(
            f'{path}: imgs {imgs.shape} and gts {gts.shape} do not fit, wanted gts '
            '(D, H, W) or (H, W) and imgs the same, or RGB with 3 more at the end'
        )
    _check_per_axis(content.spacing, gts, path)
    _check_per_slice(content.slice_indices, gts, path)


def _check_per_axis(
    spacing: Sequence[float] | None, gts: np.ndarray, path: str | Path
) -> None:
    if spacing is not None and (
        len(spacing) != 3 or gts.ndim != 3 or not all(0 < s < np.inf for s in spacing)
    ):
        raise ValueError(
            f'{path}: spacing {spacing} of labels {gts.shape}, wanted three positive '
            'lengths of a voxel'
        )


def _check_per_slice(
    indices: Sequence[int] | None, gts: np.ndarray, path: str | Path
) -> None:
    if indices is not None and (len(indices) != len(gts) or gts.ndim != 3):
        raise ValueError(
            f'{path}: {len(indices)} slice_indices of labels {gts.shape}, wanted one '
            'for every slice'
        )
