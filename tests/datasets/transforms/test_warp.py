"""Moving arrays, points and boxes by a field."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from mmseg_universeg.datasets.transforms.displacement import (
    dense_displacement,
    grid_displacement,
)
from mmseg_universeg.datasets.transforms.warp import LONGEST_SIDE, Warp

DTYPES = [
    *('bool', 'uint8', 'int8', 'uint16', 'int16', '>u2', 'uint32', 'int32'),
    *('uint64', 'int64', 'float16', 'float32', 'float64'),
]
METHODS = ['linear', 'cubic', 'pick']


def _constant(height: int, width: int, x: float, y: float) -> np.ndarray:
    return np.tile(np.float32([x, y]), (height, width, 1))


def _random_array(shape: tuple, dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Values over the whole range of the dtype, of 64 bits what float64 resolves."""
    kind = np.dtype(dtype).kind
    if kind == 'b':
        return rng.random(shape) < 0.5
    if kind == 'f':
        return (100 * rng.standard_normal(shape)).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**45)), min(info.max, 2**45)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def _apply(warp: Warp, method: str, array: np.ndarray, fill: float) -> np.ndarray:
    if method == 'pick':
        return warp.pick(array, fill)
    return warp.interpolate(array, method, fill)


@pytest.fixture
def rng():
    np.random.seed(0)
    return np.random.default_rng(0)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('method', METHODS)
def test_a_constant_field_of_whole_pixels_is_a_shift(dtype, method, rng):
    for channels in [(), (1,), (2,), (3,), (4,), (5,), (130,)]:
        array = _random_array((9, 11, *channels), dtype, rng)
        moved = _apply(Warp(_constant(9, 11, 3, -2)), method, array, 1)
        # The result at (x, y) is the source at (x + 3, y - 2).
        expected = np.ones_like(array)
        expected[2:, :8] = array[:-2, 3:]
        assert moved.dtype == array.dtype
        tolerance = 1e-3 if method == 'cubic' and moved.dtype.kind == 'f' else 0
        np.testing.assert_allclose(moved, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('dtype', ['uint8', 'int32', 'float32', 'float64'])
def test_half_a_pixel_is_the_mean_of_neighbours(dtype):
    array = np.array([[0, 10, 20, 100]]).astype(dtype)
    moved = Warp(_constant(1, 4, 0.5, 0)).interpolate(array, 'linear', 40)
    np.testing.assert_array_equal(moved, [[5, 15, 60, 70]])


def test_bool_takes_what_weighs_half_or_more():
    array = np.array([[False, True, True, False]])
    for shift, expected in [(0.25, [0, 1, 1, 0]), (0.5, [1, 1, 1, 0])]:
        warp = Warp(_constant(1, 4, shift, 0))
        moved = warp.interpolate(array, 'linear', 0)
        np.testing.assert_array_equal(moved, [expected])


@pytest.mark.parametrize('channels', [(), (3,), (6,)])
def test_linear_agrees_with_scipy(channels, rng):
    array = rng.random((40, 50, *channels), np.float32)
    warp = Warp(grid_displacement(40, 50, 3, 6.0))
    moved = warp.interpolate(array, 'linear', 0.5).reshape(40, 50, -1)
    for channel, plane in enumerate(np.atleast_3d(array).transpose(2, 0, 1)):
        expected = map_coordinates(
            plane, [warp.y, warp.x], order=1, mode='grid-constant', cval=0.5
        )
        # 1/64 pixel, in a direction along which neighbours differ by 1 at most.
        np.testing.assert_allclose(moved[..., channel], expected, atol=2 / 64 + 1e-4)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_cubic_is_sharper_than_linear(dtype):
    truth = np.sin(np.arange(64) / 2)[None].repeat(8, 0).astype(dtype)
    expected = np.sin((np.arange(64) + 0.5) / 2)[4:-4]
    warp = Warp(_constant(8, 64, 0.5, 0))
    errors = [
        np.abs(warp.interpolate(truth, way, 0)[4, 4:-4] - expected).max()
        for way in ('linear', 'cubic')
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize('dtype', ['uint8', 'int8', 'uint32'])
def test_cubic_is_clipped_to_the_range_of_integers(dtype):
    info = np.iinfo(dtype)
    step = np.full((8, 8), info.min, dtype)
    step[:, 4:] = info.max
    warp = Warp(_constant(8, 8, 0.5, 0))
    moved = warp.interpolate(step, 'cubic', 0)[0, 2:6]
    np.testing.assert_array_equal(moved[[0, 2]], [info.min, info.max])


def test_pick_is_the_nearest_pixel(rng):
    labels = rng.integers(0, 2**31 - 1, (20, 30), np.int32)
    warp = Warp(dense_displacement(20, 30, alpha=60, sigma=2))
    moved = warp.pick(labels, -1)
    outside = 0
    for y, x in np.ndindex(20, 30):
        row, column = round(float(warp.y[y, x])), round(float(warp.x[y, x]))
        inside = 0 <= row < 20 and 0 <= column < 30
        outside += not inside
        assert moved[y, x] == (labels[row, column] if inside else -1)
    assert outside > 10


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([(), (1,), (3,), (7,)]),
    dtype=st.sampled_from(DTYPES),
    method=st.sampled_from(METHODS),
    std=st.sampled_from([0.0, 1.0, 50.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_and_dtype(height, width, channels, dtype, method, std, seed):
    np.random.seed(seed)
    array = _random_array((height, width, *channels), dtype, np.random.default_rng(0))
    before = array.copy()
    moved = _apply(
        Warp(grid_displacement(height, width, 3, std)), method, array[::-1], 0
    )
    assert (moved.shape, moved.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(array, before)
    if std == 0:
        # SciPy's splines round in the last place.
        rounding = 1e-12 * np.abs(array).max() if method == 'cubic' else 0
        np.testing.assert_allclose(moved, array[::-1], rtol=0, atol=rounding)
    if method == 'pick':
        assert np.isin(moved, [*array.flat, 0]).all()
    if method == 'linear':
        low, high = min(array.min(), 0), max(array.max(), 0)
        assert low <= moved.min()
        assert moved.max() <= high


@pytest.mark.parametrize('size', [(0, 5), (2, LONGEST_SIDE + 1)])
def test_refuses_sides_that_opencv_cannot_warp(size):
    with pytest.raises(ValueError, match=rf'1 to 32766 .*\({size[0]}, {size[1]}\)'):
        Warp(np.zeros((*size, 2), np.float32))


def test_the_longest_side():
    array = np.arange(2 * LONGEST_SIDE, dtype=np.float32).reshape(2, -1)
    warp = Warp(_constant(*array.shape, 1, 0))
    moved = warp.interpolate(array, 'linear', 0)
    np.testing.assert_array_equal(moved[:, :-1], array[:, 1:])
    np.testing.assert_array_equal(warp.pick(array, 0), moved)


def test_points_of_a_constant_field_move_against_it():
    warp = Warp(_constant(20, 30, 4, -6))
    points = [[10.25, 5], [3.5, 5], [10, 15], [4, 13.9]]
    moved, inside = warp.move_points(points)
    np.testing.assert_allclose(moved, np.add(points, [-4, 6]))
    np.testing.assert_array_equal(inside, [True, False, False, True])


@pytest.mark.parametrize('scheme', ['grid', 'dense'])
def test_points_follow_what_is_drawn_at_them(scheme):
    np.random.seed(0)
    seen = 0
    for _ in range(15):
        if scheme == 'grid':
            warp = Warp(grid_displacement(96, 128, 3, 8.0))
        else:
            warp = Warp(dense_displacement(96, 128, alpha=17, sigma=4))
        points = np.random.uniform((0, 0), (128, 96), (8, 2))
        for point, place, inside in zip(points, *warp.move_points(points)):
            y, x = np.mgrid[:96, :128] + 0.5
            squares = (x - point[0]) ** 2 + (y - point[1]) ** 2
            dot = warp.interpolate(np.exp(-squares / 4), 'linear', 0)
            if not inside:
                assert dot.max() < 0.95 or min(*place, *(128, 96) - place) < 1
                continue
            # Half a pixel at each of drawing, and finding the brightest pixel.
            row, column = np.unravel_index(dot.argmax(), dot.shape)
            assert np.abs(place - (column + 0.5, row + 0.5)).max() < 1
            seen += 1
    assert seen > 80


def test_points_in_a_field_that_folds(rng):
    warp = Warp(grid_displacement(24, 24, 3, 10.0))
    gradient = np.abs(np.diff(warp.field, axis=1)).max()
    assert gradient > 1
    points = rng.uniform(0, 24, (200, 2))
    moved, inside = warp.move_points(points)
    assert inside.sum() > 20
    error = moved - 0.5 + warp.displacement_at(moved - 0.5) - (points - 0.5)
    assert np.linalg.norm(error[inside], axis=1).max() <= 1
    # No point is lost that the result shows.
    for point in points[~inside]:
        squares = (warp.x + 0.5 - point[0]) ** 2 + (warp.y + 0.5 - point[1]) ** 2
        row, column = np.unravel_index(squares.argmin(), squares.shape)
        edge = row in (0, 23) or column in (0, 23)
        assert squares.min() > 0.5 or edge


def test_no_points_and_no_boxes():
    warp = Warp(_constant(5, 5, 1, 1))
    moved, inside = warp.move_points(np.zeros((0, 2)))
    assert (moved.shape, inside.shape) == ((0, 2), (0,))
    assert warp.move_boxes(np.zeros((0, 4))).shape == (0, 4)


def test_boxes_of_a_constant_field_move_against_it():
    warp = Warp(_constant(20, 30, 4, -6))
    boxes = [[8, 2, 20.5, 10], [0, 0, 30, 20], [0, 0, 3, 5], [7, 7, 7, 7]]
    expected = [[4, 8, 16.5, 16], [0, 6, 26, 20], [0, 6, 0, 11], [3, 13, 3, 13]]
    np.testing.assert_allclose(warp.move_boxes(boxes), expected)


@pytest.mark.parametrize('scheme', ['grid', 'dense'])
def test_boxes_surround_what_they_surrounded(scheme):
    np.random.seed(1)
    for _ in range(20):
        if scheme == 'grid':
            warp = Warp(grid_displacement(96, 128, 3, 8.0))
        else:
            warp = Warp(dense_displacement(96, 128, alpha=34, sigma=4))
        x1, y1 = np.random.randint(0, (100, 70))
        x2, y2 = np.random.randint((x1 + 4, y1 + 4), (x1 + 26, y1 + 26))
        filled = np.zeros((96, 128), np.uint8)
        filled[y1:y2, x1:x2] = 1
        rows, columns = np.nonzero(warp.pick(filled, 0))
        box = warp.move_boxes([[x1, y1, x2, y2]])[0]
        expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        np.testing.assert_allclose(box, expected, atol=1)
