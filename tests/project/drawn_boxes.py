"""Drawn images with boxes, for tests of what is trained by boxes."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose
from mmengine.structures import InstanceData
from mmseg.registry import DATASETS, TRANSFORMS
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset


@DATASETS.register_module()
class DrawnBoxesDataset(Dataset):
    """Noise with bright rectangles, 64x64, stretched from 48x80.

    Args:
        number: Of images.
        pipeline: Transforms of the results.
        boxes: Numbers of rectangles, of one image after the other.
    """

    def __init__(
        self, number: int, pipeline: list, boxes: Sequence[int] = (1,)
    ) -> None:
        self.number = number
        self.boxes = boxes
        self.pipeline = Compose(pipeline)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> dict:
        if index >= self.number:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        corners = rng.integers(0, 30, (self.boxes[index % len(self.boxes)], 2))
        boxes = np.hstack((corners, corners + np.array((30, 20)))).astype(np.float32)
        masks = np.zeros((len(corners), 64, 64), np.uint8)
        for mask, (left, top) in zip(masks, corners):
            mask[top : top + 20, left : left + 30] = 1
        image = rng.random((64, 64, 3)) / 2 + masks.any(0)[..., None] / 2
        return self.pipeline(
            dict(
                img=image.astype(np.float32),
                img_path=f'drawn/{index}.png',
                img_shape=(64, 64),
                ori_shape=(48, 80),
                gt_bboxes=boxes,
                gt_masks=masks,
            )
        )


@TRANSFORMS.register_module()
class PackDrawnBoxes(BaseTransform):
    """Pack image, boxes and masks into tensors."""

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        meta = {key: results[key] for key in ('img_path', 'ori_shape')}
        sample = SegDataSample(metainfo=meta)
        sample.gt_instances = InstanceData(
            bboxes=torch.from_numpy(results['gt_bboxes']),
            labels=torch.ones(len(results['gt_bboxes']), dtype=torch.int64),
            masks=torch.from_numpy(results['gt_masks']),
        )
        image = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(image), data_samples=sample)
