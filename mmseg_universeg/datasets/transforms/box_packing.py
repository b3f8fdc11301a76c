"""Samples with box prompts, as tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from .boxes import check_boxes


@TRANSFORMS.register_module()
class PackBoxPromptInputs(PackSegInputs):
    """Pack as MMSeg's ``PackSegInputs`` does, and the box prompts too.

    Required keys, beyond those of ``PackSegInputs``: ``gt_bboxes`` (N, 4) floating x1,
    y1, x2, y2 in pixels of ``img``, with an area and inside of it;
    ``gt_bboxes_labels`` (N,) integers. Optional key: ``gt_masks`` (N, H, W) uint8 of 0
    and 1, of the size of ``gt_seg_map`` where that is there, otherwise of any size.
    N may be 0. The data sample gets ``gt_instances``, an ``InstanceData`` with
    ``bboxes`` (N, 4) float32, ``labels`` (N,) int64 and, where given, ``masks``
    (N, H, W) uint8.

    Args:
        meta_keys: As in ``PackSegInputs``: those of them that are in the results become
            metainfo.

    Raises:
        KeyError: If a required key is missing.
        ValueError: If a box is not as said, labels or masks do not fit the boxes, or a
            mask has pixels of another class than its box, as when an image was flipped
            after the masks were made.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = (
            'img_path',
            'seg_map_path',
            'ori_shape',
            'img_shape',
            'pad_shape',
            'scale_factor',
            'flip',
            'flip_direction',
            'reduce_zero_label',
            'case_id',
            'slice_index',
            'spacing',
        ),
    ) -> None:
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        path = results.get('img_path')
        for key in ('gt_bboxes', 'gt_bboxes_labels'):
            if key not in results:
                raise KeyError(
                    f'{path}: PackBoxPromptInputs needs {key!r}, found '
                    f'{list(results)}; BoxPromptsFromMask makes boxes, LoadBoxPrompts '
                    'loads them'
                )
        boxes, labels = results['gt_bboxes'], results['gt_bboxes_labels']
        check_boxes(boxes, results['img'].shape[:2], path)
        if labels.shape != (len(boxes),) or labels.dtype.kind not in 'iu':
            raise ValueError(
                f'{path}: gt_bboxes_labels must be {len(boxes)} integers, one per box, '
                f'found {labels.shape} {labels.dtype}'
            )
        instances = InstanceData(
            bboxes=torch.from_numpy(boxes.astype(np.float32)),
            labels=torch.from_numpy(labels.astype(np.int64)),
        )
        if 'gt_masks' in results:
            _check_masks(results)
            instances.masks = torch.from_numpy(results['gt_masks'])
        packed = super().transform(results)
        packed['data_samples'].gt_instances = instances
        return packed


def _check_masks(results: dict) -> None:
    path, masks = results.get('img_path'), results['gt_masks']
    wanted = (len(results['gt_bboxes']), *masks.shape[1:])
    if 'gt_seg_map' in results:
        wanted = (wanted[0], *results['gt_seg_map'].shape)
    if masks.ndim != 3 or masks.shape != wanted or masks.dtype != np.uint8:
        raise ValueError(
            f'{path}: gt_masks must be uint8 of shape {wanted}, one per box of the '
            f'size of gt_seg_map, found {masks.dtype} {masks.shape}; make them after '
            'all geometric transforms'
        )
    if masks.size and masks.max() > 1:
        raise ValueError(f'{path}: gt_masks must hold 0 and 1, found {masks.max()}')
    if 'gt_seg_map' not in results:
        return
    for number, (mask, label) in enumerate(zip(masks, results['gt_bboxes_labels'])):
        others = results['gt_seg_map'][mask == 1] != label
        if others.any():
            raise ValueError(
                f'{path}: {others.sum()} of {others.size} pixels in the mask of box '
                f'{number} are not of its class {label} in gt_seg_map, wanted none; '
                'make masks after all geometric transforms'
            )
