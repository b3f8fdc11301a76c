"""What comes and goes from image to image of a task."""

from collections.abc import Sequence

import cv2
import numpy as np

from .options import Changes
from .scenes import Scene
from .shapes import Canvas, blob_outlines


def varied(
    rng: np.random.Generator, scene: Scene, foreground: int, changes: Changes
) -> Scene:
    """A scene in whose images objects are missing, there twice or foreign.

    An object is a connected component of at most half an image. One that is missing
    is filled with what surrounds it most, and is not the only one of the foreground;
    a second one lies anywhere. Distractors are blobs of a further label, which is
    the last one and never to be found.

    Args:
        rng: Source of how often all this happens in the task.
        scene: What to vary.
        foreground: The label to be found.
        changes: Ranges, of which ``missing``, ``repeated`` and ``distractors`` are
            used.

    Returns:
        The scene itself where none of the three ever happens.
    """
    options = (changes.missing, changes.repeated, changes.distractors)
    if not any(option[0] for option in options):
        return scene
    missing, repeated, most = (draw_strength(rng, option) for option in options)
    further = len(scene.chances)
    radius = np.exp(rng.uniform(np.log(0.015), np.log(0.08)))
    aspect = rng.uniform(1, 4)

    def draw(rng: np.random.Generator, num_images: int) -> np.ndarray:
        labels = scene.draw(rng, num_images)
        for label in labels:
            if rng.random() < missing:
                remove_object(rng, label, foreground)
            if rng.random() < repeated:
                repeat_object(rng, label)
            if most:
                canvas = Canvas(label.shape)
                centres = canvas.scatter(rng, int(rng.integers(0, round(most) + 1)))
                radii = radius * np.exp(rng.normal(0, 0.4, len(centres)))
                spots = blob_outlines(rng, centres, radii, aspect, 0.15)
                label[canvas.mask(spots)] = further
        return labels

    tissues = scene.tissues
    if tissues is not None:
        tissues = [*tissues, max(tissues) + 1]
    return Scene(draw, [*scene.chances, 0.0], scene.graded, tissues, scene.pose)


def draw_strength(rng: np.random.Generator, option: Sequence[float]) -> float:
    """Strength of an effect in a task: 0, or with a chance from a range.

    Both numbers are always drawn, so that no option shifts those of the others.

    Args:
        rng: Source of both.
        option: (chance, lowest, highest).
    """
    happens, strength = rng.random() < option[0], rng.uniform(*option[1:])
    return strength if happens else 0.0


def remove_object(rng: np.random.Generator, label: np.ndarray, spared: int) -> None:
    """Take an object out of a label map (H, W), in place; the last ``spared`` stays."""
    found = _pick_object(rng, label, spared)
    if found is not None:
        border = cv2.dilate(found.astype(np.uint8), np.ones((3, 3))) > found
        label[found] = np.bincount(label[border]).argmax()


def repeat_object(rng: np.random.Generator, label: np.ndarray) -> None:
    """Show an object of a label map (H, W) a second time, in place."""
    found = _pick_object(rng, label, None)
    if found is not None:
        ys, xs = np.nonzero(found)
        value = label[ys[0], xs[0]]
        height, width = label.shape
        ys = ys - ys.min() + rng.integers(0, height - np.ptp(ys))
        xs = xs - xs.min() + rng.integers(0, width - np.ptp(xs))
        label[ys, xs] = value


def _pick_object(
    rng: np.random.Generator, label: np.ndarray, spared: int | None
) -> np.ndarray | None:
    """Mask (H, W) of one object; None where the label that is drawn has none."""
    value = rng.choice(np.flatnonzero(np.bincount(label.ravel())))
    count, parts = cv2.connectedComponents(
        (label == value).astype(np.uint8), connectivity=4
    )
    sizes = np.bincount(parts.ravel())[1:]
    usable = np.flatnonzero((sizes >= 4) & (sizes <= label.size / 2))
    if not len(usable) or (value == spared and count < 3):
        return None
    return parts == 1 + rng.choice(usable)
