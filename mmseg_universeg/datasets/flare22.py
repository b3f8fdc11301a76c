"""Abdominal organs of the FLARE22 challenge, as slices."""

import json
import re

import mmengine.fileio as fileio
from mmseg.registry import DATASETS

from .medical import MedicalSegDataset
from .splits import check_split

_NAME = re.compile(r'(?P<case>.+)_slice_(?P<slice>\d+)')


@DATASETS.register_module()
class FLARE22Dataset(MedicalSegDataset):
    """Abdominal CT of FLARE22 (Ma et al. 2023): 13 organs, slices as PNG pairs.

    Reads what tools/dataset_converters/medsam.py makes of the challenge's NIfTI files,
    any window or selection of labels:
    ``<data_root>/{train,test}/{images,masks}/CASE_slice_007.png``, 8-bit grey and the
    challenge's labels 0 to 13, and ``<data_root>/cases/CASE.json``. Every item has
    ``case_id``, ``slice_index`` and ``spacing`` (mm along slices, rows, columns), so
    that measures can be taken per volume.

    Args:
        split: ``'train'`` or ``'test'`` as the converter divided the cases, or
            ``'all'``.
        **kwargs: Arguments of ``MedicalSegDataset``.
    """

    METAINFO = dict(
        classes=(
            'background',
            'liver',
            'right kidney',
            'spleen',
            'pancreas',
            'aorta',
            'inferior vena cava',
            'right adrenal gland',
            'left adrenal gland',
            'gallbladder',
            'esophagus',
            'stomach',
            'duodenum',
            'left kidney',
        ),
        palette=[
            [0, 0, 0],
            [141, 60, 30],
            [230, 159, 0],
            [120, 94, 240],
            [240, 228, 66],
            [219, 68, 55],
            [0, 114, 178],
            [102, 194, 165],
            [15, 157, 88],
            [170, 220, 50],
            [204, 121, 167],
            [255, 140, 160],
            [150, 150, 150],
            [86, 180, 233],
        ],
    )
    FOLDER = 'flare22'
    LABEL_VALUES = {index: index for index in range(14)}
    HOW_TO_GET = (
        'make it of the NIfTI files by: python tools/dataset_converters/medsam.py '
        '-i FLARE22Train/images -gt FLARE22Train/labels --img-suffix _0000.nii.gz '
        '--modality CT -o data/flare22'
    )

    def __init__(self, split: str = 'all', **kwargs) -> None:
        check_split(split)
        super().__init__(split=split, **kwargs)

    def find_samples(self) -> list[dict]:
        """Pair images and masks, ordered by case and slice."""
        samples = []
        for part in ('train', 'test') if self.split == 'all' else (self.split,):
            images = self.list_folder(f'{part}/images', suffixes=('.png',))
            masks = self.list_folder(f'{part}/masks', suffixes=('.png',))
            for stem, pair in zip(images, self.pair(images, masks)):
                name = _NAME.fullmatch(stem)
                if name is None:
                    raise ValueError(
                        f'{pair["img_path"]}: wanted a name like '
                        'FLARE22_Tr_0001_slice_007.png'
                    )
                place = dict(case_id=name['case'], slice_index=int(name['slice']))
                samples.append({**pair, **place})
        spacing = {
            case: self._spacing(case) for case in {s['case_id'] for s in samples}
        }
        for sample in samples:
            sample['spacing'] = spacing[sample['case_id']]
        return sorted(samples, key=lambda s: (s['case_id'], s['slice_index']))

    def choose_split(self, samples: list[dict]) -> list[dict]:
        """Return all: the folders are the split."""
        return samples

    def _spacing(self, case: str) -> tuple[float, float, float]:
        path = fileio.join_path(
            self.data_root, 'cases', f'{case}.json', backend_args=self.backend_args
        )
        try:
            text = fileio.get_text(path, backend_args=self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'{path}: no such file, wanted what the converter wrote of the case; '
                f'{self.HOW_TO_GET}'
            ) from None
        try:
            slices, rows, columns = json.loads(text)['spacing_of_axes_mm']
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{path}: wanted three numbers as spacing_of_axes_mm '
                f'({type(error).__name__}: {error})'
            ) from error
        return slices, rows, columns
