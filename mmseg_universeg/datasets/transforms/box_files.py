"""Box prompts read from a file."""

import json
from collections.abc import Sequence
from pathlib import PurePath

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from .boxes import check_boxes, diameter_box

FORMATS = ('json', 'coco')


@TRANSFORMS.register_module()
class LoadBoxPrompts(BaseTransform):
    """Take the boxes of an image from a file of boxes.

    To be put before all geometric transforms: the file counts in pixels of the image
    file, from the corner of its first pixel. `MasksForBoxPrompts` says which transforms
    the boxes follow, and makes masks of a label map. Two formats:

    - ``'json'``, by file name, with the image's height and width in pixels::

        {"a/001.png": {"size": [256, 320], "boxes": [
            {"label": "liver", "bbox": [x1, y1, x2, y2]},
            {"label": "lesion", "diameters": [[x, y], [x, y]]}]}}

      ``diameters`` has the two ends of the longest diameter, as RECIST measures
      lesions, or its ends and those of the diameter across it; `diameter_box` says how
      they become a box. Where that box reaches out of the image it is clipped.
    - ``'coco'``: the annotations' ``bbox`` [x, y, width, height] and ``category_id``,
      the ``name`` of ``categories``, and the ``file_name``, ``height`` and ``width`` of
      ``images``.

    A file name may have any number of folders before it; the entry that agrees with
    most of the end of ``img_path`` is taken. An image that is not in the file is an
    error; one without boxes there has 0 boxes.

    Required keys: ``img_path``, ``img``, not resized or cropped. Added keys:
    ``gt_bboxes`` (N, 4) float32 x1, y1, x2, y2 and ``gt_bboxes_labels`` (N,) int64.

    Args:
        box_file: The file, local or of a file backend; read once.
        classes: Names of the classes; a box's label is the index of its name.
        file_format: ``'json'`` or ``'coco'``.
        backend_args: Arguments of MMEngine's file backend.

    Raises:
        FileNotFoundError: No such file.
        ValueError: If the file is not of its format, a name is no class, a box is NaN,
            inverted, empty or outside of its image, or an image has another size than
            the file says.
        KeyError: If an image is not in the file.
    """

    def __init__(
        self,
        box_file: str,
        classes: Sequence[str],
        file_format: str = 'json',
        backend_args: dict | None = None,
    ) -> None:
        if file_format not in FORMATS:
            raise ValueError(
                f'file_format must be one of {list(FORMATS)}, found {file_format!r}'
            )
        self.box_file = box_file
        self.classes = tuple(classes)
        self.file_format = file_format
        try:
            text = fileio.get_text(box_file, backend_args=backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(f'{box_file}: no such file of boxes') from None
        try:
            content = json.loads(text)
            images = _from_coco(content, box_file) if file_format == 'coco' else content
            self.images = {
                name: self._read_image(name, entry) for name, entry in images.items()
            }
        except (AttributeError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f'{box_file}: not a file of boxes in the format {file_format!r} '
                f'({type(error).__name__}: {error})'
            ) from error

    def transform(self, results: dict) -> dict:
        """Add the boxes of ``results['img_path']``."""
        path, size = results['img_path'], results['img'].shape[:2]
        parts = PurePath(path).parts
        ends = (PurePath(*parts[i:]).as_posix() for i in range(len(parts)))
        name = next((end for end in ends if end in self.images), None)
        if name is None:
            raise KeyError(
                f'{path}: is not in {self.box_file}, which has boxes for '
                f'{len(self.images)} images, as {next(iter(self.images), None)!r}; '
                'an image without boxes must be listed too'
            )
        wanted, boxes, labels = self.images[name]
        if size != wanted:
            raise ValueError(
                f'{path}: image of size {size} (height, width), but the boxes in '
                f'{self.box_file} are for one of {wanted}; put LoadBoxPrompts before '
                'all geometric transforms'
            )
        results['gt_bboxes'], results['gt_bboxes_labels'] = boxes.copy(), labels.copy()
        return results

    def _read_image(
        self, name: str, entry: dict
    ) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
        """Return an image's size, (N, 4) float32 boxes and (N,) int64 labels."""
        where = f'{self.box_file}: {name}'
        height, width = entry['size']
        for box in entry['boxes']:
            if box['label'] not in self.classes:
                raise ValueError(
                    f'{where}: box of {box["label"]!r}, wanted one of the classes '
                    f'{list(self.classes)}'
                )
        boxes = [_read_box(box, (height, width), where) for box in entry['boxes']]
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        check_boxes(boxes, (height, width), where)
        labels = [self.classes.index(box['label']) for box in entry['boxes']]
        return (height, width), boxes, np.array(labels, np.int64)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(box_file={self.box_file!r}, '
            f'classes={self.classes}, file_format={self.file_format!r})'
        )


def _read_box(box: dict, size: tuple[int, int], where: str) -> np.ndarray:
    """Return (4,) float64; of a ``bbox`` nothing but its shape is checked."""
    key = 'diameters' if 'diameters' in box else 'bbox'
    shapes = {'bbox': [(4,)], 'diameters': [(2, 2), (4, 2)]}[key]
    try:
        values = np.array(box[key], float)
    except ValueError:
        values = np.empty(0)
    if values.shape not in shapes:
        raise ValueError(
            f'{where}: {key} must be numbers of shape '
            f'{" or ".join(map(str, shapes))}, found {box[key]!r}'
        )
    if key == 'bbox':
        return values
    corner = size[::-1]
    # Written so that NaN fails too.
    if not ((values >= 0) & (values <= corner)).all():
        raise ValueError(
            f'{where}: diameters must end inside of the image of (height, width) = '
            f'{size}, found {box[key]!r}'
        )
    return diameter_box(values).clip(0, corner * 2)


def _from_coco(content: dict, where: str) -> dict[str, dict]:
    """Return the content of a COCO file in the other format."""
    names = {category['id']: category['name'] for category in content['categories']}
    images = {image['id']: image for image in content['images']}
    found = {
        image['file_name']: dict(size=(image['height'], image['width']), boxes=[])
        for image in images.values()
    }
    if len(found) < len(content['images']):
        raise ValueError(f'{where}: two images have one id or one file_name')
    for annotation in content['annotations']:
        x, y, width, height = annotation['bbox']
        found[images[annotation['image_id']]['file_name']]['boxes'].append(
            dict(
                label=names[annotation['category_id']],
                bbox=(x, y, x + width, y + height),
            )
        )
    return found
