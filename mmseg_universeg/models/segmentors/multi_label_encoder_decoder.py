"""Classes that may overlap, each predicted for itself."""

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor, nn

from ..decode_heads import SkipDecodeHead


@MODELS.register_module()
class MultiLabelEncoderDecoder(EncoderDecoder):
    """MMSeg's segmentor with a sigmoid for each class instead of one softmax.

    Data samples bring ``gt_sem_seg`` (C, H, W) of 0 and 1, integers, a map for each
    class; what the data preprocessor pads is ignored. There is no background class.

    Backbones and necks are any of MMSeg's. So are decode and auxiliary heads, as long
    as their loss is that of ``BaseDecodeHead``: MMSeg's accuracy of pixels, which its
    heads log beside the losses, knows label maps only and is left out. Heads of the
    U-Net family need ``multi_label=True``. The losses must take (B, C, H, W) of 0 and
    1, as ``HybridDiceCELoss(use_sigmoid=True)`` does.

    Args:
        *args: As in MMSeg's ``EncoderDecoder``.
        threshold: Probability above which a pixel is of a class: one for all classes,
            or one for each.
        **kwargs: As in MMSeg's ``EncoderDecoder``.

    Raises:
        ValueError: If a head does not have one channel for each class, or computes its
            loss of label maps, or ``threshold`` does not hold as many numbers as there
            are classes, from 0 to 1.
    """

    def __init__(
        self, *args, threshold: float | Sequence[float] = 0.5, **kwargs
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, head in self.heads():
            check_head(name, head)
        thresholds = threshold if isinstance(threshold, Sequence) else [threshold]
        if len(thresholds) not in (1, self.num_classes) or not all(
            0 <= value <= 1 for value in thresholds
        ):
            raise ValueError(
                f'threshold must be one number from 0 to 1, or {self.num_classes}, one '
                f'for each class; found {threshold}'
            )
        # Not part of checkpoints, it may differ in testing.
        self.register_buffer(
            'threshold', torch.tensor(thresholds).view(-1, 1, 1), persistent=False
        )

    def heads(self) -> list[tuple[str, nn.Module]]:
        """Return the decode head and the auxiliary heads, with their names in logs."""
        named = [('decode', self.decode_head)]
        if self.with_auxiliary_head:
            if isinstance(self.auxiliary_head, nn.ModuleList):
                heads = enumerate(self.auxiliary_head)
                named += [(f'aux_{number}', head) for number, head in heads]
            else:
                named.append(('aux', self.auxiliary_head))
        return named

    def loss(
        self, inputs: Tensor, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of all heads by name.

        Args:
            inputs: (B, C, H, W) floats.
            data_samples: With ``gt_sem_seg`` as said for the class.

        Raises:
            ValueError: If a truth is not of a map for each class.
        """
        features = self.extract_feat(inputs)
        losses = {}
        for name, head in self.heads():
            if isinstance(head, SkipDecodeHead):
                found = head.loss(features, data_samples, self.train_cfg)
            else:
                found = head_loss(head, features, data_samples)
            losses.update(add_prefix(found, name))
        return losses

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Give each sample its prediction, at the original size of its image.

        Args:
            seg_logits: (B, C, H, W) at the size of the padded images.
            data_samples: With the metainfo that undoes padding, flipping and resizing.
                Without, the predictions are of the size of ``seg_logits``.

        Returns:
            The samples with ``seg_logits`` (C, H, W), raw, and ``pred_sem_seg``
            (C, H, W) int64 of 0 and 1.
        """
        # MMSeg brings logits back to the original size, but makes probabilities of a
        # single channel: it always gets one more.
        padded = torch.cat([seg_logits, seg_logits[:, :1]], dim=1)
        samples = super().postprocess_result(padded, data_samples)
        for sample in samples:
            set_prediction(sample, sample.seg_logits.data[:-1], self.threshold)
        return samples


def check_head(name: str, head: nn.Module) -> None:
    """Refuse a head that cannot be trained with overlapping classes.

    Raises:
        ValueError: See `MultiLabelEncoderDecoder`.
    """
    kind = f'{name} head {type(head).__name__}'
    if isinstance(head, SkipDecodeHead):
        if not head.multi_label:
            raise ValueError(f'{kind}: wanted multi_label=True')
    elif (
        not isinstance(head, BaseDecodeHead)
        or type(head).loss is not BaseDecodeHead.loss
        or type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat
        or head.sampler is not None
    ):
        raise ValueError(
            f'{kind}: it has a sampler, or computes its loss of label maps in its own '
            "way; wanted a head with the loss of MMSeg's BaseDecodeHead"
        )
    if head.out_channels != head.num_classes:
        raise ValueError(
            f'{kind}: wanted one channel for each class, found '
            f'out_channels={head.out_channels} and num_classes={head.num_classes}'
        )


def head_loss(
    head: BaseDecodeHead, features: Sequence[Tensor], samples: list[SegDataSample]
) -> dict[str, Tensor]:
    """Return the losses of one of MMSeg's heads by name.

    As ``BaseDecodeHead.loss`` does, which wants one label map and counts its accuracy;
    here there is a map for each class.

    Args:
        head: With the loss of ``BaseDecodeHead``.
        features: Of the backbone or neck.
        samples: With ``gt_sem_seg`` (C, H, W).

    Raises:
        ValueError: If a truth is not of a map for each class.
    """
    for sample in samples:
        found = tuple(sample.gt_sem_seg.data.shape)
        if found[0] != head.out_channels:
            raise ValueError(
                f'{sample.metainfo.get("img_path")}: gt_sem_seg is {found}, wanted a '
                f'map for each of the {head.out_channels} classes (C, H, W)'
            )
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
    logits = resize(
        head(features),
        size=labels.shape[2:],
        mode='bilinear',
        align_corners=head.align_corners,
    )
    losses = head.loss_decode
    named = {}
    for loss in losses if isinstance(losses, nn.ModuleList) else [losses]:
        value = loss(logits, labels, ignore_index=head.ignore_index)
        named[loss.loss_name] = named.get(loss.loss_name, 0) + value
    return named


def set_prediction(sample: SegDataSample, logits: Tensor, threshold: Tensor) -> None:
    """Set ``seg_logits`` and ``pred_sem_seg`` of a sample.

    Args:
        sample: Of an image of any size.
        logits: (C, H, W) floats.
        threshold: Probabilities, (C, 1, 1) or (1, 1, 1).
    """
    sample.set_data(
        dict(
            seg_logits=PixelData(data=logits),
            pred_sem_seg=PixelData(data=(logits.sigmoid() > threshold).long()),
        )
    )
