"""Random geometric augmentations of an image and its maps."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from mmseg.registry import TRANSFORMS

from .augment_base import RandomAugmentation, checked_range
from .boxes import refuse_boxes
from .displacement import dense_displacement

BORDERS = {'constant': cv2.BORDER_CONSTANT, 'reflect': cv2.BORDER_REFLECT_101}


class WarpAugmentation(RandomAugmentation):
    """Base of the warps: images linearly, maps by their nearest pixel.

    Args:
        prob: Probability of the warp.
        border: What comes in from outside the image: ``'constant'`` fills the
            image with 0 and maps with ``seg_fill``; ``'reflect'`` mirrors both.
        seg_fill: Label of what comes in; 255 has MMSeg's losses and metrics
            ignore it, episodes need 0.
    """

    def __init__(
        self, prob: float = 0.5, border: str = 'constant', seg_fill: int = 0
    ) -> None:
        super().__init__(prob)
        if border not in BORDERS:
            raise ValueError(f'border must be one of {[*BORDERS]}, found {border!r}')
        self.border, self.seg_fill = BORDERS[border], seg_fill

    def draw(self, height: int, width: int) -> Callable[..., np.ndarray]:
        """Draw a warp: a function of array, interpolation flag and fill value."""
        raise NotImplementedError

    def augment(self, results: dict) -> None:
        """Warp ``img`` and every map listed in ``seg_fields`` alike.

        Raises:
            ValueError: There are boxes, which this would leave behind.
        """
        refuse_boxes(results, type(self).__name__)
        img = results['img']
        warp = self.draw(*img.shape[:2])
        # OpenCV drops a last axis of one channel.
        results['img'] = warp(img, cv2.INTER_LINEAR, 0).reshape(img.shape)
        for key in results.get('seg_fields', []):
            results[key] = warp(results[key], cv2.INTER_NEAREST, self.seg_fill)


@TRANSFORMS.register_module()
class RandomAffineWarp(WarpAugmentation):
    """Rotate, scale and move about the image's centre, in one interpolation.

    Args:
        prob: Probability of the warp.
        degrees: Range of the angle, counter-clockwise.
        translate: Largest move, as a fraction of the width and of the height;
            moves are drawn from plus or minus that, for each axis.
        scale: Range of the scale, the same for both axes; above 1 enlarges.
        border: See :class:`WarpAugmentation`.
        seg_fill: See :class:`WarpAugmentation`.
    """

    def __init__(
        self,
        prob: float = 0.5,
        degrees: Sequence[float] = (-25, 25),
        translate: float = 0.1,
        scale: Sequence[float] = (0.9, 1.1),
        border: str = 'constant',
        seg_fill: int = 0,
    ) -> None:
        super().__init__(prob, border, seg_fill)
        if not 0 <= translate <= 1:
            raise ValueError(
                f'translate is a fraction of the size in [0, 1], found {translate}'
            )
        self.degrees = checked_range('degrees', degrees)
        self.translate = translate
        self.scale = checked_range('scale', scale, lowest=1e-3)

    def draw(self, height: int, width: int) -> Callable[..., np.ndarray]:
        """Draw angle, scale and move."""
        angle, scale = np.random.uniform(*self.degrees), np.random.uniform(*self.scale)
        moves = np.random.uniform(-self.translate, self.translate, 2)
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, scale)
        matrix[:, 2] += moves * (width, height)

        def warp(array: np.ndarray, interpolation: int, fill: int) -> np.ndarray:
            return cv2.warpAffine(
                array,
                matrix,
                (width, height),
                flags=interpolation,
                borderMode=self.border,
                borderValue=(fill,) * 4,
            )

        return warp


@TRANSFORMS.register_module()
class RandomElastic(WarpAugmentation):
    """Deform by a smooth random field, as in Simard et al. (2003).

    See :func:`dense_displacement`. Libraries that measure in half sizes
    of the image, as kornia does, have alphas smaller by half the size: their
    1 to 2.5 is 64 to 160 at 128x128.

    Args:
        prob: Probability of the deformation.
        alpha: Range of the multiplier, in pixels.
        sigma: Range of the Gaussian's standard deviation, in pixels.
        border: See :class:`WarpAugmentation`.
        seg_fill: See :class:`WarpAugmentation`.
    """

    def __init__(
        self,
        prob: float = 0.5,
        alpha: Sequence[float] = (64, 160),
        sigma: Sequence[float] = (7, 9),
        border: str = 'constant',
        seg_fill: int = 0,
    ) -> None:
        super().__init__(prob, border, seg_fill)
        self.alpha = checked_range('alpha', alpha, lowest=0)
        self.sigma = checked_range('sigma', sigma, lowest=0.1)

    def draw(self, height: int, width: int) -> Callable[..., np.ndarray]:
        """Draw alpha, sigma and the field."""
        alpha, sigma = np.random.uniform(*self.alpha), np.random.uniform(*self.sigma)
        field = dense_displacement(height, width, alpha, sigma)
        field[..., 0] += np.arange(width, dtype=np.float32)
        field[..., 1] += np.arange(height, dtype=np.float32)[:, None]

        def warp(array: np.ndarray, interpolation: int, fill: int) -> np.ndarray:
            return cv2.remap(
                array,
                field,
                None,
                interpolation,
                borderMode=self.border,
                borderValue=(fill,) * 4,
            )

        return warp
