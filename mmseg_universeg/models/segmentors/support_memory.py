"""What an in-context model remembers of its support set."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn


class SupportDraw(NamedTuple):
    """The supports of one binary prediction: one draw for one class.

    Attributes:
        index: place of the draw among K, and of the class among C.
        images: (S, 1, H, W), float in [0, 1].
        masks: (S, 1, H, W), 1. where the label is the class.
    """

    index: tuple[int, int]
    images: Tensor
    masks: Tensor


class SupportMemory(nn.Module):
    """Images, label maps and the draws from them, as buffers that move with a model.

    A checkpoint that holds a support set brings it along when it is loaded.

    Args:
        persistent: whether the buffers are saved in checkpoints.
    """

    NAMES = ('images', 'masks', 'subsets')

    def __init__(self, persistent: bool = False):
        super().__init__()
        self.persistent = persistent
        for name in self.NAMES:
            self.register_buffer(name, None, persistent)
        # Counts changes of the support set, for those who derive something from it.
        self.version = 0
        self.register_load_state_dict_pre_hook(self._load)

    @staticmethod
    def _load(module: 'SupportMemory', state_dict: dict, prefix: str, *_) -> None:
        # Shapes are not known before, so torch's own copying cannot do it.
        names = [name for name in module.NAMES if prefix + name in state_dict]
        if not names:
            return
        module.clear()
        for name in names:
            key = prefix + name
            setattr(module, name, state_dict[key].detach().clone())
            if not module.persistent:
                del state_dict[key]

    def __len__(self) -> int:
        return 0 if self.images is None else len(self.images)

    @property
    def num_classes(self) -> int:
        """Classes of the support set."""
        return self.subsets.shape[1]

    @property
    def num_draws(self) -> int:
        """Draws of supports per class, whose probabilities are averaged."""
        return self.subsets.shape[0]

    def clear(self) -> None:
        """Forget the support set."""
        self.images = self.masks = self.subsets = None
        self.version += 1

    def set(self, images: Tensor, masks: Tensor, subsets: Tensor) -> None:
        """Remember a support set.

        Args:
            images: (N, 1, H, W), float in [0, 1].
            masks: (N, H, W), integer labels.
            subsets: (K, C, S), for every draw and class the images it takes.

        Raises:
            TypeError: if images are not floating point or masks not integer.
            ValueError: if shapes or ranges are wrong, an index is out of range, or
                a class is drawn from images none of which holds it.
        """
        _check_images(images, masks)
        _check_subsets(subsets, masks)
        self.clear()
        self.images, self.masks, self.subsets = images, masks.long(), subsets.long()

    def draws(self) -> Iterator[SupportDraw]:
        """Go through the draws, class by class within each."""
        for draw, classes in enumerate(self.subsets):
            for label, chosen in enumerate(classes):
                masks = (self.masks[chosen] == label).unsqueeze(1)
                images = self.images[chosen]
                yield SupportDraw((draw, label), images, masks.to(images))


def _check_images(images: Tensor, masks: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] != 1 or not len(images):
        raise ValueError(
            f'support images must be (N, 1, H, W), N at least 1, got '
            f'{tuple(images.shape)}'
        )
    if masks.shape != images[:, 0].shape:
        raise ValueError(
            f'support masks must be {tuple(images[:, 0].shape)} as the images are, '
            f'got {tuple(masks.shape)}'
        )
    if not images.is_floating_point():
        raise TypeError(f'support images must be floating point, got {images.dtype}')
    if masks.is_floating_point() or masks.is_complex():
        raise TypeError(f'support masks must be integer labels, got {masks.dtype}')
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):
        raise ValueError(f'support images must be in [0, 1], got [{low}, {high}]')


def _check_subsets(subsets: Tensor, masks: Tensor) -> None:
    if subsets.dim() != 3 or not subsets.numel():
        raise ValueError(
            f'subsets must be (draws, classes, supports), none of them 0, got '
            f'{tuple(subsets.shape)}'
        )
    if subsets.min() < 0 or subsets.max() >= len(masks):
        raise ValueError(
            f'subsets must be indices of the {len(masks)} support images, got '
            f'{subsets.min().item()} to {subsets.max().item()}'
        )
    if masks.max() >= subsets.shape[1] and masks.max() != 255:
        raise ValueError(
            f'support masks hold label {masks.max().item()}, but there are '
            f'{subsets.shape[1]} classes'
        )
    for label in range(subsets.shape[1]):
        holds = (masks == label).flatten(1).any(1)
        for draw, chosen in enumerate(subsets[:, label]):
            if not holds[chosen].any():
                raise ValueError(
                    f'class {label} is in none of the {len(chosen)} support images '
                    f'of draw {draw} ({int(holds.sum())} of all {len(masks)} images '
                    'hold it)'
                )
