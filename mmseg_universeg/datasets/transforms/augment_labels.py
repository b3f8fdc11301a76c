"""Augmentations that change what is to be segmented."""

import cv2
import numpy as np
from mmseg.registry import TRANSFORMS

from .augment_base import RandomAugmentation


class LabelAugmentation(RandomAugmentation):
    """Base of the augmentations of binary maps.

    In an episode they belong into ``AugmentAlike``: the query and all supports
    must be changed together. They belong after warps that fill with a constant,
    which would otherwise put background around a complement.
    """

    def change(self, mask: np.ndarray) -> np.ndarray:
        """Return the new mask (H, W) of a mask (H, W) of 0 and 1."""
        raise NotImplementedError

    def augment(self, results: dict) -> None:
        """Change every map listed in ``seg_fields``.

        Raises:
            ValueError: If a map holds anything but 0 and 1.
        """
        for key in results['seg_fields']:
            mask = results[key]
            if mask.min() < 0 or mask.max() > 1:
                raise ValueError(
                    f'{results.get("img_path")}: {type(self).__name__} needs binary '
                    f'maps, found {np.unique(mask).tolist()} in {key!r}'
                )
            results[key] = self.change(mask).astype(mask.dtype)


@TRANSFORMS.register_module()
class RandomFlipLabels(LabelAugmentation):
    """Exchange foreground and background, 1 - y (UniverSeg's "Flip Labels").

    Args:
        prob: Probability of the exchange.
    """

    def change(self, mask: np.ndarray) -> np.ndarray:
        """Return the complement."""
        return 1 - mask


@TRANSFORMS.register_module()
class RandomEdgeLabels(LabelAugmentation):
    """Segment the boundary in place of the object ("Sobel-Edge Label").

    The new foreground is where the Sobel gradient of the mask is not zero, a
    band of one pixel on either side of the boundary, dilated by ``dilation``
    pixels. The border of the image is no boundary. A mask without boundary
    becomes empty.

    Args:
        prob: Probability of the change.
        dilation: Pixels by which the band grows on either side.
    """

    def __init__(self, prob: float = 0.5, dilation: int = 1) -> None:
        super().__init__(prob)
        if dilation < 0:
            raise ValueError(f'dilation must be 0 or more, found {dilation}')
        self.kernel = np.ones((2 * dilation + 1, 2 * dilation + 1), np.uint8)

    def change(self, mask: np.ndarray) -> np.ndarray:
        """Return the dilated band around the boundary."""
        mask = mask.astype(np.uint8)
        border = cv2.BORDER_REPLICATE
        across = cv2.Sobel(mask, cv2.CV_16S, 1, 0, borderType=border)
        down = cv2.Sobel(mask, cv2.CV_16S, 0, 1, borderType=border)
        edge = ((across != 0) | (down != 0)).astype(np.uint8)
        return cv2.dilate(edge, self.kernel)
