"""Random intensity augmentations of float32 images in [0, 1].

All take and return float32 images in [0, 1]: what leaves the range is clipped.
"""

import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from mmseg.registry import TRANSFORMS

from .augment_base import RandomAugmentation, checked_range, unit_image


class IntensityAugmentation(RandomAugmentation):
    """Base of the intensity augmentations: checks before, clips after.

    Args:
        prob: Probability of the change.

    Raises:
        ValueError: If the image is not float32 in [0, 1].
    """

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return the new intensities of an image (H, W) or (H, W, C)."""
        raise NotImplementedError

    def augment(self, results: dict) -> None:
        """Change ``img``."""
        img = unit_image(results, self)
        # OpenCV's filters drop a last axis of one channel.
        changed = self.change(img).reshape(img.shape)
        results['img'] = np.clip(changed, 0, 1, dtype=np.float32)


@TRANSFORMS.register_module()
class RandomFlipIntensities(IntensityAugmentation):
    """Invert the intensities, 1 - x (UniverSeg's "Flip Intensities").

    Args:
        prob: Probability of the inversion.
    """

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return the negative."""
        return 1 - img


@TRANSFORMS.register_module()
class RandomBrightnessContrast(IntensityAugmentation):
    """Stretch intensities about 0.5, then shift them.

    Args:
        prob: Probability of the change.
        brightness: Range of the shift.
        contrast: Range of the factor.
    """

    def __init__(
        self,
        prob: float = 0.5,
        brightness: Sequence[float] = (-0.1, 0.1),
        contrast: Sequence[float] = (0.5, 1.5),
    ) -> None:
        super().__init__(prob)
        self.brightness = checked_range('brightness', brightness, -1, 1)
        self.contrast = checked_range('contrast', contrast, lowest=0)

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return ``contrast * (x - 0.5) + 0.5 + brightness``."""
        brightness = np.random.uniform(*self.brightness)
        contrast = np.random.uniform(*self.contrast)
        return img * contrast + (0.5 - 0.5 * contrast + brightness)


@TRANSFORMS.register_module()
class RandomGamma(IntensityAugmentation):
    """Raise intensities to a random power.

    Args:
        prob: Probability of the change.
        gamma: Range of the exponent, drawn log-uniformly.
    """

    def __init__(self, prob: float = 0.5, gamma: Sequence[float] = (0.7, 1.5)) -> None:
        super().__init__(prob)
        self.log_gamma = np.log(checked_range('gamma', gamma, lowest=1e-3))

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return ``x ** gamma``."""
        gamma = np.exp(np.random.uniform(*self.log_gamma))
        # Rounding errors below 0 have no real power.
        return np.power(np.maximum(img, 0), np.float32(gamma))


@TRANSFORMS.register_module()
class RandomGaussianNoise(IntensityAugmentation):
    """Add Gaussian noise of random mean and strength.

    Mean, strength and a seed come from the global random state, the noise from
    that seed and the image. So among the images of an ``AugmentAlike`` the
    mean and the strength are the same, the noise is not.

    Args:
        prob: Probability of the noise.
        mean: Range of the noise's mean.
        std: Range of its standard deviation.
    """

    def __init__(
        self,
        prob: float = 0.5,
        mean: Sequence[float] = (0.0, 0.05),
        std: Sequence[float] = (0.0, 0.05),
    ) -> None:
        super().__init__(prob)
        self.mean = checked_range('mean', mean, -1, 1)
        self.std = checked_range('std', std, lowest=0)

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return the image with noise."""
        mean, std = np.random.uniform(*self.mean), np.random.uniform(*self.std)
        seed = np.random.randint(2**31)
        rng = np.random.default_rng((seed, zlib.crc32(np.ascontiguousarray(img))))
        noise = rng.standard_normal(img.shape, np.float32)
        return img + (noise * np.float32(std) + np.float32(mean))


@TRANSFORMS.register_module()
class RandomGaussianBlur(IntensityAugmentation):
    """Blur with a Gaussian of random width.

    Args:
        prob: Probability of the blur.
        sigma: Range of the standard deviation, in pixels.
    """

    def __init__(self, prob: float = 0.5, sigma: Sequence[float] = (0.1, 1.0)) -> None:
        super().__init__(prob)
        self.sigma = checked_range('sigma', sigma, lowest=1e-3)

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return the blurred image."""
        return cv2.GaussianBlur(img, (0, 0), np.random.uniform(*self.sigma))


@TRANSFORMS.register_module()
class RandomSharpness(IntensityAugmentation):
    """Move the image away from a smoothed copy of it.

    The smoothing is that of Pillow's and kornia's sharpness: a 3x3 mean in
    which the centre counts five times.

    Args:
        prob: Probability of the change.
        factor: Range of the factor: 0 gives the smoothed copy, 1 the image as
            it is, more sharpens.
    """

    KERNEL = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13

    def __init__(self, prob: float = 0.5, factor: Sequence[float] = (1, 5)) -> None:
        super().__init__(prob)
        self.factor = checked_range('factor', factor, lowest=0)

    def change(self, img: np.ndarray) -> np.ndarray:
        """Return ``smooth + factor * (x - smooth)``."""
        smooth = cv2.filter2D(img, -1, self.KERNEL).reshape(img.shape)
        return smooth + np.float32(np.random.uniform(*self.factor)) * (img - smooth)
