"""Slices of a scan as the channels of one image."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_universeg.utils.image_io import read_image


@TRANSFORMS.register_module()
class LoadSliceStack(BaseTransform):
    """Load neighbouring slices as channels (2.5-D), in the depth that the files have.

    Required key: ``slice_paths``, a file for each channel; a file that is there more
    than once is read once. Added keys: ``img``, ``img_shape``, ``ori_shape``.

    Args:
        backend_args: Arguments of MMEngine's file backend.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``results['slice_paths']``.

        Returns:
            results with ``img`` (H, W, C), or (H, W) of one slice, dtype of the files.

        Raises:
            FileNotFoundError: No such file.
            KeyError: The results have no ``slice_paths``.
            ValueError: A file is damaged, not grey, or of another size or depth than
                the slice that stands in ``img_path``.
        """
        if 'slice_paths' not in results:
            raise KeyError(
                "LoadSliceStack needs 'slice_paths' in the results, found "
                f'{list(results)}; UWMadisonGIDataset gives it, and LoadMedicalImage '
                'loads single images'
            )
        paths = results['slice_paths']
        slices = {
            path: read_image(path, backend_args=self.backend_args)
            for path in dict.fromkeys([results['img_path'], *paths])
        }
        centre = slices[results['img_path']]
        for path, pixels in slices.items():
            if pixels.ndim != 2 or (pixels.shape, pixels.dtype) != (
                centre.shape,
                centre.dtype,
            ):
                raise ValueError(
                    f'{path}: is {pixels.dtype} {pixels.shape}, wanted a grey slice, '
                    f'{centre.dtype} {centre.shape[:2]} as {results["img_path"]}'
                )
        img = np.stack([slices[path] for path in paths], axis=-1)
        results['img'] = img[..., 0] if len(paths) == 1 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
