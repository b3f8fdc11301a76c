"""Volumes and pictures in the NPZ files of MedSAM."""

from pathlib import PurePath

from mmengine.dist import is_main_process
from mmengine.utils import track_iter_progress
from mmseg.registry import DATASETS

from mmseg_universeg.utils.medsam_npz import read_medsam_npz_outline

from .folder import check_label_values
from .medical import MedicalSegDataset


@DATASETS.register_module()
class MedSAMNpzDataset(MedicalSegDataset):
    """A folder of NPZ files as the released MedSAM code reads and writes them.

    ``<data_root>/*.npz`` hold ``imgs`` uint8 (D, H, W) or (D, H, W, 3) and ``gts``
    uint8 (D, H, W); without D for a picture; and maybe ``spacing``. The package's
    converter, tools/dataset_converters/medsam.py, writes them too. An item is a slice,
    with ``case_id`` (the file's name), ``slice_index`` and ``spacing`` (mm, in the
    order of the axes; the released code's x, y, z is turned), or a picture. Its
    ``img_path`` is ``<file>.npz/<place in the array, as 007>`` for a slice.

    `LoadMedSAMNpzImage` and `LoadMedSAMNpzLabelMap` load an item. They keep one file in
    memory, so that in order every file is read once; in random order a file is read for
    every slice, and training is faster on the slices that the converter writes.

    Pickles in a file are refused, never run. That a file is whole is checked when it is
    read; one that lost its end is named at the start.

    Args:
        data_root: Folder with the files.
        classes: Names of the classes, the background first.
        label_values: Value in ``gts`` -> index of its class, 255 to ignore; by default
            values are indices.
        stray: What to do with other values: ``'error'`` or ``'background'``.
        **kwargs: ``split`` and ``split_seed`` (files are divided), and arguments of
            ``BaseSegDataset``.

    Raises:
        FileNotFoundError: No folder, or no such file in it.
        ValueError: A file is truncated, lacks a key or holds a pickle, or
            ``label_values`` and ``classes`` do not fit.
    """

    FOLDER = '.'
    HOW_TO_GET = 'make NPZ files by: python tools/dataset_converters/medsam.py'

    def __init__(
        self,
        data_root: str,
        classes: tuple[str, ...],
        label_values: dict[int, int] | None = None,
        stray: str = 'error',
        **kwargs,
    ) -> None:
        if stray not in ('error', 'background'):
            raise ValueError(f"stray must be 'error' or 'background', found {stray!r}")
        if label_values is None:
            label_values = {index: index for index in range(len(classes))}
        check_label_values(label_values, classes)
        self.LABEL_VALUES = dict(label_values)
        self.stray = stray
        super().__init__(
            data_root=data_root, metainfo=dict(classes=tuple(classes)), **kwargs
        )

    def find_samples(self) -> list[dict]:
        """Find the files; see ``load_data_list`` for their slices."""
        files = self.list_folder('', suffixes=('.npz',))
        return [dict(img_path=path, seg_map_path=path) for path in files.values()]

    def choose_split(self, samples: list[dict]) -> list[dict]:
        """Return the slices of the files of the split, in order."""
        files = [sample['img_path'] for sample in super().choose_split(samples)]
        if files and is_main_process():
            files = track_iter_progress(files)
        return [item for path in files for item in self._items(path)]

    def _items(self, path: str) -> list[dict]:
        shape, spacing, indices = read_medsam_npz_outline(path)
        common = dict(npz_path=path, seg_map_path=path, stray=self.stray)
        if len(shape) == 2:
            return [dict(common, img_path=path, npz_index=None)]
        about = dict(common, case_id=PurePath(path).stem)
        if spacing is not None:
            about['spacing'] = spacing
        return [
            dict(
                about,
                img_path=f'{path}/{place:03d}',
                npz_index=place,
                slice_index=place if indices is None else indices[place],
            )
            for place in range(shape[0])
        ]
