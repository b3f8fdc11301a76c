"""Cropping boxes, and masks for boxes that were loaded."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS

from .box_prompts import checked_labels, instance_numbers, map_scale


@TRANSFORMS.register_module()
class RandomCropWithBoxes(RandomCrop):
    """MMSeg's ``RandomCrop``, which also moves the boxes.

    Modified keys, beyond those of ``RandomCrop``: ``gt_bboxes`` (N, 4) x1, y1, x2, y2,
    optional, clipped to the crop. A box that is cut off keeps its place in the array
    and has no area, as in `BioMedicalElasticDeform`; `MasksForBoxPrompts` drops it.

    Args:
        crop_size: As in ``RandomCrop``: (height, width) in pixels.
        cat_max_ratio: As in ``RandomCrop``.
        ignore_index: As in ``RandomCrop``.
    """

    def transform(self, results: dict) -> dict:
        """Crop ``results``."""
        window = self.crop_bbox(results)
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = self.crop(results[key], window)
        height, width = results['img_shape'] = results['img'].shape[:2]
        boxes = results.get('gt_bboxes')
        if boxes is not None:
            top, _, left, _ = window
            moved = (boxes - (left, top, left, top)).clip(0, (width, height) * 2)
            results['gt_bboxes'] = moved.astype(boxes.dtype)
        return results


@TRANSFORMS.register_module()
class MasksForBoxPrompts(BaseTransform):
    """Find in a label map what loaded boxes are around.

    To be put after all geometric transforms, which move maps and boxes but no masks of
    boxes: of MMCV and MMSeg ``Resize`` and its random forms, ``RandomFlip`` and
    ``CenterCrop`` move boxes, of this package `RandomCropWithBoxes` and
    `BioMedicalElasticDeform`. All others leave the boxes behind: MMSeg's
    ``RandomCrop``, ``RandomRotate``, ``RandomRotFlip``, ``RandomMosaic`` and ``Albu``,
    and the warps and the mosaic of this package. With those, make boxes from the moved
    maps, by `BoxPromptsFromMask`.

    Required keys: ``img``; ``gt_seg_map`` (H, W), of the size of the image, or loaded
    after ``Resize`` in that of the file, see `BoxPromptsFromMask`; ``gt_bboxes`` (N, 4)
    in pixels of the image; ``gt_bboxes_labels`` (N,). Optional key:
    ``gt_instance_map``. Added key: ``gt_masks`` (N, H, W) uint8 of 0 and 1, of the size
    of the maps: the pixels whose centre is in the box and that have its class, and
    where there are instances those of the one that fills the box best (the largest
    intersection over union of instance and box). Modified keys: ``gt_bboxes`` and
    ``gt_bboxes_labels``: boxes that a crop or a deformation left without area are
    dropped.

    Args:
        min_area: Boxes whose mask has fewer pixels are dropped too: for training, where
            `BoxPromptSegmentor` wants an object in each. 0 keeps them, for scoring.
        skip_empty: Return None for an image without any box, which makes the data set
            draw another one in training. Otherwise there are 0 boxes.

    Raises:
        KeyError: If a required key is missing.
        ValueError: If a map does not fit.
    """

    def __init__(self, min_area: int = 0, skip_empty: bool = False) -> None:
        self.min_area = min_area
        self.skip_empty = skip_empty

    def transform(self, results: dict) -> dict | None:
        """Add ``gt_masks`` to ``results``."""
        for key in ('gt_bboxes', 'gt_bboxes_labels'):
            if key not in results:
                raise KeyError(
                    f'{results.get("img_path")}: MasksForBoxPrompts needs {key!r}, '
                    f'found {list(results)}; LoadBoxPrompts loads it'
                )
        labels = checked_labels(results)
        scale = map_scale(results, labels.shape)
        boxes, classes = results['gt_bboxes'], results['gt_bboxes_labels']
        kept = (boxes[:, :2] < boxes[:, 2:]).all(1)
        boxes, classes = boxes[kept], classes[kept]
        instances = None
        if 'gt_instance_map' in results:
            instances = instance_numbers(results)
        masks = np.zeros((len(boxes), *labels.shape), np.uint8)
        for mask, box, index in zip(masks, boxes / scale, classes):
            # A pixel's centre is half a pixel from its corner.
            x1, y1, x2, y2 = np.ceil(box - 0.5).astype(int)
            place = slice(y1, y2), slice(x1, x2)
            inside = labels[place] == index
            if instances is not None:
                inside &= instances[place] == _best_instance(instances, place, inside)
            mask[place] = inside
        kept = masks.sum((1, 2), dtype=np.int64) >= self.min_area
        if not kept.any() and self.skip_empty:
            return None
        results['gt_bboxes'], results['gt_bboxes_labels'] = boxes[kept], classes[kept]
        results['gt_masks'] = masks[kept]
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_area={self.min_area}, '
            f'skip_empty={self.skip_empty})'
        )


def _best_instance(
    instances: np.ndarray, place: tuple[slice, slice], inside: np.ndarray
) -> int:
    """Return the number of the instance that fills a box best; -1 if none is in it.

    Args:
        instances: (H, W) numbers, 0 outside of objects.
        place: Rows and columns of the box.
        inside: Which pixels of the box have its class.
    """
    found = np.bincount(instances[place][inside], minlength=1)
    found[0] = 0
    if not found.any():
        return -1
    whole = np.bincount(instances.ravel(), minlength=len(found))[: len(found)]
    return int((found / (whole + inside.size - found)).argmax())
