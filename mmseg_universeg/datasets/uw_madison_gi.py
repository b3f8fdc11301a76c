"""Stomach and bowel of the UW-Madison GI tract competition, as slices."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import PurePath

import mmengine.fileio as fileio
from mmseg.registry import DATASETS

from .medical import MedicalSegDataset
from .splits import check_split
from .uw_madison_scans import slice_order

_BACKGROUND = 'background'


@DATASETS.register_module()
class UWMadisonGIDataset(MedicalSegDataset):
    """MR-Linac slices of the UW-Madison GI tract competition (Kaggle, 2022).

    Reads what ``tools/dataset_converters/uw_madison_gi.py prepare`` makes of the
    competition's files: 16-bit images, a mask for each organ, and folds of cases.
    Organs overlap: a sample has three masks, which `LoadMultiLabelMap` and
    `PackMultiLabelInputs` handle, or by ``overlap_order`` one label map of background
    and organs.

    An item is a slice with its neighbours (``slice_paths``, for `LoadSliceStack`): the
    slices ``k * slice_stride`` before and behind it in the same scan, from the first to
    the last. Where there is none, the nearest that lies between takes its place, at the
    border of a scan the border. Items have ``case_id`` (a scan, ``'case101_day20'``, so
    that measures can be taken per volume), ``day_id``, ``slice_index`` and ``spacing``
    (mm along slices, rows, columns), and are ordered by case, day and place.

    Args:
        split: ``'test'`` are the cases of a fold, ``'train'`` those of all others, and
            ``'all'`` is both.
        fold: Which fold, from 0.
        num_slices: Channels of an image, odd.
        slice_stride: Slices from one channel to the next; 2 as in the second place of
            the competition.
        overlap_order: For one label map: names of the organs, the first named has the
            pixel where they overlap.
        **kwargs: ``data_root`` and arguments of ``BaseSegDataset``. All classes are
            there always.

    Raises:
        FileNotFoundError: A file of the converter is missing.
        ValueError: No such split or fold, an even number of slices, no stride, an order
            that does not name each organ once, other classes, or a damaged file.
    """

    METAINFO = dict(
        classes=('large bowel', 'small bowel', 'stomach'),
        palette=[[219, 68, 55], [15, 157, 88], [66, 133, 244]],
    )
    FOLDER = 'uw_madison_gi_slices'
    LABEL_VALUES = {0: 0, 255: 1}
    HOW_TO_GET = (
        'make it of the files of the competition by: python '
        'tools/dataset_converters/uw_madison_gi.py prepare '
        'uw-madison-gi-tract-image-segmentation -o data/uw_madison_gi_slices'
    )

    def __init__(
        self,
        split: str = 'all',
        *,
        fold: int = 0,
        num_slices: int = 3,
        slice_stride: int = 2,
        overlap_order: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        check_split(split)
        if num_slices < 1 or num_slices % 2 == 0:
            raise ValueError(f'num_slices must be odd, 1 or more; found {num_slices}')
        if slice_stride < 1:
            raise ValueError(f'slice_stride must be 1 or more, found {slice_stride}')
        organs = self.METAINFO['classes']
        self.fold = fold
        self.num_slices = num_slices
        self.slice_stride = slice_stride
        self.channel_order = None
        if overlap_order is not None:
            if sorted(overlap_order) != sorted(organs):
                raise ValueError(
                    f'overlap_order must name each of {list(organs)} once, found '
                    f'{list(overlap_order)}'
                )
            self.channel_order = [organs.index(name) for name in overlap_order]
            kwargs.setdefault('metainfo', _with_background(self.METAINFO))
        super().__init__(split=split, **kwargs)
        wanted = organs if overlap_order is None else (_BACKGROUND, *organs)
        if tuple(self.metainfo['classes']) != wanted or self.reduce_zero_label:
            raise ValueError(
                f'classes must be {list(wanted)} without reduce_zero_label, found '
                f'{list(self.metainfo["classes"])} and {self.reduce_zero_label}'
            )

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> None:
        """Return none: the classes cannot be chosen."""
        return None

    def find_samples(self) -> list[dict]:
        """List the slices of the cases of the split, in order."""
        division = self._read('folds.json', ('folds', 'cases'))
        if not 0 <= self.fold < division['folds']:
            raise ValueError(
                f'{self.data_root}: has folds 0 to {division["folds"] - 1}, found '
                f'fold={self.fold}'
            )
        images = self.list_folder('images', suffixes=('.png',))
        masks = self.list_folder('masks', suffixes=('.png',))
        samples = []
        for case, fold in division['cases'].items():
            if self.split == 'all' or (self.split == 'test') == (fold == self.fold):
                record = self._read(f'cases/{case}.json', ('slices',))
                samples += self._samples(record['slices'], images, masks)
        return sorted(samples, key=lambda s: slice_order(PurePath(s['img_path']).stem))

    def choose_split(self, samples: list[dict]) -> list[dict]:
        """Return all: only cases of the split have been read."""
        return samples

    def _samples(
        self, records: list[dict], images: dict[str, str], masks: dict[str, str]
    ) -> list[dict]:
        scans: dict[str, dict[int, str]] = {}
        for record in records:
            for found, kind in ((images, 'images'), (masks, 'masks')):
                if record['name'] not in found:
                    raise FileNotFoundError(
                        f'{self.data_root}/{kind}/{record["name"]}.png: no such file, '
                        f'which cases names; {self.HOW_TO_GET}'
                    )
            paths = scans.setdefault(record['scan'], {})
            paths[record['slice_index']] = images[record['name']]
        reach = self.num_slices // 2
        places = {scan: sorted(paths) for scan, paths in scans.items()}
        samples = []
        for record in records:
            scan, index = record['scan'], record['slice_index']
            neighbours = [
                _nearest(places[scan], index, step * self.slice_stride)
                for step in range(-reach, reach + 1)
            ]
            sample = dict(
                img_path=images[record['name']],
                slice_paths=[scans[scan][place] for place in neighbours],
                seg_map_path=masks[record['name']],
                case_id=scan,
                day_id=record['day'],
                slice_index=index,
                spacing=tuple(record['spacing_of_axes_mm']),
            )
            if self.channel_order is not None:
                sample['overlap_order'] = self.channel_order
            samples.append(sample)
        return samples

    def _read(self, file: str, keys: tuple[str, ...]) -> dict:
        path = fileio.join_path(self.data_root, file, backend_args=self.backend_args)
        try:
            content = json.loads(fileio.get_text(path, backend_args=self.backend_args))
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{path}: no such file, wanted what the converter writes at its end; '
                f'{self.HOW_TO_GET}'
            ) from None
        except ValueError as error:
            raise ValueError(f'{path}: not a JSON file ({error})') from error
        missing = [key for key in keys if key not in content]
        if missing:
            raise ValueError(f'{path}: has no {missing[0]!r}, wanted {list(keys)}')
        return content


def _nearest(places: list[int], index: int, step: int) -> int:
    """Go from a place towards ``index + step`` as far as there are slices."""
    if step > 0:
        return places[bisect_right(places, index + step) - 1]
    return places[bisect_left(places, index + step)]


def _with_background(metainfo: dict) -> dict:
    """Put the background before the organs."""
    return dict(
        classes=(_BACKGROUND, *metainfo['classes']),
        palette=[[0, 0, 0], *metainfo['palette']],
    )
