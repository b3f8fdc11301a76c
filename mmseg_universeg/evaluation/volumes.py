"""Slices of a volume: kept small until all are there, then joined."""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.logging import print_log


@dataclass
class Slice:
    """Prediction and truth of one slice, compressed.

    Attributes:
        index: Place of the slice in its volume.
        shape: (H, W) of label maps, (C, H, W) of masks.
        dtype: int16 of label maps, bool of masks.
        packed: Both.
        classes: Names of the classes.
        spacing: What the sample says of the size of a pixel, if anything.
    """

    index: int
    shape: tuple[int, ...]
    dtype: str
    packed: bytes
    classes: tuple[str, ...]
    spacing: tuple[float, ...] | None

    @classmethod
    def pack(
        cls,
        index: int,
        pred: np.ndarray,
        truth: np.ndarray,
        classes: tuple[str, ...],
        spacing: float | Sequence[float] | None,
    ) -> 'Slice':
        """Make a slice of two label maps, (H, W) int16, or of masks (C, H, W) bool."""
        packed = zlib.compress(np.stack([pred, truth]).tobytes(), 1)
        spacing = None if spacing is None else tuple(np.ravel(spacing).tolist())
        return cls(index, pred.shape, pred.dtype.name, packed, classes, spacing)

    def unpack(self) -> np.ndarray:
        """Prediction and truth, (2, H, W) int16 or (2, C, H, W) bool."""
        pixels = np.frombuffer(zlib.decompress(self.packed), self.dtype)
        return pixels.reshape(2, *self.shape)


def join_slices(name: str, slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray]:
    """Stack slices to a volume, in the order of their indices.

    Args:
        name: Of the case, for messages.
        slices: All slices of one volume, in any order.

    Returns:
        Prediction and truth, (D, H, W) int16 each, or (C, D, H, W) bool of masks, from
        the first to the last index. Slices that are missing in between are taken to be
        background, so that those on both sides are as far apart as they lie, and are
        logged as a warning.

    Raises:
        ValueError: Two slices with one index, or of different size or spacing.
    """
    slices = sorted(slices, key=lambda part: part.index)
    indices = [part.index for part in slices]
    if len(set(indices)) < len(indices):
        raise ValueError(f'case {name!r}: two slices have one index, {indices}')
    sizes = sorted({part.shape for part in slices})
    if len(sizes) > 1:
        raise ValueError(
            f'case {name!r}: its slices differ in size, {sizes}; wanted one size'
        )
    spacings = {part.spacing for part in slices}
    if len(spacings) > 1:
        raise ValueError(
            f'case {name!r}: its slices differ in spacing, '
            f'{sorted(spacings, key=str)}; wanted one spacing'
        )
    if indices[-1] - indices[0] >= len(indices):
        print_log(
            f'case {name!r}: slices are missing, found {indices}; the others are '
            'taken to be background',
            logger='current',
            level=logging.WARNING,
        )
    found = {part.index: part.unpack() for part in slices}
    empty = np.zeros_like(found[indices[0]])
    places = range(indices[0], indices[-1] + 1)
    pred, truth = np.stack([found.get(place, empty) for place in places], axis=-3)
    return pred, truth
