"""Loading each image once."""

import copy
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms import Compose as ComposeBuilt
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadOnce(BaseTransform):
    """Apply transforms to each sample once and keep what they give in memory.

    For what is slow and the same each time, such as decoding a file per nucleus. A
    random transform would repeat its first draw for ever: it comes after. Each worker
    process of a loader has its own memory, which lasts with ``persistent_workers=True``
    only.

    Required key: ``img_path``; with ``sample_idx``, which MMEngine's data sets give,
    it says which sample it is.

    Args:
        transforms: Transforms, as configs or callables.
        max_mb: Bound of the memory for arrays, in MiB; a sample that does not fit any
            more is loaded each time.

    Raises:
        ValueError: If a transform drops a sample.
    """

    def __init__(self, transforms: Sequence[dict], max_mb: float = 1024) -> None:
        self.transforms = ComposeBuilt(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        )
        self.bytes_left = max_mb * 2**20
        self.kept: dict[tuple, dict] = {}

    def transform(self, results: dict) -> dict:
        """Return the loaded sample; it may be changed in place."""
        key = results['img_path'], results.get('sample_idx')
        if key not in self.kept:
            loaded = self.transforms(results)
            if loaded is None:
                raise ValueError(f'{key[0]}: a transform in LoadOnce dropped it')
            arrays = (v for v in loaded.values() if isinstance(v, np.ndarray))
            num_bytes = sum(array.nbytes for array in arrays)
            if num_bytes > self.bytes_left:
                return loaded
            self.bytes_left -= num_bytes
            self.kept[key] = loaded
        return copy.deepcopy(self.kept[key])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(transforms={self.transforms})'
