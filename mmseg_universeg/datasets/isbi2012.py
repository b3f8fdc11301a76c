"""Membranes of the ISBI 2012 electron-microscopy challenge."""

from mmseg.registry import DATASETS

from .medical import MedicalSegDataset


@DATASETS.register_module()
class ISBI2012Dataset(MedicalSegDataset):
    """Neuronal membranes of the ISBI 2012 challenge, 30 sections of 512x512.

    ``<data_root>/image/<n>.png`` and ``<data_root>/label/<n>.png`` are 8-bit grey;
    in the masks 255 is the inside of cells, 0 the membrane. The membrane is the
    foreground class here, as in the challenge's own evaluation of thin structures.

    The 30 sections come from one block of tissue: neighbours look alike, so a
    random split is easier than another block would be.
    """

    METAINFO = dict(classes=('cell', 'membrane'), palette=[[0, 0, 0], [244, 180, 0]])
    FOLDER = 'isbi2012'
    LABEL_VALUES = {255: 0, 0: 1}
    HOW_TO_GET = 'get the data by: python tools/dataset_converters/download.py isbi2012'

    def find_samples(self) -> list[dict]:
        """Pair ``image/<n>.png`` and ``label/<n>.png``."""
        images = self.list_folder('image', suffixes=('.png',))
        masks = self.list_folder('label', suffixes=('.png',))
        return self.pair(images, masks)
