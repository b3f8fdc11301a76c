"""Retinal vessels of the DRIVE archive."""

from mmseg.registry import DATASETS

from .medical import MedicalSegDataset
from .splits import check_split


@DATASETS.register_module()
class DRIVEArchiveDataset(MedicalSegDataset):
    """Retinal vessels, the DRIVE archive (Staal 2004) as distributed.

    MMSeg's ``DRIVEDataset`` wants a converted layout; this one reads
    ``<data_root>/{training,test}/images/21_training.tif`` (RGB, 565x584),
    ``1st_manual/21_manual1.gif`` (0/255) and the field of view
    ``mask/21_training_mask.gif`` (0/255). ``fov_path`` of every item is the latter.

    Args:
        split: ``'train'`` or ``'test'`` as the authors split (20 images each), or
            ``'all'``.
        field_of_view: ``'keep'`` leaves the labels as they are, ``'ignore'`` makes
            ``LoadLabelMap`` give 255 (ignored) outside of the field of view.
        **kwargs: Arguments of MMSeg's ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=('background', 'vessel'), palette=[[0, 0, 0], [219, 68, 55]]
    )
    FOLDER = 'DRIVE'
    LABEL_VALUES = {0: 0, 255: 1}
    HOW_TO_GET = (
        'how to get the data: python tools/dataset_converters/download.py drive'
    )

    def __init__(
        self, split: str = 'all', field_of_view: str = 'keep', **kwargs
    ) -> None:
        if field_of_view not in ('keep', 'ignore'):
            raise ValueError(
                f"field_of_view must be 'keep' or 'ignore', found {field_of_view!r}"
            )
        check_split(split)
        self.field_of_view = field_of_view
        super().__init__(split=split, **kwargs)

    def find_samples(self) -> list[dict]:
        """Pair images, manual segmentations and fields of view by their number."""
        folders = {'train': ['training'], 'test': ['test']}
        samples = []
        for folder in folders.get(self.split, ['training', 'test']):
            images = self._by_number(folder, 'images', '.tif')
            manuals = self._by_number(folder, '1st_manual', '.gif')
            fields = self._by_number(folder, 'mask', '.gif')
            self.pair(images, fields)
            for number, pair in zip(images, self.pair(images, manuals)):
                samples.append(
                    {
                        **pair,
                        'fov_path': fields[number],
                        'field_of_view': self.field_of_view,
                    }
                )
        return samples

    def choose_split(self, samples: list[dict]) -> list[dict]:
        """Return all: the folders are the split."""
        return samples

    def _by_number(self, folder: str, kind: str, suffix: str) -> dict[str, str]:
        files = self.list_folder(f'{folder}/{kind}', suffixes=(suffix,))
        return {stem.split('_')[0]: path for stem, path in files.items()}
