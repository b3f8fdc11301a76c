"""What the data sets that are read in their original layout have in common."""

from pathlib import PurePath
from typing import ClassVar

import mmengine.fileio as fileio
from mmseg.datasets import BaseSegDataset

from .splits import SPLITS, check_split, default_data_root, split_groups


class MedicalSegDataset(BaseSegDataset):
    """Base class of data sets whose layout and label values are their own.

    A subclass says where its files lie (``find_samples``) and what its values mean
    (``LABEL_VALUES``). Every item carries the keys that ``LoadLabelMap`` reads.

    Args:
        split: ``'train'`` or ``'test'`` (70 and 30 % of the images, or of the
            patients where there are any), or ``'all'``.
        split_seed: Seed of the split.
        data_root: Folder of the data set; by default ``FOLDER`` in the folder that
            the environment variable MMSEG_UNIVERSEG_DATA names, or in ``data``.
        **kwargs: Arguments of MMSeg's ``BaseSegDataset``.
    """

    FOLDER: ClassVar[str]
    LABEL_VALUES: ClassVar[dict[int, int]]
    HOW_TO_GET: ClassVar[str]
    SPLITS: ClassVar[tuple[str, ...]] = SPLITS

    def __init__(
        self,
        split: str = 'all',
        split_seed: int = 42,
        data_root: str | None = None,
        **kwargs,
    ) -> None:
        check_split(split, self.SPLITS)
        self.split = split
        self.split_seed = split_seed
        super().__init__(
            data_root=data_root or default_data_root(self.FOLDER), **kwargs
        )

    def find_samples(self) -> list[dict]:
        """Return a dict per image with ``img_path``, ``seg_map_path`` and more."""
        raise NotImplementedError

    def split_group(self, sample: dict) -> str:
        """Return what must not be divided between splits: here the image."""
        return sample['img_path']

    def load_data_list(self) -> list[dict]:
        """Find the files of the split.

        Returns:
            A dict per image: what ``find_samples`` found and ``label_values``,
            ``label_map``, ``reduce_zero_label`` and ``seg_fields``.

        Raises:
            FileNotFoundError: A folder is missing or holds no such files, or an
                image has no mask.
        """
        samples = self.choose_split(self.find_samples())
        if not samples:
            raise FileNotFoundError(
                f'{self.data_root}: no image in split {self.split!r}; {self.HOW_TO_GET}'
            )
        common = dict(
            label_values=dict(self.LABEL_VALUES),
            label_map=self.label_map,
            reduce_zero_label=self.reduce_zero_label,
        )
        return [{**common, 'seg_fields': [], **sample} for sample in samples]

    def choose_split(self, samples: list[dict]) -> list[dict]:
        """Return the samples of the split, in the order given."""
        groups = [self.relative_group(sample) for sample in samples]
        chosen = split_groups(groups, self.split, self.split_seed)
        return [s for s, group in zip(samples, groups) if group in chosen]

    def relative_group(self, sample: dict) -> str:
        """Return the split group without the data root: splits must not move."""
        return self.split_group(sample).removeprefix(str(self.data_root))

    def list_folder(self, folder: str, suffixes: tuple[str, ...]) -> dict[str, str]:
        """List the image files of a folder.

        Args:
            folder: The folder, below the data root unless it is absolute.
            suffixes: Lower-case suffixes with dot; files with another suffix or a
                leading dot are left out.

        Returns:
            stem -> path, sorted by stem.

        Raises:
            FileNotFoundError: The folder is missing or holds no such file.
            ValueError: Two files have the same stem.
        """
        folder = fileio.join_path(
            self.data_root, folder, backend_args=self.backend_args
        )
        wanted = f'a folder with {"/".join(suffixes)} files'
        if not fileio.isdir(folder, backend_args=self.backend_args):
            raise FileNotFoundError(
                f'{folder}: no such folder, wanted {wanted}; {self.HOW_TO_GET}'
            )
        found: dict[str, str] = {}
        for name in sorted(
            fileio.list_dir_or_file(
                folder, list_dir=False, backend_args=self.backend_args
            )
        ):
            path = PurePath(name)
            if path.suffix.lower() not in suffixes or name.startswith('.'):
                continue
            full = fileio.join_path(folder, name, backend_args=self.backend_args)
            if path.stem in found:
                raise ValueError(
                    f'{full} and {found[path.stem]} have the same name but for the '
                    'suffix, wanted one file per name'
                )
            found[path.stem] = full
        if not found:
            raise FileNotFoundError(
                f'{folder}: no file in it, wanted {wanted}; {self.HOW_TO_GET}'
            )
        return found

    def pair(self, images: dict[str, str], masks: dict[str, str]) -> list[dict]:
        """Pair images and masks of the same stem.

        Raises:
            FileNotFoundError: An image without mask or a mask without image.
        """
        for some, others, what in (
            (images, masks, 'mask'),
            (masks, images, 'image'),
        ):
            alone = sorted(some.keys() - others.keys())
            if alone:
                raise FileNotFoundError(
                    f'{some[alone[0]]}: has no {what} of the name {alone[0]!r} '
                    f'({len(alone)} such files in all), wanted one for every file'
                )
        return [
            dict(img_path=images[stem], seg_map_path=masks[stem]) for stem in images
        ]
