"""The prediction that looks at no image: the mean of the support masks."""

from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from .in_context_segmentor import Episode, InContextSegmentor
from .support_memory import SupportDraw


@MODELS.register_module()
class MeanSupportMask(InContextSegmentor):
    """Predicts the mean of the support masks, whatever the query shows.

    The score that an in-context model must beat to have looked at its query. It takes
    the same inputs and the same support set as `UniverSeg`, and has no parameters.

    Args:
        num_classes: see `InContextSegmentor`.
        temperature: see `InContextSegmentor`.
        save_support: see `InContextSegmentor`.
        data_preprocessor: see `InContextSegmentor`.
        init_cfg: see `InContextSegmentor`.
        background: see `InContextSegmentor`.
    """

    def episode_probability(self, episode: Episode) -> Tensor:
        """Mean of the support masks, (B, 1, H, W)."""
        return episode['support_masks'].mean(1)

    def draw_probability(self, images: Tensor, draw: SupportDraw) -> Tensor:
        """Mean of the class's masks, (B, 1, H, W)."""
        return draw.masks.mean(0).expand(len(images), -1, -1, -1)

    def extract_feat(self, inputs: Tensor | Episode) -> Tensor:
        """As `encode_decode`: there are no other features."""
        return self.encode_decode(inputs)

    def _forward(
        self, inputs: Tensor | Episode, data_samples: list | None = None
    ) -> Tensor:
        """As `encode_decode`."""
        return self.encode_decode(inputs)

    def loss(self, inputs: Episode, data_samples: list[SegDataSample]) -> dict:
        """Refuse to train.

        Raises:
            RuntimeError: always; there is nothing to train.
        """
        raise RuntimeError(
            'MeanSupportMask has no parameters and nothing to train; test it'
        )
