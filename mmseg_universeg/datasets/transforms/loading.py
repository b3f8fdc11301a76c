"""Loading of images and label maps that takes nothing for granted."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_universeg.utils.image_io import read_image

# MMSeg's value for pixels that belong to no class.
IGNORED = 255


@TRANSFORMS.register_module()
class LoadMedicalImage(BaseTransform):
    """Load an image in the depth that the file has.

    Unlike ``LoadImageFromFile`` it keeps 16-bit and floating-point values, gives
    colour in RGB order and grey images as (H, W), and refuses truncated files.

    Required keys: ``img_path``. Added keys: ``img``, ``img_shape``, ``ori_shape``.

    Args:
        alpha: What to do with an alpha channel: ``'error'`` refuses it unless it is
            fully opaque, in which case it says nothing and is dropped; ``'drop'``
            drops it whatever it holds.
        backend_args: Arguments of MMEngine's file backend.
    """

    def __init__(self, alpha: str = 'error', backend_args: dict | None = None) -> None:
        if alpha not in ('error', 'drop'):
            raise ValueError(f"alpha must be 'error' or 'drop', found {alpha!r}")
        self.alpha = alpha
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``.

        Returns:
            results with ``img`` (H, W) or (H, W, C), dtype of the file.

        Raises:
            FileNotFoundError: No such file.
            ValueError: The file is empty, truncated, no image, or has an alpha
                channel that is not opaque.
        """
        path = results['img_path']
        img = read_image(path, backend_args=self.backend_args)
        if not str(path).lower().endswith('.npy'):
            img = self._without_alpha(img, path)
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def _without_alpha(self, img: np.ndarray, path: str) -> np.ndarray:
        if img.ndim == 2 or img.shape[2] not in (2, 4):
            return img
        clear = int((img[..., -1] != _opaque(img.dtype)).sum())
        if clear and self.alpha == 'error':
            raise ValueError(
                f'{path}: has an alpha channel with {clear} pixels that are not '
                "opaque; wanted none. LoadMedicalImage(alpha='drop') ignores it"
            )
        return img[..., 0] if img.shape[2] == 2 else img[..., :3].copy()

    def __repr__(self) -> str:
        return f'{type(self).__name__}(alpha={self.alpha!r})'


def _opaque(dtype: np.dtype) -> float:
    return np.iinfo(dtype).max if dtype.kind in 'ui' else 1.0


@TRANSFORMS.register_module()
class LoadLabelMap(BaseTransform):
    """Load a label map and turn its raw values into class indices.

    Required keys: ``img_path``, ``ori_shape`` (so an image has been loaded),
    ``seg_map_path`` (a path, or a list of paths of instance masks whose union is
    the label map), ``label_values`` (raw value -> class index). Optional keys:
    ``stray`` (``'error'`` or ``'background'``: what to do with values that are not
    in ``label_values``), ``label_map`` (MMSeg's choice of classes),
    ``field_of_view`` (``'ignore'``: pixels where the file ``fov_path`` is 0 get
    255). Added keys: ``gt_seg_map``, ``gt_instance_map``, both in ``seg_fields``.

    Channels that repeat the first one (a grey mask saved as colour) and an opaque
    alpha say nothing and are dropped. Of a palette image the indices are taken.

    Args:
        with_instances: Also keep ``gt_instance_map`` (H, W) int32: 0 outside,
            otherwise the place of the mask in ``seg_map_path``, from 1. Where masks
            overlap the first one has the pixel.
        backend_args: Arguments of MMEngine's file backend.
    """

    def __init__(
        self, with_instances: bool = False, backend_args: dict | None = None
    ) -> None:
        self.with_instances = with_instances
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``.

        Returns:
            results with ``gt_seg_map`` (H, W) uint8 in the size of the image file.

        Raises:
            FileNotFoundError: No such file.
            KeyError: A required key is missing.
            ValueError: The mask has another size than its image, more than one
                channel, or values outside ``label_values``.
        """
        for key in ('img_path', 'ori_shape', 'seg_map_path', 'label_values'):
            if key not in results:
                raise KeyError(
                    f'LoadLabelMap needs {key!r} in the results, found {list(results)};'
                    " 'ori_shape' comes from LoadMedicalImage, the others from a data "
                    'set of mmseg_universeg (for other data sets: LoadAnnotations)'
                )
        if results.get('reduce_zero_label'):
            raise ValueError(
                'LoadLabelMap does not reduce the zero label: give the class index of '
                f'every raw value in label_values, found {results["label_values"]}'
            )
        paths = results['seg_map_path']
        if isinstance(paths, (list, tuple)):
            label_map, instances = self._load_instances(list(paths), results)
        elif self.with_instances:
            raise ValueError(
                f'{paths}: with_instances=True wants a list of instance masks in '
                'seg_map_path, found one label map'
            )
        else:
            label_map = self._load_classes(paths, results)
        if results.get('label_map') is not None:
            label_map = _choose_classes(label_map, results['label_map'])
        if results.get('field_of_view') == 'ignore':
            field = self._load_mask(results['fov_path'], results)
            label_map[field == 0] = IGNORED
        results['gt_seg_map'] = label_map
        fields = ['gt_seg_map']
        if self.with_instances:
            results['gt_instance_map'] = instances
            fields.append('gt_instance_map')
        results['seg_fields'] = [
            *(f for f in results.get('seg_fields', []) if f not in fields),
            *fields,
        ]
        return results

    def _load_instances(
        self, paths: list[str], results: dict
    ) -> tuple[np.ndarray, np.ndarray]:
        label_map = np.zeros(results['ori_shape'], np.uint8)
        instances = np.zeros(results['ori_shape'], np.int32)
        for number, path in enumerate(paths, 1):
            classes = self._load_classes(path, results)
            free = (classes != 0) & (instances == 0)
            label_map[free] = classes[free]
            instances[free] = number
        return label_map, instances

    def _load_classes(self, path: str, results: dict) -> np.ndarray:
        """Return (H, W) uint8 class indices of one file."""
        mask = self._load_mask(path, results)
        label_values = results['label_values']
        if mask.dtype == np.uint8:  # the usual case, without sorting the pixels
            raw, places = np.arange(256), mask
        else:
            raw, places = np.unique(mask, return_inverse=True)
        table = np.array([label_values.get(int(v), -1) for v in raw], np.int16)
        classes = table.take(places).reshape(mask.shape)
        stray = classes < 0
        if stray.any():
            if results.get('stray', 'error') != 'background':
                found = np.unique(mask[stray]).tolist()
                shown = ', '.join(map(str, found[:10])) + (', …' if found[10:] else '')
                raise ValueError(
                    f'{path}: mask holds values outside the classes: {shown} '
                    f'({stray.sum()} pixels), wanted {sorted(label_values)}'
                )
            classes[stray] = 0
        return classes.astype(np.uint8)

    def _load_mask(self, path: str, results: dict) -> np.ndarray:
        """Return (H, W) integers, checked against the image's size."""
        mask = self.read_mask(path, results)
        if mask.ndim == 3:
            mask = _one_channel(mask, path)
        if mask.dtype.kind not in 'ui':
            raise ValueError(f'{path}: a mask must hold integers, found {mask.dtype}')
        size = tuple(results['ori_shape'][:2])
        if mask.shape != size:
            raise ValueError(
                f'{path}: mask of size {mask.shape} (height, width), wanted {size}, '
                f'the size of its image {results["img_path"]}'
            )
        return mask

    def read_mask(self, path: str, results: dict) -> np.ndarray:
        """Return what the file holds, (H, W) or (H, W, C); subclasses read others."""
        return read_image(path, palette_as='index', backend_args=self.backend_args)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(with_instances={self.with_instances})'


def _one_channel(mask: np.ndarray, path: str) -> np.ndarray:
    channels = mask
    if mask.shape[2] in (2, 4) and (mask[..., -1] == _opaque(mask.dtype)).all():
        channels = mask[..., :-1]
    if (channels != channels[..., :1]).any():
        raise ValueError(
            f'{path}: mask has {mask.shape[2]} channels that differ, wanted one channel'
            ' (grey or palette) that holds a value per class'
        )
    return channels[..., 0]


def _choose_classes(label_map: np.ndarray, chosen: dict[int, int]) -> np.ndarray:
    """Apply MMSeg's ``label_map``: old class index -> new one, 255 ignores."""
    table = np.arange(256, dtype=np.uint8)
    for old, new in chosen.items():
        table[old] = new
    return table[label_map]
