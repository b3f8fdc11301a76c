"""Boxes x1, y1, x2, y2 in pixels: checked, grown, or made of diameters.

They count as MMCV's do: pixel (0, 0) reaches from (0, 0) to (1, 1) and the image from
(0, 0) to (W, H), so the box around one pixel has an area of 1.
"""

from collections.abc import Sequence

import cv2
import numpy as np

# In pixels: what rounding may add where boxes are resized and flipped.
TOLERANCE = 0.01


def check_boxes(boxes: np.ndarray, size: Sequence[int], where: str | None) -> None:
    """Raise unless every box is finite, in order, not empty and inside of its image.

    Args:
        boxes: To be (N, 4) floating.
        size: (height, width) of the image.
        where: What to name in messages.

    Raises:
        ValueError: Names the first wrong box and what is wrong with it.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind != 'f':
        raise ValueError(
            f'{where}: boxes must be (N, 4) floating, found {boxes.shape} {boxes.dtype}'
        )
    height, width = size[:2]
    low, high = boxes[:, :2], boxes[:, 2:]
    # In this order: a box may have several faults, and the first one says most.
    faults = {
        'holds NaN or infinite values': ~np.isfinite(boxes).all(1),
        'is inverted': (low > high).any(1),
        'has no area': (low == high).any(1),
        'is not inside of its image': (low < -TOLERANCE).any(1)
        | (high > np.array((width, height)) + TOLERANCE).any(1),
    }
    for fault, wrong in faults.items():
        if wrong.any():
            number = int(wrong.argmax())
            raise ValueError(
                f'{where}: box {number}, {boxes[number].tolist()}, {fault}; wanted '
                f'0 <= x1 < x2 <= {width} and 0 <= y1 < y2 <= {height} in pixels'
            )


def grow_boxes(
    boxes: np.ndarray, pixels: np.ndarray | float, size: Sequence[int]
) -> np.ndarray:
    """Move the sides of boxes outwards, but not out of the image.

    Args:
        boxes: (N, 4) floating.
        pixels: By how much: one number, or (N, 4) in the order of the sides.
        size: (height, width) of the image.

    Returns:
        (N, 4) of the dtype of ``boxes``.
    """
    grown = boxes + pixels * np.array((-1, -1, 1, 1), boxes.dtype)
    return grown.clip(0, (size[1], size[0]) * 2).astype(boxes.dtype)


def diameter_box(points: np.ndarray) -> np.ndarray:
    """Return the box of a lesion of which only diameters were measured.

    Of the longest diameter alone, the box around the circle over it: the box around
    its two ends would be empty for a lesion that lies along an axis. Of the longest
    diameter and the one across it (both of RECIST's measurements), the box around
    their four ends.

    Args:
        points: (2, 2) or (4, 2), x and y of the ends in pixels.

    Returns:
        (4,) float64, not clipped to any image.
    """
    if len(points) == 2:
        centre, radius = points.mean(0), np.linalg.norm(points[1] - points[0]) / 2
        return np.concatenate((centre - radius, centre + radius))
    return np.concatenate((points.min(0), points.max(0)))


def longest_diameter(mask: np.ndarray) -> np.ndarray:
    """Return the two points of a mask's outline that are farthest apart.

    Args:
        mask: (H, W) bool, not empty.

    Returns:
        (2, 2) float64, x and y. Corners of pixels, so that one pixel has a diameter of
        the square root of 2.
    """
    rows = np.flatnonzero(mask.any(1))
    # The hull is that of the first and the last pixel of each row.
    left = mask[rows].argmax(1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(1)
    corners = [(x, y) for x in (left, right) for y in (rows, rows + 1)]
    points = np.concatenate([np.stack(corner, 1) for corner in corners])
    hull = cv2.convexHull(points.astype(np.int32))[:, 0].astype(float)
    distances = np.linalg.norm(hull[:, None] - hull, axis=2)
    return hull[list(np.unravel_index(distances.argmax(), distances.shape))]


def refuse_boxes(results: dict, transform: str) -> None:
    """Raise where there are boxes, for a transform that does not move them.

    Args:
        results: Of a sample.
        transform: Name of the transform.

    Raises:
        ValueError: ``gt_bboxes`` is in the results.
    """
    if results.get('gt_bboxes') is not None:
        raise ValueError(
            f'{results.get("img_path")}: {transform} does not move gt_bboxes with the '
            'image; make boxes after it, by BoxPromptsFromMask, or use '
            'BioMedicalElasticDeform'
        )
