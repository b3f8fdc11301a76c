"""Nuclei of the 2018 Data Science Bowl."""

import mmengine.fileio as fileio
from mmseg.registry import DATASETS

from .medical import MedicalSegDataset


@DATASETS.register_module()
class DSB2018Dataset(MedicalSegDataset):
    """Nuclei of the 2018 Data Science Bowl, ``stage1_train`` as distributed.

    ``<data_root>/stage1_train/<id>/images/<id>.png`` is an RGBA image with an opaque
    alpha, ``<id>/masks/*.png`` holds one 0/255 mask per nucleus. ``seg_map_path`` is
    the list of these masks; ``LoadLabelMap`` merges them and keeps an instance map
    when asked (``with_instances=True``). In three of the 166 images of every fourth
    one, two nuclei share one or two pixels: the first mask by name has them.
    """

    METAINFO = dict(
        classes=('background', 'nucleus'), palette=[[0, 0, 0], [67, 133, 244]]
    )
    FOLDER = 'dsb2018'
    LABEL_VALUES = {0: 0, 255: 1}
    HOW_TO_GET = 'get the data by: python tools/dataset_converters/download.py dsb2018'

    def find_samples(self) -> list[dict]:
        """Find the image and the masks of every id."""
        root = fileio.join_path(
            self.data_root, 'stage1_train', backend_args=self.backend_args
        )
        if not fileio.isdir(root, backend_args=self.backend_args):
            raise FileNotFoundError(
                f'{root}: no such folder, wanted one folder per image; '
                f'{self.HOW_TO_GET}'
            )
        names = fileio.list_dir_or_file(
            root, list_file=False, backend_args=self.backend_args
        )
        return [self._find_sample(name) for name in sorted(names)]

    def _find_sample(self, name: str) -> dict:
        images = self.list_folder(f'stage1_train/{name}/images', suffixes=('.png',))
        masks = self.list_folder(f'stage1_train/{name}/masks', suffixes=('.png',))
        if len(images) != 1:
            raise ValueError(
                f'{self.data_root}/stage1_train/{name}/images: holds {len(images)} PNG '
                'files, wanted one'
            )
        return dict(
            img_path=next(iter(images.values())), seg_map_path=list(masks.values())
        )
