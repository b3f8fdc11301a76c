"""Random displacement fields of elastic deformations.

A field (H, W, 2) float32 holds the displacement of every pixel in pixels, x first.
All are drawn from the global state of ``numpy.random``.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ...utils.threads import one_blas_thread


def grid_displacement(
    height: int, width: int, grid_size: int, std: float
) -> np.ndarray:
    """Draw a field on a coarse grid and interpolate it bicubically.

    The scheme of Ronneberger et al., "U-Net" (2015), section 3.1. The grid spans the
    image: its outermost points are the centres of the corner pixels, so at the grid
    points the displacement has the standard deviation ``std`` exactly.

    Args:
        height: Height of the field.
        width: Width of the field.
        grid_size: Points of the grid along either axis.
        std: Standard deviation of the Gaussian that the vectors at the grid points
            are drawn from, in pixels, the same for both axes.

    Returns:
        (``height``, ``width``, 2) float32.
    """
    vectors = np.random.normal(0, std, (grid_size, grid_size, 2)).astype(np.float32)
    rows, columns = bicubic_matrix(grid_size, height), bicubic_matrix(grid_size, width)
    with one_blas_thread():
        planes = rows @ np.moveaxis(vectors, -1, 0) @ columns.T
    return np.moveaxis(planes, 0, -1)


def dense_displacement(
    height: int, width: int, alpha: float, sigma: float
) -> np.ndarray:
    """Draw a vector at every pixel and smooth them.

    The scheme of Simard et al., "Best practices for convolutional neural networks
    applied to visual document analysis" (2003), section 2: either component from
    U(-1, 1), smoothed with a Gaussian, times ``alpha``. The displacement's standard
    deviation is about 0.163 * ``alpha`` / ``sigma`` pixels.

    Args:
        height: Height of the field.
        width: Width of the field.
        alpha: Multiplier, in pixels.
        sigma: Standard deviation of the Gaussian, in pixels.

    Returns:
        (``height``, ``width``, 2) float32.
    """
    noise = np.random.uniform(-alpha, alpha, (height, width, 2)).astype(np.float32)
    # Beyond three standard deviations the kernel is nothing but time.
    side = 2 * int(np.ceil(3 * sigma)) + 1
    return cv2.GaussianBlur(noise, (side, side), sigma)


@lru_cache(maxsize=64)
def bicubic_matrix(points: int, length: int) -> np.ndarray:
    """Return the matrix (length, points) that interpolates ``points`` values.

    Cubic convolution as in PyTorch (``align_corners=True``, edge values repeated): row
    0 takes the first value, the last row the last one.
    """
    values = torch.eye(points)[None, None]
    matrix = F.interpolate(
        values, size=(length, points), mode='bicubic', align_corners=True
    )
    return matrix[0, 0].numpy()
