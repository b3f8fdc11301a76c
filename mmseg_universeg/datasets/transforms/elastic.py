"""Elastic deformation of a sample: everything by one field."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.registry import TRANSFORMS

from .displacement import dense_displacement, grid_displacement
from .warp import FLAGS, Warp

SCHEMES = {
    'unet': (grid_displacement, dict(grid_size=3, std=10.0)),
    'simard': (dense_displacement, dict(alpha=34.0, sigma=4.0)),
}


@TRANSFORMS.register_module()
class BioMedicalElasticDeform(BaseTransform):
    """Deform a sample elastically, by one random field for all of it.

    Two schemes: ``'unet'`` draws vectors on a coarse grid over the image and
    interpolates them bicubically (Ronneberger et al. 2015, section 3.1; see
    `grid_displacement`); ``'simard'`` draws a vector at every pixel and smooths them
    (Simard et al. 2003; see `dense_displacement`). Lengths are in pixels: on an image
    much smaller than U-Net's 512x512 the default ``std`` folds the image over.

    Required key: ``img``, (H, W) or (H, W, C) of any real dtype, sides up to 32766.
    Modified keys, each keeps its shape and dtype:

    - ``img``: interpolated, outside ``pad_val``.
    - Maps listed in ``seg_fields``, (H, W) or (H, W, C) of any dtype: the nearest
      pixel's value, outside ``seg_pad_val``; of ``gt_instance_map`` 0.
    - ``gt_weight_map``, also listed there, floating: linear, outside 0, as pixels that
      are made up should not count.
    - ``gt_bboxes``, optional, (N, 4) floating x1, y1, x2, y2: the box around the moved
      outline, clipped to the image. A box that leaves the image has no area.
    - ``gt_keypoints``, optional, (N, K, 3) floating x, y and visibility. A point that
      leaves the image is set to its edge, with visibility 0.

    Boxes and points count as MMCV's do: (0, 0) and (W, H) are the image's corners.

    Args:
        prob: Probability of a deformation.
        scheme: ``'unet'`` or ``'simard'``.
        grid_size: Of ``'unet'``: points of the grid along either axis, 3 by default.
        std: Of ``'unet'``: standard deviation of the vectors, 10 pixels by default.
        alpha: Of ``'simard'``: multiplier, 34 pixels by default.
        sigma: Of ``'simard'``: of the Gaussian, 4 pixels by default.
        interpolation: Of the image: ``'linear'`` or ``'cubic'``. The latter may leave
            the range of a floating-point image.
        pad_val: Value of the image outside, the same for all channels.
        seg_pad_val: Label outside; MMSeg's losses and metrics ignore 255.

    Raises:
        KeyError: If ``seg_fields`` lists a map that is missing.
        ValueError: If a map has not the size of the image or is not listed in
            ``seg_fields``, boxes or points have another form than above, a fill value
            does not fit the dtype, or images that are to share MMCV's cached random
            numbers differ in size.
    """

    def __init__(
        self,
        prob: float = 0.5,
        scheme: str = 'unet',
        grid_size: int | None = None,
        std: float | None = None,
        alpha: float | None = None,
        sigma: float | None = None,
        interpolation: str = 'linear',
        pad_val: float = 0,
        seg_pad_val: int = 255,
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be in [0, 1], found {prob}')
        if scheme not in SCHEMES:
            raise ValueError(f'scheme must be one of {[*SCHEMES]}, found {scheme!r}')
        if interpolation not in FLAGS:
            raise ValueError(
                f'interpolation must be one of {[*FLAGS]}, found {interpolation!r}'
            )
        given = dict(grid_size=grid_size, std=std, alpha=alpha, sigma=sigma)
        self.prob = prob
        self.scheme = scheme
        self.parameters = _scheme_parameters(scheme, given)
        self.interpolation = interpolation
        self.pad_val = pad_val
        self.seg_pad_val = seg_pad_val

    @cache_randomness
    def draw(self, height: int, width: int) -> np.ndarray | None:
        """Draw a field (``height``, ``width``, 2), or None for no deformation."""
        if np.random.rand() >= self.prob:
            return None
        scheme, _ = SCHEMES[self.scheme]
        return scheme(height, width, **self.parameters)

    def transform(self, results: dict) -> dict:
        """Deform ``results`` or leave it as it is."""
        self._check_maps(results)
        _check_places(results)
        img = results['img']
        field = self.draw(*img.shape[:2])
        if field is None:
            return results
        if field.shape[:2] != img.shape[:2]:
            raise ValueError(
                f'{results.get("img_path")}: image of size {img.shape[:2]}, but the '
                f'field that MMCV caches for all images is {field.shape[:2]}'
            )
        warp = Warp(field)
        results['img'] = warp.interpolate(img, self.interpolation, self.pad_val)
        for key in results.get('seg_fields', []):
            if key == 'gt_weight_map':
                results[key] = warp.interpolate(results[key], 'linear', self._fill(key))
            else:
                results[key] = warp.pick(results[key], self._fill(key))
        if results.get('gt_bboxes') is not None:
            boxes = results['gt_bboxes']
            results['gt_bboxes'] = warp.move_boxes(boxes).astype(boxes.dtype)
        if results.get('gt_keypoints') is not None:
            results['gt_keypoints'] = _move_keypoints(results['gt_keypoints'], warp)
        return results

    def _fill(self, key: str) -> float:
        """Return the value of what comes in from outside."""
        fills = dict(img=self.pad_val, gt_instance_map=0, gt_weight_map=0)
        return fills.get(key, self.seg_pad_val)

    def _check_maps(self, results: dict) -> None:
        path, size = results.get('img_path'), results['img'].shape[:2]
        fields = results.get('seg_fields', [])
        for key in results:
            if key.startswith('gt_') and key.endswith('_map') and key not in fields:
                raise ValueError(
                    f'{path}: {key} is not listed in seg_fields {fields}, so it would '
                    'not move with the image; list it, or make it later'
                )
        for key in ['img', *fields]:
            if key not in results:
                raise KeyError(f'{path}: seg_fields lists {key!r}, which is missing')
            array = results[key]
            kinds = 'f' if key == 'gt_weight_map' else 'biuf'
            if array.ndim not in (2, 3) or array.shape[:2] != size:
                raise ValueError(
                    f'{path}: {key} must be (H, W) or (H, W, C) of the size of the '
                    f'image, {size}, found {array.shape}'
                )
            if array.dtype.kind not in kinds:
                wanted = 'floating' if kinds == 'f' else 'real'
                raise ValueError(f'{path}: {key} must be {wanted}, found {array.dtype}')
            fill = self._fill(key)
            if array.dtype.kind != 'f' and np.array(fill).astype(array.dtype) != fill:
                raise ValueError(
                    f'{path}: {key} is {array.dtype}, which does not hold the value '
                    f'for outside, {fill}; give another pad_val or seg_pad_val'
                )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(prob={self.prob}, scheme={self.scheme!r}, '
            f'{self.parameters}, interpolation={self.interpolation!r}, '
            f'pad_val={self.pad_val}, seg_pad_val={self.seg_pad_val})'
        )


def _scheme_parameters(scheme: str, given: dict) -> dict:
    """Return a scheme's parameters: those given, checked, and its defaults."""
    _, defaults = SCHEMES[scheme]
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in defaults:
            raise ValueError(
                f'{name} is no parameter of the scheme {scheme!r}, which has '
                f'{[*defaults]}'
            )
        lowest = dict(grid_size=2, sigma=0.1).get(name, 0)
        if not lowest <= value < np.inf:
            raise ValueError(f'{name} must be at least {lowest}, found {value}')
    return {**defaults, **given}


def _check_places(results: dict) -> None:
    path = results.get('img_path')
    boxes, keypoints = results.get('gt_bboxes'), results.get('gt_keypoints')
    if boxes is not None:
        form = boxes.ndim == 2 and boxes.shape[1] == 4 and boxes.dtype.kind == 'f'
        if not form or (boxes[:, :2] > boxes[:, 2:]).any():
            raise ValueError(
                f'{path}: gt_bboxes must be (N, 4) floating with x1 <= x2 and y1 <= '
                f'y2, found {boxes.shape} {boxes.dtype} {boxes.tolist()}'
            )
    if keypoints is not None:
        form = keypoints.ndim == 3 and keypoints.shape[2] == 3
        if not form or keypoints.dtype.kind != 'f':
            raise ValueError(
                f'{path}: gt_keypoints must be (N, K, 3) floating, found '
                f'{keypoints.shape} {keypoints.dtype}'
            )


def _move_keypoints(keypoints: np.ndarray, warp: Warp) -> np.ndarray:
    """Return moved (N, K, 3) keypoints."""
    places, inside = warp.move_points(keypoints[..., :2].reshape(-1, 2))
    moved = keypoints.copy()
    moved[..., :2] = places.clip(0, (warp.width, warp.height)).reshape(
        *keypoints.shape[:2], 2
    )
    moved[..., 2] *= inside.reshape(keypoints.shape[:2])
    return moved
