"""White blood cells of Zheng et al. 2018."""

from mmseg.registry import DATASETS

from .medical import MedicalSegDataset


@DATASETS.register_module()
class WBCDataset(MedicalSegDataset):
    """White blood cells (Zheng 2018) in the layout of the authors' repository.

    ``<data_root>/Dataset 1/001.bmp`` is an RGB image (300 in Dataset 1, about
    120x120; 100 in Dataset 2, 300x300) and ``001.png`` beside it its mask: 0
    background, 128 cytoplasm, 255 nucleus. Five masks of Dataset 2 (034, 035, 047,
    050 and 076) hold other values, at few pixels.

    Args:
        folder: ``'Dataset 1'`` or ``'Dataset 2'``.
        stray: What ``LoadLabelMap`` does with other values: ``'error'`` names the
            file and the values, ``'background'`` makes them background.
        **kwargs: Arguments of ``MedicalSegDataset``: ``split``, ``split_seed``,
            ``data_root`` and those of MMSeg's ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=('background', 'cytoplasm', 'nucleus'),
        palette=[[0, 0, 0], [102, 194, 165], [141, 60, 203]],
    )
    FOLDER = 'wbc'
    LABEL_VALUES = {0: 0, 128: 1, 255: 2}
    HOW_TO_GET = 'get the data by: python tools/dataset_converters/download.py wbc'

    def __init__(
        self, folder: str = 'Dataset 1', stray: str = 'error', **kwargs
    ) -> None:
        if folder not in ('Dataset 1', 'Dataset 2'):
            raise ValueError(
                f"folder must be 'Dataset 1' or 'Dataset 2', found {folder!r}"
            )
        if stray not in ('error', 'background'):
            raise ValueError(f"stray must be 'error' or 'background', found {stray!r}")
        self.folder = folder
        self.stray = stray
        super().__init__(**kwargs)

    def find_samples(self) -> list[dict]:
        """Pair ``*.bmp`` and ``*.png`` of the folder."""
        images = self.list_folder(self.folder, suffixes=('.bmp',))
        masks = self.list_folder(self.folder, suffixes=('.png',))
        return [{**pair, 'stray': self.stray} for pair in self.pair(images, masks)]
