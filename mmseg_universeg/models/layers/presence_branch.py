"""Which classes an image shows at all: the classification-guided module of UNet 3+."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Its sigmoid, and its share of a softmax, are 0 in every precision.
ABSENT_LOGIT = -1e4


class PresenceBranch(nn.Module):
    """Dropout, 1x1 convolution and global max pooling: two logits for each class.

    UNet 3+ (Huang et al. 2020, section 2.3), from the deepest feature of the backbone.

    Args:
        in_channels: Channels of the feature.
        classes: Labels of the classes.
    """

    def __init__(self, in_channels: int, classes: Sequence[int]) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.dropout = nn.Dropout(0.5)
        self.conv = nn.Conv2d(in_channels, 2 * len(self.classes), kernel_size=1)

    def forward(self, feature: Tensor) -> Tensor:
        """Return the logits of absent and present, (B, len(``classes``), 2).

        Args:
            feature: (B, ``in_channels``, h, w).
        """
        return self.conv(self.dropout(feature)).amax((2, 3)).unflatten(1, (-1, 2))

    def loss(self, logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """Return the cross-entropy against "the class is in the image", a scalar.

        It is the mean over classes and images. Ignored pixels do not count, nor do
        images of nothing else: they may show anything.

        Args:
            logits: As `forward` returns them.
            labels: (B, H, W) int64.
            ignore_index: Label of what does not count.
        """
        labels = labels.flatten(1)
        classes = torch.tensor(self.classes, device=labels.device)
        present = (labels[:, None] == classes[:, None]).any(2)
        known = (labels != ignore_index).any(1)
        losses = F.cross_entropy(
            logits.float().flatten(0, 1), present.long().flatten(), reduction='none'
        )
        losses = losses.view_as(present)[known]
        return losses.sum() / max(losses.numel(), 1)

    def gate(self, seg_logits: Tensor, logits: Tensor) -> Tensor:
        """Return segmentation logits that give absent classes the probability 0.

        Under a softmax the other classes, the background among them, keep their
        proportions to each other.

        Args:
            seg_logits: (B, C, H, W). One channel is that of the only class; of several,
                channel i is that of label i.
            logits: As `forward` returns them. A class is absent if that is its larger
                logit.
        """
        channels = [0] if seg_logits.shape[1] == 1 else list(self.classes)
        absent = torch.zeros_like(seg_logits[:, :, :1, :1], dtype=torch.bool)
        absent[:, channels, 0, 0] = logits[..., 0] > logits[..., 1]
        return seg_logits.masked_fill(absent, ABSENT_LOGIT)
