"""NIfTI volumes as stacks of axial slices, and masks back onto the scan."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from nibabel import orientations
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from .whole_files import whole_file

NIFTI_SUFFIXES = ('.nii.gz', '.nii')

# Towards the patient's left, back and head: the order in which columns, rows and
# slices are counted.
_COUNTED = orientations.axcodes2ornt('LPS')
# Headers of one scan and its labels differ by the rounding of quaternions.
_TOLERANCE = 0.1  # voxels


class NiftiVolume:
    """A 3-D NIfTI file, seen as axial slices in the view radiologists use.

    Whatever the order and direction of the axes in the file, ``read()`` gives
    (D, H, W): slices from the feet to the head, rows from the front to the back,
    columns from the patient's right to the left. Oblique axes go to the nearest of
    these directions; nothing is resampled.

    Example::

        scan = NiftiVolume('scan.nii.gz')
        slices = read_medsam_npz('scan.npz').slice_indices
        scan.write_labels('predicted.nii.gz', predicted, slices)

    Attributes:
        path: The file.
        shape: (D, H, W).
        spacing: Size of a voxel along D, H and W, mm: the order of the array's
            axes, while SimpleITK and the released MedSAM code give (x, y, z).
        affine: (4, 4), from the file's own voxel indices to mm.

    Args:
        path: A .nii or .nii.gz file. Only its header is read here.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No NIfTI file, not three axes of whole or real numbers, a unit
            other than mm, or an affine that does not span space.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._image = nibabel.load(self.path)
        except FileNotFoundError:
            raise FileNotFoundError(f'{path}: no such NIfTI file') from None
        except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error) as e:
            raise ValueError(f'{path}: not a NIfTI file that can be read: {e}') from e
        if not isinstance(self._image, nibabel.Nifti1Image):
            raise ValueError(
                f'{path}: is {type(self._image).__name__}, wanted NIfTI (.nii, .nii.gz)'
            )
        if len(self._image.shape) != 3 or 0 in self._image.shape:
            raise ValueError(
                f'{path}: a volume must have 3 axes, this is {self._image.shape}; '
                'split series into volumes first (nibabel.four_to_three)'
            )
        if self._image.get_data_dtype().kind not in 'uif':
            raise ValueError(
                f'{path}: holds {self._image.get_data_dtype()}, wanted whole or real '
                'numbers'
            )
        unit = self._image.header.get_xyzt_units()[0]
        if unit not in ('mm', 'unknown'):
            raise ValueError(f'{path}: its unit of length is {unit}, wanted mm')
        self.affine = self._image.affine
        if not np.isfinite(self.affine).all() or not np.linalg.det(self.affine):
            raise ValueError(
                f'{path}: its affine does not span space: {self.affine.tolist()}'
            )
        self._axes = orientations.io_orientation(self.affine)
        self._to_slices = orientations.ornt_transform(self._axes, _COUNTED)
        # Row i of it says where axis i of the file goes; slices come first here.
        places = np.argsort(self._to_slices[:, 0])[::-1]
        self.shape = tuple(self._image.shape[i] for i in places)
        sizes = nibabel.affines.voxel_sizes(self.affine)
        self.spacing = tuple(float(sizes[i]) for i in places)

    def read(self) -> np.ndarray:
        """Read the voxels, scaled as the header says.

        Returns:
            (D, H, W), in the dtype of the file where it is not scaled.

        Raises:
            ValueError: The file is truncated or damaged.
        """
        try:
            _check_gzip(self.path)
            voxels = np.asanyarray(self._image.dataobj)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise ValueError(
                f'{self.path}: not a whole NIfTI file, wanted {self._image.shape} '
                f'voxels: {error}'
            ) from error
        return orientations.apply_orientation(voxels, self._to_slices).T

    def check_same_place(self, other: 'NiftiVolume') -> None:
        """Check that another volume has the same voxels in the same places.

        Raises:
            ValueError: Another shape, or a corner of the volumes is more than a
                tenth of a voxel apart.
        """
        if self._image.shape != other._image.shape:
            raise ValueError(
                f'{other.path}: has {other._image.shape} voxels, wanted '
                f'{self._image.shape} as in {self.path}'
            )
        corners = np.indices((2, 2, 2)).reshape(3, -1).T * self._image.shape
        apart = nibabel.affines.apply_affine(self.affine - other.affine, corners)
        distance = float(np.linalg.norm(apart, axis=1).max())
        if distance > _TOLERANCE * min(self.spacing):
            raise ValueError(
                f'{other.path}: lies elsewhere than {self.path}, up to '
                f'{distance:.3g} mm apart; affines {other.affine.tolist()} and '
                f'{self.affine.tolist()}'
            )

    def write_labels(
        self,
        path: str | Path,
        labels: np.ndarray,
        slice_indices: Sequence[int] | None = None,
    ) -> None:
        """Write labels of this volume's slices as a NIfTI file that lies on it.

        The file has this volume's axes, affine and both its forms bit by bit.

        Args:
            path: File to make, .nii or .nii.gz.
            labels: (D, H, W) whole numbers from 0 or booleans, in the axes that
                ``read()`` gives; written as uint8, or as uint16 beyond 255.
            slice_indices: Which slices ``labels`` are, where not all; the others
                get 0.

        Raises:
            FileExistsError: The file is there already.
            ValueError: The labels do not fit.
        """
        path = Path(path)
        if not path.name.endswith(NIFTI_SUFFIXES):
            raise ValueError(f'{path}: wanted a name that ends in .nii or .nii.gz')
        if path.exists():
            raise FileExistsError(f'{path} exists and is not overwritten')
        stack = self._whole_stack(labels, slice_indices)
        back = orientations.ornt_transform(_COUNTED, self._axes)
        header = self._image.header.copy()
        header.extensions.clear()
        # The scan's range of display would show labels in black.
        header['cal_min'] = header['cal_max'] = 0
        header.set_data_dtype(stack.dtype)
        image = type(self._image)(
            orientations.apply_orientation(stack.T, back), self.affine, header
        )
        content = image.to_bytes()
        if path.name.endswith('.gz'):
            content = gzip.compress(content, compresslevel=6, mtime=0)
        with whole_file(path) as file:
            file.write(content)

    def _whole_stack(
        self, labels: np.ndarray, slice_indices: Sequence[int] | None
    ) -> np.ndarray:
        """Check labels and put them among this volume's slices."""
        depth = self.shape[0]
        indices = list(range(depth) if slice_indices is None else slice_indices)
        if len(set(indices)) < len(indices) or not set(indices) <= set(range(depth)):
            raise ValueError(
                f'slice_indices must be different ones from 0 to {depth - 1}, the '
                f'slices of {self.path}, found {indices}'
            )
        wanted = (len(indices), *self.shape[1:])
        if labels.shape != wanted:
            raise ValueError(
                f'labels of {self.path} must be (D, H, W) = {wanted}, found '
                f'{labels.shape}'
            )
        if labels.dtype.kind not in 'bui':
            raise ValueError(f'labels must be whole numbers, found {labels.dtype}')
        low, high = (labels.min(), labels.max()) if labels.size else (0, 0)
        if low < 0 or high > np.iinfo(np.uint16).max:
            raise ValueError(
                f'labels must be from 0 to 65535, found values from {low} to {high}'
            )
        stack = np.zeros(self.shape, np.min_scalar_type(int(high)))
        stack[indices] = labels
        return stack


def _check_gzip(path: Path) -> None:
    """Read a compressed file to its end, where its checksum is.

    nibabel stops after the last voxel, and takes damaged ones as they are.
    """
    if path.name.lower().endswith('.gz'):
        with gzip.open(path) as file:
            while file.read(1 << 20):
                pass
