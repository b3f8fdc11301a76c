"""What the decoders of the U-Net family have in common."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from ...utils.checkpoint import check_fit


class SkipDecodeHead(BaseDecodeHead):
    """Base class: features of several scales in, logits at input size out.

    A subclass gives the logits of its supervised levels (``forward_levels``), the main
    one first. Every level is trained with all of ``loss_decode``; the losses of all
    but the main level are logged as ``level<n>.<loss name>``. Per-pixel weights, where
    the data samples carry them (``gt_weight_map``, see ``PackWeightedSegInputs``), are
    given to the losses.

    A state dict that does not fit is an error when it is loaded, not a warning.

    Args:
        in_channels: Channels of the backbone's features, finest first.
        channels: Channels of the map that ``conv_seg`` classifies.
        strides: Pixels of the input per pixel of each feature. By default those of
            `UNetEncoder`: 1, 2, 4, ... Neighbours may be equal.
        level_weights: Factors of the levels' losses; by default 1 for each.
        threshold: Probability above which a pixel is foreground, for
            ``out_channels=1``.
        dropout_ratio: Of ``conv_seg``'s input.
        multi_label: Whether the truth is a map of 0 and 1 for each channel,
            (``out_channels``, H, W), instead of one label map (1, H, W).
        in_index: Which of the backbone's features to take; by default the first ones.
        init_cfg: As MMEngine has it; by default He's normal distribution.
        **kwargs: As in MMSeg's ``BaseDecodeHead``: ``num_classes``, ``out_channels``,
            ``loss_decode``, ``norm_cfg``, ``act_cfg``, ``ignore_index`` and
            ``align_corners``.

    Raises:
        ValueError: If ``in_channels`` and ``strides`` differ in number, a stride is not
            a multiple of the one before, or ``conv_cfg`` or ``sampler`` is given.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        *,
        strides: Sequence[int] | None = None,
        level_weights: Sequence[float] | None = None,
        threshold: float = 0.5,
        dropout_ratio: float = 0,
        multi_label: bool = False,
        in_index: Sequence[int] | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        for name in ('conv_cfg', 'sampler'):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f'{type(self).__name__} has no use for {name}, found {kwargs[name]}'
                )
        number = len(in_channels)
        super().__init__(
            list(in_channels),
            channels,
            in_index=list(range(number) if in_index is None else in_index),
            input_transform='multiple_select',
            threshold=threshold,
            dropout_ratio=dropout_ratio,
            init_cfg=init_cfg
            or dict(type='Kaiming', mode='fan_in', layer=['Conv2d', 'ConvTranspose2d']),
            **kwargs,
        )
        self.strides = tuple(strides or (2**level for level in range(number)))
        if len(self.strides) != number or any(
            coarse % fine for fine, coarse in pairwise(self.strides)
        ):
            raise ValueError(
                f'strides must be {number} numbers, each a multiple of the one before, '
                f'one for each of in_channels {list(in_channels)}; found {strides}'
            )
        self.level_weights = level_weights
        self.multi_label = multi_label
        self.register_load_state_dict_pre_hook(type(self).check_state_dict)

    def check_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Refuse what does not fit; called before a state dict is loaded.

        Raises:
            ValueError: See `check_fit`.
        """
        check_fit(self, state_dict, prefix)

    @staticmethod
    def choose_widths(
        in_channels: Sequence[int], widths: Sequence[int] | None
    ) -> tuple[int, ...]:
        """Return the channels of the decoder's rows, by default the backbone's.

        Args:
            in_channels: Channels of the backbone's features, finest first.
            widths: Channels of all rows but the coarsest, or ``None``.

        Raises:
            ValueError: If there are fewer than two features, or as many widths as
                features.
        """
        rows = len(in_channels) - 1
        chosen = tuple(in_channels[:-1] if widths is None else widths)
        if rows < 1 or len(chosen) != rows:
            raise ValueError(
                'wanted two or more in_channels, and widths for all of them but the '
                f'last; found in_channels {tuple(in_channels)} and widths {widths}'
            )
        return chosen

    def forward_levels(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits of every supervised level, the main one first.

        Args:
            features: (B, ``in_channels[i]``, H / ``strides[i]``, W / ``strides[i]``)
                each, finest first, checked.

        Returns:
            (B, ``out_channels``, h, w) each, of any size.
        """
        raise NotImplementedError

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits for testing, (B, ``out_channels``, H, W).

        Args:
            inputs: Features of the backbone.

        Raises:
            ValueError: If the features do not have ``in_channels`` and ``strides``.
        """
        features = self.select_features(inputs)
        return self.to_input_size(self.forward_levels(features)[0], features)

    def loss(
        self,
        inputs: Sequence[Tensor],
        batch_data_samples: list[SegDataSample],
        train_cfg: dict | None,
    ) -> dict[str, Tensor]:
        """Return the losses of all levels by name.

        Raises:
            ValueError: If the features do not have ``in_channels`` and ``strides``,
                labels are of another size than the image or outside the classes, or a
                weight map does not fit its labels.
        """
        features = self.select_features(inputs)
        levels = [
            self.to_input_size(logits, features)
            for logits in self.forward_levels(features)
        ]
        labels, weights = self.stack_truth(batch_data_samples)
        self.check_size(levels[0], labels.shape[-2:], "labels, wanted as the image's,")
        losses = self.loss_decode
        losses = losses if isinstance(losses, nn.ModuleList) else [losses]
        named = {}
        factors = self.level_weights or [1.0] * len(levels)
        if len(factors) != len(levels):
            raise ValueError(
                f'level_weights must be {len(levels)} numbers, one for each supervised '
                f'level of {type(self).__name__}; found {factors}'
            )
        for number, (factor, logits) in enumerate(zip(factors, levels)):
            prefix = f'level{number}.' if number else ''
            for loss in losses:
                value = factor * loss(
                    logits, labels, weight=weights, ignore_index=self.ignore_index
                )
                name = prefix + loss.loss_name
                named[name] = named[name] + value if name in named else value
        return named

    def select_features(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of ``in_index``, checked.

        Raises:
            ValueError: See `forward`.
        """
        if len(inputs) <= max(self.in_index):
            raise ValueError(
                f'{type(self).__name__} wants the features {self.in_index} of the '
                f'backbone, which gives {len(inputs)}'
            )
        features = [inputs[index] for index in self.in_index]
        found = [feature.shape[1] for feature in features]
        if found != self.in_channels:
            raise ValueError(
                f'{type(self).__name__}: the backbone gives {found} channels, '
                f'in_channels is {self.in_channels}'
            )
        # ints: where torch traces, to count FLOPs, sizes are tensors
        sizes = [tuple(map(int, feature.shape[2:])) for feature in features]
        image = {
            tuple(length * stride for length in size)
            for size, stride in zip(sizes, self.strides)
        }
        if len(image) > 1:
            raise ValueError(
                f'{type(self).__name__}: features of sizes {sizes} (height, width) do '
                f'not fit together at strides {self.strides}. {self.size_advice}'
            )
        return features

    @property
    def size_advice(self) -> str:
        """What may be wrong when sizes do not fit, and how to mend it."""
        divisor = self.strides[-1]
        return (
            "Either strides are not the backbone's, or the image's sides are not "
            f'multiples of {divisor}: pad it by SegDataPreProcessor(size_divisor='
            f'{divisor}, test_cfg=dict(size_divisor={divisor})), the prediction is '
            'cropped back'
        )

    def check_size(self, logits: Tensor, wanted: Sequence[int], what: str) -> None:
        """Refuse logits of another size than the image: some backbones round it up.

        Raises:
            ValueError: With both sizes.
        """
        if list(logits.shape[2:]) != list(wanted):
            raise ValueError(
                f'{type(self).__name__}: the backbone gives features of an image of '
                f'size {tuple(logits.shape[2:])} (height, width), {what} are of size '
                f'{tuple(wanted)}. {self.size_advice}'
            )

    def predict_by_feat(
        self, seg_logits: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Return the logits as they are, where MMSeg would stretch them to fit.

        Raises:
            ValueError: If they are not of the size of the image, padding included.
        """
        fitted = super().predict_by_feat(seg_logits, batch_img_metas)
        self.check_size(seg_logits, fitted.shape[2:], 'the images')
        return fitted

    def to_input_size(self, logits: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Return the logits at the size of the image, bilinearly upsampled."""
        size = [length * self.strides[0] for length in features[0].shape[2:]]
        if list(logits.shape[2:]) == size:
            return logits
        return resize(
            logits, size=size, mode='bilinear', align_corners=self.align_corners
        )

    def stack_truth(self, samples: list[SegDataSample]) -> tuple[Tensor, Tensor | None]:
        """Return labels (B, H, W) int64 and weights (B, H, W) float32, or None.

        With ``multi_label`` the labels are (B, ``out_channels``, H, W) of 0 and 1.
        Weight maps that are smaller than the labels, which MMSeg pads at the right
        and at the bottom, get the weight 0 there.

        Raises:
            ValueError: If the truth has another number of channels than said, a label
                is outside the classes, only some samples have a weight map, or one is
                larger than its labels.
        """
        channels = self.out_channels if self.multi_label else 1
        for sample in samples:
            found = tuple(sample.gt_sem_seg.data.shape)
            if found[0] != channels:
                raise ValueError(
                    f'{sample.metainfo.get("img_path")}: gt_sem_seg is {found}, wanted '
                    f'{channels} channels: multi_label is {self.multi_label}'
                )
        labels = torch.stack([sample.gt_sem_seg.data for sample in samples])
        labels = labels if self.multi_label else labels[:, 0]
        highest = 1 if self.multi_label else self.num_classes - 1
        wrong = (labels < 0) | (labels > highest)
        wrong &= labels != self.ignore_index
        if wrong.any():
            index = int(wrong.flatten(1).any(1).nonzero()[0])
            raise ValueError(
                f'{samples[index].metainfo.get("img_path")}: labels '
                f'{labels[index][wrong[index]].unique().tolist()} are outside the '
                f'classes, wanted 0 to {highest} or {self.ignore_index}'
            )
        weighted = ['gt_weight_map' in sample for sample in samples]
        if not any(weighted):
            return labels, None
        if not all(weighted):
            index = weighted.index(False)
            raise ValueError(
                f'{samples[index].metainfo.get("img_path")}: has no gt_weight_map, '
                'others of its batch have one'
            )
        height, width = labels.shape[-2:]
        maps = []
        for sample in samples:
            weight = sample.gt_weight_map.data[0].float()
            missing = (height - weight.shape[0], width - weight.shape[1])
            if min(missing) < 0:
                raise ValueError(
                    f'{sample.metainfo.get("img_path")}: gt_weight_map '
                    f'{tuple(weight.shape)} is larger than its labels {height, width}'
                )
            maps.append(F.pad(weight, (0, missing[1], 0, missing[0])))
        return labels, torch.stack(maps)
