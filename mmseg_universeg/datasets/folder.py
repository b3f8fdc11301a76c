"""Images and masks of one's own."""

from pathlib import PurePath

import mmengine.fileio as fileio
from mmengine.logging import print_log
from mmseg.registry import DATASETS

from mmseg_universeg.utils.image_io import IMAGE_SUFFIXES

from .medical import MedicalSegDataset
from .transforms.loading import IGNORED


@DATASETS.register_module()
class ImageMaskFolderDataset(MedicalSegDataset):
    """A folder of images and a folder of masks with the same names.

    ``images/a.tif`` belongs to ``masks/a.png``: suffixes may differ and be any of
    PNG, JPEG, BMP, TIFF, GIF and NPY. A file without partner is an error; files
    that are no images are left out, with a line in the log.

    Example::

        dict(
            type='ImageMaskFolderDataset',
            data_root='data/mine',
            classes=('background', 'lesion'),
            label_values={0: 0, 255: 1},
            split='train',
        )

    Args:
        data_root: Folder that holds both folders.
        classes: Names of the classes, the background first.
        label_values: Value in the masks -> index of its class; 255 as index means
            that such pixels are ignored.
        images: Name of the folder of images.
        masks: Name of the folder of masks.
        palette: RGB colour of each class; by default MMSeg chooses.
        stray: What to do with other values in the masks: ``'error'`` or
            ``'background'``.
        **kwargs: ``split``, ``split_seed`` and arguments of ``BaseSegDataset``.

    Raises:
        ValueError: ``label_values`` and ``classes`` do not fit.
    """

    FOLDER = '.'
    HOW_TO_GET = 'give data_root, images and masks'

    def __init__(
        self,
        data_root: str,
        classes: tuple[str, ...],
        label_values: dict[int, int],
        images: str = 'images',
        masks: str = 'masks',
        palette: list | None = None,
        stray: str = 'error',
        **kwargs,
    ) -> None:
        if stray not in ('error', 'background'):
            raise ValueError(f"stray must be 'error' or 'background', found {stray!r}")
        check_label_values(label_values, classes)
        self.LABEL_VALUES = dict(label_values)
        self.stray = stray
        self.folders = (images, masks)
        metainfo = dict(classes=tuple(classes))
        if palette is not None:
            metainfo['palette'] = palette
        super().__init__(data_root=data_root, metainfo=metainfo, **kwargs)

    def find_samples(self) -> list[dict]:
        """Pair the files of both folders by their stem."""
        found = [self.list_folder(f, suffixes=IMAGE_SUFFIXES) for f in self.folders]
        for folder in self.folders:
            self._report_others(folder)
        return [{**pair, 'stray': self.stray} for pair in self.pair(*found)]

    def split_group(self, sample: dict) -> str:
        """Return the image's name, so that a split survives another suffix."""
        return PurePath(sample['img_path']).stem

    def _report_others(self, folder: str) -> None:
        names = fileio.list_dir_or_file(
            fileio.join_path(self.data_root, folder, backend_args=self.backend_args),
            list_dir=False,
            backend_args=self.backend_args,
        )
        others = sorted(
            n for n in names if PurePath(n).suffix.lower() not in IMAGE_SUFFIXES
        )
        if others:
            print_log(
                f'{folder}: left out {len(others)} files that are no images, the first '
                f'is {others[0]}',
                logger='current',
            )


def check_label_values(label_values: dict[int, int], classes: tuple[str, ...]) -> None:
    """Raise ValueError unless whole values stand for each class, and no other.

    Args:
        label_values: Value in the masks -> index of its class, 255 to ignore.
        classes: Names of the classes.
    """
    indices = set(label_values.values()) - {IGNORED}
    if indices != set(range(len(classes))) or not all(
        isinstance(value, int) for value in label_values
    ):
        raise ValueError(
            f'label_values must give whole mask values for the classes 0 to '
            f'{len(classes) - 1} ({", ".join(classes)}), found {dict(label_values)}'
        )
