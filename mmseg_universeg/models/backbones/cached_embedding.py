"""Embeddings that were computed beforehand."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from ...utils.embeddings import weights_fingerprint


@MODELS.register_module()
class CachedEmbedding(BaseModule):
    """Stands for the image encoder where `LoadImageEmbedding` has loaded its output.

    It remembers the fingerprint of the weights that it stands for, also in
    checkpoints: those of the encoder in a checkpoint that is loaded (SAM, MedSAM, or
    one trained here without a cache), or else those of the first embeddings it meets.
    Embeddings of other weights are refused.

    Embeddings are float16. The tests hold losses to 1e-5 of those with the encoder, and
    masks but for one pixel in a thousand, of a tiny SAM with random weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer('fingerprint', torch.zeros(32, dtype=torch.uint8))
        self.register_load_state_dict_pre_hook(type(self).take_fingerprint)

    def forward(self, embeddings: Tensor) -> tuple[Tensor]:
        """Return the embeddings (B, C, S / 16, S / 16) as they are, in a tuple."""
        return (embeddings,)

    def check_samples(self, samples: Sequence[SegDataSample]) -> None:
        """Refuse embeddings of other weights than this stands for.

        Raises:
            ValueError: If a sample's ``embedding_fingerprint`` is another, or missing.
        """
        for sample in samples:
            path = sample.metainfo.get('img_path')
            found = sample.metainfo.get('embedding_fingerprint')
            if found is None:
                raise ValueError(
                    f'{path}: comes without an embedding, wanted '
                    'dict(type="LoadImageEmbedding") as the last transform'
                )
            if not self.fingerprint.any():
                self.fingerprint.copy_(_to_bytes(found))
            wanted = bytes(self.fingerprint.tolist()).hex()
            if found != wanted:
                raise ValueError(
                    f'{path}: the embedding was made with other weights than those of '
                    f'this model: fingerprint {found[:12]}…, wanted {wanted[:12]}…. '
                    'Make a cache with this checkpoint by tools/cache_embeddings.py'
                )

    def take_fingerprint(
        self, state_dict: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        """Keep of an encoder's weights the fingerprint only.

        Called before a state dict is loaded.
        """
        own = prefix + 'fingerprint'
        keys = [key for key in state_dict if key.startswith(prefix) and key != own]
        if keys:
            weights = {key.removeprefix(prefix): state_dict.pop(key) for key in keys}
            state_dict[own] = _to_bytes(weights_fingerprint(weights))


def _to_bytes(fingerprint: str) -> Tensor:
    return torch.tensor(list(bytes.fromhex(fingerprint)), dtype=torch.uint8)
