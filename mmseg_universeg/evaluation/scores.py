"""Overlap and surface scores of one pair of binary masks.

All follow one policy for empty masks: both empty is nothing to score (NaN);
one empty is the worst score (DSC 0, NSD 0, HD95 infinite, normalised Hausdorff 1).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, find_objects


def dice_score(pred: np.ndarray, truth: np.ndarray) -> float:
    """Dice similarity coefficient, 2|A and B| / (|A| + |B|).

    Args:
        pred: Mask, bool, any shape.
        truth: Mask, bool, of the same shape.

    Returns:
        DSC in [0, 1]; NaN where both masks are empty.
    """
    total = np.count_nonzero(pred) + np.count_nonzero(truth)
    if total == 0:
        return float('nan')
    return 2 * np.count_nonzero(pred & truth) / total


def surface_dice(
    pred: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    tolerance: float,
) -> float:
    """Normalised surface dice (NSD): the share of both surfaces within a tolerance.

    Surface elements and their areas are those of Nikolov et al., "Deep learning to
    achieve clinically applicable segmentation of head and neck anatomy" (2018),
    computed by MONAI with ``use_subvoxels=True``. A distance equal to the tolerance
    counts as within it.

    Args:
        pred: Mask, bool, (H, W) or (D, H, W).
        truth: Mask, bool, of the same shape.
        spacing: Size of a pixel in mm, in the order of the array's axes.
        tolerance: In mm, 0 or more.

    Returns:
        NSD in [0, 1]; 0 where one mask is empty, NaN where both are.
    """
    if not pred.any() and not truth.any():
        return float('nan')
    if not pred.any() or not truth.any():
        return 0.0
    # MONAI takes seconds to import, which no other part of the package should pay.
    from monai.metrics import compute_surface_dice

    with _without_future_warnings():
        score = compute_surface_dice(
            torch.from_numpy(pred)[None, None],
            torch.from_numpy(truth)[None, None],
            class_thresholds=[tolerance],
            include_background=True,
            spacing=tuple(spacing),
            use_subvoxels=True,
        )
    return score.item()


def surface_dice_medsam(
    pred: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    tolerance: float,
) -> float:
    """NSD as the evaluation released with MedSAM computes it; compatibility only.

    Volumes are scored as by `surface_dice`. An image is taken for a volume (H, W, 1)
    one pixel thick: its two flat faces, which are the larger part of the surface, then
    agree wherever the masks are within the tolerance of each other. A square of 50x50
    pixels, shifted by 3, has 0.97 at a tolerance of 1 where `surface_dice` has 0.50.

    Args:
        pred: Mask, bool, (H, W) or (D, H, W).
        truth: Mask, bool, of the same shape.
        spacing: Size of a pixel in mm, in the order of the array's axes; the thickness
            of an image is 1.
        tolerance: In mm, 0 or more.

    Returns:
        In [0, 1]; 0 where one mask is empty, NaN where both are.
    """
    if pred.ndim == 2:
        pred, truth = pred[..., None], truth[..., None]
        spacing = (*map(float, spacing), 1.0)
    return surface_dice(pred, truth, spacing, tolerance)


def hausdorff_95(
    pred: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> float:
    """Hausdorff distance at the 95th percentile (HD95), computed by MONAI.

    The larger of the two directed 95th percentiles of the distances between the
    masks' edge pixels.

    Args:
        pred: Mask, bool, (H, W) or (D, H, W).
        truth: Mask, bool, of the same shape.
        spacing: Size of a pixel in mm, in the order of the array's axes.

    Returns:
        Distance in mm; infinite where one mask is empty, NaN where both are.
    """
    if not pred.any() and not truth.any():
        return float('nan')
    if not pred.any() or not truth.any():
        return float('inf')
    from monai.metrics import compute_hausdorff_distance

    with _without_future_warnings():
        distance = compute_hausdorff_distance(
            torch.from_numpy(pred)[None, None],
            torch.from_numpy(truth)[None, None],
            include_background=True,
            percentile=95,
            spacing=tuple(spacing),
        )
    return distance.item()


def normalised_hausdorff(pred: np.ndarray, truth: np.ndarray) -> float:
    """Hausdorff distance of the UW-Madison GI tract competition.

    Between the voxels of both masks, whose indices are divided by the size of the
    volume along each axis; then by the diagonal of the unit cube. All of the voxels,
    not only those of the surface, and the largest distance, no percentile.

    Args:
        pred: Mask, bool, (D, H, W).
        truth: Mask, bool, of the same shape.

    Returns:
        In [0, 1]; 1 where one mask is empty, NaN where both are.
    """
    if not pred.any() and not truth.any():
        return float('nan')
    if not pred.any() or not truth.any():
        return 1.0
    sampling = 1 / np.array(pred.shape)
    # Farther away there is nothing to measure.
    (box,) = find_objects((pred | truth).astype(np.uint8))
    pred, truth = pred[box], truth[box]
    farthest = 0.0
    for mask, other in ((pred, truth), (truth, pred)):
        alone = mask & ~other
        if alone.any():
            distance = distance_transform_edt(~other, sampling=sampling)
            farthest = max(farthest, distance[alone].max())
    return float(farthest / np.sqrt(pred.ndim))


@contextmanager
def _without_future_warnings() -> Iterator[None]:
    """MONAI 1.6 warns of a deprecated argument that it passes to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        yield
