"""Masks of classes, of label maps or of masks that may overlap."""

import numpy as np


def class_mask(maps: np.ndarray, index: int) -> np.ndarray:
    """Return where a class is.

    Args:
        maps: Label map of any shape, integers, or bool masks with the classes first.
        index: Of the class.

    Returns:
        Bool, the shape of the label map, or of one of the masks.
    """
    return maps[index] if maps.dtype == bool else maps == index
