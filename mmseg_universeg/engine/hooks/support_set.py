"""The support set of in-context validation and testing."""

import os
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS


@HOOKS.register_module()
class SupportSetHook(Hook):
    """Give an in-context model its support set before validation and testing.

    For each class, background included, ``size`` images that hold the class are drawn
    without replacement, ``num_ensembles`` times over, and handed to the model's
    ``set_support``, which moves them to its device. The draw depends on the seed
    alone, so that every process and every run has the same support set. It is made
    once and given again before each validation.

    Args:
        dataset: Config of an ordinary data set with classes in its metainfo. Its
            pipeline loads and normalises, but does not pack: afterwards ``img`` is
            (H, W) float32 in [0, 1] and ``gt_seg_map`` (H, W) class indices, all of
            one size.
        size: Images per class and draw, S.
        num_ensembles: Draws whose probabilities the model averages, K.
        seed: Of the draws.

    Attributes:
        support: None before the first validation or test; then what was drawn:
            ``images`` (N, 1, H, W) float32, ``masks`` (N, H, W) int64, ``subsets``
            (K, C, S) int64 indices of images, ``num_classes``, ``classes`` and the
            real ``paths``.

    Raises:
        ValueError: At the first validation or test: fewer than ``size`` images hold a
            class, masks that are all empty, images of other form than said above,
            other classes than the tested data set's, or an image that is tested too.
        TypeError: At the same time: the model has no ``set_support``.
    """

    def __init__(
        self, dataset: dict, size: int = 64, num_ensembles: int = 1, seed: int = 0
    ) -> None:
        if size < 1 or num_ensembles < 1:
            raise ValueError(
                'SupportSetHook needs size and num_ensembles of 1 or more, got '
                f'size={size}, num_ensembles={num_ensembles}'
            )
        self.dataset = dataset
        self.size = size
        self.num_ensembles = num_ensembles
        self.seed = seed
        self.support: dict | None = None

    def before_val(self, runner: Runner) -> None:
        """Set the support before a validation."""
        self._set_support(runner, runner.val_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        """Set the support before a test."""
        self._set_support(runner, runner.test_dataloader.dataset)

    def draw(self) -> dict:
        """Draw the support set that a test would be given.

        The data set is read twice, which classes are where, then the drawn images, so
        that memory holds the drawn images only, however many there are.

        Returns:
            What the attribute ``support`` holds after a test.

        Raises:
            ValueError: As at a test, but for what concerns the tested data set.
        """
        dataset = DATASETS.build(self.dataset)
        classes = dataset.metainfo.get('classes')
        if not classes:
            raise ValueError(
                f"{type(dataset).__name__}: the support set's metainfo has no 'classes'"
            )
        holds = np.array(
            [
                [(mask == c).any() for c in range(len(classes))]
                for _, mask, _ in _load(dataset, range(len(dataset)))
            ]
        ).reshape(len(dataset), len(classes))
        self._check_pools(dataset, classes, holds)
        draws = np.stack(
            [
                [
                    # One generator per draw and class: more classes or draws leave
                    # the others as they were.
                    np.random.default_rng((self.seed, k, c)).choice(
                        np.flatnonzero(holds[:, c]), self.size, replace=False
                    )
                    for c in range(len(classes))
                ]
                for k in range(self.num_ensembles)
            ]
        )
        used, subsets = np.unique(draws, return_inverse=True)
        images, masks, paths = zip(*_load(dataset, used))
        for image, path in zip(images, paths):
            if image.shape != images[0].shape:
                raise ValueError(
                    f'{path}: support image of size {image.shape}, wanted '
                    f'{images[0].shape} as of {paths[0]}; add Resize to the pipeline'
                )
        return {
            'images': torch.from_numpy(np.stack(images))[:, None],
            'masks': torch.from_numpy(np.stack(masks)).long(),
            'subsets': torch.from_numpy(subsets.reshape(draws.shape)).long(),
            'num_classes': len(classes),
            'classes': tuple(classes),
            'paths': {os.path.realpath(path) for path in paths},
        }

    def _set_support(self, runner: Runner, tested: object) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, 'set_support'):
            raise TypeError(
                'SupportSetHook needs a model with set_support, such as UniverSeg; '
                f'got {type(model).__name__}'
            )
        if self.support is None:
            self.support = self.draw()
            runner.logger.info(
                f'support set: {self.size} images for each of '
                f'{self.support["num_classes"]} classes, {self.num_ensembles} draws '
                f'with seed {self.seed}'
            )
        self._check_tested(tested)
        model.set_support(
            self.support['images'],
            self.support['masks'],
            subsets=self.support['subsets'],
            num_classes=self.support['num_classes'],
        )

    def _check_pools(
        self, dataset: BaseDataset, classes: tuple[str, ...], holds: np.ndarray
    ) -> None:
        """Enough images for every class, or an error naming the class."""
        where = f'{type(dataset).__name__} of the support set'
        found = holds.sum(axis=0)
        if not found.any():
            raise ValueError(f'{where}: {len(dataset)} images, none with a label')
        named = [c for c, name in enumerate(classes) if name.lower() != 'background']
        if named and not found[named].any():
            raise ValueError(
                f'{where}: the masks of all {len(dataset)} images are empty, no pixel '
                f'is of {[classes[c] for c in named]}'
            )
        for name, count in zip(classes, found):
            if count < self.size:
                raise ValueError(
                    f'{where}: {count} of its {len(dataset)} images hold the class '
                    f'{name!r}, wanted {self.size}; lower SupportSetHook(size=...) or '
                    'give it more images'
                )

    def _check_tested(self, tested: object) -> None:
        """Same classes as the tested data set, and none of its images."""
        # Data sets of episodes bring their own supports and have no such items.
        if not hasattr(tested, 'get_data_info'):
            return
        classes = tested.metainfo.get('classes')
        if classes is not None and tuple(classes) != self.support['classes']:
            raise ValueError(
                f'the support set has the classes {self.support["classes"]}, the '
                f'tested data set {tuple(classes)}; they must be the same'
            )
        for index in range(len(tested)):
            path = tested.get_data_info(index).get('img_path')
            if path is not None and os.path.realpath(path) in self.support['paths']:
                raise ValueError(
                    f'{path}: is in the support set and is tested too; use another '
                    'split for one of them'
                )


def _load(
    dataset: BaseDataset, indices: object
) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Image, label map and path of each item, checked."""
    for index in indices:
        results = dataset[int(index)]
        if 'img' not in results or 'gt_seg_map' not in results:
            raise ValueError(
                'the pipeline of the support set must load img and gt_seg_map and '
                f'must not pack them; it gives {sorted(results)}'
            )
        image, mask = results['img'], results['gt_seg_map']
        path = results.get('img_path', f'item {index}')
        if image.ndim != 2 or image.dtype != np.float32:
            raise ValueError(
                f'{path}: support image of shape {image.shape} and type {image.dtype}, '
                'wanted (H, W) float32; add ToGrayscale and MinMaxNormalize'
            )
        # Written so that NaN fails too.
        if not (image.min() >= 0 and image.max() <= 1):
            raise ValueError(
                f'{path}: support image with values {image.min()} to {image.max()}, '
                'wanted 0 to 1; add MinMaxNormalize'
            )
        if mask.shape != image.shape:
            raise ValueError(
                f'{path}: label map {mask.shape} and image {image.shape} must be of '
                'one size; put LoadLabelMap before Resize'
            )
        yield image, mask, path
