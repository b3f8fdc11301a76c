"""Pictures: what is drawn where, and that nothing is left behind."""

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from mmseg_universeg.utils.pictures import case_picture

CLASSES = ('background', 'ring', 'core')
PALETTE = ((0, 0, 0), (0, 200, 120), (220, 60, 160))


def case(size=(60, 60)):
    rows, cols = np.indices(size)
    distance = np.hypot(rows - size[0] / 2, cols - size[1] / 2)
    return (distance < 20).astype(int) + (distance < 8)


def near(picture, colour):
    """Number of pixels of nearly a colour."""
    return (np.abs(picture.astype(int) - colour).max(axis=-1) < 12).sum()


def test_black_image_with_overlays():
    labels = case()
    black = np.zeros(labels.shape, np.float32)
    bare = case_picture(black, labels * 0, labels * 0, CLASSES, PALETTE)
    picture = case_picture(black, labels, labels * 0, CLASSES, PALETTE)
    assert picture.dtype == np.uint8 and picture.shape[1:] == (960, 3)
    assert picture.shape == bare.shape
    for colour in PALETTE[1:]:
        # Outline and legend in full colour; area at two fifths over black.
        assert near(picture, colour) > near(bare, colour) > 0
        tint = 0.4 * np.array(colour)
        assert near(picture, tint) > 500 > near(bare, tint)
    third = 320
    changed = np.argwhere((picture != bare).any(axis=-1))
    # Truth in its own panel, and as an outline in the prediction's.
    assert changed[:, 1].min() > third
    assert (changed[:, 1] > 2 * third).any()


def test_grey_palette_gets_a_colour():
    labels = (case() > 0).astype(int)
    white = np.ones(labels.shape, np.float32)
    picture = case_picture(
        white, labels, labels, ('background', 'foreground'), ((0, 0, 0), (255,) * 3)
    )
    assert near(picture, (230, 159, 0)) > 100


def test_supports_and_legend_make_it_taller():
    labels = case()
    image = np.full((*labels.shape, 3), 90, np.uint8)
    heights = [
        case_picture(
            image, labels, labels, CLASSES, PALETTE, 'x', [(image[..., 0], labels)] * n
        ).shape[0]
        for n in (0, 1, 8)
    ]
    assert heights[0] < heights[1] == heights[2]


@pytest.mark.parametrize('size', [(30, 90), (90, 30), (3, 3)])
def test_sizes(size):
    labels = case(size)
    picture = case_picture(labels / 2, labels, labels, CLASSES, PALETTE, 'a' * 300)
    assert 100 < picture.shape[0] < 900


def test_unknown_labels_are_not_drawn():
    labels = case()
    image = labels / 2
    known = case_picture(image, labels, labels, CLASSES, PALETTE)
    odd = np.where(labels == 0, 255, labels)
    assert np.array_equal(known, case_picture(image, odd, labels, CLASSES, PALETTE))


def test_leaves_no_global_state():
    backend = matplotlib.get_backend(auto_select=False)
    case_picture(case() / 2, case(), case(), CLASSES, PALETTE)
    assert matplotlib.get_backend(auto_select=False) == backend
    assert not pyplot.get_fignums()


def test_masks_that_overlap_are_all_drawn():
    labels = case()
    black = np.zeros(labels.shape, np.float32)
    masks = np.stack([labels > 0, labels > 1])
    picture = case_picture(black, masks, masks & False, CLASSES[1:], PALETTE[1:])
    apart = case_picture(black, labels, labels * 0, CLASSES, PALETTE)
    ring, core = (0.4 * np.array(colour) for colour in PALETTE[1:])
    # Both tints, one over the other, where one map shows the core alone.
    both = 0.6 * ring + core
    assert near(picture, ring) > 500
    assert near(picture, both) > 100 > near(apart, both)
    assert near(apart, core) > 100 > near(picture, core)
