"""Channels, and intensities in [0, 1] per image."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from .augment_base import unit_image

# ITU-R BT.601, the weights of Pillow's convert('L').
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@TRANSFORMS.register_module()
class ToGrayscale(BaseTransform):
    """Turn an RGB image into its luma and leave grey images grey.

    ITU-R BT.601 as in Pillow's ``convert('L')``, without the rounding; values stay
    in the range of the image.

    Required and modified key: ``img``, (H, W) or (H, W, 3) RGB of any real dtype ->
    (H, W) float32.
    """

    def transform(self, results: dict) -> dict:
        """Make ``results['img']`` grey.

        Raises:
            ValueError: The image has neither 1 nor 3 channels.
        """
        img = results['img']
        if img.ndim == 3 and img.shape[2] == 3:
            # Not a matrix product: its order of summation depends on the machine.
            r, g, b = (img[..., i].astype(np.float32) * LUMA[i] for i in range(3))
            results['img'] = r + g + b
        elif img.ndim == 2:
            results['img'] = img.astype(np.float32)
        else:
            raise ValueError(
                f'{results.get("img_path")}: ToGrayscale wants an image (H, W) or '
                f'(H, W, 3), found {img.shape}'
            )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class DarkBackground(BaseTransform):
    """Turn images that are dark on light into light on dark.

    For data sets that mix stained tissue and fluorescence, whose objects otherwise
    are the darkest pixels of some images and the brightest of others. An image is
    inverted, ``1 - x``, if its median over all pixels and channels is above 0.5: most
    pixels are background.

    Required and modified key: ``img``, (H, W) or (H, W, C) float32 in [0, 1].
    """

    def transform(self, results: dict) -> dict:
        """Invert ``results['img']`` if its background is light.

        Raises:
            ValueError: If the image is not float32 in [0, 1].
        """
        img = unit_image(results, self)
        if np.median(img) > 0.5:
            results['img'] = 1 - img
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class MinMaxNormalize(BaseTransform):
    """Scale an image to [0, 1] by its own lowest and highest value.

    All channels share one scale. An image of constant intensity has no scale and
    becomes zeros. UniverSeg's release asks for images normalised this way, CT
    clipped before.

    Required and modified key: ``img``, any shape and real dtype -> the same shape,
    float32 in [0, 1].

    Args:
        clip: (low, high) in the image's own units, e.g. Hounsfield units; values
            beyond are set to them before the image's range is taken.
        percentiles: (low, high) in [0, 100]; values beyond these percentiles of the
            image are set to them. Not together with ``clip``.
    """

    def __init__(
        self,
        clip: tuple[float, float] | None = None,
        percentiles: tuple[float, float] | None = None,
    ) -> None:
        if clip is not None and percentiles is not None:
            raise ValueError(
                f'give clip or percentiles, not both: found clip={clip} and '
                f'percentiles={percentiles}'
            )
        if clip is not None and not clip[0] < clip[1]:
            raise ValueError(f'clip must be (low, high) with low < high, found {clip}')
        if percentiles is not None and not (
            0 <= percentiles[0] < percentiles[1] <= 100
        ):
            raise ValueError(
                'percentiles must be (low, high) with 0 <= low < high <= 100, found '
                f'{percentiles}'
            )
        self.clip = clip
        self.percentiles = percentiles

    def transform(self, results: dict) -> dict:
        """Normalise ``results['img']``.

        Raises:
            ValueError: The image holds NaN or infinite values.
        """
        img = results['img'].astype(np.float64)
        finite = np.isfinite(img)
        if not finite.all():
            raise ValueError(
                f'{results.get("img_path")}: image holds {int((~finite).sum())} of '
                f'{img.size} values that are NaN or infinite, wanted finite ones'
            )
        if self.percentiles is not None:
            img = img.clip(*np.percentile(img, self.percentiles))
        elif self.clip is not None:
            img = img.clip(*self.clip)
        low, high = img.min(), img.max()
        if high > low:
            results['img'] = ((img - low) / (high - low)).astype(np.float32)
        else:
            results['img'] = np.zeros(img.shape, np.float32)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(clip={self.clip}, percentiles={self.percentiles})'
        )


@TRANSFORMS.register_module()
class ToThreeChannels(BaseTransform):
    """Repeat a grey image's channel, and leave an image of three as it is.

    For models whose encoder reads colour, as SAM's.

    Required and modified key: ``img``, (H, W) or (H, W, 3) -> (H, W, 3), same dtype.
    """

    def transform(self, results: dict) -> dict:
        """Give ``results['img']`` three channels.

        Raises:
            ValueError: The image has neither 1 nor 3 channels.
        """
        img = results['img']
        if img.ndim == 2:
            results['img'] = np.repeat(img[..., None], 3, axis=2)
        elif img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f'{results.get("img_path")}: ToThreeChannels wants an image (H, W) or '
                f'(H, W, 3), found {img.shape}'
            )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
