"""Points that a user would click, from the true masks."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

FOREGROUND, BACKGROUND, NO_POINT = 1, 0, -1
Points = tuple[Tensor, Tensor]


def first_points(
    masks: Tensor, size: int, rng: np.random.Generator | None = None
) -> Points:
    """Return one point on each object.

    Args:
        masks: (N, H, W) of 0 and 1, none of them empty.
        size: Height and width of the image in which the points are to be.
        rng: Draws a pixel of the object, every one as likely; by default it is the
            one deepest inside.

    Returns:
        Coordinates x, y (N, 1, 2) and labels (N, 1), as `MedSAMBoxPromptHead` takes
        them.
    """
    arrays = masks.bool().cpu().numpy()
    if rng is None:
        pixels = [deepest_pixel(mask) for mask in arrays]
    else:
        pixels = [random_pixel(mask, rng) for mask in arrays]
    return _to_points(pixels, [FOREGROUND] * len(pixels), masks, size)


def add_points(
    points: Points,
    masks: Tensor,
    predicted: Tensor,
    size: int,
    rng: np.random.Generator | None = None,
) -> Points:
    """Return the points with one more for each object, from its error.

    Args:
        points: As `first_points` gives them.
        masks: (N, H, W) of 0 and 1.
        predicted: (N, H, W) of 0 and 1.
        size: As for `first_points`.
        rng: As for `correcting_pixel`.
    """
    pairs = zip(masks.bool().cpu().numpy(), predicted.bool().cpu().numpy())
    found = [correcting_pixel(mask, predicted, rng) for mask, predicted in pairs]
    new = _to_points(*([part[i] for part in found] for i in (0, 1)), masks, size)
    return tuple(torch.cat(parts, dim=1) for parts in zip(points, new))


def deepest_pixel(mask: np.ndarray) -> tuple[int, int]:
    """Return the pixel (x, y) deepest inside of a mask.

    Of several as deep it is the first one, row by row.

    Args:
        mask: (H, W) bool, not empty.
    """
    depth = _depth(mask)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


def random_pixel(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Return a pixel (x, y) of a mask (H, W) bool that is not empty."""
    y, x = np.unravel_index(rng.choice(np.flatnonzero(mask)), mask.shape)
    return int(x), int(y)


def correcting_pixel(
    mask: np.ndarray, predicted: np.ndarray, rng: np.random.Generator | None = None
) -> tuple[tuple[int, int], int]:
    """Return the next point (x, y) and its label, from the error of a prediction.

    The label is `FOREGROUND` where the object was missed, `BACKGROUND` where it was
    seen beside itself. Without any error it is `NO_POINT`.

    Args:
        mask: (H, W) bool.
        predicted: (H, W) bool.
        rng: Draws a pixel of what is wrong, every one as likely; by default it is the
            one deepest inside.
    """
    missed, excess = mask & ~predicted, predicted & ~mask
    if not (missed | excess).any():
        return (0, 0), NO_POINT
    if rng is not None:
        x, y = random_pixel(missed | excess, rng)
        return (x, y), FOREGROUND if mask[y, x] else BACKGROUND
    if _depth(missed).max() >= _depth(excess).max():
        return deepest_pixel(missed), FOREGROUND
    return deepest_pixel(excess), BACKGROUND


def _depth(mask: np.ndarray) -> np.ndarray:
    """Return the distance to the nearest pixel outside, which the image's rim is."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def _to_points(
    pixels: Sequence[tuple[int, int]], labels: Sequence[int], masks: Tensor, size: int
) -> Points:
    """Return pixels of masks as points of an image of another size."""
    height, width = masks.shape[1:]
    coords = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 2)
    # By their centres; the prompt encoder adds the half pixel again.
    coords = (coords + 0.5) * (size / torch.tensor([width, height])) - 0.5
    labels = torch.tensor(labels, dtype=torch.int64).reshape(-1, 1)
    return coords.to(masks.device), labels.to(masks.device)
