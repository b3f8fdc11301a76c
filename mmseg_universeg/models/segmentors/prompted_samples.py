"""What a box-prompted segmentor reads of a data sample, checked."""

from mmseg.structures import SegDataSample
from torch import Tensor

# Pixels by which a box may leave the image, for the rounding of a resize.
ROUNDING = 0.01


def name_of(sample: SegDataSample) -> str | None:
    """Return the image's file, for messages."""
    return sample.metainfo.get('img_path')


def original_size(sample: SegDataSample) -> tuple[int, int]:
    """Return the height and width of the image before the pipeline.

    Raises:
        ValueError: If it is not known, or the image was flipped: masks would not lie
            on the original.
    """
    meta = sample.metainfo
    if 'ori_shape' not in meta or meta.get('flip'):
        raise ValueError(
            f'{name_of(sample)}: to give masks of the original image, ori_shape must '
            f'be among the meta keys and the image not flipped; found {meta}'
        )
    return tuple(meta['ori_shape'][:2])


def true_boxes(sample: SegDataSample, size: int) -> Tensor:
    """Return the boxes of a sample's objects, (N, 4) float32 x1, y1, x2, y2.

    Args:
        sample: With ``gt_instances``.
        size: Height and width of the image in pixels.

    Raises:
        ValueError: If a box is not finite, has no area, is inverted or leaves the
            image, or there are not as many labels as boxes.
    """
    if 'gt_instances' not in sample:
        raise ValueError(
            f'{name_of(sample)}: has no gt_instances, wanted boxes: the pipeline must '
            'make or load them and end in PackBoxPromptInputs'
        )
    boxes, labels = sample.gt_instances.bboxes, sample.gt_instances.labels
    if boxes.dim() != 2 or boxes.shape[1] != 4 or len(labels) != len(boxes):
        raise ValueError(
            f'{name_of(sample)}: wanted boxes (N, 4) and labels (N,), found '
            f'{tuple(boxes.shape)} and {tuple(labels.shape)}'
        )
    inside = (boxes >= -ROUNDING) & (boxes <= size + ROUNDING)
    good = inside.all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    if not good.all():
        number = int((~good).nonzero()[0])
        raise ValueError(
            f'{name_of(sample)}: box {number} is {boxes[number].tolist()}, wanted '
            f'x1 < x2 and y1 < y2 from 0 to {size}, pixels of the image that goes in'
        )
    return boxes.float()


def true_masks(sample: SegDataSample) -> Tensor:
    """Return the true masks (N, H, W) of a sample's objects, which may be empty.

    Raises:
        ValueError: If there are none, or they are no tensor (N, H, W).
    """
    instances = sample.gt_instances
    if 'masks' not in instances:
        raise ValueError(
            f'{name_of(sample)}: gt_instances has no masks, only {instances.keys()}; '
            'training, and prompts other than boxes, need gt_masks in the pipeline'
        )
    masks = instances.masks
    if not isinstance(masks, Tensor) or masks.dim() != 3:
        raise ValueError(
            f'{name_of(sample)}: gt_instances.masks must be a tensor (N, H, W), found '
            f'{type(masks).__name__} {tuple(masks.shape)}'
        )
    return masks


def pointable_masks(sample: SegDataSample) -> Tensor:
    """Return the true masks (N, H, W) of a sample's objects, none of them empty.

    Raises:
        ValueError: If one is empty, or see `true_masks`.
    """
    masks = true_masks(sample)
    empty = (~masks.bool().flatten(1).any(1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f'{name_of(sample)}: gt_instances.masks {empty} of {len(masks)} are empty, '
            'there is no pixel of the object to point at'
        )
    return masks
