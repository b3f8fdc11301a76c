"""Random displacement fields."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mmseg_universeg.datasets.transforms.displacement import (
    bicubic_matrix,
    dense_displacement,
    grid_displacement,
)


def _cubic(distance: float) -> float:
    """The cubic convolution kernel with a = -0.75, in float64."""
    a, t = -0.75, abs(distance)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def _plain_bicubic(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Interpolate a grid (n, n, 2) that spans the image, pixel by pixel."""
    last = len(grid) - 1
    field = np.zeros((height, width, 2))
    for y, x in np.ndindex(height, width):
        row, column = y * last / max(height - 1, 1), x * last / max(width - 1, 1)
        for i in range(int(row) - 1, int(row) + 3):
            for j in range(int(column) - 1, int(column) + 3):
                value = grid[min(max(i, 0), last), min(max(j, 0), last)]
                field[y, x] += _cubic(row - i) * _cubic(column - j) * value
    return field


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (2, 3), (11, 14)])
@pytest.mark.parametrize('grid_size', [2, 3, 5])
def test_grid_is_interpolated_bicubically(size, grid_size):
    np.random.seed(1)
    field = grid_displacement(*size, grid_size, 10)
    np.random.seed(1)
    grid = np.random.normal(0, 10, (grid_size, grid_size, 2))
    assert field.shape == (*size, 2)
    assert field.dtype == np.float32
    np.testing.assert_allclose(field, _plain_bicubic(grid, *size), atol=1e-4)


def test_vectors_at_the_grid_points_have_the_given_deviation():
    np.random.seed(0)
    fields = [grid_displacement(33, 65, 3, 10.0) for _ in range(1000)]
    vectors = np.stack(fields)[:, ::16, ::32]
    assert vectors.shape == (1000, 3, 3, 2)
    np.testing.assert_allclose(vectors.std(0), 10, rtol=0.1)
    assert vectors.std() == pytest.approx(10, rel=0.02)
    assert abs(vectors.mean()) < 0.3
    # Grid points and axes are independent of each other.
    correlation = np.corrcoef(vectors.reshape(1000, 18).T)
    assert np.abs(correlation - np.eye(18)).max() < 0.15


def test_dense_is_smoothed_noise():
    np.random.seed(2)
    field = dense_displacement(40, 50, alpha=34, sigma=4)
    np.random.seed(2)
    noise = 34 * np.random.uniform(-1, 1, (40, 50, 2))
    expected = gaussian_filter(noise, (4, 4, 0), truncate=3, mode='mirror')
    assert field.dtype == np.float32
    np.testing.assert_allclose(field, expected, atol=1e-4)


def test_dense_has_the_documented_deviation():
    np.random.seed(0)
    field = dense_displacement(300, 300, alpha=100, sigma=5)
    assert field.std() == pytest.approx(0.163 * 100 / 5, rel=0.05)


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_dense_of_sizes_below_the_kernel(size):
    field = dense_displacement(*size, alpha=34, sigma=4)
    assert field.shape == (*size, 2)
    assert np.isfinite(field).all()


def test_matrix_keeps_constants():
    np.testing.assert_allclose(bicubic_matrix(3, 512).sum(1), 1, atol=1e-6)
