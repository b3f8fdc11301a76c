"""Augmentation of episodes: each image alone, or all of them alike."""

import copy
import random
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms import Compose as ComposeBuilt
from mmseg.registry import TRANSFORMS

# How often an augmentation that wiped out every support mask is drawn anew.
MAX_DRAWS = 10


class EpisodeAugmentation(BaseTransform):
    """Base of the transforms that apply ordinary transforms to an episode.

    An episode is ``dict(images=[query, support_1, ..., support_S], ...)``, each
    image an ordinary results dict of MMSeg (``img``, ``gt_seg_map``,
    ``seg_fields``, ...), so any MMSeg transform can be listed.

    A support set without any foreground teaches nothing. Where augmentation
    leaves no foreground in any support mask (an object moved out of the
    picture, a full mask inverted) though there was some before, it is drawn
    anew, up to 10 times, and then left out for this episode.

    Args:
        transforms: Transforms of single images, as configs or callables.

    Raises:
        ValueError: If the episode is a sketch, without images.
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = ComposeBuilt(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        )

    def augment(self, images: list[dict]) -> list[dict]:
        """Return the augmented images; those given may be changed in place."""
        raise NotImplementedError

    def transform(self, results: dict) -> dict:
        """Augment ``results['images']``."""
        images = results['images']
        if 'sketch' in images[0]:
            raise ValueError(
                f'task {results.get("task")!r}: its images are not drawn before the '
                f'model has them; take {type(self).__name__} out of the pipeline or '
                'set sketch=False of SyntheticTasksDataset'
            )
        if not _any_foreground(images):
            results['images'] = self.augment(images)
            return results
        for _ in range(MAX_DRAWS):
            augmented = self.augment(copy.deepcopy(images))
            if _any_foreground(augmented):
                results['images'] = augmented
                break
        return results


@TRANSFORMS.register_module()
class AugmentEach(EpisodeAugmentation):
    """Augment each image of an episode alone, with its own random parameters.

    The in-task augmentation of UniverSeg's training: differences between the
    images of one task. See :class:`EpisodeAugmentation`.
    """

    def augment(self, images: list[dict]) -> list[dict]:
        """Apply the transforms to one image after the other."""
        return [self.transforms(image) for image in images]


@TRANSFORMS.register_module()
class AugmentAlike(EpisodeAugmentation):
    """Augment all images of an episode with the same random parameters.

    The task augmentation of UniverSeg's training: it makes a new task of the
    episode's. Before each image the global random states of ``numpy.random``
    and ``random`` are rewound to where they were before the first; at the end
    they are where the first image left them. So transforms must draw from
    those two, and whether and how often they draw must not depend on the
    image; the images of an episode are of one size. See
    :class:`EpisodeAugmentation`.
    """

    def augment(self, images: list[dict]) -> list[dict]:
        """Apply the transforms to each image from the same random state."""
        before = np.random.get_state(), random.getstate()
        after, augmented = None, []
        for image in images:
            np.random.set_state(before[0])
            random.setstate(before[1])
            augmented.append(self.transforms(image))
            after = after or (np.random.get_state(), random.getstate())
        np.random.set_state(after[0])
        random.setstate(after[1])
        return augmented


def _any_foreground(images: list[dict]) -> bool:
    return any(image['gt_seg_map'].any() for image in images[1:])
