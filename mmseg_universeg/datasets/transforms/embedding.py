"""Embeddings from a cache instead of images."""

import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_universeg.utils.embeddings import embedding_file, read_embedding


@TRANSFORMS.register_module()
class LoadImageEmbedding(BaseTransform):
    """Replace a packed image by its embedding, for the `CachedEmbedding` backbone.

    It comes last, after ``PackBoxPromptInputs``: the transforms before it make boxes
    and masks as without a cache, and the image, by which it is checked that the
    embedding is of this very image after this very preprocessing. A pipeline that
    changes the image by chance is thus refused at the first image that it changes.

    Required keys: ``inputs`` (3, S, S) float, and ``data_samples`` with ``img_path``,
    and ``slice_index`` for slices of a volume, as metainfo. ``inputs`` becomes the
    embedding (C, S / 16, S / 16) float16; the data sample gets the metainfo
    ``embedding_fingerprint``, which tells the encoder's weights.

    Args:
        cache_dir: Folder that ``tools/cache_embeddings.py`` has filled.

    Raises:
        FileNotFoundError: If the image has no embedding there.
        KeyError: If the data sample has no ``img_path``.
        ValueError: If the embedding's file is damaged, or of another image.
    """

    def __init__(self, cache_dir: str) -> None:
        self.cache_dir = cache_dir

    def transform(self, results: dict) -> dict:
        """Replace ``results['inputs']``."""
        if 'inputs' not in results or 'data_samples' not in results:
            raise KeyError(
                'LoadImageEmbedding comes after PackBoxPromptInputs, as the last '
                f"transform, and needs 'inputs' and 'data_samples'; found "
                f'{sorted(results)}'
            )
        sample = results['data_samples']
        path = embedding_file(self.cache_dir, sample.metainfo)
        embedding = read_embedding(path)
        embedding.check_image(results['inputs'], path)
        sample.set_metainfo(dict(embedding_fingerprint=embedding.fingerprint))
        return {**results, 'inputs': torch.from_numpy(embedding.values)}

    def __repr__(self) -> str:
        return f'{type(self).__name__}(cache_dir={self.cache_dir!r})'
