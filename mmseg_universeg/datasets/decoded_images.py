"""Images of a data set, decoded once and kept in memory."""

from collections.abc import Sized

import numpy as np
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.utils import track_iter_progress

# MMSeg's value for pixels that belong to no class.
IGNORED = 255


class DecodedImages:
    """Images and label maps of a data set as uint8, in memory up to a bound.

    All are decoded once to count the classes' pixels, with a progress bar.
    Images are quantised to 256 levels whether they fit into the bound or not, so
    that the bound does not change what is returned.

    Args:
        name: Name of the data set for messages.
        dataset: Its items are results dicts with ``img`` (H, W) float32 in
            [0, 1], ``gt_seg_map`` (H, W) with class indices or 255 and
            ``img_path``.
        max_bytes: Bound of the memory for images and label maps.
        size: The (H, W) that the images must have; by default that of the
            first.

    Raises:
        ValueError: If the data set is empty or an image or a label map is not as
            said above.

    Attributes:
        classes: Names of the classes.
        pixels: (images, classes) int64, pixels of each class in each image.
        size: (H, W) of all images.
        num_bytes: Memory that is used.
    """

    def __init__(
        self,
        name: str,
        dataset: Sized,
        max_bytes: int,
        size: tuple[int, int] | None = None,
    ) -> None:
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        if not len(dataset):
            raise ValueError(f'{name}: the data set has no image')
        self.name, self.size = name, size
        self.classes = tuple(dataset.metainfo['classes'])
        self.num_bytes = 0
        self._dataset = dataset
        self._kept: list[tuple[np.ndarray, np.ndarray, str]] = []
        self.pixels = np.zeros((len(dataset), len(self.classes)), np.int64)
        print_log(f'Decoding {len(dataset)} images of {name}', logger='current')
        indices = range(len(dataset))
        for index in track_iter_progress(indices) if is_main_process() else indices:
            decoded = self._decode(index)
            label_map = decoded[1]
            counts = np.bincount(label_map.ravel(), minlength=256)
            self.pixels[index] = counts[: len(self.classes)]
            needed = decoded[0].nbytes + label_map.nbytes
            # The kept ones are the first, so that position says which they are.
            if len(self._kept) == index and self.num_bytes + needed <= max_bytes:
                self._kept.append(decoded)
                self.num_bytes += needed

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        """Return image (H, W) uint8, label map (H, W) uint8 and image path."""
        if index < len(self._kept):
            return self._kept[index]
        return self._decode(index)

    def _decode(self, index: int) -> tuple[np.ndarray, np.ndarray, str]:
        results = self._dataset[index]
        img, label_map = results['img'], results['gt_seg_map']
        where = f'{self.name}: {results["img_path"]}'
        if img.ndim != 2 or img.dtype != np.float32:
            raise ValueError(
                f'{where}: an image must be (H, W) float32, found shape {img.shape}, '
                f'{img.dtype}; add ToGrayscale and MinMaxNormalize to the pipeline'
            )
        if not (img.min() >= 0 and img.max() <= 1):
            raise ValueError(
                f'{where}: an image must lie in [0, 1], found {img.min()} to '
                f'{img.max()}; add MinMaxNormalize to the pipeline'
            )
        self.size = self.size or img.shape
        if img.shape != self.size or label_map.shape != self.size:
            raise ValueError(
                f'{where}: image {img.shape} and label map {label_map.shape} must both '
                f'be of size {self.size}, as all images of InContextDataset; add '
                'Resize to the pipeline, after LoadLabelMap'
            )
        labels = np.unique(label_map)
        wrong = labels[(labels < 0) | (labels >= len(self.classes))]
        if (wrong != IGNORED).any():
            raise ValueError(
                f'{where}: a label map must hold 0 to {len(self.classes) - 1} or '
                f'{IGNORED}, found {wrong.tolist()}'
            )
        quantised = np.rint(img * 255).astype(np.uint8)
        return quantised, label_map.astype(np.uint8), results['img_path']
