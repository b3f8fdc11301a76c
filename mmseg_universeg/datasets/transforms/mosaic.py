"""Four images joined into one."""

from collections.abc import Sequence, Sized
from typing import NamedTuple

import cv2
import numpy as np
from mmseg.datasets.transforms import RandomMosaic
from mmseg.registry import TRANSFORMS

from .augment_base import checked_range
from .boxes import refuse_boxes

# Fill values of the maps that are not filled with seg_pad_val.
FILLS = {'gt_instance_map': 0, 'gt_weight_map': 0}
# Of images, in the linear interpolation of OpenCV.
DTYPES = ('uint8', 'uint16', 'int16', 'float32', 'float64')
MAX_CHANNELS = 128


class Tile(NamedTuple):
    """Where one of the four images goes.

    Attributes:
        size: (height, width) to which it is resized.
        place: Rows and columns of the mosaic that it covers.
        part: Rows and columns of the resized image that lie there.
    """

    size: tuple[int, int]
    place: tuple[slice, slice]
    part: tuple[slice, slice]


@TRANSFORMS.register_module()
class BioMedicalRandomMosaic(RandomMosaic):
    """MMSeg's ``RandomMosaic`` for images of any depth, with all their maps.

    Four images are resized to fit into ``img_scale``, their proportions kept, and
    joined at a random centre of a mosaic twice as high and wide. What is too large
    is cropped, what is left free is filled. Parameters, geometry and random
    functions are those of MMSeg, so equal random numbers give equal mosaics.

    It belongs into the pipeline of MMSeg's ``MultiImageMixDataset``, the loading
    transforms into that of the data set inside. Whether to make a mosaic is drawn
    first: an image that stays as it is costs no other image. The wrapper gives deep
    copies of its images; this transform makes none, and reads the other three only.

    Required keys: ``img`` (H, W) or (H, W, C), C from 1, of 8 or 16 bits, float32 or
    float64; ``gt_seg_map`` (H, W); ``seg_fields``, which lists ``gt_seg_map`` and all
    other maps; ``mix_results``. Modified keys: ``img``, the maps, ``img_shape`` and
    ``ori_shape``, both (height, width) of the mosaic. Dtypes are kept.

    Images are interpolated linearly, maps take the nearest pixel. Each map is treated
    once, even if ``seg_fields`` repeats it. The area without image has the value
    ``seg_pad_val``, but 0 in ``gt_weight_map`` and ``gt_instance_map``. The instances
    (numbers above 0) of the second to fourth image are renumbered, each image's after
    the largest number of those before it, so that no two share a number.

    Example::

        train_dataset = dict(
            type='MultiImageMixDataset',
            dataset=dict(
                type='DSB2018Dataset',
                pipeline=[dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')],
            ),
            pipeline=[
                dict(type='BioMedicalRandomMosaic', prob=0.5, img_scale=(256, 256)),
                dict(type='RandomCrop', crop_size=(256, 256)),
                dict(type='PackSegInputs'),
            ],
        )

    Args:
        prob: Probability of a mosaic.
        img_scale: (height, width) into which each image is made to fit. A mosaic is
            twice as high and wide; other images keep their size, so a crop should
            follow.
        center_ratio_range: Range of the centre's coordinates, in units of
            ``img_scale``: 0 to 2 is the whole mosaic.
        pad_val: Value of the image where there is none.
        seg_pad_val: Value of label maps there; MMSeg's losses ignore 255.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        prob: float,
        img_scale: Sequence[int] = (640, 640),
        center_ratio_range: Sequence[float] = (0.5, 1.5),
        pad_val: float = 0,
        seg_pad_val: int = 255,
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be in [0, 1], found {prob}')
        if (
            not isinstance(img_scale, Sequence)
            or len(img_scale) != 2
            or not all(isinstance(side, int) and side > 0 for side in img_scale)
        ):
            raise ValueError(
                f'img_scale must be (height, width) in whole pixels, found {img_scale}'
            )
        super().__init__(
            prob,
            tuple(img_scale),
            checked_range('center_ratio_range', center_ratio_range, 0, 2),
            pad_val,
            seg_pad_val,
        )

    def get_indices(self, dataset: Sized) -> list[int]:
        """Draw whether to make a mosaic, and of which images.

        Args:
            dataset: What the images are drawn from.

        Returns:
            Three indices, which may repeat; none if there is to be no mosaic.
        """
        return super().get_indices(dataset) if self.do_mosaic() else []

    def transform(self, results: dict) -> dict:
        """Make a mosaic of an image and the three of ``results['mix_results']``.

        Args:
            results: Of the image at the top left; ``mix_results`` holds those of the
                images at the top right, bottom left and bottom right, or is empty,
                which leaves ``results`` as they are.

        Returns:
            ``results``, changed. No array is changed in place.

        Raises:
            KeyError: A required key is missing, or a map is not in ``seg_fields``.
            ValueError: The images differ in channels or dtype, a map differs from its
                image in size, a value does not fit into a dtype, or there are boxes,
                which this would leave behind.
        """
        maps = _listed_maps(results)
        if 'mix_results' not in results:
            raise KeyError(
                "BioMedicalRandomMosaic needs 'mix_results': put it into the pipeline "
                'of a MultiImageMixDataset, not into that of the data set inside'
            )
        if not results['mix_results']:
            return results
        refuse_boxes(results, type(self).__name__)
        samples = [results, *results['mix_results']]
        if len(samples) != 4:
            raise ValueError(
                f'mix_results must hold three images or none, found {len(samples) - 1}'
            )
        for sample in samples:
            _check_sample(sample, results, maps)
        tiles = self.draw_tiles([sample['img'].shape[:2] for sample in samples])
        height, width = self.img_scale
        joined = {}
        for key in ('img', *maps):
            arrays = [sample[key] for sample in samples]
            if key == 'gt_instance_map':
                arrays = _numbered_apart(arrays)
            fill = self.pad_val if key == 'img' else FILLS.get(key, self.seg_pad_val)
            shape = (2 * height, 2 * width, *arrays[0].shape[2:])
            canvas = _filled(shape, fill, arrays[0].dtype, key)
            take_part = _linear_part if key == 'img' else _nearest_part
            for array, tile in zip(arrays, tiles):
                canvas[tile.place] = take_part(array, tile)
            joined[key] = canvas
        results.update(joined)
        results['img_shape'] = results['ori_shape'] = joined['img'].shape[:2]
        return results

    def draw_tiles(self, sizes: Sequence[tuple[int, int]]) -> list[Tile]:
        """Draw the centre and lay the images around it.

        Args:
            sizes: (height, width) of the images at the top left, top right, bottom
                left and bottom right.
        """
        center_x, center_y = self.generate_mosaic_center()
        tiles = []
        for number, (height, width) in enumerate(sizes):
            ratio = min(self.img_scale[0] / height, self.img_scale[1] / width)
            # A very long image keeps one pixel of its short side.
            size = max(int(height * ratio), 1), max(int(width * ratio), 1)
            rows = _lay(center_y, size[0], 2 * self.img_scale[0], before=number < 2)
            columns = _lay(
                center_x, size[1], 2 * self.img_scale[1], before=number % 2 == 0
            )
            tiles.append(Tile(size, *zip(rows, columns)))
        return tiles


def _lay(center: int, length: int, limit: int, before: bool) -> tuple[slice, slice]:
    """Lay an image along one axis, with its end or its start at the centre.

    Returns:
        The place on the mosaic, cut at 0 and at ``limit``, and the part of the image
        that lies there.
    """
    if before:
        start = max(center - length, 0)
        return slice(start, center), slice(length - (center - start), length)
    end = min(center + length, limit)
    return slice(center, end), slice(0, end - center)


def _linear_part(img: np.ndarray, tile: Tile) -> np.ndarray:
    if img.shape[:2] == tile.size:
        return img[tile.part]
    # OpenCV limits the number of channels and drops a last axis of one.
    planes = img.reshape(*img.shape[:2], -1)
    resized = np.empty((*tile.size, planes.shape[2]), img.dtype)
    for start in range(0, planes.shape[2], MAX_CHANNELS):
        group = planes[..., start : start + MAX_CHANNELS]
        resized[..., start : start + MAX_CHANNELS] = cv2.resize(
            group, tile.size[::-1]
        ).reshape(*tile.size, -1)
    part = resized[tile.part]
    return part.reshape(*part.shape[:2], *img.shape[2:])


def _nearest_part(array: np.ndarray, tile: Tile) -> np.ndarray:
    if array.shape[:2] == tile.size:
        return array[tile.part]
    # OpenCV's choice of pixels, for the dtypes that it would change too.
    rows, columns = (
        cv2.resize(
            np.arange(old, dtype=np.int32)[:, None],
            (1, new),
            interpolation=cv2.INTER_NEAREST,
        )[part, 0]
        for old, new, part in zip(array.shape, tile.size, tile.part)
    )
    return array[rows].take(columns, axis=1)


def _filled(
    shape: tuple[int, ...], value: float, dtype: np.dtype, key: str
) -> np.ndarray:
    if dtype.kind != 'f' and np.asarray(value).astype(dtype) != value:
        raise ValueError(f'{key}: its dtype {dtype} cannot hold the fill value {value}')
    return np.full(shape, value, dtype)


def _numbered_apart(maps: list[np.ndarray]) -> list[np.ndarray]:
    """Shift the instance numbers of each map behind those of the maps before it."""
    dtype = maps[0].dtype
    if dtype.kind not in 'iu':
        raise ValueError(f'gt_instance_map must hold integers, found {dtype}')
    largest = [max(int(numbers.max()), 0) for numbers in maps]
    if sum(largest) > np.iinfo(dtype).max:
        raise ValueError(
            f'gt_instance_map: the instances of four images, numbered to '
            f'{sum(largest)}, do not fit into {dtype}; wanted a larger dtype, as int32'
        )
    return [
        np.where(numbers > 0, numbers + dtype.type(sum(largest[:place])), numbers)
        for place, numbers in enumerate(maps)
    ]


def _listed_maps(results: dict) -> list[str]:
    """Return the keys of the maps, each once.

    Raises:
        KeyError: A map is missing, in ``seg_fields`` or in ``results``.
    """
    fields = list(dict.fromkeys(results.get('seg_fields', [])))
    for key in ('gt_seg_map', *FILLS):
        if key not in fields and (key in results or key == 'gt_seg_map'):
            raise KeyError(
                f'{results.get("img_path")}: {key!r} is not in seg_fields, found '
                f'{fields}; it would not follow the image. LoadLabelMap and '
                'LoadAnnotations list what they load'
            )
    missing = [key for key in ('img', *fields) if key not in results]
    if missing:
        raise KeyError(
            f'{results.get("img_path")}: the results lack {missing}, found '
            f'{list(results)}'
        )
    return fields


def _check_sample(sample: dict, first: dict, maps: list[str]) -> None:
    """Refuse what cannot be joined with the first image and its maps."""
    path = sample.get('img_path')
    for key in ('img', *maps):
        if key not in sample:
            raise KeyError(
                f'{path}: has no {key!r}, which {first.get("img_path")} has; they '
                'cannot be joined'
            )
        array, wanted, size = sample[key], first[key], sample['img'].shape[:2]
        if array.shape[:2] != size:
            raise ValueError(
                f'{path}: {key} of size {array.shape[:2]} (height, width), wanted '
                f'{size}, the size of its image'
            )
        if array.shape[2:] != wanted.shape[2:] or array.dtype != wanted.dtype:
            raise ValueError(
                f'{path}: {key} of shape {array.shape} and {array.dtype} cannot be '
                f'joined with that of {first.get("img_path")}, {wanted.shape} and '
                f'{wanted.dtype}: channels and dtype must be the same'
            )
    if sample['img'].dtype.name not in DTYPES:
        raise ValueError(
            f'{path}: image of {sample["img"].dtype}, wanted one of {list(DTYPES)}'
        )
