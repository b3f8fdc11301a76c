"""Scans and pictures with labels, read one by one as 8-bit stacks of slices."""

from pathlib import Path

import numpy as np

from mmseg_universeg.utils.eight_bit import (
    colour_to_uint8,
    percentiles_to_uint8,
    window_to_uint8,
)
from mmseg_universeg.utils.medsam_npz import MedSAMNpz
from mmseg_universeg.utils.nifti import NiftiVolume

from .transforms.loading import LoadLabelMap, LoadMedicalImage


class VolumeCase:
    """A scan and its labels, NIfTI volumes of the same geometry.

    Only their headers are read before ``read_labels()`` and ``read_image()``, and
    nothing is kept.

    Attributes:
        name: Of the case.
        image_path: The scan.
        labels_path: Its labels.
        spacing: Size of a voxel in mm, in the order of the axes (D, H, W).

    Raises:
        FileNotFoundError: No such file.
        ValueError: They are no volumes, or lie in different places.
    """

    def __init__(self, name: str, image_path: Path, labels_path: Path) -> None:
        self.name = name
        self.image_path, self.labels_path = image_path, labels_path
        self._image, self._labels = NiftiVolume(image_path), NiftiVolume(labels_path)
        self._image.check_same_place(self._labels)
        self.spacing = self._image.spacing

    def read_labels(self) -> np.ndarray:
        """Read the raw labels, (D, H, W) of any real dtype."""
        return self._labels.read()

    def read_image(self, window: tuple[float, float] | None) -> np.ndarray:
        """Read the scan.

        Args:
            window: Level and width of CT; None takes percentiles.

        Returns:
            (D, H, W) uint8.

        Raises:
            ValueError: A damaged file, NaN, infinite values, or no contrast.
        """
        voxels = self._image.read()
        try:
            if window is None:
                return percentiles_to_uint8(voxels)
            return window_to_uint8(voxels, *window)
        except ValueError as error:
            raise ValueError(f'{self.image_path}: {error}') from error

    def slice_name(self, index: int) -> str:
        """Name a slice by its place in the volume, from 0."""
        return f'{self.name}_slice_{index:03d}'

    def npz(self, imgs: np.ndarray, gts: np.ndarray, kept: np.ndarray) -> MedSAMNpz:
        """Return the contents of an NPZ file of the slices kept."""
        return MedSAMNpz(imgs, gts, self.spacing, tuple(kept.tolist()))


class PictureCase:
    """A grey or RGB picture and its mask, as a stack of one slice.

    Attributes:
        name: Of the case.
        image_path: The picture.
        labels_path: Its mask.
        spacing: None, it is not known.
    """

    spacing = None

    def __init__(self, name: str, image_path: Path, labels_path: Path) -> None:
        self.name = name
        self.image_path, self.labels_path = image_path, labels_path

    def read_labels(self) -> np.ndarray:
        """Read the mask.

        Returns:
            (1, H, W) uint8.

        Raises:
            ValueError: A damaged file, another size than the picture's, several
                channels, or values that are not whole or not in 0 to 255.
        """
        results = dict(
            img_path=str(self.image_path),
            seg_map_path=str(self.labels_path),
            label_values={value: value for value in range(256)},
        )
        return LoadLabelMap()(LoadMedicalImage()(results))['gt_seg_map'][None]

    def read_image(self, window: None = None) -> np.ndarray:
        """Read the picture.

        Returns:
            (1, H, W) or (1, H, W, 3) RGB, uint8: grey by its percentiles, RGB as it
            is where in 0 to 255.

        Raises:
            ValueError: A damaged file, neither grey nor RGB, NaN, infinite values,
                or no contrast.
        """
        pixels = LoadMedicalImage()(dict(img_path=str(self.image_path)))['img']
        try:
            if pixels.ndim == 2:
                return percentiles_to_uint8(pixels)[None]
            if pixels.shape[2] != 3:
                raise ValueError(f'is {pixels.shape}, wanted grey or RGB')
            return colour_to_uint8(pixels)[None]
        except ValueError as error:
            raise ValueError(f'{self.image_path}: {error}') from error

    def slice_name(self, index: int) -> str:
        """Name the only slice."""
        return self.name

    def npz(self, imgs: np.ndarray, gts: np.ndarray, kept: np.ndarray) -> MedSAMNpz:
        """Return the contents of an NPZ file of the picture."""
        return MedSAMNpz(imgs[0], gts[0])


Case = VolumeCase | PictureCase


def whole_labels(raw: np.ndarray, remove: list[int]) -> np.ndarray:
    """Check labels and take some away.

    Args:
        raw: (D, H, W), any real dtype.
        remove: Values that become 0.

    Returns:
        (D, H, W) uint8.

    Raises:
        ValueError: Values that are not whole or not in 0 to 255.
    """
    labels = np.empty(raw.shape, np.uint8)
    for source, target in zip(raw, labels):
        values = np.setdiff1d(source, remove)
        odd = values[~((values == np.rint(values)) & (values >= 0) & (values <= 255))]
        if odd.size:
            raise ValueError(
                f'hold {odd[:5].tolist()}, wanted whole numbers from 0 to 255'
            )
        target[...] = np.where(np.isin(source, remove), 0, source)
    return labels
