"""What the images of one drawn task share, and how they differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .fields import Pose, deform
from .shapes import Canvas


@dataclass(frozen=True)
class Scene:
    """What the images of one task have in common.

    Attributes:
        draw: Gives the label maps, uint8 (N, H, W), of N fresh images.
        chances: Relative chance of each label to be the foreground; there are
            as many labels as chances.
        graded: Whether labels are numbered from the outside to the inside, so
            that intensities may rise with the number.
        tissues: What each label consists of, where labels of one tissue look alike.
        pose: How images of one prototype differ; None where each is drawn afresh.
    """

    draw: Callable[[np.random.Generator, int], np.ndarray]
    chances: Sequence[float]
    graded: bool = False
    tissues: Sequence[int] | None = None
    pose: Pose | None = None


def deformed(
    canvas: Canvas,
    size: tuple[int, int],
    pose: Pose,
    chances: Sequence[float],
    graded: bool = False,
    roam: float = 0.0,
    tissues: Sequence[int] | None = None,
) -> Scene:
    """A scene whose images are deformed windows on one canvas."""

    def draw(rng: np.random.Generator, num_images: int) -> np.ndarray:
        return deform(
            rng, canvas.labels, num_images, size, canvas.pixels_per_unit, pose, roam
        )

    return Scene(draw, chances, graded, tissues, pose)


def afresh(
    draw_one: Callable[[np.random.Generator], np.ndarray],
    chances: Sequence[float],
    graded: bool = False,
    tissues: Sequence[int] | None = None,
) -> Scene:
    """A scene whose images are drawn one by one, alike in statistics only."""

    def draw(rng: np.random.Generator, num_images: int) -> np.ndarray:
        return np.stack([draw_one(rng) for _ in range(num_images)])

    return Scene(draw, chances, graded, tissues)
