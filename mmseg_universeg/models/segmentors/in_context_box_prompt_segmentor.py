"""In-context segmentation, whose boxes prompt a second model for refinement."""

import torch
from mmengine.structures import InstanceData
from mmseg.registry import MODELS, TRANSFORMS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from ...datasets.transforms.intensity import LUMA
from ...utils.sam_keys import to_segmentor_keys
from .box_prompt_segmentor import BoxPromptSegmentor


@MODELS.register_module()
class InContextBoxPromptSegmentor(BoxPromptSegmentor):
    """Prompts itself: boxes come from an in-context model instead of from a person.

    For testing an in-context model segments the image by its support set (give it one
    by ``SupportSetHook``); each class, or each connected component of it, gets a box;
    and every box is segmented as `BoxPromptSegmentor` does. So no data sample has to
    bring ``gt_instances``; those that it brings are replaced by the boxes found. An
    image in which nothing is found is background all over.

    Training is that of `BoxPromptSegmentor`, by the true boxes; the in-context model
    is frozen.

    A checkpoint of a `BoxPromptSegmentor`, SAM or MedSAM loads into the box-prompted
    part; the in-context model then loads its own, by its ``init_cfg``. A checkpoint of
    this class holds both.

    Args:
        in_context: An `InContextSegmentor`. Images reach it as their luma, resized to
            the size of its support set.
        boxes: Arguments of `BoxPromptsFromMask`, which draws the boxes around what was
            found, in pixels of the image that goes in.
        **kwargs: Arguments of `BoxPromptSegmentor`; ``prompt`` is ``'box'``.
    """

    def __init__(self, in_context: dict, boxes: dict | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.prompt != 'box':
            raise ValueError(
                f"{type(self).__name__} prompts with boxes: prompt must be 'box', "
                f'found {self.prompt!r}'
            )
        self.in_context = MODELS.build(in_context)
        self.boxes = TRANSFORMS.build(dict(boxes or {}, type='BoxPromptsFromMask'))
        self.in_context.requires_grad_(False)

    def train(self, mode: bool = True) -> 'InContextBoxPromptSegmentor':
        """Set the mode of all that is not frozen."""
        super().train(mode)
        self.in_context.eval()
        return self

    def set_support(self, *args, **kwargs) -> None:
        """Give the in-context model its support set; see `InContextSegmentor`."""
        self.in_context.set_support(*args, **kwargs)

    def check_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Add the in-context model's own weights to a checkpoint that has none.

        Called before a state dict is loaded.

        Raises:
            ValueError: If there are none and ``init_cfg`` names none either, or see
                `BoxPromptSegmentor`.
        """
        inner = f'{prefix}in_context.'
        needed = any(True for _ in self.in_context.parameters())
        if needed and not any(key.startswith(inner) for key in state_dict):
            if not self.in_context.init_cfg:
                raise ValueError(
                    'the checkpoint has no weights of the in-context model; name them '
                    "by model.in_context.init_cfg=dict(type='Pretrained', "
                    'checkpoint=...)'
                )
            self.in_context.init_weights()
            # SAM's names first: its weights may lie one level deeper.
            weights = to_segmentor_keys(state_dict)
            state_dict.clear()
            state_dict.update(weights)
            for key, value in self.in_context.state_dict().items():
                state_dict[inner + key] = value
        super().check_state_dict(state_dict, prefix)

    @torch.no_grad()
    def propose(self, inputs: Tensor) -> list[InstanceData]:
        """Return boxes around what the in-context model finds in each image.

        Args:
            inputs: Images (B, 3, S, S) floats in [0, 1].

        Returns:
            ``bboxes`` (N, 4) float32 x1, y1, x2, y2 in pixels of the images and
            ``labels`` (N,) int64, classes of the support set; N may be 0.

        Raises:
            RuntimeError: If there is no support set.
        """
        luma = torch.from_numpy(LUMA).to(inputs)[:, None, None]
        grey = (inputs * luma).sum(1, keepdim=True)
        memory = self.in_context.support_memory
        if len(memory):
            grey = F.interpolate(
                grey, memory.images.shape[2:], mode='bilinear', antialias=True
            )
        probabilities = self.in_context.class_probabilities(grey.clamp(0, 1))
        size = tuple(inputs.shape[2:])
        maps = F.interpolate(probabilities, size, mode='bilinear').argmax(1)
        found = [
            self.boxes(dict(img=labels, gt_seg_map=labels))
            for labels in maps.cpu().numpy()
        ]
        return [
            InstanceData(
                bboxes=torch.from_numpy(one['gt_bboxes']).to(inputs.device),
                labels=torch.from_numpy(one['gt_bboxes_labels']).to(inputs.device),
            )
            for one in found
        ]

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Find boxes and segment in each; see `BoxPromptSegmentor`.

        Returns:
            The samples with ``gt_instances``, the boxes that prompted,
            ``pred_instances`` and ``pred_sem_seg``.

        Raises:
            RuntimeError: If there is no support set.
            ValueError: If there are no data samples, to say the original sizes.
        """
        if data_samples is not None:
            for sample, found in zip(data_samples, self.propose(inputs)):
                sample.gt_instances = found
        return super().predict(inputs, data_samples)
