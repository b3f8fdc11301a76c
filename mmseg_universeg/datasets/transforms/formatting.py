"""From samples and episodes to what the data preprocessor stacks."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample

from .loading import IGNORED


@TRANSFORMS.register_module()
class PackEpisodeInputs(BaseTransform):
    """Pack an episode of one query and S supports into tensors.

    Takes ``dict(images=[query, support_1, ..., support_S], task=str)`` where
    each image has ``img`` (H, W) float32 in [0, 1] and ``gt_seg_map`` (H, W)
    with values 0 and 1. Gives

    - ``inputs``: ``dict(img (1, H, W), support_imgs (S, 1, H, W),
      support_masks (S, 1, H, W))``, all float32;
    - ``data_samples``: a ``SegDataSample`` whose ``gt_sem_seg`` (1, H, W) int64
      is the query's mask.

    Where the query has a ``sketch`` (see ``SyntheticTasksDataset``), ``inputs`` is
    ``dict(sketch)`` and ``gt_sem_seg`` is missing: ``EpisodeDataPreprocessor`` draws
    both.

    Args:
        meta_keys: Keys of the query, or of the episode, that become metainfo of
            the data sample.

    Raises:
        ValueError: If the images are not grey float32 images of one size, a
            mask is not binary or no support mask has any foreground.
        KeyError: If neither the query nor the episode has a meta key.
    """

    def __init__(
        self, meta_keys: Sequence[str] = ('task', 'img_path', 'ori_shape', 'img_shape')
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        images = results['images']
        query = images[0]
        sample = SegDataSample(metainfo=self._metainfo(results, query))
        if 'sketch' in query:
            return dict(inputs=dict(sketch=query['sketch']), data_samples=sample)
        shape = query['img'].shape
        for image in images:
            _check_image(image, shape)
        imgs = torch.from_numpy(np.stack([image['img'] for image in images])[:, None])
        masks = np.stack([image['gt_seg_map'] for image in images])[:, None]
        if masks.max() > 1:
            wrong = next(i for i, mask in enumerate(masks) if mask.max() > 1)
            raise ValueError(
                f'{images[wrong].get("img_path")}: the mask of an episode must hold '
                f'0 and 1 only, found {np.unique(masks[wrong]).tolist()}'
            )
        if not masks[1:].any():
            raise ValueError(
                f'task {results.get("task")!r}: no support mask has any foreground, '
                f'supports: {[image.get("img_path") for image in images[1:]]}'
            )
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(masks[0].astype(np.int64)))
        return dict(
            inputs=dict(
                img=imgs[0],
                support_imgs=imgs[1:],
                support_masks=torch.from_numpy(masks[1:].astype(np.float32)),
            ),
            data_samples=sample,
        )

    def _metainfo(self, results: dict, query: dict) -> dict:
        metainfo = {}
        for key in self.meta_keys:
            source = query if key in query else results
            if key not in source:
                raise KeyError(
                    f'meta key {key!r} is neither in the query nor in the episode; '
                    f'found {sorted(query)} and {sorted(results)}'
                )
            metainfo[key] = source[key]
        return metainfo


def _check_image(image: dict, shape: tuple[int, ...]) -> None:
    img, mask = image['img'], image['gt_seg_map']
    if img.ndim != 2 or img.dtype != np.float32:
        raise ValueError(
            f'{image.get("img_path")}: an image of an episode must be (H, W) float32, '
            f'found shape {img.shape}, {img.dtype}'
        )
    if img.shape != shape or mask.shape != shape:
        raise ValueError(
            f'{image.get("img_path")}: image {img.shape} and mask {mask.shape} must '
            f"have the size of the query's image, {shape}"
        )


@TRANSFORMS.register_module()
class PackWeightedSegInputs(PackSegInputs):
    """Pack as MMSeg's ``PackSegInputs`` does, and the weights of the pixels too.

    Required keys, beyond those of ``PackSegInputs``: ``gt_seg_map`` (H, W) and
    ``gt_weight_map`` (H, W) floating, from `GenerateBorderWeightMap`. The data sample
    gets ``gt_weight_map``, a ``PixelData`` (1, H, W) float32, which `SkipDecodeHead`
    gives to its losses. Pixels labelled 255 weigh 0, whatever the maps were filled
    with there. For training; testing needs no weights, so ``PackSegInputs``.

    Args:
        meta_keys: As in ``PackSegInputs``.

    Raises:
        KeyError: If a required key is missing.
        ValueError: If the weights are not floating or not of the size of the labels,
            or a transform after `GenerateBorderWeightMap` spoilt them: MMCV's ``Pad``
            or ``RandomFlip(swap_seg_labels=...)``.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        path = results.get('img_path')
        for key in ('gt_seg_map', 'gt_weight_map'):
            if key not in results:
                raise KeyError(
                    f'{path}: PackWeightedSegInputs needs {key!r}, found '
                    f'{list(results)}; GenerateBorderWeightMap makes weights, and '
                    'PackSegInputs packs samples without'
                )
        labels, weights = results['gt_seg_map'], results['gt_weight_map']
        if 'pad_fixed_size' in results:
            raise ValueError(
                f"{path}: MMCV's Pad came after GenerateBorderWeightMap; it pads "
                'gt_seg_map but not gt_weight_map; have '
                'SegDataPreProcessor(size=...) pad instead'
            )
        if results.get('swap_seg_labels'):
            raise ValueError(
                f'{path}: RandomFlip(swap_seg_labels={results["swap_seg_labels"]}) '
                'came after GenerateBorderWeightMap and swapped weights too; put it '
                'before'
            )
        if weights.shape != labels.shape or weights.dtype.kind != 'f':
            raise ValueError(
                f'{path}: gt_weight_map must be floating of the size of gt_seg_map, '
                f'{labels.shape}, found {weights.dtype} {weights.shape}'
            )
        packed = super().transform(results)
        weights = np.where(labels == IGNORED, 0, weights).astype(np.float32)
        packed['data_samples'].set_data(
            dict(gt_weight_map=PixelData(data=torch.from_numpy(weights[None])))
        )
        return packed
