"""Predictions of flipped images by one logit, averaged."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from .unflipped import unflipped


@MODELS.register_module()
class SingleLogitTTAModel(BaseTTAModel):
    """Averages the probability of the foreground over flips and scales.

    For segmentors whose head has one output channel, of which MMSeg's ``SegTTAModel``
    would take the sigmoid twice: all of it above 0.5, and above its default threshold.

    Args:
        *args: As in MMEngine's ``BaseTTAModel``.
        **kwargs: As in MMEngine's ``BaseTTAModel``.

    Raises:
        TypeError: If the model's head has more than one output channel.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        channels = getattr(self.module, 'out_channels', None)
        if channels != 1:
            raise TypeError(
                'SingleLogitTTAModel is for heads of one output channel, found a '
                f"{type(self.module).__name__} of {channels}: MMSeg's SegTTAModel is "
                'for more'
            )

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[SegDataSample]]
    ) -> list[SegDataSample]:
        """Return one sample for each image.

        Args:
            data_samples_list: For each image its samples, one for each flip or scale,
                with ``seg_logits`` (1, H, W), which MMSeg has made probabilities and
                turned back to the original image.

        Returns:
            Of each image the sample that was not flipped, whose truth fits, with
            ``seg_logits``, the mean probability, and ``pred_sem_seg``, 1 where it is
            above the head's ``threshold`` and 0 elsewhere.

        Raises:
            ValueError: If all samples of an image were flipped.
        """
        merged = []
        for samples in data_samples_list:
            plain = unflipped(samples)
            mean = torch.stack([s.seg_logits.data for s in samples]).mean(0)
            above = (mean > self.module.decode_head.threshold).to(mean)
            plain.seg_logits = PixelData(data=mean)
            plain.pred_sem_seg = PixelData(data=above)
            merged.append(plain)
        return merged
