"""Soft Dice loss of one binary map."""

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class SoftDiceLoss(nn.Module):
    """`1 - (2 * sum(p * y) + eps) / (sum(p) + sum(y) + eps)`, meaned over images.

    MMSeg's `DiceLoss` is inverted for one output channel. This one is for binary
    logits, takes each image's Dice alone and computes in float32.

    Args:
        eps: keeps the ratio defined: an empty mask predicted empty costs 0.
        loss_weight: factor of the loss.
        loss_name: its name in the log.

    Raises:
        ValueError: at a call, if logits and target differ in shape, or the logits
            have more than one channel.
    """

    def __init__(
        self,
        eps: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_dice',
    ):
        super().__init__()
        if eps <= 0:
            raise ValueError(f'eps must be positive, got {eps}')
        self.eps = eps
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            logits: (B, 1, H, W), before the sigmoid.
            target: (B, 1, H, W) or (B, H, W), in {0, 1}.
        """
        if target.dim() == 3:
            target = target.unsqueeze(1)
        if logits.shape != target.shape or logits.shape[1] != 1:
            raise ValueError(
                'SoftDiceLoss wants logits and target of one shape (B, 1, H, W), '
                f'got {tuple(logits.shape)} and {tuple(target.shape)}'
            )
        dtype = torch.promote_types(logits.dtype, torch.float32)
        probability = logits.to(dtype).sigmoid().flatten(1)
        target = target.to(dtype).flatten(1)
        overlap = (probability * target).sum(1)
        total = probability.sum(1) + target.sum(1)
        dice = (2 * overlap + self.eps) / (total + self.eps)
        return self.loss_weight * (1 - dice).mean()
