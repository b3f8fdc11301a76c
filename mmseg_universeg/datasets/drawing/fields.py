"""Smooth random fields and the deformations made from them."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .options import Changes

# Cubic interpolation between nodes averages noise; this makes up for it.
NODE_DEVIATION = 1.18


def smooth_fields(
    rng: np.random.Generator, num_fields: int, shape: tuple[int, int], cells: float
) -> np.ndarray:
    """Gaussian noise on a coarse grid, upsampled with cubic splines.

    Args:
        rng: Source of the noise.
        num_fields: How many fields.
        shape: Height and width in pixels.
        cells: Grid cells along the shorter side; more cells, finer structure.

    Returns:
        float32 (num_fields, H, W) of mean about 0 and deviation about 1.
    """
    nodes = (num_fields, *grid(shape, cells))
    return upsample(rng.standard_normal(nodes, dtype=np.float32), shape)


def grid(shape: tuple[int, int], cells: float) -> tuple[int, int]:
    """Rows and columns of the nodes of a smooth field."""
    step = min(shape) / cells
    # Two more nodes than cells keep the replicated border of cv2 outside.
    rows, cols = (max(2, round(side / step)) + 2 for side in shape)
    return rows, cols


def upsample(nodes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Smooth fields (..., H, W) through nodes (..., rows, columns), float32.

    Nodes of deviation 1 give fields of deviation about 1.
    """
    down, across = (upsampling(n, p) for n, p in zip(nodes.shape[-2:], shape))
    nodes = nodes * np.float32(NODE_DEVIATION)
    return down @ (nodes @ across.T)


@lru_cache(maxsize=32)
def upsampling(nodes: int, pixels: int) -> np.ndarray:
    """What cv2 interpolates between nodes, as a matrix, float32 (pixels, nodes).

    About one cell at either end, which the border of cv2 affects, is left out.
    """
    margin = round(pixels / nodes)
    size = (nodes, pixels + 2 * margin)
    units = np.eye(nodes, dtype=np.float32)
    large = cv2.resize(units, size, interpolation=cv2.INTER_CUBIC)
    return large[margin : margin + pixels]


@dataclass(frozen=True)
class Pose:
    """How far the images of a task may differ from its prototype.

    Lengths are fractions of the shorter image side.

    Attributes:
        rotation: Largest angle in radians, either way.
        scale: Deviation of the logarithm of the zoom.
        stretch: Deviation of the logarithm of the aspect ratio.
        shift: Deviation of the translation.
        mirror: Whether images may be mirrored.
        elastic: Deviation of the elastic displacement in grid cells; folds
            begin to appear above 0.2.
        elastic_cells: Grid cells of the elastic field along the shorter side.
    """

    rotation: float
    scale: float
    stretch: float
    shift: float
    mirror: bool
    elastic: float
    elastic_cells: float

    @classmethod
    def draw(cls, rng: np.random.Generator, changes: Changes) -> 'Pose':
        """Draw the spread of one task from its ranges."""
        free = rng.random() < changes.any_way
        return cls(
            rotation=np.pi if free else rng.uniform(*changes.rotation),
            scale=rng.uniform(*changes.scale),
            stretch=rng.uniform(*changes.stretch),
            shift=rng.uniform(*changes.shift),
            mirror=bool(free),
            elastic=rng.uniform(*changes.elastic),
            elastic_cells=rng.uniform(*changes.elastic_cells),
        )


def deform(
    rng: np.random.Generator,
    canvas: np.ndarray,
    num_images: int,
    size: tuple[int, int],
    pixels_per_unit: float,
    pose: Pose,
    roam: float = 0.0,
) -> np.ndarray:
    """Look at a label map through randomly deformed windows.

    Args:
        rng: Source of the deformations.
        canvas: Label map, uint8, with the prototype in its middle.
        num_images: How many windows.
        size: Height and width of a window in pixels.
        pixels_per_unit: Canvas pixels along the shorter side of a window.
        pose: Spread of the deformations.
        roam: Largest further translation of a window, in window sides, for
            canvases that look alike everywhere.

    Returns:
        uint8 (num_images, H, W), values of the nearest canvas pixels.
    """
    height, width = size
    side = min(size)
    ys = (np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2) / side
    xs = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / side
    middle = (np.array(canvas.shape[::-1]) - 1) / 2
    bends = smooth_fields(rng, 2 * num_images, size, pose.elastic_cells)
    bends *= pose.elastic / pose.elastic_cells * pixels_per_unit
    windows = np.empty((num_images, height, width), np.uint8)
    for n in range(num_images):
        linear, shift = draw_window(rng, pose, pixels_per_unit, roam)
        starts = (shift + middle).tolist()
        points = bends[2 * n : 2 * n + 2]
        for point, (by_x, by_y), start in zip(points, linear.tolist(), starts):
            point += by_x * xs + start
            point += by_y * ys
        windows[n] = cv2.remap(
            canvas, *points, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
        )
    return windows


def draw_window(
    rng: np.random.Generator, pose: Pose, pixels_per_unit: float, roam: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Where one image looks at its prototype, but for the elastic displacement.

    Args:
        rng: Source of it.
        pose: Spread of the deformations.
        pixels_per_unit: Prototype pixels along the shorter side of the image.
        roam: Largest further translation, in image sides.

    Returns:
        A matrix float64 (2, 2) from positions (x, y) in the image, in units of its
        shorter side from its middle, to pixels of the prototype, and the shift (2,) of
        the middle in pixels.
    """
    angle = rng.uniform(-pose.rotation, pose.rotation)
    zoom = np.exp(rng.normal(0, pose.scale))
    stretch = np.exp(rng.normal(0, pose.stretch) / 2)
    shift = rng.normal(0, pose.shift, 2) + rng.uniform(-roam, roam, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    along = -1 if pose.mirror and rng.random() < 0.5 else 1
    wide, high = along * stretch * zoom, zoom / stretch
    linear = np.array([[cos * wide, -sin * high], [sin * wide, cos * high]])
    return linear * pixels_per_unit, shift * pixels_per_unit
