"""Slices of the NPZ files of MedSAM."""

import os

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_universeg.utils.medsam_npz import MedSAMNpz, read_medsam_npz

from .loading import LoadLabelMap

# The last file that was read, by its path and time of change.
_kept: dict[tuple[str, int], MedSAMNpz] = {}


@TRANSFORMS.register_module()
class LoadMedSAMNpzImage(BaseTransform):
    """Load a picture, or one slice of a volume, of an item of `MedSAMNpzDataset`.

    The last file stays in memory, one in every process, for the next slice.

    Required keys: ``npz_path``; ``npz_index``, the place in the array, None for a
    picture. Added keys: ``img`` (H, W) or (H, W, 3) RGB, uint8; ``img_shape`` and
    ``ori_shape``.
    """

    def transform(self, results: dict) -> dict:
        """Load ``results['npz_path']``.

        Raises:
            FileNotFoundError: No such file.
            ValueError: The file is truncated, damaged, holds a pickle, or its arrays
                do not fit.
        """
        results['img'] = _part(_last_file(results).imgs, results)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadMedSAMNpzLabelMap(LoadLabelMap):
    """Load the labels of an item of `MedSAMNpzDataset` as `LoadLabelMap` does.

    Required keys, beyond those of ``LoadLabelMap``: ``npz_path`` and ``npz_index``, as
    in `LoadMedSAMNpzImage`.
    """

    def __init__(self) -> None:
        super().__init__()

    def read_mask(self, path: str, results: dict) -> np.ndarray:
        """Return the raw labels, (H, W) uint8."""
        return _part(_last_file(results).gts, results)


def _part(array: np.ndarray, results: dict) -> np.ndarray:
    """Return a copy, which other transforms may change."""
    index = results['npz_index']
    return (array if index is None else array[index]).copy()


def _last_file(results: dict) -> MedSAMNpz:
    path = results['npz_path']
    try:
        key = path, os.stat(path).st_mtime_ns
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such NPZ file') from None
    if key not in _kept:
        # Before the next one is read, so that there are never two.
        _kept.clear()
        _kept[key] = read_medsam_npz(path)
    return _kept[key]
