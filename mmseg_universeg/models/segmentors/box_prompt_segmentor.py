"""SAM and MedSAM: objects segmented by a prompt for each."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn
from torch.nn import functional as F

from ...utils.checkpoint import check_fit
from ...utils.sam_keys import to_segmentor_keys
from ..backbones import CachedEmbedding
from .everything import segment_everything, share_out
from .prompt_points import add_points, first_points
from .prompted_samples import (
    name_of,
    original_size,
    pointable_masks,
    true_boxes,
    true_masks,
)
from .safe_pretrained import SafePretrained

PROMPTS = ('box', 'point', 'everything')


@MODELS.register_module()
class BoxPromptSegmentor(SafePretrained, BaseSegmentor):
    """Segments every object of an image by its box, or by another prompt.

    MedSAM (Ma et al., Nat. Commun. 2024) over segment-anything's modules. Data samples
    bring ``gt_instances`` with ``bboxes`` (N, 4) x1, y1, x2, y2 in pixels of the image
    that goes in, ``labels`` (N,) and, for training and for prompts other than boxes,
    ``masks`` (N, H, W) of 0 and 1. Images may have different numbers of objects, also
    none.

    Checkpoints of SAM and MedSAM load by ``load_from`` or ``init_cfg``, with and
    without ``module.`` and ``model``; what does not fit is an error, not a warning.
    ``tools/convert_checkpoint.py`` makes one for segment-anything.

    Prompts, for comparison:

    - ``'box'``: the boxes.
    - ``'point'``: one pixel of each object, in training by chance, in testing the
      deepest inside. With ``points`` of more than 1 each further one comes from the
      error so far, missed or too much: in training by chance ("Segment Anything",
      appendix A, training algorithm), in testing the pixel deepest inside. Training
      draws for every image how many there are, from 1 to ``points``.
    - ``'everything'``, for testing: segment-anything's automatic generator, whose masks
      are shared out among the true objects (`share_out`); an upper bound. Trained as
      ``'point'``, which is what the generator asks with.

    Args:
        backbone: `SAMImageEncoder` or `CachedEmbedding`.
        decode_head: `MedSAMBoxPromptHead`.
        frozen: Which of ``'image_encoder'``, ``'prompt_encoder'`` and
            ``'mask_decoder'`` are not trained: they get no gradients and stay in
            evaluation mode. Nor does what no loss reaches get gradients, see
            ``unreached`` of the head, so that distributed training needs no
            ``find_unused_parameters``.
        prompt: ``'box'``, ``'point'`` or ``'everything'``.
        points: Number of points of each object with ``'point'``, in training at most.
        generator: Arguments of ``SamAutomaticMaskGenerator`` for ``'everything'``.
            Where the predicted IoU is not trained, ``pred_iou_thresh`` should be 0.
        resize: What is resized to the original image: ``'probabilities'`` as released
            with MedSAM, or ``'logits'``.
        data_preprocessor: `BoxPromptDataPreprocessor` if not given.
        init_cfg: As MMEngine has it; ``dict(type='Pretrained', checkpoint=...)`` takes
            a path or URL.

    Raises:
        ValueError: If ``frozen``, ``prompt``, ``points`` or ``resize`` are not as said.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict,
        frozen: Sequence[str] = ('prompt_encoder',),
        prompt: str = 'box',
        points: int = 1,
        generator: dict | None = None,
        resize: str = 'probabilities',
        data_preprocessor: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        # Built here because MMEngine would look in its own registry, unless a Runner
        # has set the scope.
        cfg = data_preprocessor or dict(type='BoxPromptDataPreprocessor')
        super().__init__(MODELS.build(cfg), init_cfg)
        for name, found, wanted in (
            ('prompt', prompt, PROMPTS),
            ('resize', resize, ('probabilities', 'logits')),
        ):
            if found not in wanted:
                raise ValueError(f'{name} must be one of {wanted}, found {found!r}')
        if points < 1:
            raise ValueError(f'points must be at least 1, found {points}')
        self.backbone = MODELS.build(backbone)
        self.decode_head = MODELS.build(decode_head)
        self.prompt = prompt
        self.points = points
        self.generator = generator or {}
        self.resize = resize
        self.frozen = tuple(frozen)
        # A parameter that waits for a gradient in vain stops distributed training.
        unreached = self.decode_head.unreached(prompt == 'box')
        for part in (*self.frozen_parts(), *unreached):
            part.requires_grad_(False)
        self.register_load_state_dict_pre_hook(type(self).check_state_dict)

    def frozen_parts(self) -> list[nn.Module]:
        """Return the modules that are not trained.

        Raises:
            ValueError: If there is no part of a name.
        """
        parts = dict(
            image_encoder=self.backbone,
            prompt_encoder=self.decode_head.prompt_encoder,
            mask_decoder=self.decode_head.mask_decoder,
        )
        strange = [name for name in self.frozen if name not in parts]
        if strange:
            raise ValueError(f'frozen must name some of {list(parts)}, found {strange}')
        return [parts[name] for name in self.frozen]

    def train(self, mode: bool = True) -> 'BoxPromptSegmentor':
        """Set the mode of all that is not frozen."""
        super().train(mode)
        for part in self.frozen_parts():
            part.eval()
        return self

    def check_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Rename what is of SAM, refuse what does not fit.

        Called before a state dict is loaded.

        Raises:
            ValueError: See `check_fit`; also if the weights were trained from cached
                embeddings, so without those of the image encoder.
        """
        if not prefix:
            renamed = to_segmentor_keys(state_dict)
            state_dict.clear()
            state_dict.update(renamed)
        cached = isinstance(self.backbone, CachedEmbedding)
        if not cached and f'{prefix}backbone.fingerprint' in state_dict:
            raise ValueError(
                'the checkpoint was trained from cached embeddings and has no image '
                'encoder: add it by tools/convert_checkpoint.py --encoder-from'
            )
        check_fit(self, state_dict, prefix)

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor]:
        """Return the embeddings (B, C, S / 16, S / 16) in a tuple.

        Args:
            inputs: Images (B, 3, S, S) floats in [0, 1], or cached embeddings.
        """
        trained = 'image_encoder' not in self.frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and trained):
            return self.backbone(inputs)

    def embed(self, inputs: Tensor, samples: Sequence[SegDataSample]) -> Tensor:
        """Return the embeddings (B, C, S / 16, S / 16) of a batch.

        Raises:
            ValueError: If cached embeddings are not of this model's image encoder.
        """
        if isinstance(self.backbone, CachedEmbedding):
            self.backbone.check_samples(samples)
        return self.extract_feat(inputs)[0]

    def encode_decode(
        self, inputs: Tensor, batch_data_samples: list[SegDataSample]
    ) -> list[Tensor]:
        """Return the logits (N, S / 4, S / 4) of each image's prompts.

        Raises:
            ValueError: If a sample's prompts are not as said for the class.
        """
        embeddings = self.embed(inputs, batch_data_samples)
        return [
            self.decode_head(embedding, **self.prompts(embedding, sample))[0]
            for embedding, sample in zip(embeddings, batch_data_samples)
        ]

    def _forward(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[Tensor] | tuple[Tensor]:
        """Return the logits of the prompts; without data samples the embeddings."""
        if data_samples is None:
            return self.extract_feat(inputs)
        return self.encode_decode(inputs, data_samples)

    def loss(
        self, inputs: Tensor, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """Return the loss of a batch, the mean over its objects.

        Raises:
            ValueError: If a sample's prompts or masks are not as said for the class.
        """
        size = (self.decode_head.image_size,) * 2
        logits = self.encode_decode(inputs, data_samples)
        masks = [true_masks(sample) for sample in data_samples]
        for sample, found in zip(data_samples, masks):
            if tuple(found.shape[1:]) != size:
                raise ValueError(
                    f'{name_of(sample)}: gt_instances.masks are '
                    f'{tuple(found.shape[1:])}, wanted those of the image, {size}'
                )
        return add_prefix(self.decode_head.loss(logits, masks), 'decode')

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Segment every object, at the original size of its image.

        Returns:
            The samples with ``pred_instances``: ``bboxes`` (N, 4) in pixels of the
            original image, ``labels`` (N,), ``masks`` (N, H, W) bool, ``scores`` (N,)
            the predicted IoU; and ``pred_sem_seg`` (1, H, W) int64: where masks
            overlap the more probable object's label, 0 outside of them.

        Raises:
            ValueError: If there are no data samples, or see `encode_decode`.
        """
        if data_samples is None:
            raise ValueError(
                'BoxPromptSegmentor needs prompts: data samples with gt_instances'
            )
        for embedding, sample in zip(self.embed(inputs, data_samples), data_samples):
            side = self.decode_head.image_size
            boxes, labels = true_boxes(sample, side), sample.gt_instances.labels
            height, width = original_size(sample)
            segment = self.everything if self.prompt == 'everything' else self.prompted
            probabilities, scores = segment(embedding, sample)
            sample.pred_instances = InstanceData(
                bboxes=boxes * boxes.new_tensor([width, height] * 2) / side,
                labels=labels,
                masks=probabilities > 0.5,
                scores=scores,
            )
            sample.pred_sem_seg = PixelData(data=merge(probabilities, labels)[None])
        return data_samples

    def prompted(
        self, embedding: Tensor, sample: SegDataSample
    ) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, H, W) and predicted IoU (N,), by box or points.

        Args:
            embedding: (C, S / 16, S / 16).
            sample: With its prompts.
        """
        prompts = self.prompts(embedding, sample)
        logits, scores = self.decode_head(embedding, **prompts)
        return self.probabilities(logits, original_size(sample)), scores

    def everything(
        self, embedding: Tensor, sample: SegDataSample
    ) -> tuple[Tensor, Tensor]:
        """Return probabilities (N, H, W), 0 or 1, and predicted IoU (N,).

        An object that gets no mask has 0 everywhere; see `share_out`.

        Args:
            embedding: (C, S / 16, S / 16).
            sample: With true masks.
        """
        size = original_size(sample)
        masks, ious = segment_everything(
            self.decode_head, embedding, size, self.generator
        )
        objects = resized(true_masks(sample).float(), size, 'nearest')
        chosen = share_out(masks, objects.bool().cpu().numpy())
        # A last one for the objects that get none, number -1.
        masks = np.concatenate([masks, np.zeros((1, *size), bool)])
        ious = np.append(ious, np.float32(0))
        return (
            torch.from_numpy(masks[chosen]).to(objects),
            torch.from_numpy(ious[chosen]).to(objects),
        )

    def probabilities(self, logits: Tensor, size: Sequence[int]) -> Tensor:
        """Return the probabilities (N, H, W) of logits (N, h, w), resized."""
        logits = logits.float()
        if self.resize == 'logits':
            return resized(logits, size, 'bilinear').sigmoid()
        return resized(logits.sigmoid(), size, 'bilinear')

    def prompts(self, embedding: Tensor, sample: SegDataSample) -> dict:
        """Return the arguments of the head: the boxes, or the points of each object.

        Args:
            embedding: (C, S / 16, S / 16).
            sample: With its prompts.

        Raises:
            ValueError: If the prompts are not as said for the class.
        """
        size = self.decode_head.image_size
        boxes = true_boxes(sample, size)
        if self.prompt == 'box':
            return dict(boxes=boxes)
        masks, rng, number = pointable_masks(sample), None, self.points
        if self.training:
            rng = np.random.default_rng(int(torch.randint(2**31, ())))
            number = rng.integers(1, self.points, endpoint=True)
        points = first_points(masks, size, rng)
        for _ in range(number - 1):
            with torch.no_grad():
                logits, _ = self.decode_head(embedding, points=points)
            predicted = self.probabilities(logits, masks.shape[1:]) > 0.5
            points = add_points(points, masks, predicted, size, rng)
        return dict(points=points)


def resized(maps: Tensor, size: Sequence[int], mode: str) -> Tensor:
    """Return maps (N, h, w) at another size; corners are not aligned, N may be 0."""
    if not len(maps):
        return maps.new_zeros(0, *size)
    maps = maps.unsqueeze(1)
    return F.interpolate(maps, tuple(size), mode=mode).squeeze(1)


def merge(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return a label map (H, W) int64 of objects that may overlap.

    The most probable object wins, where its probability is above 0.5; of equals the
    first. Elsewhere it is 0.

    Args:
        probabilities: (N, H, W) in [0, 1].
        labels: (N,) integers.
    """
    if not len(labels):
        return torch.zeros(
            probabilities.shape[1:], dtype=torch.int64, device=probabilities.device
        )
    best = probabilities.max(0)
    return torch.where(best.values > 0.5, labels.long()[best.indices], 0)
