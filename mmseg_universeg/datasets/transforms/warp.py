"""Moving images, label maps, points and boxes by one displacement field."""

import cv2
import numpy as np
from scipy.ndimage import map_coordinates

# cv2.remap fails for other types, or goes wrong: float64 beyond 2**31 by a cubic.
REMAPPED = (np.uint8, np.uint16, np.int16, np.float32)
FLAGS = {'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}
ORDERS = {'linear': 1, 'cubic': 3}
# cv2.remap keeps coordinates in 16 bits.
LONGEST_SIDE = 32766
# In pixels: when a moved point counts as found, and in how many steps at most.
TOLERANCE, STEPS = 0.01, 50


class Warp:
    """A displacement field, ready to move what belongs to an image.

    The field says where the pixels of the result come from: the result at (x, y) is the
    source at (x, y) + field(x, y). So an object moves against the field.

    Args:
        field: (H, W, 2) float32, displacement in x and y, in pixels.

    Raises:
        ValueError: If a side is longer than 32766 pixels.
    """

    def __init__(self, field: np.ndarray) -> None:
        self.height, self.width = field.shape[:2]
        if not 0 < min(field.shape[:2]) <= max(field.shape[:2]) <= LONGEST_SIDE:
            raise ValueError(
                f'OpenCV warps sides of 1 to {LONGEST_SIDE} pixels, found (height, '
                f'width) = {field.shape[:2]}; crop first'
            )
        self.field = field
        self.x = field[..., 0] + np.arange(self.width, dtype=np.float32)
        self.y = field[..., 1] + np.arange(self.height, dtype=np.float32)[:, None]
        column, row = np.rint(self.x).astype(np.int32), np.rint(self.y).astype(np.int32)
        self.outside = (column < 0) | (column >= self.width)
        self.outside |= (row < 0) | (row >= self.height)
        self.nearest = row * self.width + column

    def interpolate(
        self, array: np.ndarray, interpolation: str, fill: float
    ) -> np.ndarray:
        """Return a moved array, interpolated.

        8-bit and 16-bit unsigned, 16-bit signed and 32-bit floating values by OpenCV,
        which may round coordinates to 1/32 pixel; others by SciPy in float64.

        Args:
            array: (H, W) or (H, W, C), any real dtype. Integers are rounded and, where
                a cubic leaves their range, clipped; of bool 0.5 and more is True.
            interpolation: ``'linear'`` or ``'cubic'`` (cubic convolution by OpenCV,
                cubic spline by SciPy).
            fill: Value outside of the source.

        Returns:
            Shape and dtype of ``array``.
        """
        planes = array.reshape(self.height, self.width, -1)
        if array.dtype in REMAPPED:
            moved = self._by_opencv(planes, interpolation, fill)
        else:
            moved = self._by_scipy(planes, interpolation, fill)
        return moved.reshape(array.shape)

    def _by_opencv(
        self, planes: np.ndarray, interpolation: str, fill: float
    ) -> np.ndarray:
        # The fill value has four channels, and OpenCV drops those beyond 128.
        moved = [
            cv2.remap(
                planes[..., start : start + 4],
                self.x,
                self.y,
                FLAGS[interpolation],
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(fill,) * 4,
            ).reshape(self.height, self.width, -1)
            for start in range(0, planes.shape[2], 4)
        ]
        return np.concatenate(moved, axis=2)

    def _by_scipy(
        self, planes: np.ndarray, interpolation: str, fill: float
    ) -> np.ndarray:
        moved = np.empty_like(planes)
        for channel in range(planes.shape[2]):
            values = map_coordinates(
                planes[..., channel].astype(np.float64),
                (self.y, self.x),
                order=ORDERS[interpolation],
                mode='grid-constant',
                cval=fill,
            )
            if planes.dtype == bool:
                values = values >= 0.5
            elif planes.dtype.kind in 'iu':
                info = np.iinfo(planes.dtype)
                values = np.rint(values).clip(info.min, info.max)
            moved[..., channel] = values
        return moved

    def pick(self, array: np.ndarray, fill: float) -> np.ndarray:
        """Return a moved array of the nearest pixels' values, (H, W) or (H, W, C).

        Only values of ``array`` and ``fill`` occur, exactly, whatever the dtype.
        """
        pixels = array.reshape(self.height * self.width, *array.shape[2:])
        moved = pixels.take(self.nearest, axis=0, mode='clip')
        moved[self.outside] = fill
        return moved

    def move_points(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where points of the source come to lie.

        A point p goes to the q with q + field(q) = p. It is found by iterating
        q = p - field(q). Where the field folds that may not end; then q is the pixel
        whose source is nearest to p.

        Args:
            points: (N, 2) x and y. As in MMCV, pixel (0, 0) reaches from (0, 0) to
                (1, 1), its centre is (0.5, 0.5).

        Returns:
            (N, 2) float64, and (N,) bool: whether the point is inside of the result.
        """
        goal = np.asarray(points, np.float64) - 0.5
        found = goal.copy()
        for _ in range(STEPS):
            found = goal - self.displacement_at(found)
            missed = self._distance(found, goal) > TOLERANCE
            if not missed.any():
                break
        for index in np.flatnonzero(missed):
            squares = (self.x - goal[index, 0]) ** 2 + (self.y - goal[index, 1]) ** 2
            row, column = np.unravel_index(squares.argmin(), squares.shape)
            found[index] = column, row
        found += 0.5
        inside = (found >= 0).all(1) & (found < (self.width, self.height)).all(1)
        return found, inside & (self._distance(found - 0.5, goal) <= 1)

    def displacement_at(self, places: np.ndarray) -> np.ndarray:
        """Return the field at (N, 2) x and y counted from the first pixel's centre.

        Linear between pixels; beyond the image the field goes on as at its edge.
        """
        coordinates = places[:, ::-1].T
        return np.stack(
            [
                map_coordinates(
                    self.field[..., axis], coordinates, order=1, mode='nearest'
                )
                for axis in range(2)
            ],
            axis=1,
        )

    def _distance(self, found: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return (N,) pixels between where ``found`` comes from and ``goal``."""
        return np.linalg.norm(found + self.displacement_at(found) - goal, axis=1)

    def move_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return the boxes around the moved outlines, clipped to the image.

        A box that leaves the image keeps its place in the array and has no area.

        Args:
            boxes: (N, 4) x1, y1, x2, y2, as in MMCV: (0, 0, W, H) is the whole image.

        Returns:
            (N, 4) float64.
        """
        moved = np.empty((len(boxes), 4))
        for index, (x1, y1, x2, y2) in enumerate(boxes):
            # A point at each pixel or closer.
            xs = np.linspace(x1, x2, int(np.ceil(x2 - x1)) + 2)
            ys = np.linspace(y1, y2, int(np.ceil(y2 - y1)) + 2)
            sides = [(xs, y1), (xs, y2), (x1, ys), (x2, ys)]
            outline = [np.stack(np.broadcast_arrays(*side), axis=1) for side in sides]
            places, _ = self.move_points(np.concatenate(outline))
            moved[index] = *places.min(0), *places.max(0)
        return moved.clip(0, (self.width, self.height) * 2)
