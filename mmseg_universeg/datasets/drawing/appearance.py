"""From label maps to images: what distinguishes a drawn task's foreground."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .fields import grid, smooth_fields, upsample
from .objects import draw_strength
from .options import Appearance, Changes
from .scenes import Scene

# What tells the foreground from its neighbours.
CUES = ('intensity', 'texture', 'place')

TEXTURES = ('grain', 'spots', 'ridges', 'fibres')


@dataclass(frozen=True)
class Texture:
    """A pattern: grain, spots, ridges or fibres.

    Attributes:
        kind: Which of ``TEXTURES``.
        nodes: Noise of deviation 1 on a coarse grid, float32 (rows, columns).
        threshold: Of spots, above which the smooth field is seen.
        linear: Of fibres, float (2, 2): where in the field (x, y) a pixel is taken
            from, which stretches it along one direction.
    """

    kind: str
    nodes: np.ndarray
    threshold: float = 0.0
    linear: np.ndarray | None = None

    def pattern(self, shape: tuple[int, int]) -> np.ndarray:
        """The pattern (H, W), float32, of mean 0 and deviation 1."""
        field = upsample(self.nodes, shape)
        if self.kind == 'spots':
            field = np.maximum(field - self.threshold, 0)
        elif self.kind == 'ridges':
            field = np.abs(field)
        elif self.kind == 'fibres':
            field = cv2.warpAffine(
                field,
                np.pad(self.linear, ((0, 0), (0, 1))),
                shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        field -= field.mean()
        return field / (field.std() + 1e-6)


@dataclass(frozen=True)
class Look:
    """Appearance of the labels of one task and of its images.

    Intensities are in units of the range of the means, about 0 to 1, before an
    image is scaled to [0, 1]. L is the number of labels, T of textures.

    Attributes:
        cue: What the foreground is found by, one of ``CUES``.
        means: Mean intensity of each label, (L,).
        jitter: Deviation of each mean from image to image, (L,).
        textures: T patterns, of which each image shows a part of one of 2H x 2W.
        pattern: Which texture each label has, (L,).
        grain: Amplitude of each label's texture, (L,).
        shading: Amplitude of a slow change within each label, (L,).
        rim: Intensity added on the borders between labels.
        blur: Deviation of the blur in pixels.
        bias: Deviation of the logarithm of the multiplicative bias field.
        noise: Deviation of the white noise.
        gamma: Exponent of the intensities.
        invert: Whether dark is bright.
        foreground: The label to be found.
        faint: Most of its contrast that each of its objects may lose.
    """

    cue: str
    means: np.ndarray
    jitter: np.ndarray
    textures: Sequence[Texture]
    pattern: np.ndarray
    grain: np.ndarray
    shading: np.ndarray
    rim: float
    blur: float
    bias: float
    noise: float
    gamma: float
    invert: bool
    foreground: int
    faint: float


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_texture(
    rng: np.random.Generator, shape: tuple[int, int], coarsest: float
) -> Texture:
    """A texture for patterns (H, W), of a width from 1.5 to ``coarsest`` pixels."""
    spot = _log_uniform(rng, 1.5, max(coarsest, 2.0))
    kind = str(rng.choice(TEXTURES))
    nodes = rng.standard_normal(grid(shape, min(shape) / spot), dtype=np.float32)
    if kind == 'spots':
        return Texture(kind, nodes, threshold=rng.uniform(0.3, 1.3))
    if kind == 'fibres':
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(3, 8)
        along = np.array([np.cos(angle), np.sin(angle)])
        linear = np.eye(2) - (1 - 1 / stretch) * np.outer(along, along)
        return Texture(kind, nodes, linear=linear)
    return Texture(kind, nodes)


def touching(labels: np.ndarray, foreground: int, num_labels: int) -> np.ndarray:
    """Which labels (num_labels,) lie next to the foreground of label maps (N, H, W)."""
    result = np.zeros(num_labels, bool)
    kernel = np.ones((3, 3), np.uint8)
    for image in labels:
        mask = (image == foreground).astype(np.uint8)
        border = cv2.dilate(mask, kernel) > mask
        shares = np.bincount(image[border], minlength=num_labels) / max(border.sum(), 1)
        result |= shares > 0.05
    return result


def half_width(mask: np.ndarray) -> float:
    """Radius in pixels of the largest disc within a mask (H, W)."""
    return float(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3).max())


def draw_look(
    rng: np.random.Generator,
    labels: np.ndarray,
    foreground: int,
    scene: Scene,
    appearance: Appearance,
    changes: Changes,
) -> Look:
    """Draw the appearance of a task.

    Where it is the place that tells the foreground from its likes, these are
    labels that do not touch it; where there are none, intensity decides. It also
    decides where the foreground is too thin to show a texture.

    Args:
        rng: Source of all choices.
        labels: A few of the task's label maps, uint8 (N, H, W).
        foreground: The label to be found.
        scene: What they are images of; L is the number of its labels, those not in
            these label maps included. Labels of one tissue look alike, so that only
            place and shape tell them apart.
        appearance: Ranges of the look.
        changes: Ranges of what changes from image to image.
    """
    num_labels, tissues = len(scene.chances), scene.tissues
    near = touching(labels, foreground, num_labels)
    present = np.bincount(labels.ravel(), minlength=num_labels) > 0.005 * labels.size
    far = np.flatnonzero(present & ~near)
    far = far[far != foreground]
    by_texture, by_place = appearance.by_texture, appearance.by_place
    odds = [1 - by_texture - by_place, by_texture, by_place]
    cue = str(rng.choice(CUES, p=odds))
    size = labels.shape[1:]
    radius = half_width(labels[0] == foreground)
    thin = radius < max(3, 0.06 * min(size))
    if (cue == 'place' and not len(far)) or (cue == 'texture' and thin):
        cue = 'intensity'
    if tissues is not None:
        twins = np.flatnonzero(np.equal(tissues, tissues[foreground]))
        cue = 'place' if len(twins) > 1 else 'intensity'

    # One mean from each of L equal steps, in order or not.
    order = np.arange(num_labels)
    if not (scene.graded and rng.random() < 0.5):
        order = rng.permutation(num_labels)
    means = (order + rng.uniform(0.1, 0.9, num_labels)) / num_labels
    coarsest = min(radius, min(size) / 6) if cue == 'texture' else min(size) / 6
    double = (2 * size[0], 2 * size[1])
    textures = [draw_texture(rng, double, coarsest) for _ in range(3)]
    pattern = rng.integers(0, len(textures), num_labels)
    grain = np.abs(rng.normal(0, rng.uniform(*appearance.texture), num_labels))

    # The foreground keeps a margin to the others, if it is only a small one.
    margin = _log_uniform(rng, *appearance.contrast)
    others = order != order[foreground]
    gap = means - means[foreground]
    tight = others & (np.abs(gap) < margin)
    means[tight] = means[foreground] + np.where(gap[tight] < 0, -margin, margin)
    if cue == 'texture':
        means[near] = means[foreground] + rng.normal(0, 0.03, near.sum())
        grain[foreground] = rng.uniform(0.15, 0.35)
        pattern[near] = (pattern[foreground] + rng.integers(1, 3)) % len(textures)
        grain[near] = rng.choice([0.0, 0.03, 0.3])
    elif tissues is not None:
        for tissue in np.unique(tissues):
            alike = np.flatnonzero(np.equal(tissues, tissue))
            model = foreground if foreground in alike else alike[0]
            means[alike] = means[model]
            pattern[alike], grain[alike] = pattern[model], grain[model]
    elif cue == 'place':
        twins = rng.permutation(far)[: rng.integers(1, len(far) + 1)]
        means[twins] = means[foreground]
        pattern[twins], grain[twins] = pattern[foreground], grain[foreground]
    # Some labels vary so much from image to image that only place tells them.
    jitter = margin * rng.uniform(*changes.intensity)
    jitter = jitter * rng.choice([1, 1, 1, 3], num_labels)
    return Look(
        cue=cue,
        means=means,
        jitter=jitter,
        textures=textures,
        pattern=pattern,
        grain=grain,
        shading=np.minimum(
            np.abs(rng.normal(0, appearance.gradient, num_labels)), 0.6 * margin
        ),
        rim=rng.choice([-1, 1])
        * rng.uniform(*appearance.boundary[1:])
        * (rng.random() < appearance.boundary[0]),
        blur=_log_uniform(rng, *appearance.blur) * max(1.0, min(size) / 96),
        bias=rng.uniform(*appearance.bias[1:]) * (rng.random() < appearance.bias[0]),
        noise=_log_uniform(rng, *appearance.noise),
        gamma=_log_uniform(rng, *appearance.gamma),
        invert=bool(rng.random() < appearance.inverted),
        foreground=foreground,
        # Without a chance nothing is drawn, and the images are those of old.
        faint=draw_strength(rng, changes.faint) if changes.faint[0] else 0.0,
    )


def render(rng: np.random.Generator, labels: np.ndarray, look: Look) -> np.ndarray:
    """Images (N, H, W), float32 from 0 to 1 each, of label maps (N, H, W)."""
    num, height, width = labels.shape
    slow = smooth_fields(rng, 2 * num, (height, width), 2.5)
    jitter = rng.normal(0, look.jitter, (num, len(look.means)))
    means, shading = _tables(look.means + jitter), _tables(look.shading)
    grains = [
        (
            look.textures[k].pattern((2 * height, 2 * width)),
            _tables(np.where(look.pattern == k, look.grain, 0)),
        )
        for k in np.unique(look.pattern[look.grain > 0])
    ]
    images = rng.standard_normal(labels.shape, dtype=np.float32)
    images *= look.noise
    for n, label in enumerate(labels):
        top, left = rng.integers(0, height + 1), rng.integers(0, width + 1)
        clean = cv2.LUT(label, shading)
        clean *= slow[2 * n]
        clean += cv2.LUT(label, means[n])
        for pattern, grain in grains:
            part = pattern[top : top + height, left : left + width]
            clean += cv2.LUT(label, grain) * part
        if look.faint:
            lost, towards = lose_contrast(rng, label, look)
            clean += lost * (means[n][towards] - clean)
        if look.rim:
            clean[_borders(label)] += look.rim
        sigma = look.blur * rng.uniform(0.8, 1.25)
        clean = cv2.GaussianBlur(clean, (0, 0), sigma)
        if look.bias:
            clean *= np.exp(look.bias * slow[2 * n + 1])
        images[n] += clean
    low = images.min((1, 2), keepdims=True)
    images -= low
    images /= np.maximum(images.max((1, 2), keepdims=True), 1e-6)
    images **= look.gamma
    return 1 - images if look.invert else images


def lose_contrast(
    rng: np.random.Generator, label: np.ndarray, look: Look
) -> tuple[np.ndarray, int]:
    """Which objects of the foreground are faint in an image, and how much.

    Args:
        rng: Source of each object's share.
        label: Label map uint8 (H, W).
        look: Its ``foreground``, and in ``faint`` the most that an object loses.

    Returns:
        Shares of contrast lost, float32 (H, W), and to which label: the largest.
    """
    mask = label == look.foreground
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    lost = rng.uniform(0, look.faint, count).astype(np.float32)
    lost[0] = 0
    return lost[parts], int(np.bincount(label[~mask], minlength=1).argmax())


def _tables(values: np.ndarray) -> np.ndarray:
    """Tables for ``cv2.LUT``, float32 (..., 256), of values per label (..., L)."""
    tables = np.zeros((*values.shape[:-1], 256), np.float32)
    tables[..., : values.shape[-1]] = values
    return tables


def _borders(label: np.ndarray) -> np.ndarray:
    borders = np.zeros(label.shape, bool)
    borders[:, 1:] = label[:, 1:] != label[:, :-1]
    borders[1:] |= label[1:] != label[:-1]
    return borders
