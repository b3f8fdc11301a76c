"""In which order the images of a data set are drawn."""

import io
from collections.abc import Iterator
from itertools import islice

import mmengine.fileio as fileio
import torch
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info, sync_random_seed
from mmseg.registry import DATA_SAMPLERS
from PIL import Image, UnidentifiedImageError
from torch.utils.data import Sampler

from ..utils.image_io import read_image


@DATA_SAMPLERS.register_module()
class ImageSizeSampler(Sampler):
    """Draws large images more often than small ones, without end, with replacement.

    For training on random crops of images of many sizes: if every image is drawn as
    often, a crop's worth of a small image is seen again and again before a large one
    has been seen at all. Indices depend on the seed alone; processes share them out.

    Args:
        dataset: Its ``get_data_info`` names each image's ``img_path``.
        power: Images are drawn in proportion to their number of pixels to this power:
            1 for every pixel as often, 0 for every image as often.
        seed: Of the draws; by default one that is drawn, the same in every process.

    Raises:
        ValueError: If ``power`` is not from 0 to 1, or an image cannot be read.
        FileNotFoundError: If there is no such image.
    """

    def __init__(
        self, dataset: BaseDataset, power: float = 0.5, seed: int | None = None
    ) -> None:
        if not 0 <= power <= 1:
            raise ValueError(f'power must be from 0 to 1, found {power}')
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        pixels = [
            count_pixels(dataset.get_data_info(index)['img_path'])
            for index in range(len(dataset))
        ]
        self.weights = torch.tensor(pixels, dtype=torch.float64) ** power

    def __iter__(self) -> Iterator[int]:
        """Return the indices of this process."""
        return islice(self.draws(), self.rank, None, self.world_size)

    def draws(self) -> Iterator[int]:
        """Yield the indices of all processes."""
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            yield from torch.multinomial(
                self.weights, len(self.weights), replacement=True, generator=generator
            ).tolist()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.weights)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: there are no epochs."""


def count_pixels(path: str) -> int:
    """Return height times width of an image, where possible without decoding it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(fileio.get(path))) as picture:
            return picture.height * picture.width
    except UnidentifiedImageError:
        # Pillow does not open all that read_image does, which also says what is wrong.
        height, width = read_image(path).shape[:2]
        return height * width
