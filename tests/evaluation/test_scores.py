"""Scores of mask pairs, against values worked out by hand and a plain restatement."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from scipy.spatial.distance import cdist

from mmseg_universeg.evaluation.scores import (
    dice_score,
    hausdorff_95,
    surface_dice,
    surface_dice_medsam,
)


def box(shape, *slices):
    mask = np.zeros(shape, dtype=bool)
    mask[slices] = True
    return mask


def blobs(seed, shape=(23, 31)):
    """Two overlapping random shapes that also touch the border."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    masks = []
    for _ in range(2):
        r, c = rng.uniform(5, 18), rng.uniform(0, 25)
        a, b = rng.uniform(4, 10, size=2)
        masks.append(((rows - r) / a) ** 2 + ((cols - c) / b) ** 2 < 1)
    return masks


def contour(mask, spacing):
    """Corners of pixels that the contour passes, and its length at each."""
    padded = np.pad(mask, 1)
    height, width = spacing
    points, lengths = [], []
    for r in range(padded.shape[0] - 1):
        for c in range(padded.shape[1] - 1):
            (a, b), (d, e) = padded[r : r + 2, c : c + 2]
            count = int(a) + int(b) + int(d) + int(e)
            if count in (0, 4):
                continue
            if count in (1, 3):
                length = np.hypot(height, width) / 2
            elif a == e:
                length = np.hypot(height, width)
            else:
                length = width if a == b else height
            points.append((r * height, c * width))
            lengths.append(length)
    return np.array(points), np.array(lengths)


def plain_surface_dice(pred, truth, spacing, tolerance):
    points_p, lengths_p = contour(pred, spacing)
    points_t, lengths_t = contour(truth, spacing)
    distances = cdist(points_p, points_t)
    within = (
        lengths_p[distances.min(1) <= tolerance].sum()
        + lengths_t[distances.min(0) <= tolerance].sum()
    )
    return within / (lengths_p.sum() + lengths_t.sum())


def plain_hausdorff_95(pred, truth, spacing):
    edges = [
        np.argwhere(mask & ~binary_erosion(mask)) * np.array(spacing, dtype=float)
        for mask in (pred, truth)
    ]
    distances = cdist(*edges)
    return max(np.quantile(distances.min(1), 0.95), np.quantile(distances.min(0), 0.95))


def test_dice_of_two_boxes():
    a = box((8, 8), slice(0, 4), slice(0, 4))
    b = box((8, 8), slice(2, 4), slice(0, 6))
    # 8 pixels in common, 16 + 12 in all.
    assert dice_score(a, b) == pytest.approx(2 * 8 / 28)


def test_surface_dice_of_two_squares():
    truth = box((6, 6), slice(1, 3), slice(1, 3))
    pred = box((6, 6), slice(1, 4), slice(1, 3))
    # Contours: corners of half a pixel's diagonal, sides of 1 and 2 mm. Only the
    # lower side of the prediction, two corners and 1 mm, is 2 mm from the truth.
    corner = np.sqrt(5) / 2
    total = 8 * corner + 4 * 1 + 6 * 2
    expected = (total - 2 * corner - 1) / total
    assert surface_dice(pred, truth, (2, 1), 1.0) == pytest.approx(expected)
    assert expected == pytest.approx(0.870268, abs=1e-6)


def test_surface_dice_counts_distances_equal_to_the_tolerance():
    a = box((9, 9, 9), 5, 6, 2)
    b = box((9, 9, 9), 5, 6, 4)
    assert surface_dice(a, b, (3, 2, 1), 1.0) == pytest.approx(0.5)
    assert surface_dice(a, b, (3, 2, 1), 1.99) == pytest.approx(0.5)
    assert surface_dice(a, b, (3, 2, 1), 2.0) == pytest.approx(1.0)


def test_surface_dice_of_slabs():
    shape = (100, 100, 100)
    truth, pred = box(shape, slice(0, 50)), box(shape, slice(0, 51))
    assert surface_dice(pred, truth, (2, 1, 1), 1.0) == pytest.approx(0.836, abs=5e-4)


def test_spacing_is_in_the_order_of_the_axes():
    truth = box((12, 12), slice(2, 6), slice(2, 6))
    down = box((12, 12), slice(5, 9), slice(2, 6))
    assert hausdorff_95(down, truth, (5, 1)) == pytest.approx(15)
    assert hausdorff_95(down, truth, (1, 5)) == pytest.approx(3)
    assert surface_dice(down, truth, (5, 1), 3.0) < surface_dice(
        down, truth, (1, 5), 3.0
    )


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('spacing', [(1.0, 1.0), (2.0, 0.5)])
def test_like_the_plain_restatement(seed, spacing):
    pred, truth = blobs(seed)
    # A tolerance that no distance is equal to: float32 would decide by rounding.
    assert surface_dice(pred, truth, spacing, 1.03) == pytest.approx(
        plain_surface_dice(pred, truth, spacing, 1.03), abs=1e-6
    )
    assert hausdorff_95(pred, truth, spacing) == pytest.approx(
        plain_hausdorff_95(pred, truth, spacing), rel=1e-6
    )


@pytest.mark.parametrize('shape', [(7, 7), (4, 7, 7)])
def test_empty_masks(shape):
    empty, full = np.zeros(shape, dtype=bool), box(shape, 2, 3)
    spacing = (1.0,) * len(shape)
    assert np.isnan(dice_score(empty, empty))
    assert np.isnan(surface_dice(empty, empty, spacing, 2.0))
    assert np.isnan(hausdorff_95(empty, empty, spacing))
    for pair in ((empty, full), (full, empty)):
        assert dice_score(*pair) == 0
        assert surface_dice(*pair, spacing, 2.0) == 0
        assert hausdorff_95(*pair, spacing) == np.inf


def test_equal_masks():
    mask, _ = blobs(5)
    assert dice_score(mask, mask) == 1
    assert surface_dice(mask, mask, (1, 1), 0.0) == 1
    assert hausdorff_95(mask, mask, (1, 1)) == 0


@pytest.mark.parametrize(
    ('tolerance', 'plane', 'volume'), [(1.0, 0.5, 0.9663), (2.0, 0.5201, 0.9862)]
)
def test_the_released_evaluation_takes_an_image_for_a_volume(tolerance, plane, volume):
    # Figures of the released code, on a square that is shifted by 3 pixels.
    truth = box((80, 80), slice(10, 60), slice(10, 60))
    pred = box((80, 80), slice(10, 60), slice(13, 63))
    scores = [
        score(pred, truth, (1.0, 1.0), tolerance)
        for score in (surface_dice, surface_dice_medsam)
    ]
    assert scores == pytest.approx([plane, volume], abs=5e-5)
    cubes = [np.stack([mask[::4, ::4]] * 5) for mask in (pred, truth)]
    assert surface_dice_medsam(*cubes, (3, 1, 1), tolerance) == surface_dice(
        *cubes, (3, 1, 1), tolerance
    )
    assert surface_dice_medsam(pred, np.zeros_like(pred), (1, 1), tolerance) == 0
