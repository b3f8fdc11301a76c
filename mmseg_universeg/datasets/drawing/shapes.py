"""Outlines, cells and trees on a canvas, in units of the shorter image side."""

from functools import lru_cache

import cv2
import numpy as np

# Polygons are rasterised with 1/16 pixel.
_SHIFT = 4

# Those of the Fourier series of a blob's radius.
_ORDERS = np.arange(2, 7)


class Canvas:
    """A label map with a frame of coordinates.

    The origin is the middle, one unit is the shorter side of an image, x comes
    before y.

    Args:
        size: Height and width of an image in pixels.
        extent: Sides of the canvas in image sides.
        density: Canvas pixels per image pixel.
    """

    def __init__(
        self, size: tuple[int, int], extent: float = 1.0, density: float = 1.0
    ) -> None:
        self.pixels_per_unit = min(size) * density
        self.shape = tuple(round(side * extent * density) for side in size)
        self.span = np.array(self.shape[::-1]) / self.pixels_per_unit
        self.middle = (np.array(self.shape[::-1]) - 1) / 2
        self.labels = np.zeros(self.shape, np.uint8)

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Unit coordinates (..., 2) to pixel coordinates."""
        return points * self.pixels_per_unit + self.middle

    def paint(self, outlines: np.ndarray, label: int) -> None:
        """Fill a closed outline (P, 2), or several (K, P, 2), with a label."""
        self._fill(self.labels, outlines, int(label))

    def mask(self, outlines: np.ndarray) -> np.ndarray:
        """Union of closed outlines (K, P, 2) as a bool array."""
        mask = np.zeros(self.shape, np.uint8)
        self._fill(mask, outlines, 1)
        return mask.view(bool)

    def stroke(self, path: np.ndarray, width: float, label: int) -> None:
        """Draw an open path (P, 2), at least one pixel wide."""
        thickness = max(1, round(width * self.pixels_per_unit))
        cv2.polylines(
            self.labels,
            [self._fixed_point(path)],
            False,
            int(label),
            thickness,
            shift=_SHIFT,
        )

    def scatter(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Uniform random points (count, 2) over the canvas."""
        return rng.uniform(-0.5, 0.5, (count, 2)) * self.span

    def _fill(self, image: np.ndarray, outlines: np.ndarray, value: int) -> None:
        for outline in self._fixed_point(outlines).reshape(-1, *outlines.shape[-2:]):
            cv2.fillPoly(image, [outline], value, shift=_SHIFT)

    def _fixed_point(self, points: np.ndarray) -> np.ndarray:
        return np.rint(self.to_pixels(points) * 2**_SHIFT).astype(np.int32)


def blob_outlines(
    rng: np.random.Generator,
    centres: np.ndarray,
    radii: np.ndarray | float,
    aspect: float = 1.0,
    roughness: float = 0.1,
    num_points: int = 40,
) -> np.ndarray:
    """Outlines of smooth star-shaped blobs.

    The radius is that of an ellipse, times a Fourier series of orders 2 to 6.

    Args:
        rng: Source of orientation and form.
        centres: Centres (K, 2).
        radii: Mean radii, (K,) or one for all.
        aspect: Long by short axis of the ellipse.
        roughness: Deviation of the radius relative to its mean.
        num_points: Vertices of each outline.

    Returns:
        (K, num_points, 2).
    """
    count = len(centres)
    circle, waves = _waves(num_points)
    amplitudes = rng.normal(0, roughness, (count, 5)) / _ORDERS * 2
    phases = rng.uniform(0, 2 * np.pi, (count, 5))
    # A cosine is the real part of a power of a point of the unit circle, turned.
    radius = 1 + ((amplitudes * np.exp(1j * phases)) @ waves).real
    radius = np.maximum(radius, 0.3) * np.reshape(radii, (-1, 1))
    root = np.sqrt(aspect)
    ellipse = circle.real * root + 1j * circle.imag / root
    turns = np.exp(1j * rng.uniform(0, 2 * np.pi, (count, 1)))
    points = radius * (ellipse * turns) + (centres[:, :1] + 1j * centres[:, 1:])
    return points.view(float).reshape(count, num_points, 2)


@lru_cache
def _waves(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the unit circle, complex (num_points,), and their powers (5, ...)."""
    circle = np.exp(2j * np.pi * np.arange(num_points) / num_points)
    return circle, circle ** _ORDERS[:, None]


def clear_of_earlier(centres: np.ndarray, reaches: np.ndarray) -> np.ndarray:
    """Which of K objects lie clear of all that come before them, bool (K,).

    Args:
        centres: Their centres (K, 2).
        reaches: How far each reaches (K,); two are clear of each other where their
            centres are no less apart than both reach.
    """
    x, y = centres.T
    squares = np.subtract.outer(x, x) ** 2 + np.subtract.outer(y, y) ** 2
    close = squares < np.add.outer(reaches, reaches) ** 2
    return ~np.tril(close, -1).any(1)


def voronoi(shape: tuple[int, int], seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells and the distance to their walls.

    Args:
        shape: Height and width of the result in pixels.
        seeds: Pixel coordinates (K, 2), x before y, K at least 2; those outside
            are left out.

    Returns:
        Cell indices from 0, int32 (H, W), and the distance to the nearest wall
        in pixels, float32 (H, W).
    """
    columns, rows = np.rint(seeds).astype(int).T
    inside = (columns >= 0) & (columns < shape[1]) & (rows >= 0) & (rows < shape[0])
    away = np.ones(shape, np.uint8)
    away[rows[inside], columns[inside]] = 0
    _, cells = cv2.distanceTransformWithLabels(
        away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    off_wall = np.ones(shape, np.uint8)
    off_wall[:, 1:][cells[:, 1:] != cells[:, :-1]] = 0
    off_wall[1:][cells[1:] != cells[:-1]] = 0
    return cells - 1, cv2.distanceTransform(off_wall, cv2.DIST_L2, 5)


def grow_tree(
    rng: np.random.Generator,
    start: np.ndarray,
    heading: float,
    width: float,
    step: float,
    wiggle: float,
    forks: float,
    thinnest: float,
) -> list[tuple[np.ndarray, float]]:
    """A branching tube, as paths with widths.

    A branch is a random walk; at its end it forks into two thinner branches
    whose squares of the width add up to that of their parent.

    Args:
        rng: Source of the walk.
        start: Root (2,).
        heading: First direction in radians.
        width: Width at the root.
        step: Length of one step of the walk.
        wiggle: Deviation of the direction per step in radians.
        forks: Mean number of steps between forks.
        thinnest: Branches thinner than this end.

    Returns:
        Paths (P, 2) with their width, the root first.
    """
    branches = []
    todo = [(np.asarray(start, float), heading, width)]
    while todo:
        point, angle, wide = todo.pop()
        steps = 2 + rng.poisson(forks)
        angles = angle + np.cumsum(rng.normal(0, wiggle, steps))
        moves = step * np.stack([np.cos(angles), np.sin(angles)], -1)
        path = np.concatenate([[point], point + np.cumsum(moves, 0)])
        branches.append((path, wide))
        share = rng.uniform(0.25, 0.75)
        spread = rng.uniform(0.4, 1.1)
        # The thinner a branch, the more it turns away from its parent.
        for part, turn in ((share, share - 1), (1 - share, share)):
            thin = wide * np.sqrt(part)
            if thin >= thinnest:
                todo.append((path[-1], angles[-1] + turn * spread, thin))
    return branches
