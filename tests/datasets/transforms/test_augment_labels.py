"""Augmentations that change what is to be segmented."""

import numpy as np
import pytest

from mmseg_universeg.datasets.transforms import RandomEdgeLabels, RandomFlipLabels


def _results(mask: np.ndarray) -> dict:
    return dict(
        img=mask.astype(np.float32),
        gt_seg_map=mask,
        seg_fields=['gt_seg_map'],
        img_path='a.png',
    )


@pytest.fixture
def square():
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 10:26] = 1
    return mask


@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_flip_exchanges_the_labels(square, dtype):
    square = square.astype(dtype)
    out = RandomFlipLabels(prob=1)(_results(square))['gt_seg_map']
    np.testing.assert_array_equal(out, square == 0)
    assert out.dtype == dtype


def test_edge_without_dilation_is_one_pixel_on_either_side(square):
    out = RandomEdgeLabels(prob=1, dilation=0)(_results(square))['gt_seg_map']
    expected = np.zeros_like(square)
    expected[7:21, 9:27] = 1
    expected[9:19, 11:25] = 0
    np.testing.assert_array_equal(out, expected)
    assert out.dtype == np.uint8


def test_edge_is_binary_and_on_the_boundary(square):
    out = RandomEdgeLabels(prob=1, dilation=2)(_results(square))['gt_seg_map']
    expected = np.zeros_like(square)
    expected[5:23, 7:29] = 1
    expected[11:17, 13:23] = 0
    np.testing.assert_array_equal(out, expected)


def test_the_border_of_the_image_is_no_boundary():
    mask = np.zeros((20, 20), np.uint8)
    mask[:, :10] = 1
    out = RandomEdgeLabels(prob=1, dilation=0)(_results(mask))['gt_seg_map']
    np.testing.assert_array_equal(np.flatnonzero(out.any(0)), [9, 10])
    full = RandomEdgeLabels(prob=1)(_results(np.ones_like(mask)))['gt_seg_map']
    assert not full.any()


def test_edges_of_an_object_and_of_its_complement_agree(square):
    edge = RandomEdgeLabels(prob=1)
    inside = edge(_results(square))['gt_seg_map']
    outside = edge(_results(1 - square))['gt_seg_map']
    np.testing.assert_array_equal(inside, outside)


@pytest.mark.parametrize('transform', [RandomFlipLabels(1), RandomEdgeLabels(1)])
@pytest.mark.parametrize('value', [2, 255])
def test_refuses_maps_that_are_not_binary(transform, value, square):
    square[0, 0] = value
    with pytest.raises(ValueError, match=rf'a\.png.*binary.*\[0, 1, {value}\]'):
        transform(_results(square))


def test_refuses_negative_dilation():
    with pytest.raises(ValueError, match='found -1'):
        RandomEdgeLabels(dilation=-1)
