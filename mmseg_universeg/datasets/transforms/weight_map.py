"""Per-pixel weights of the loss."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from scipy.ndimage import distance_transform_edt, find_objects, label

from .loading import IGNORED

# Below float32's resolution at 1, so not worth a computation.
NEGLIGIBLE = 1e-8


@TRANSFORMS.register_module()
class GenerateBorderWeightMap(BaseTransform):
    """Weigh the gaps between objects more, so that touching ones are told apart.

    Equation 2 of Ronneberger et al., "U-Net" (2015):
    ``w(x) = w_c(x) + w0 * exp(-(d1(x) + d2(x))**2 / (2 * sigma**2))``, see
    `border_weights`, at every pixel, inside of objects too. With fewer than two objects
    there is no second term.

    Required keys: ``gt_seg_map`` (H, W), and ``gt_instance_map`` (H, W) int32 (from
    ``LoadLabelMap(with_instances=True)``), 0 outside of objects, unless
    ``instances_from`` is given. Pixels labelled 255 belong to no object and weigh 0.
    Added key: ``gt_weight_map`` (H, W) float32, listed in ``seg_fields``, for
    `PackWeightedSegInputs`.

    It may stand before or after what moves all of ``seg_fields`` alike: MMSeg's
    ``RandomCrop``, ``RandomFlip``, ``Resize``, ``RandomRotate`` and ``RandomCutOut``
    that fill with 255, and `BioMedicalElasticDeform`. After them it is faster and its
    rims are as wide as sigma says; before them objects that a crop cuts off count.

    - ``RandomFlip(swap_seg_labels=...)`` swaps values of every map: before this one.
    - MMSeg's ``RandomRotFlip`` interpolates labels: never with an instance map.
    - MMSeg's ``RandomMosaic`` makes 8-bit maps: use `BioMedicalRandomMosaic`.
    - MMCV's ``Pad`` and ``CenterCrop`` and MMSeg's ``Albu`` move ``gt_seg_map`` only:
      not at all. ``SegDataPreProcessor(size=...)`` pads right.

    Args:
        w0: Weight of the border term.
        sigma: Width of the border term, in pixels.
        class_weight: w_c of each class, by default 1.
        instances_from: Index of a class. Its connected components (sides, not corners,
            connect) are the objects, for data without an instance map.

    Raises:
        KeyError: If a required key is missing.
        ValueError: If the maps differ in size or are not 2-D, ``gt_instance_map`` is
            not int32, has negative values or was there when MMCV's ``Pad`` padded the
            others, or a label has no ``class_weight``.
    """

    def __init__(
        self,
        w0: float = 10.0,
        sigma: float = 5.0,
        class_weight: Sequence[float] | None = None,
        instances_from: int | None = None,
    ) -> None:
        if not (w0 > 0 and sigma > 0):
            raise ValueError(f'w0 and sigma must be positive, found {w0} and {sigma}')
        self.w0 = w0
        self.sigma = sigma
        self.class_weight = class_weight
        self.instances_from = instances_from

    def transform(self, results: dict) -> dict:
        """Add ``gt_weight_map`` to ``results``."""
        if 'gt_seg_map' not in results:
            raise KeyError(
                'GenerateBorderWeightMap needs gt_seg_map in the results, found '
                f'{list(results)}'
            )
        labels = results['gt_seg_map']
        instances = self._instances(labels, results)
        instances = np.where(labels == IGNORED, 0, instances)
        weights = border_weights(instances, self.w0, self.sigma)
        weights += self._class_weights(labels, results)
        weights[labels == IGNORED] = 0
        results['gt_weight_map'] = weights
        others = (f for f in results.get('seg_fields', []) if f != 'gt_weight_map')
        results['seg_fields'] = [*others, 'gt_weight_map']
        # PackWeightedSegInputs refuses what these tell of; before the map it is fine.
        for trace in ('pad_fixed_size', 'swap_seg_labels'):
            results.pop(trace, None)
        return results

    def _instances(self, labels: np.ndarray, results: dict) -> np.ndarray:
        """Return (H, W) integers, 0 outside of objects."""
        path = results.get('img_path')
        if labels.ndim != 2:
            raise ValueError(f'{path}: gt_seg_map must be (H, W), found {labels.shape}')
        if self.instances_from is not None:
            return label(labels == self.instances_from)[0]
        if 'gt_instance_map' not in results:
            raise KeyError(
                f"{path}: GenerateBorderWeightMap needs 'gt_instance_map', found "
                f'{list(results)}; load it by LoadLabelMap(with_instances=True), or '
                'have it made from a class by instances_from'
            )
        instances = results['gt_instance_map']
        if 'pad_fixed_size' in results:
            raise ValueError(
                f"{path}: MMCV's Pad came before GenerateBorderWeightMap; it pads "
                'gt_seg_map but not gt_instance_map; have '
                'SegDataPreProcessor(size=...) pad instead'
            )
        if instances.shape != labels.shape or instances.dtype != np.int32:
            raise ValueError(
                f'{path}: gt_instance_map must be int32 of the size of gt_seg_map, '
                f'{labels.shape}, found {instances.dtype} {instances.shape}'
            )
        if instances.min() < 0:
            raise ValueError(
                f'{path}: gt_instance_map must hold 0 outside of objects and positive '
                f'ids, found {instances.min()}'
            )
        return instances

    def _class_weights(self, labels: np.ndarray, results: dict) -> np.ndarray | float:
        """Return w_c, (H, W) or the same for all; anything where ignored."""
        if self.class_weight is None:
            return 1.0
        table = np.asarray(self.class_weight, np.float32)
        found = np.unique(labels[labels != IGNORED])
        if found.size and not 0 <= found[0] <= found[-1] < len(table):
            raise ValueError(
                f'{results.get("img_path")}: gt_seg_map holds {found.tolist()}, '
                f'class_weight has {len(table)} values'
            )
        return table.take(labels, mode='clip')

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(w0={self.w0}, sigma={self.sigma}, '
            f'class_weight={self.class_weight}, instances_from={self.instances_from})'
        )


def border_weights(
    instances: np.ndarray, w0: float = 10.0, sigma: float = 5.0
) -> np.ndarray:
    """Return ``w0 * exp(-(d1 + d2)**2 / (2 * sigma**2))`` of each pixel.

    d1 and d2 are the distances, in pixels, to the nearest pixel of the nearest and of
    the second nearest object; inside of an object d1 is 0. Weights below 1e-8 may be 0,
    as they are with fewer than two objects.

    Args:
        instances: (H, W) integers, 0 outside of objects, a positive id for each.
        w0: Largest weight.
        sigma: In pixels.

    Returns:
        (H, W) float32 in [0, ``w0``].
    """
    # Distances are computed around each object only, as far as they matter.
    reach = int(np.ceil(sigma * np.sqrt(2 * np.log1p(w0 / NEGLIGIBLE))))
    ids = np.unique(instances[instances > 0])
    numbers = np.searchsorted(ids, instances, side='right')  # 0, 1, ..., without gaps
    nearest, second = np.full((2, *instances.shape), np.inf)
    for number, box in enumerate(find_objects(numbers), 1):
        around = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        distance = distance_transform_edt(numbers[around] != number)
        farther = np.maximum(nearest[around], distance)
        np.minimum(second[around], farther, out=second[around])
        np.minimum(nearest[around], distance, out=nearest[around])
    weights = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return weights.astype(np.float32)
