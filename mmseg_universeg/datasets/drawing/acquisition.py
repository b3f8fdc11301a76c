"""What imaging does to pictures: noise, low resolution, compression and the like."""

from dataclasses import fields

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
    strengths = draw_strengths(rng, acquisition)
    grain = rng.uniform(1.0, 3.0)

    if negative := strengths['negative']:
        flipped = rng.random(num) < negative
        images[flipped] = 1 - images[flipped]
    if exposure := strengths['exposure']:
        images **= np.exp(rng.normal(0, exposure, (num, 1, 1))).astype(np.float32)
    if vignetting := strengths['vignetting']:
        images *= vignette((height, width), vignetting)
    if reach := strengths['partial_volume']:
        images[:] = _mix_slices(rng, images, reach)
    if (shrink := strengths['low_resolution']) > 1:
        for image in images:
            image[:] = _lower_resolution(image, shrink)
    if rician := strengths['rician']:
        noise = rng.standard_normal((2, *images.shape), dtype=np.float32) * rician
        images[:] = np.sqrt((images + noise[0]) ** 2 + noise[1] ** 2)
    if speckle := strengths['speckle']:
        cells = min(height, width) / grain
        images *= 1 + speckle * smooth_fields(rng, num, (height, width), cells)
    _stretch(images)
    if quality := strengths['compression']:
        for image in images:
            image[:] = _compress(image, round(quality))
    if border := strengths['black_borders']:
        black = black_borders(rng, images.shape, border)
        black[(masks * ~black).mean((1, 2)) < least] = False
        images *= ~black
        masks *= ~black
    return _stretch(images), masks


def draw_strengths(
    rng: np.random.Generator, acquisition: Acquisition
) -> dict[str, float]:
    """How strongly each effect happens to a task, by its name; 0 where it does not."""
    return {
        effect.name: draw_strength(rng, getattr(acquisition, effect.name))
        for effect in fields(acquisition)
    }


def vignette(shape: tuple[int, int], share: float) -> np.ndarray:
    """What is left of the brightness, float32 (H, W), if corners lose a share of it."""
    ys, xs = (np.linspace(-1, 1, side) for side in shape)
    squares = (ys[:, None] ** 2 + xs**2).astype(np.float32) / 2
    return 1 - np.float32(share) * squares


def coarse_side(side: int, shrink: float) -> int:
    """Pixels of an image's side at low resolution."""
    return max(8, round(side / shrink))


def _lower_resolution(image: np.ndarray, shrink: float) -> np.ndarray:
    """An image (H, W), shrunk and enlarged again."""
    height, width = image.shape
    small = coarse_side(width, shrink), coarse_side(height, shrink)
    coarse = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(coarse, (width, height))


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


def black_borders(
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
