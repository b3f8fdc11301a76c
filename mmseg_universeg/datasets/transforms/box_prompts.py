"""Box prompts made of label maps."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from scipy.ndimage import find_objects

from .boxes import diameter_box, grow_boxes, longest_diameter
from .loading import IGNORED

PER = ('class', 'component', 'instance')
AROUND = ('mask', 'diameter')


@TRANSFORMS.register_module()
class BoxPromptsFromMask(BaseTransform):
    """Draw a box around each object of a label map, and keep the object's mask.

    Boxes as MedSAM is trained with (Ma et al., Nature Communications 2024, Methods):
    tight, then grown by a random number of pixels on every side. To be put after all
    geometric transforms, which move the maps in ``seg_fields`` but no boxes' masks.

    Required keys: ``img``; ``gt_seg_map`` (H, W); for ``per='instance'``
    ``gt_instance_map`` (H, W) integers, 0 outside of objects. The maps have the size
    of the image, or, for scoring, the size of the file (``ori_shape``) because they
    were loaded after ``Resize``; then boxes are scaled to the image, masks are not.
    Added keys:

    - ``gt_bboxes`` (N, 4) float32 x1, y1, x2, y2 in pixels of ``img``, inside of it.
    - ``gt_bboxes_labels`` (N,) int64, indices of classes.
    - ``gt_masks`` (N, H, W) uint8 of 0 and 1, of the size of the maps.

    A box is continuous, as MMCV's are: around the pixels of columns 3 to 5 it reaches
    from 3 to 6, and follows resizing and flipping exactly. The released MedSAM has the
    index of the last pixel there, 5, so its boxes end a pixel earlier at the right and
    at the bottom. That is one of 1024 pixels, where boxes grow by up to 20; with that
    end, flipping an image would not flip its boxes.

    Args:
        per: One box per ``'class'``, per ``'component'`` of each class (pixels that
            touch at sides or corners) or per ``'instance'`` of the instance map (one
            for each of its classes, should it have several).
        around: ``'mask'``, or ``'diameter'`` to take nothing from the mask but its
            longest diameter, as RECIST measures lesions; see `diameter_box`.
        classes: Indices of the classes that get boxes; by default all but 0 and 255.
        min_area: Objects of fewer pixels of the map get no box. 100 as in the released
            MedSAM.
        max_shift: For training: every side of every box moves outwards by a random
            whole number of pixels of the image, from 0 to this, both included.
        shift: For testing: every side moves outwards by this, in pixels of the image.
        max_boxes: So many boxes at most, drawn at random; None for all. 1 is what the
            released MedSAM trains with.
        skip_empty: Return None for an image without any box, which makes the data set
            draw another one in training. Otherwise there are 0 boxes.

    Raises:
        ValueError: If an argument is out of range or a map does not fit.
        KeyError: If a required key is missing.
    """

    def __init__(
        self,
        per: str = 'class',
        around: str = 'mask',
        classes: Sequence[int] | None = None,
        min_area: int = 100,
        max_shift: int = 0,
        shift: float = 0,
        max_boxes: int | None = None,
        skip_empty: bool = False,
    ) -> None:
        if per not in PER:
            raise ValueError(f'per must be one of {list(PER)}, found {per!r}')
        if around not in AROUND:
            raise ValueError(f'around must be one of {list(AROUND)}, found {around!r}')
        if classes is not None and not set(classes) <= set(range(IGNORED)):
            raise ValueError(
                f'classes must be indices from 0 to {IGNORED - 1}, found {classes!r}'
            )
        if max_shift < 0 or shift < 0 or (max_shift and shift):
            raise ValueError(
                'max_shift (random) or shift (fixed) must be 0 or more, and one of '
                f'them 0, found {max_shift} and {shift}'
            )
        if min_area < 1 or (max_boxes is not None and max_boxes < 1):
            raise ValueError(
                f'min_area and max_boxes must be at least 1, found {min_area} and '
                f'{max_boxes}'
            )
        self.per = per
        self.around = around
        self.classes = sorted(set(range(1, IGNORED) if classes is None else classes))
        self.min_area = min_area
        self.max_shift = max_shift
        self.shift = shift
        self.max_boxes = max_boxes
        self.skip_empty = skip_empty

    def transform(self, results: dict) -> dict | None:
        """Add boxes, labels and masks to ``results``."""
        labels = checked_labels(results)
        scale = map_scale(results, labels.shape)
        objects = list(self._objects(labels, results))
        if not objects and self.skip_empty:
            return None
        if self.max_boxes is not None and len(objects) > self.max_boxes:
            chosen = np.random.choice(len(objects), self.max_boxes, replace=False)
            objects = [objects[index] for index in sorted(chosen)]
        boxes = np.zeros((len(objects), 4))
        masks = np.zeros((len(objects), *labels.shape), np.uint8)
        for number, (_, place, inside) in enumerate(objects):
            boxes[number] = self._box(place, inside)
            masks[number][place] = inside
        boxes = (boxes * scale).astype(np.float32)
        pixels = self.shift
        if self.max_shift:
            pixels = np.random.randint(0, self.max_shift + 1, boxes.shape)
        results['gt_bboxes'] = grow_boxes(boxes, pixels, results['img'].shape[:2])
        results['gt_bboxes_labels'] = np.array([c for c, *_ in objects], np.int64)
        results['gt_masks'] = masks
        return results

    def _objects(
        self, labels: np.ndarray, results: dict
    ) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
        """Yield class, place and mask at that place of each object to get a box."""
        for index, numbers in self._numbered(labels, results):
            for number, place in enumerate(find_objects(numbers), 1):
                # An instance may lie outside of this class.
                if place is None:
                    continue
                inside = numbers[place] == number
                if np.count_nonzero(inside) >= self.min_area:
                    yield index, place, inside

    def _numbered(
        self, labels: np.ndarray, results: dict
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each class that occurs and its objects' numbers, 0 outside."""
        if self.per == 'instance':
            instances = instance_numbers(results)
        for index in np.intersect1d(labels, self.classes).tolist():
            mask = labels == index
            if self.per == 'instance':
                yield index, np.where(mask, instances, 0)
            elif self.per == 'component':
                yield index, cv2.connectedComponents(mask.astype(np.uint8))[1]
            else:
                yield index, mask.astype(np.int32)

    def _box(self, place: tuple[slice, slice], inside: np.ndarray) -> np.ndarray:
        """Return (4,), the box of an object in pixels of the map."""
        rows, columns = place
        if self.around == 'diameter':
            offset = (columns.start, rows.start)
            return diameter_box(longest_diameter(inside) + offset)
        return np.array((columns.start, rows.start, columns.stop, rows.stop), float)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(per={self.per!r}, around={self.around!r}, '
            f'classes={self.classes}, min_area={self.min_area}, '
            f'max_shift={self.max_shift}, shift={self.shift}, '
            f'max_boxes={self.max_boxes}, skip_empty={self.skip_empty})'
        )


def checked_labels(results: dict) -> np.ndarray:
    """Return ``gt_seg_map``.

    Raises:
        KeyError: If there is none.
        ValueError: If it is not (H, W) integers.
    """
    path = results.get('img_path')
    if 'gt_seg_map' not in results:
        raise KeyError(
            f'{path}: making box prompts or their masks needs gt_seg_map, found '
            f'{list(results)}; LoadLabelMap and LoadAnnotations load it'
        )
    labels = results['gt_seg_map']
    if labels.ndim != 2 or labels.dtype.kind not in 'iu':
        raise ValueError(
            f'{path}: gt_seg_map must be (H, W) integers, found {labels.shape} '
            f'{labels.dtype}'
        )
    return labels


def map_scale(results: dict, size: tuple[int, int]) -> np.ndarray:
    """Return what to multiply boxes in pixels of the label map with.

    Args:
        results: With ``img``, and where it was resized ``ori_shape`` and
            ``scale_factor``.
        size: (height, width) of the label map: that of the image, or, where ``Resize``
            alone has changed the image, that of the file.

    Returns:
        (4,) float64 for x1, y1, x2, y2; ones where map and image are of one size.

    Raises:
        ValueError: If the size is another one, or if the image was also cropped or
            flipped, which a map loaded later does not show.
    """
    img_size = results['img'].shape[:2]
    if size == img_size:
        return np.ones(4)
    scale = np.array((img_size[1] / size[1], img_size[0] / size[0]))
    resized = results.get('scale_factor')
    if (
        size != tuple(results.get('ori_shape', ())[:2])
        or resized is None
        or not np.allclose(scale, resized)
        or results.get('flip')
    ):
        raise ValueError(
            f'{results.get("img_path")}: gt_seg_map of size {size} (height, width) '
            f'does not lie on the image of size {img_size}; wanted one size, or for '
            'scoring the map of the file on an image that Resize alone has changed'
        )
    return np.tile(scale, 2)


def instance_numbers(results: dict) -> np.ndarray:
    """Return ``gt_instance_map`` with its numbers replaced by 1, 2, ..., without gaps.

    Returns:
        (H, W) int64, 0 outside of objects.

    Raises:
        KeyError: If there is none.
        ValueError: If it is not of the size of ``gt_seg_map`` or holds no integers.
    """
    path = results.get('img_path')
    if 'gt_instance_map' not in results:
        raise KeyError(
            f"{path}: per='instance' needs gt_instance_map, found {list(results)}; "
            'LoadLabelMap(with_instances=True) loads it where the data set has one'
        )
    instances, size = results['gt_instance_map'], results['gt_seg_map'].shape
    if instances.shape != size or instances.dtype.kind not in 'iu':
        raise ValueError(
            f'{path}: gt_instance_map must hold integers and have the size of '
            f'gt_seg_map, {size}, found {instances.shape} {instances.dtype}'
        )
    ids = np.unique(instances[instances > 0])
    return np.searchsorted(ids, instances, side='right')
