"""Objects too small to segment from a box."""

import numpy as np
from scipy import ndimage


def drop_small_objects(labels: np.ndarray, minimum: int) -> dict[int, tuple[int, int]]:
    """Set connected objects of fewer than ``minimum`` elements to 0, in place.

    Elements that share a label and touch, be it by a corner, are one object: 8
    neighbours in a slice, 26 in a volume.

    Args:
        labels: Whole numbers from 0, of two or three axes.
        minimum: Number of pixels or voxels of the smallest object that stays.

    Returns:
        label -> (objects dropped, their pixels or voxels), labels without any left
        out.
    """
    touching = ndimage.generate_binary_structure(labels.ndim, labels.ndim)
    dropped = {}
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        region = labels[box]
        objects, _ = ndimage.label(region == label, touching)
        sizes = np.bincount(objects.ravel())
        small = sizes < minimum
        small[0] = False  # the elements of other labels
        if small.any():
            region[small[objects]] = 0
            dropped[label] = int(small.sum()), int(sizes[small].sum())
    return dropped
