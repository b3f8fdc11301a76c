"""What every model has in common that segments by a support set."""

from abc import abstractmethod

import torch
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from .support_memory import SupportDraw, SupportMemory

Episode = dict[str, Tensor]


class InContextSegmentor(BaseSegmentor):
    """A segmentor whose task is given by a support set.

    There are two kinds of input. An episode `dict(img, support_imgs, support_masks)`
    brings its supports along and is one binary task. An ordinary batch of images
    is segmented with the support set of `set_support`: one binary prediction per
    class and per draw of supports. Probabilities are averaged over draws, and
    multiplied by `temperature` they are the result's `seg_logits`, so that their
    softmax is the sharpened score of the authors' demonstration.

    Args:
        num_classes: classes of the support set; None: from the support set.
        temperature: the factor before the softmax.
        save_support: whether checkpoints hold the support set.
        data_preprocessor: `EpisodeDataPreprocessor` if not given.
        init_cfg: as MMEngine has it.
        background: where the probability of class 0 comes from. 'in_context': it is
            predicted from its supports as every class is. 'rest': it is 1 less the
            largest of the others, so that a class needs more than 0.5, the authors'
            threshold for binary tasks, and there is one prediction less to make.
    """

    align_corners = False

    def __init__(
        self,
        num_classes: int | None = None,
        temperature: float = 10.0,
        save_support: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list | None = None,
        background: str = 'in_context',
    ):
        # Built here because MMEngine would look in its own registry, unless a
        # Runner has set the scope.
        cfg = data_preprocessor or dict(type='EpisodeDataPreprocessor')
        super().__init__(MODELS.build(cfg), init_cfg)
        if temperature <= 0:
            raise ValueError(f'temperature must be positive, got {temperature}')
        if background not in ('in_context', 'rest'):
            raise ValueError(
                f"background must be 'in_context' or 'rest', got {background!r}"
            )
        self.num_classes = num_classes
        self.background = background
        self.temperature = temperature
        self.support_memory = SupportMemory(persistent=save_support)

    @abstractmethod
    def episode_probability(self, episode: Episode) -> Tensor:
        """Foreground probability (B, 1, H, W) of episodes."""

    @abstractmethod
    def draw_probability(self, images: Tensor, draw: SupportDraw) -> Tensor:
        """Probability (B, 1, H, W) of one class in images (B, 1, H, W)."""

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.data_preprocessor.device

    def set_support(
        self,
        images: Tensor,
        masks: Tensor,
        subsets: Tensor | None = None,
        num_classes: int | None = None,
    ) -> None:
        """Give the model the support set by which it segments ordinary images.

        Args:
            images: (N, 1, H, W), float in [0, 1].
            masks: (N, H, W), integer labels; 255 belongs to no class.
            subsets: (K, C, S), for every draw and class the images it takes; every
                class takes all images once if not given.
            num_classes: C; the model's own, or else the largest label + 1.

        Raises:
            TypeError: if images are not floating point or masks not integer.
            ValueError: if shapes, ranges or numbers of classes do not fit, or a
                class is in none of the images it is drawn from.
        """
        if subsets is None:
            classes = num_classes or self.num_classes
            if classes is None:
                labels = masks[masks != 255]
                classes = int(labels.max()) + 1 if labels.numel() else 1
            subsets = torch.arange(len(images)).expand(1, classes, -1)
        for wanted in (num_classes, self.num_classes):
            if wanted is not None and subsets.dim() > 1 and subsets.shape[1] != wanted:
                raise ValueError(
                    f'the support set has {subsets.shape[1]} classes, wanted {wanted}'
                )
        self.support_memory.set(
            images.to(self.device), masks.to(self.device), subsets.to(self.device)
        )

    def clear_support(self) -> None:
        """Forget the support set."""
        self.support_memory.clear()

    @torch.no_grad()
    def class_probabilities(self, images: Tensor) -> Tensor:
        """Probabilities (B, C, H, W) of every class, each in [0, 1].

        They need not sum to 1.

        Args:
            images: (B, 1, H, W), float in [0, 1].

        Raises:
            RuntimeError: if there is no support set.
            ValueError: if the images' size is not that of the support set, or class
                0 is the rest of no other class.
        """
        memory = self.support_memory
        if not len(memory):
            raise RuntimeError(
                f'{type(self).__name__} has no support set to segment by: add '
                "dict(type='SupportSetHook', dataset=...) to custom_hooks, or call "
                'model.set_support(images, masks)'
            )
        if images.shape[1:] != memory.images.shape[1:]:
            raise ValueError(
                f'images are {tuple(images.shape[1:])}, the support set is '
                f'{tuple(memory.images.shape[1:])}: resize both to one size'
            )
        rest = self.background == 'rest'
        if rest and memory.num_classes < 2:
            raise ValueError(
                "background='rest' needs another class, the support set has 1"
            )
        total = [0] * memory.num_classes
        for draw in memory.draws():
            _, label = draw.index
            if label or not rest:
                probability = self.draw_probability(images, draw).float()
                total[label] = total[label] + probability
        if rest:
            total[0] = memory.num_draws - torch.cat(total[1:], 1).amax(1, keepdim=True)
        return torch.cat(total, dim=1) / memory.num_draws

    def encode_decode(
        self, inputs: Tensor | Episode, batch_data_samples: list | None = None
    ) -> Tensor:
        """`temperature` times the probabilities of the classes.

        Returns:
            (B, C, H, W); for episodes C is 2, background and foreground.
        """
        if isinstance(inputs, dict):
            foreground = self.episode_probability(inputs)
            probabilities = torch.cat([1 - foreground, foreground], dim=1)
        else:
            probabilities = self.class_probabilities(inputs)
        return self.temperature * probabilities

    def predict(
        self,
        inputs: Tensor | Episode,
        data_samples: list[SegDataSample] | None = None,
    ) -> list[SegDataSample]:
        """Segment, and resize to each sample's original size."""
        with torch.no_grad():
            seg_logits = self.encode_decode(inputs, data_samples)
        return self.postprocess_result(seg_logits, data_samples)
