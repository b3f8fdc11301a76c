"""What the random augmentations of single images share."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

# Interpolation may leave [0, 1] by rounding errors.
TOLERANCE = 1e-4


class RandomAugmentation(BaseTransform):
    """Base of the transforms that augment an image with a given probability.

    They take an ordinary results dict of MMSeg, with ``img`` (H, W) or
    (H, W, C) and a (H, W) map under each key listed in ``seg_fields``, and
    draw from the global state of ``numpy.random`` only.

    Args:
        prob: Probability of augmenting an image.
    """

    def __init__(self, prob: float = 0.5) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be in [0, 1], found {prob}')
        self.prob = prob

    def augment(self, results: dict) -> None:
        """Draw parameters and change ``results``."""
        raise NotImplementedError

    def transform(self, results: dict) -> dict:
        """Augment ``results`` or leave it as it is."""
        if np.random.rand() < self.prob:
            self.augment(results)
        return results


def checked_range(
    name: str, value: Sequence[float], lowest: float = -np.inf, highest: float = np.inf
) -> tuple[float, float]:
    """Return ``value`` as (low, high).

    Raises:
        ValueError: If it is no pair in order within [lowest, highest].
    """
    if len(value) != 2 or not lowest <= value[0] <= value[1] <= highest:
        raise ValueError(
            f'{name} must be (low, high) within [{lowest}, {highest}], found {value!r}'
        )
    return float(value[0]), float(value[1])


def unit_image(results: dict, transform: BaseTransform) -> np.ndarray:
    """Return the image.

    Raises:
        ValueError: If it is not float32 in [0, 1].
    """
    img = results['img']
    inside = img.min() >= -TOLERANCE and img.max() <= 1 + TOLERANCE
    if img.dtype != np.float32 or not inside:
        raise ValueError(
            f'{results.get("img_path")}: {type(transform).__name__} needs a float32 '
            f'image in [0, 1], found {img.dtype} from {img.min()} to {img.max()}; put '
            'MinMaxNormalize before it'
        )
    return img
