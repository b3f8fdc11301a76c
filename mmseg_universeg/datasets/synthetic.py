"""Procedurally drawn tasks: episodes that need no data."""

from collections.abc import Sequence
from math import isfinite
from numbers import Real

import numpy as np
import torch
from mmcv.transforms import Compose as ComposeBuilt
from mmseg.registry import DATASETS, TRANSFORMS
from torch.utils.data import Dataset

from ..utils import SupportSize, seeded
from ..utils.threads import one_blas_thread
from .drawing import (
    FAMILIES,
    HARDER_FAMILIES,
    Acquisition,
    Appearance,
    Changes,
    Scene,
    Sketch,
    acquire,
    draw_look,
    render,
    varied,
)
from .drawing.fields import Pose
from .drawing.label_maps import Family

# Share of an image that the foreground may take.
MIN_SHARE, MAX_SHARE = 0.005, 0.8

# How often a scene without a usable foreground, and how often images in which
# the foreground is too small or too large, are drawn anew.
_SCENE_TRIES = 8
_IMAGE_TRIES = 4


@DATASETS.register_module()
class SyntheticTasksDataset(Dataset):
    """Episodes of drawn tasks: endless for training, a fixed list for validation.

    Each task has its own label map (a family of ``drawing.FAMILIES``: smooth
    regions, Voronoi cells, organs, rings, nested cells, many instances,
    membranes or vessels), of which each image is a variant, and its own look:
    intensity, texture and shading per label, blur, bias field and noise. One
    label is the foreground. Either its intensity, its texture or only its place
    and shape among its likes tells it from the rest. Synthetic tasks are part
    of UniverSeg's training (Butoi et al., ICCV 2023, section 3.3). All of it are
    options; their defaults are tasks that a small network learns in minutes.

    Item ``idx`` passes ``dict(images=[query, support_1, ..., support_S],
    task=str)`` through ``pipeline``, a list of transforms of episodes, and
    depends on (``seed``, ``idx``) alone. Each image is a results dict with
    ``img`` (H, W) float32 in [0, 1], ``gt_seg_map`` (H, W) uint8 of 0 and 1 with
    0.5 to 80 % foreground, ``seg_fields``, ``img_shape``, ``ori_shape``,
    ``task`` (family and cue) and ``img_path``, a made-up name.

    With ``sketch`` the images are left to the model's device, two thirds of the work:
    ``images`` is then a single results dict, that of the query, with ``sketch``
    (:class:`drawing.Sketch`) in place of image and mask. Only ``PackEpisodeInputs``
    takes it, and ``EpisodeDataPreprocessor`` draws. Label maps and looks are those of
    ``sketch=False``, noise and the like are others. With ``support_maps`` only so many
    label maps are drawn for the supports; the device deforms them to the others.

    Args:
        pipeline: Transforms of episodes.
        image_size: Height and width in pixels, from 16.
        support_size: S, or (lowest, highest) from which S is drawn uniformly,
            both included.
        seed: Seed of everything that is drawn.
        length: Number of episodes.
        batch_size: Number of consecutive indices that share S: the global
            batch size.
        families: Weights by the names of families, those of ``drawing.FAMILIES``
            and ``drawing.HARDER_FAMILIES``; by default ``drawing.FAMILIES``.
        appearance: Ranges by the names of :class:`drawing.Appearance`.
        changes: Ranges by the names of :class:`drawing.Changes`.
        acquisition: Ranges by the names of :class:`drawing.Acquisition`.
        sketch: Whether to leave the drawing of the images to the model's device.
        support_maps: Most label maps of the supports that are drawn for a sketch;
            by default all.

    Raises:
        ValueError: If an argument is out of range, or a name is not known.
    """

    METAINFO = dict(
        classes=('background', 'foreground'), palette=[[0, 0, 0], [255, 255, 255]]
    )

    def __init__(
        self,
        pipeline: Sequence[dict] = (),
        image_size: tuple[int, int] = (128, 128),
        support_size: int | Sequence[int] = 16,
        seed: int = 0,
        length: int = 100_000,
        batch_size: int = 1,
        families: dict[str, float] | None = None,
        appearance: dict = {},  # noqa: B006  (only read)
        changes: dict = {},  # noqa: B006
        acquisition: dict = {},  # noqa: B006
        sketch: bool = False,
        support_maps: int | None = None,
    ) -> None:
        if np.shape(image_size) != (2,) or min(image_size) < 16:
            raise ValueError(
                'image_size must be (height, width), each at least 16, '
                f'found {image_size!r}'
            )
        if seed < 0:
            raise ValueError(f'seed must be at least 0, found {seed}')
        if support_maps is not None and (
            not sketch or not isinstance(support_maps, int) or support_maps < 1
        ):
            raise ValueError(
                'support_maps must be a whole number from 1, with sketch=True, '
                f'found {support_maps!r} with sketch={sketch}'
            )
        self.pipeline = ComposeBuilt(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        )
        self.image_size = tuple(image_size)
        self.support_size = SupportSize(support_size, seed, batch_size, length)
        self.seed, self.length = seed, length
        self.families = find_families(families)
        self.appearance = Appearance.of(appearance)
        self.changes = Changes.of(changes)
        self.acquisition = Acquisition.of(acquisition)
        self.sketch, self.support_maps = sketch, support_maps

    @property
    def metainfo(self) -> dict:
        """Classes and palette of an episode's binary masks."""
        return dict(self.METAINFO)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, idx: int) -> dict:
        if not 0 <= idx < self.length:
            raise IndexError(f'index {idx} of {self.length} episodes')
        with seeded(self.seed, idx) as rng:
            images = self.draw_task(rng, self.support_size(idx) + 1)
            return self.pipeline(dict(images=images, task=images[0]['task']))

    @one_blas_thread()
    def draw_task(self, rng: np.random.Generator, num_images: int) -> list[dict]:
        """Draw one task.

        Args:
            rng: Source of everything that is drawn.
            num_images: Number of images of the task.

        Returns:
            One results dict per image; with ``sketch`` a single one.
        """
        family, scene, reference, foreground = self._draw_scene(rng)
        scene = varied(rng, scene, foreground, self.changes)
        num_maps = num_images
        if self.support_maps is not None:
            num_maps = min(num_images, 1 + self.support_maps)
        labels = self._draw_labels(rng, scene, reference, foreground, num_maps)
        look = draw_look(
            rng, labels[:4], foreground, scene, self.appearance, self.changes
        )
        shared = dict(
            img_shape=self.image_size,
            ori_shape=self.image_size,
            task=f'{family}-{look.cue}',
        )
        if self.sketch:
            seed = int(rng.integers(2**32))
            sketch = Sketch(
                torch.from_numpy(labels),
                num_images,
                scene.pose or Pose.draw(rng, self.changes),
                look,
                self.acquisition,
                (MIN_SHARE, MAX_SHARE),
                seed,
            )
            name = f'{shared["task"]}-{seed:08x}'
            return [dict(**shared, sketch=sketch, img_path=f'{name}-000.png')]
        images = render(rng, labels, look)
        masks = (labels == foreground).astype(np.uint8)
        images, masks = acquire(rng, images, masks, MIN_SHARE, self.acquisition)
        name = f'{shared["task"]}-{rng.integers(2**32):08x}'
        return [
            dict(
                **shared,
                img=img,
                gt_seg_map=mask,
                seg_fields=['gt_seg_map'],
                img_path=f'{name}-{n:03d}.png',
            )
            for n, (img, mask) in enumerate(zip(images, masks))
        ]

    def _draw_scene(
        self, rng: np.random.Generator
    ) -> tuple[str, Scene, np.ndarray, int]:
        """Draw a family, a scene of it, one label map and which label to find."""
        families, weights = list(self.families), np.array(list(self.families.values()))
        for _ in range(_SCENE_TRIES):
            family = families[rng.choice(len(families), p=weights / weights.sum())]
            scene = family(rng, self.image_size, self.changes)
            reference = scene.draw(rng, 1)[0]
            chances = np.array(scene.chances)
            counts = np.bincount(reference.ravel(), minlength=len(chances))
            shares = counts / reference.size
            # Well within the limits, so that most other images are too.
            chances[(shares < 2 * MIN_SHARE) | (shares > 0.9 * MAX_SHARE)] = 0
            if chances.any():
                foreground = rng.choice(len(chances), p=chances / chances.sum())
                return family.__name__, scene, reference, int(foreground)
        return 'disc', *_disc(self.image_size), 1

    def _draw_labels(
        self,
        rng: np.random.Generator,
        scene: Scene,
        reference: np.ndarray,
        foreground: int,
        num_images: int,
    ) -> np.ndarray:
        """Label maps (N, H, W) with a foreground within the limits in each."""
        labels = scene.draw(rng, num_images)
        for _ in range(_IMAGE_TRIES):
            bad = _bad(labels, foreground)
            if not len(bad):
                return labels
            labels[bad] = scene.draw(rng, len(bad))
        labels[_bad(labels, foreground)] = reference
        return labels


def find_options(dataset: dict) -> dict:
    """The options of the drawn tasks among a config's training data.

    Args:
        dataset: Config of a data set, or of an ``InContextDataset`` of several.

    Returns:
        ``image_size``, ``families``, ``appearance``, ``changes`` and ``acquisition``
        of the first ``SyntheticTasksDataset``, as far as they are given.

    Raises:
        ValueError: If there is none.
    """
    for options in (dataset, *dataset.get('datasets', [])):
        if options['type'] == 'SyntheticTasksDataset':
            names = ('image_size', 'families', 'appearance', 'changes', 'acquisition')
            return {name: options[name] for name in names if name in options}
    raise ValueError(
        f'training data must have a SyntheticTasksDataset, found {dataset["type"]}'
    )


def find_families(weights: dict[str, float] | None) -> dict[Family, float]:
    """The families of the given names with their weights; by default ``FAMILIES``.

    Raises:
        ValueError: If a name is not known, a weight no number from 0, or all are 0.
    """
    if weights is None:
        return FAMILIES
    known = {family.__name__: family for family in (*FAMILIES, *HARDER_FAMILIES)}
    unknown = sorted(set(weights) - set(known))
    if unknown:
        raise ValueError(
            f'there is no family {unknown[0]!r} of label maps, only {", ".join(known)}'
        )
    for name, weight in weights.items():
        if not isinstance(weight, Real) or not isfinite(weight) or weight < 0:
            raise ValueError(
                f'families.{name} must be a weight from 0, found {weight!r}'
            )
    if not sum(weights.values()):
        raise ValueError(f'families must have a weight above 0, found {weights!r}')
    return {known[name]: weight for name, weight in weights.items()}


def _bad(labels: np.ndarray, foreground: int) -> np.ndarray:
    counts = [np.count_nonzero(label == foreground) for label in labels]
    shares = np.array(counts) / labels[0].size
    return np.flatnonzero((shares < MIN_SHARE) | (shares > MAX_SHARE))


def _disc(size: tuple[int, int]) -> tuple[Scene, np.ndarray]:
    """The plainest scene: a disc, the same in all images."""
    ys, xs = np.ogrid[: size[0], : size[1]]
    squares = (ys - (size[0] - 1) / 2) ** 2 + (xs - (size[1] - 1) / 2) ** 2
    disc = (squares <= (min(size) / 4) ** 2).astype(np.uint8)
    return Scene(lambda _, num_images: np.stack([disc] * num_images), [1, 1]), disc
