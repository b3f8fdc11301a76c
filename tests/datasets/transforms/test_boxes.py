"""Checking, growing and making boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_universeg.datasets.transforms.boxes import (
    check_boxes,
    diameter_box,
    grow_boxes,
    longest_diameter,
)


@pytest.mark.parametrize(
    ('box', 'message'),
    [
        ((1, 2, np.nan, 4), 'holds NaN or infinite'),
        ((1, 2, np.inf, 4), 'holds NaN or infinite'),
        ((5, 2, 3, 4), 'is inverted'),
        ((5, 4, 8, 2), 'is inverted'),
        ((5, 2, 5, 4), 'has no area'),
        ((5, 4, 8, 4), 'has no area'),
        ((-1, 2, 3, 4), 'is not inside'),
        ((1, -0.5, 3, 4), 'is not inside'),
        ((1, 2, 20.5, 4), 'is not inside'),
        ((1, 2, 3, 11), 'is not inside'),
        # Drawn on an image of 640 x 320.
        ((320, 160, 480, 240), 'is not inside'),
    ],
)
def test_wrong_boxes_are_named(box, message):
    boxes = np.array([(0, 0, 20, 10), box], np.float32)
    with pytest.raises(
        ValueError, match=rf'a\.png: box 1, .*{message}.* x2 <= 20 and .* y2 <= 10'
    ):
        check_boxes(boxes, (10, 20), 'a.png')


@pytest.mark.parametrize(
    'boxes', [np.zeros((2, 4), int), np.zeros((2, 5)), np.zeros(4), np.zeros((1, 2, 2))]
)
def test_other_arrays_are_no_boxes(boxes):
    with pytest.raises(ValueError, match=r'a\.png: boxes must be \(N, 4\) floating'):
        check_boxes(boxes, (10, 20), 'a.png')


def test_no_box_and_rounding_at_the_border_are_fine():
    check_boxes(np.zeros((0, 4), np.float32), (10, 20), None)
    check_boxes(np.array([(-1e-3, 0, 20 + 1e-3, 10)]), (10, 20), None)


def test_growing_stops_at_the_border():
    boxes = np.float32([(2, 3, 8, 9), (0, 1, 20, 10)])
    grown = grow_boxes(boxes, np.array([(1, 2, 3, 4), (5, 5, 5, 5)]), (12, 20))
    assert grown.dtype == np.float32
    assert grown.tolist() == [[1, 1, 11, 12], [0, 0, 20, 12]]
    assert grow_boxes(boxes, 0.5, (12, 20))[0].tolist() == [1.5, 2.5, 8.5, 9.5]


def test_boxes_of_diameters():
    # A circle of diameter 10 about (13, 24), though its ends lie on one row.
    assert diameter_box(np.array([(8.0, 24.0), (18, 24)])).tolist() == [8, 19, 18, 29]
    both = np.array([(8.0, 24.0), (18, 26), (12, 28), (14, 22)])
    assert diameter_box(both).tolist() == [8, 22, 18, 28]


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.05, 1),
)
def test_longest_diameter_like_all_pairs_of_corners(size, seed, share):
    mask = np.random.default_rng(seed).random(size) < share
    mask[0, size[1] // 2] = True
    rows, columns = np.nonzero(mask)
    corners = np.concatenate(
        [np.stack((columns + x, rows + y), 1) for x in (0, 1) for y in (0, 1)]
    )
    wanted = max(np.linalg.norm(corners - corner, axis=1).max() for corner in corners)
    ends = longest_diameter(mask)
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(wanted)
    for end in ends:
        assert (corners == end).all(1).any()
