"""Episodes drawn from ordinary MMSeg data sets."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmcv.transforms import Compose as ComposeBuilt
from mmengine.logging import print_log
from mmseg.registry import DATASETS, TRANSFORMS
from torch.utils.data import Dataset

from ..utils import SupportSize, seeded
from .decoded_images import DecodedImages


@dataclass
class Task:
    """What to segment: one class of one data set.

    Attributes:
        name: Name of the data set and of the class.
        source: The data set's images, or a data set that draws its own.
        label: The class's index in the label maps.
        holders: Indices of the images that hold the class.
        others: Indices of the images without a pixel of it.
        weight: How often the task is drawn, in relation to the others.
    """

    name: str
    source: DecodedImages | Dataset
    label: int = 1
    holders: np.ndarray | None = None
    others: np.ndarray | None = None
    weight: float = 1.0


@DATASETS.register_module()
class InContextDataset(Dataset):
    """Episodes of one query and S supports from one or many data sets.

    A task is a class of a data set. Item ``idx`` draws a task, then the query
    and its supports among the task's images without replacement, makes their
    masks binary (the class against the rest) and passes
    ``dict(images=[query, support_1, ..., support_S], task=name)`` through
    ``pipeline``. It depends on (``seed``, ``idx``) alone. Each image is a
    results dict with ``img`` (H, W) float32 in [0, 1], ``gt_seg_map`` (H, W)
    uint8 of 0 and 1, ``seg_fields``, ``img_shape``, ``ori_shape`` (both the
    working size) and ``img_path``.

    Images are decoded and resized once, when the data set is built, and kept
    as uint8 in memory (see :class:`DecodedImages`); worker processes that are
    forked share them. Ignored pixels (255) of a label map count as not
    belonging to the class.

    A data set with a method ``draw_task(rng, num_images)``, as
    ``SyntheticTasksDataset`` has, is a task of its own: the method returns the
    results dicts of an episode, query first. Either all of them sketch their tasks or
    none.

    Args:
        datasets: Data sets, built or as configs, whose pipelines load, resize
            and scale an image to (H, W) float32 in [0, 1] without randomness,
            and end with a results dict instead of packing it.
        pipeline: Transforms of episodes, as configs or callables.
        support_size: S, or (lowest, highest) from which S is drawn uniformly,
            both included.
        weights: One weight per data set, shared evenly among its classes; by
            default every task is as likely as any other.
        with_background: Whether class 0 is a task too.
        empty_share: Probability with which an image of an episode is one that
            does not hold the class, where the data set has such images. At
            least one support always holds it.
        min_pixels: How many pixels of a class, at the working size, make an
            image one that holds it. Images with fewer, but some, are not used
            for the class.
        seed: Seed of everything that is drawn.
        length: Number of episodes.
        batch_size: Number of consecutive indices that share S: the global
            batch size. Batches must be of consecutive indices, as those of an
            ``InfiniteSampler`` or ``DefaultSampler`` with ``shuffle=False`` are.
        cache_mb: Bound, in MiB, of the memory for decoded images; those beyond
            it are decoded each time they are drawn.
        lazy_init: Whether to leave the decoding to :meth:`full_init`.

    Raises:
        ValueError: If an argument is out of range, a data set has no image, no
            image holds a class, a task has fewer than S + 1 images that do, or some
            data sets sketch their tasks and others do not.
    """

    METAINFO = dict(
        classes=('background', 'foreground'), palette=[[0, 0, 0], [255, 255, 255]]
    )

    def __init__(
        self,
        datasets: Sequence[dict | Dataset],
        pipeline: Sequence[dict],
        support_size: int | Sequence[int] = 16,
        weights: Sequence[float] | None = None,
        with_background: bool = False,
        empty_share: float = 0.0,
        min_pixels: int = 1,
        seed: int = 0,
        length: int = 100_000,
        batch_size: int = 1,
        cache_mb: float = 1024,
        lazy_init: bool = False,
    ) -> None:
        if not datasets:
            raise ValueError('InContextDataset needs at least one data set, found none')
        if not 0 <= empty_share < 1:
            raise ValueError(f'empty_share must be in [0, 1), found {empty_share}')
        if min_pixels < 1:
            raise ValueError(f'min_pixels must be at least 1, found {min_pixels}')
        self.weights = None if weights is None else _checked(weights, len(datasets))
        self.datasets = [
            DATASETS.build(d) if isinstance(d, dict) else d for d in datasets
        ]
        self.pipeline = ComposeBuilt(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline]
        )
        self.support_size = SupportSize(support_size, seed, batch_size, length)
        self.with_background = with_background
        self.empty_share, self.min_pixels = empty_share, min_pixels
        self.seed, self.length, self.cache_mb = seed, length, cache_mb
        self.tasks: list[Task] = []
        self._initialised = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """Classes and palette of an episode's binary masks."""
        return dict(self.METAINFO)

    def full_init(self) -> None:
        """Decode the images and list the tasks; a second call does nothing."""
        if self._initialised:
            return
        sketching = [getattr(dataset, 'sketch', False) for dataset in self.datasets]
        if any(sketching) and not all(sketching):
            raise ValueError(
                f'InContextDataset: {sum(sketching)} of {len(sketching)} data sets '
                'have sketch=True; a batch holds sketches or images, so it must be '
                'all of them or none'
            )
        left, size = int(self.cache_mb * 2**20), None
        for position, (name, dataset) in enumerate(
            zip(_names(self.datasets), self.datasets)
        ):
            if hasattr(dataset, 'draw_task'):
                tasks = [Task(name, dataset)]
            else:
                images = DecodedImages(name, dataset, left, size)
                left, size = left - images.num_bytes, images.size
                tasks = self._tasks_of(images)
            if self.weights is not None:
                for task in tasks:
                    task.weight = self.weights[position] / len(tasks)
            self.tasks += tasks
        self._cumulative = np.cumsum([task.weight for task in self.tasks])
        self._cumulative /= self._cumulative[-1]
        self._initialised = True
        print_log(self._summary(), logger='current', level=logging.INFO)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, idx: int) -> dict:
        if not 0 <= idx < self.length:
            raise IndexError(f'index {idx} of {self.length} episodes')
        self.full_init()
        with seeded(self.seed, idx) as rng:
            # Never len(tasks), though rounding may leave the last sum below 1.
            last = len(self.tasks) - 1
            position = np.searchsorted(self._cumulative, rng.random(), side='right')
            task = self.tasks[min(int(position), last)]
            images = self._draw(task, rng, self.support_size(idx) + 1)
            return self.pipeline(dict(images=images, task=task.name))

    def _tasks_of(self, images: DecodedImages) -> list[Task]:
        wanted = self.support_size.highest + 1
        tasks = []
        for label, class_name in enumerate(images.classes):
            if label == 0 and not self.with_background:
                continue
            pixels = images.pixels[:, label]
            holders = np.flatnonzero(pixels >= self.min_pixels)
            if len(holders) < wanted:
                found = f'only {len(holders)}' if len(holders) else 'none'
                raise ValueError(
                    f'{images.name}: {found} of {len(pixels)} images hold at least '
                    f'{self.min_pixels} pixels of class {class_name!r} at the working '
                    f'size; an episode of {wanted - 1} supports and a query needs '
                    f'{wanted}. Lower support_size or choose the classes with '
                    'metainfo=dict(classes=...)'
                )
            tasks.append(
                Task(
                    f'{images.name}/{class_name}',
                    images,
                    label,
                    holders,
                    np.flatnonzero(pixels == 0),
                )
            )
        return tasks

    def _draw(self, task: Task, rng: np.random.Generator, count: int) -> list[dict]:
        if not isinstance(task.source, DecodedImages):
            return task.source.draw_task(rng, count)
        empty = rng.random(count) < self.empty_share
        # One support, at a random place, shows the class whatever was drawn.
        empty[rng.integers(1, count)] = False
        # Data sets in which (nearly) every image holds the class lack others.
        empty[np.flatnonzero(empty)[len(task.others) :]] = False
        chosen = np.empty(count, np.int64)
        chosen[~empty] = rng.choice(task.holders, int((~empty).sum()), replace=False)
        chosen[empty] = rng.choice(task.others, int(empty.sum()), replace=False)
        return [self._image(task, int(index)) for index in chosen]

    def _image(self, task: Task, index: int) -> dict:
        img, label_map, img_path = task.source[index]
        return dict(
            img=img.astype(np.float32) / 255,
            gt_seg_map=(label_map == task.label).astype(np.uint8),
            seg_fields=['gt_seg_map'],
            img_shape=img.shape,
            ori_shape=img.shape,
            img_path=img_path,
        )

    def _summary(self) -> str:
        lines = [f'InContextDataset: {len(self.tasks)} tasks']
        chances = np.diff(self._cumulative, prepend=0)
        for task, chance in zip(self.tasks, chances):
            images = '' if task.holders is None else f', {len(task.holders)} images'
            lines.append(f'  {task.name}: probability {chance:.3f}{images}')
        return '\n'.join(lines)


def _checked(weights: Sequence[float], count: int) -> list[float]:
    weights = [float(weight) for weight in weights]
    usable = all(np.isfinite(w) and w >= 0 for w in weights) and sum(weights) > 0
    if len(weights) != count or not usable:
        raise ValueError(
            f'weights must be {count} numbers of 0 or more, one per data set, not '
            f'all 0; found {weights}'
        )
    return weights


def _names(datasets: Sequence[Dataset]) -> list[str]:
    """Class names of the data sets, numbered where two are of one class."""
    names = [type(dataset).__name__ for dataset in datasets]
    counts, seen, unique = Counter(names), Counter(), []
    for name in names:
        seen[name] += 1
        unique.append(f'{name}-{seen[name]}' if counts[name] > 1 else name)
    return unique
