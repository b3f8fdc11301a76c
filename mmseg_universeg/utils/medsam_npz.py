"""NPZ files of images and masks, as the released MedSAM code reads and writes them."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .whole_files import whole_file

# In the order of the axes of `imgs`, as written here, and as written by SimpleITK.
_ARRAY_AXES = 'zyx'
_RELEASED_AXES = 'xyz'


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
    if unsaid_spacing_axes not in (_ARRAY_AXES, _RELEASED_AXES):
        raise ValueError(
            f"unsaid_spacing_axes must be 'xyz' or 'zyx', found {unsaid_spacing_axes!r}"
        )
    arrays = _read_arrays(path)
    spacing = arrays.get('spacing')
    if spacing is not None:
        spacing = tuple(np.ravel(spacing).tolist())
        axes = str(arrays.get('spacing_axes', unsaid_spacing_axes))
        if axes == _RELEASED_AXES:
            spacing = spacing[::-1]
        elif axes != _ARRAY_AXES:
            raise ValueError(f"{path}: spacing_axes is {axes!r}, wanted 'xyz' or 'zyx'")
    indices = arrays.get('slice_indices')
    if indices is not None:
        indices = tuple(np.ravel(indices).tolist())
    content = MedSAMNpz(arrays['imgs'], arrays['gts'], spacing, indices)
    _check(content, path)
    return content


def _read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    keys = ('imgs', 'gts', 'spacing', 'spacing_axes', 'slice_indices')
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in keys[:2] if key not in file]
            arrays = {key: file[key] for key in keys if key in file}
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
    return arrays


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
