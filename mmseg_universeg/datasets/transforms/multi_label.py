"""Truth of classes that may overlap: a mask for each."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from mmseg_universeg.utils.image_io import read_image

from .loading import IGNORED

CASE_KEYS = ('case_id', 'day_id', 'slice_index', 'spacing')


def read_multi_label_mask(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read a picture whose channels are masks of 0 and 255.

    Args:
        path: The file.
        backend_args: Arguments of MMEngine's file backend.

    Returns:
        (H, W, C) uint8 of 0 and 1.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A damaged file, one channel, or other values.
    """
    mask = read_image(path, backend_args=backend_args)
    if mask.ndim != 3 or mask.dtype != np.uint8:
        raise ValueError(
            f'{path}: is {mask.dtype} {mask.shape}, wanted a mask of 8 bits in each of '
            'several channels'
        )
    present = mask == 255
    if (mask[~present] != 0).any():
        raise ValueError(
            f'{path}: holds {np.unique(mask)[:10].tolist()}, wanted 0 and 255'
        )
    return present.view(np.uint8)


@TRANSFORMS.register_module()
class LoadMultiLabelMap(BaseTransform):
    """Load a mask for each of several classes, which may overlap.

    Required keys: ``img_path``, ``ori_shape`` (so an image has been loaded),
    ``seg_map_path`` (a picture with a channel for each class, 0 and 255). Optional key:
    ``overlap_order``, the channels from the one that has the pixel where masks overlap
    to the one that has it last: then the masks become one label map, 0 where none is
    and the place of the channel, from 1. Added key: ``gt_seg_map``, in ``seg_fields``.

    MMCV's and MMSeg's ``Resize``, ``RandomFlip`` and ``RandomCrop`` move these masks as
    they do label maps. MMSeg's ``RandomRotate`` and ``RandomMosaic`` do not.

    Args:
        backend_args: Arguments of MMEngine's file backend.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``.

        Returns:
            results with ``gt_seg_map`` in the size of the image file: (H, W, C) uint8
            of 0 and 1, or with ``overlap_order`` (H, W) uint8 of 0 to C.

        Raises:
            FileNotFoundError: No such file.
            KeyError: A required key is missing.
            ValueError: The file is damaged, has another size than its image, one
                channel, other values, or another number of channels than
                ``overlap_order``.
        """
        for key in ('img_path', 'ori_shape', 'seg_map_path'):
            if key not in results:
                raise KeyError(
                    f'LoadMultiLabelMap needs {key!r} in the results, found '
                    f"{list(results)}; 'ori_shape' comes from LoadSliceStack or "
                    'LoadMedicalImage'
                )
        path = results['seg_map_path']
        masks = read_multi_label_mask(path, self.backend_args)
        if masks.shape[:2] != tuple(results['ori_shape'][:2]):
            raise ValueError(
                f'{path}: mask of size {masks.shape[:2]} (height, width), wanted '
                f'{tuple(results["ori_shape"][:2])}, the size of its image '
                f'{results["img_path"]}'
            )
        order = results.get('overlap_order')
        if order is not None:
            if sorted(order) != list(range(masks.shape[2])):
                raise ValueError(
                    f'{path}: has {masks.shape[2]} channels, which overlap_order must '
                    f'all name once, found {tuple(order)}'
                )
            masks = _flatten(masks, order)
        results['gt_seg_map'] = masks
        others = [f for f in results.get('seg_fields', []) if f != 'gt_seg_map']
        results['seg_fields'] = [*others, 'gt_seg_map']
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def _flatten(masks: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Make masks (H, W, C) one label map (H, W)."""
    labels = np.zeros(masks.shape[:2], np.uint8)
    for channel in reversed(order):
        labels[masks[..., channel] > 0] = channel + 1
    return labels


@TRANSFORMS.register_module()
class PackMultiLabelInputs(PackSegInputs):
    """Pack as MMSeg's ``PackSegInputs`` does, with a mask for each class.

    ``gt_seg_map`` (H, W, C), from `LoadMultiLabelMap`, becomes ``gt_sem_seg``
    (C, H, W) int64: 0, 1, or 255 where a pixel is ignored in all classes. Samples
    without ``gt_seg_map`` are packed without.

    Args:
        meta_keys: As in ``PackSegInputs``; by default its own and ``case_id``,
            ``day_id``, ``slice_index`` and ``spacing``.

    Raises:
        ValueError: If ``gt_seg_map`` has other axes or values, or is ignored in some
            classes only.
    """

    def __init__(self, meta_keys: Sequence[str] | None = None) -> None:
        super().__init__()
        self.meta_keys = (*self.meta_keys, *CASE_KEYS)
        if meta_keys is not None:
            self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        masks = results.get('gt_seg_map')
        if masks is None:
            return super().transform(results)
        _check_masks(masks, results.get('img_path'))
        packed = super().transform(
            {key: value for key, value in results.items() if key != 'gt_seg_map'}
        )
        masks = np.ascontiguousarray(masks.transpose(2, 0, 1), dtype=np.int64)
        packed['data_samples'].gt_sem_seg = PixelData(data=torch.from_numpy(masks))
        return packed


def _check_masks(masks: np.ndarray, path: str | None) -> None:
    if masks.ndim != 3:
        raise ValueError(
            f'{path}: gt_seg_map is {masks.shape}, wanted (H, W, C) from '
            'LoadMultiLabelMap; PackSegInputs packs label maps'
        )
    ignored = masks == IGNORED
    if ((masks > 1) & ~ignored).any() or (masks < 0).any():
        raise ValueError(
            f'{path}: gt_seg_map holds {np.unique(masks)[:10].tolist()}, wanted 0, 1 '
            f'and {IGNORED} for ignored pixels'
        )
    if (ignored.any(axis=2) != ignored.all(axis=2)).any():
        raise ValueError(
            f'{path}: gt_seg_map is {IGNORED} in some channels of a pixel only; '
            'RandomRotate of MMSeg fills the first channel alone'
        )
