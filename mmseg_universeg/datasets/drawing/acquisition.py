"""What imaging does to pictures: noise, low resolution, compression and the like."""

import cv2
import numpy as np

from .fields import smooth_fields
from .objects import draw_strength
from .options import Acquisition


def acquire(
    rng: np.random.Generator,
    images: np.ndarray,
    masks: np.ndarray,
    least: float,
    acquisition: Acquisition,
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures as an instrument would have taken them.

    What lies in a black border is not in the mask either; an image of whose mask too
    little would be left has no such border.

    Args:
        rng: Source of the choices: what happens to a task and how strongly.
        images: float32 (N, H, W) in [0, 1], changed in place.
        masks: uint8 (N, H, W) of 0 and 1, changed in place.
        least: Share of an image that a mask has to keep.
        acquisition: Chances and ranges.

    Returns:
        ``images``, from 0 to 1 each, and ``masks``.
    """
    num, height, width = images.shape
    negative = draw_strength(rng, acquisition.negative)
    exposure = draw_strength(rng, acquisition.exposure)
    vignetting = draw_strength(rng, acquisition.vignetting)
    reach = draw_strength(rng, acquisition.partial_volume)
    shrink = draw_strength(rng, acquisition.low_resolution)
    rician = draw_strength(rng, acquisition.rician)
    speckle = draw_strength(rng, acquisition.speckle)
    quality = draw_strength(rng, acquisition.compression)
    border = draw_strength(rng, acquisition.black_borders)
    grain = rng.uniform(1.0, 3.0)

    if negative:
        flipped = rng.random(num) < negative
        images[flipped] = 1 - images[flipped]
    if exposure:
        images **= np.exp(rng.normal(0, exposure, (num, 1, 1))).astype(np.float32)
    if vignetting:
        ys, xs = np.linspace(-1, 1, height), np.linspace(-1, 1, width)
        squares = (ys[:, None] ** 2 + xs**2).astype(np.float32) / 2
        images *= 1 - vignetting * squares
    if reach:
        images[:] = _mix_slices(rng, images, reach)
    if shrink > 1:
        small = (max(8, round(width / shrink)), max(8, round(height / shrink)))
        for image in images:
            coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            image[:] = cv2.resize(coarse, (width, height))
    if rician:
        noise = rng.standard_normal((2, *images.shape), dtype=np.float32) * rician
        images[:] = np.sqrt((images + noise[0]) ** 2 + noise[1] ** 2)
    if speckle:
        cells = min(height, width) / grain
        images *= 1 + speckle * smooth_fields(rng, num, (height, width), cells)
    _stretch(images)
    if quality:
        for image in images:
            image[:] = _compress(image, round(quality))
    if border:
        black = _black_borders(rng, images.shape, border)
        black[(masks * ~black).mean((1, 2)) < least] = False
        images *= ~black
        masks *= ~black
    return _stretch(images), masks


def _stretch(images: np.ndarray) -> np.ndarray:
    """Scale each image to [0, 1], in place."""
    images -= images.min((1, 2), keepdims=True)
    images /= np.maximum(images.max((1, 2), keepdims=True), 1e-6)
    return images


def _mix_slices(
    rng: np.random.Generator, images: np.ndarray, reach: float
) -> np.ndarray:
    """Mean of each image and of two that are bent by up to ``reach`` pixels or so."""
    num, height, width = images.shape
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    bends = reach * smooth_fields(rng, 2 * num, (height, width), 3)
    mixed = images * 0.5
    for n, image in enumerate(images):
        for side in (-1, 1):
            across, along = side * bends[2 * n], side * bends[2 * n + 1]
            mixed[n] += 0.25 * cv2.remap(
                image,
                xs + across,
                ys + along,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT_101,
            )
    return mixed


def _compress(image: np.ndarray, quality: int) -> np.ndarray:
    """An image in [0, 1] after JPEG compression."""
    eight_bit = np.rint(image * 255).astype(np.uint8)
    _, code = cv2.imencode('.jpg', eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


def _black_borders(
    rng: np.random.Generator, shape: tuple[int, int, int], share: float
) -> np.ndarray:
    """What is black of N images, bool (N, H, W).

    It lies outside of a disc, or beyond some of the four sides.
    """
    num, height, width = shape
    ys, xs = np.ogrid[:height, :width]
    squares = (ys - (height - 1) / 2) ** 2 + (xs - (width - 1) / 2) ** 2
    round_field = rng.random() < 0.5
    sides = rng.random(4) * (rng.random(4) < 0.6)
    black = np.ones(shape, bool)
    for border, part in zip(black, share * rng.uniform(0.8, 1.2, num)):
        if round_field:
            radius = (1 - part) * min(height, width) / 2
            border[:] = squares > radius**2
        else:
            top, left, bottom, right = np.rint(
                part * sides * (height, width, height, width)
            ).astype(int)
            border[top : height - bottom, left : width - right] = False
    return black
