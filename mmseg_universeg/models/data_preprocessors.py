"""From a loader's batch to a model's input: episodes, ordinary images, embeddings."""

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ..datasets.drawing import Sketch, draw_sketches


@MODELS.register_module()
class EpisodeDataPreprocessor(BaseDataPreprocessor):
    """Stack grey images in [0, 1], or episodes of them, and move them to the device.

    Sketches of drawn tasks (``SyntheticTasksDataset(sketch=True)``) are drawn there.
    UniverSeg wants each image min-max normalised by itself, which is the loading
    pipeline's work; nothing is normalised, padded or resized here.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack a batch.

        Args:
            data: `inputs` is a list of images (1, H, W), or a dict with the lists
                `img` (1, H, W), `support_imgs` and `support_masks` (S, 1, H, W);
                tensors already stacked are taken as they are. All float. Or a dict
                with the list `sketch` of drawn tasks (`drawing.Sketch`).
                `data_samples` passes through; those of sketches get the query's mask
                as `gt_sem_seg` (1, H, W) int64.
            training: not used.

        Returns:
            The same, with `inputs` (B, 1, H, W) or a dict of (B, 1, H, W) and
            twice (B, S, 1, H, W), on the model's device.

        Raises:
            TypeError: if a tensor is not of floating point.
            ValueError: if shapes differ within the batch, or are not of one channel.
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        if isinstance(inputs, dict):
            if 'sketch' in inputs:
                inputs = draw_episodes(
                    inputs['sketch'], data['data_samples'], self.device
                )
            stacked = {key: stack(value, key) for key, value in inputs.items()}
        else:
            stacked = stack(inputs, 'inputs')
        return {**data, 'inputs': stacked}


def draw_episodes(
    sketches: list[Sketch], samples: list[SegDataSample], device: torch.device
) -> dict[str, list[Tensor]]:
    """Draw the images of sketched tasks, and give the samples the queries' masks.

    Returns:
        Lists of what an episode consists of, as `EpisodeDataPreprocessor` takes them.
    """
    episodes = dict(img=[], support_imgs=[], support_masks=[])
    drawn = draw_sketches(sketches, device)
    for (images, masks), sample in zip(drawn, samples, strict=True):
        images, masks = images[:, None], masks[:, None]
        sample.gt_sem_seg = PixelData(data=masks[0].long())
        episodes['img'].append(images[0])
        episodes['support_imgs'].append(images[1:])
        episodes['support_masks'].append(masks[1:])
    return episodes


def stack(tensors: list[Tensor] | Tensor, name: str) -> Tensor:
    """Stack tensors of one shape whose third axis from the end is one channel."""
    shapes = sorted({tuple(tensor.shape) for tensor in tensors})
    if len(shapes) > 1:
        raise ValueError(
            f'{name} of one batch differ in shape: {shapes}. Give every image the '
            'same size (Resize in the pipeline), every episode of a batch the same '
            'number of supports (batch_size of the episode data set = batch size of '
            'all processes together), or use batch_size=1'
        )
    if len(shapes[0]) < 3 or shapes[0][-3] != 1:
        raise ValueError(
            f'{name} must be grey images (..., 1, H, W), got {shapes[0]}; add '
            "dict(type='ToGrayscale') to the pipeline"
        )
    if not tensors[0].is_floating_point():
        raise TypeError(
            f'{name} must be floating point in [0, 1], got {tensors[0].dtype}; add '
            "dict(type='MinMaxNormalize') to the pipeline"
        )
    return tensors if isinstance(tensors, Tensor) else torch.stack(tensors)


@MODELS.register_module()
class BoxPromptDataPreprocessor(BaseDataPreprocessor):
    """Stack colour images in [0, 1], or embeddings, and move them to the device.

    MedSAM wants each image min-max scaled by itself, without SAM's mean and standard
    deviation, which is the loading pipeline's work.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Stack a batch.

        Args:
            data: `inputs` is a list of images (3, S, S) or embeddings (C, h, w), all
                float; `data_samples` passes through.
            training: not used.

        Returns:
            The same, with `inputs` stacked, float32, on the model's device.

        Raises:
            TypeError: if a tensor is not of floating point.
            ValueError: if shapes differ within the batch.
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        shapes = sorted({tuple(tensor.shape) for tensor in inputs})
        if len(shapes) > 1:
            raise ValueError(
                f'inputs of one batch differ in shape: {shapes}. Give every image the '
                'size of the encoder (Resize in the pipeline)'
            )
        if not inputs[0].is_floating_point():
            raise TypeError(
                f'inputs must be floating point in [0, 1], got {inputs[0].dtype}; add '
                "dict(type='MinMaxNormalize') to the pipeline"
            )
        return {**data, 'inputs': torch.stack(list(inputs)).float()}
