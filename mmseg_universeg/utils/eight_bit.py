"""Intensities of scans and pictures as 8 bits, as MedSAM was trained on them.

Ma et al., "Segment anything in medical images", Nat. Commun. 15:654 (2024), Methods,
data curation and pre-processing; values are rounded down as in the released code.
"""

import numpy as np

# Level and width in Hounsfield units. The paper prints -160 as the lungs' level; the
# released notes, and radiology, have -600.
CT_WINDOWS = {
    'soft-tissue': (40, 400),
    'lung': (-600, 1500),
    'brain': (40, 80),
    'bone': (400, 1800),
}


def window_to_uint8(image: np.ndarray, level: float, width: float) -> np.ndarray:
    """Scale a window of intensities to 0 to 255.

    Equal to the released code where an image reaches both ends of the window; that
    code scales by the range the image has inside the window, so that elsewhere a grey
    value means other Hounsfield units in every scan.

    Args:
        image: Any shape of two axes or more, whole or real numbers.
        level: Middle of the window.
        width: Of the window, above 0.

    Returns:
        uint8, the same shape.

    Raises:
        ValueError: NaN or infinite values, or a width that is not positive.
    """
    if not width > 0:
        raise ValueError(f'the width of a window must be above 0, found {width}')
    _check_finite(image)
    return _scale(image, level - width / 2, level + width / 2)


def percentiles_to_uint8(image: np.ndarray) -> np.ndarray:
    """Scale the 0.5 and 99.5 percentiles of the non-zero values to 0 to 255.

    Zeros, which surround the body in many scans, stay 0.

    Args:
        image: Any shape of two axes or more, whole or real numbers.

    Returns:
        uint8, the same shape.

    Raises:
        ValueError: NaN or infinite values, or no contrast between the percentiles.
    """
    _check_finite(image)
    values = image[image != 0]
    if not values.size:
        raise ValueError('all values are 0, wanted an image with contrast')
    low, high = np.percentile(values, (0.5, 99.5), overwrite_input=True)
    if not low < high:
        raise ValueError(
            f'the 0.5 and 99.5 percentiles of its {values.size} non-zero values are '
            f'both {low}, wanted an image with contrast'
        )
    scaled = _scale(image, low, high)
    scaled[image == 0] = 0
    return scaled


def colour_to_uint8(image: np.ndarray) -> np.ndarray:
    """Leave a colour image of whole numbers in 0 to 255; scale others by their range.

    Args:
        image: (H, W, C), whole or real numbers. All channels share one scale.

    Returns:
        (H, W, C) uint8.

    Raises:
        ValueError: NaN or infinite values, or one value only in an image to scale.
    """
    _check_finite(image)
    low, high = image.min(), image.max()
    if low >= 0 and high <= 255 and (image == np.floor(image)).all():
        return image.astype(np.uint8)
    if not low < high:
        raise ValueError(f'all values are {low}, wanted an image with contrast')
    return _scale(image, float(low), float(high))


def _check_finite(image: np.ndarray) -> None:
    count = sum(int((~np.isfinite(part)).sum()) for part in image)
    if count:
        raise ValueError(
            f'{count} of {image.size} values are NaN or infinite, wanted finite ones'
        )


def _scale(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Clip to a range and scale it to 0 to 255, a slice at a time to save memory."""
    scaled = np.empty(image.shape, np.uint8)
    for source, target in zip(image, scaled):
        clipped = np.clip(source.astype(np.float64), low, high)
        target[...] = (clipped - low) / (high - low) * 255.0
    return scaled
