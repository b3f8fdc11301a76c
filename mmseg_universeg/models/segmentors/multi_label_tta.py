"""Predictions of flipped images, averaged."""

from collections.abc import Sequence

from mmengine.model import BaseTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from ..layers import average_probabilities
from .multi_label_encoder_decoder import MultiLabelEncoderDecoder, set_prediction
from .unflipped import unflipped


@MODELS.register_module()
class MultiLabelTTAModel(BaseTTAModel):
    """Averages the probabilities of overlapping classes over flips and scales.

    The mean of the sigmoids of each class, then the thresholds of the segmentor.
    MMSeg's ``SegTTAModel`` would take the softmax over the classes, and of a single
    class the sigmoid of what is a probability already: all above 0.5.

    Args:
        *args: As in MMEngine's ``BaseTTAModel``.
        **kwargs: As in MMEngine's ``BaseTTAModel``.

    Raises:
        TypeError: If the model is not a `MultiLabelEncoderDecoder`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.module, MultiLabelEncoderDecoder):
            raise TypeError(
                'MultiLabelTTAModel is for MultiLabelEncoderDecoder, found '
                f"{type(self.module).__name__}: MMSeg's SegTTAModel is for label maps"
            )

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[SegDataSample]]
    ) -> list[SegDataSample]:
        """Return one sample for each image.

        Args:
            data_samples_list: For each image its samples, one for each flip or scale,
                with ``seg_logits`` (C, H, W) turned back to the original image.

        Returns:
            Of each image the sample that was not flipped, whose truth fits, with
            ``seg_logits``, the logits of the mean probabilities, and ``pred_sem_seg``
            as `MultiLabelEncoderDecoder` gives them.

        Raises:
            ValueError: If all samples of an image were flipped.
        """
        merged = []
        for samples in data_samples_list:
            plain = unflipped(samples)
            logits = [sample.seg_logits.data for sample in samples]
            mean = average_probabilities(logits, softmax=False)
            set_prediction(plain, mean, self.module.threshold)
            merged.append(plain)
        return merged
