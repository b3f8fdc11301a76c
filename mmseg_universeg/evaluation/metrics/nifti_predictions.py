"""Predictions of slices, written back onto their scans."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.utils import track_iter_progress
from mmseg.registry import METRICS


@METRICS.register_module()
class NiftiPredictions(BaseMetric):
    """Writes predictions as NIfTI files that lie on the scans. Gives no score.

    For data sets whose slices are those of NIfTI files, as
    ``tools/dataset_converters/medsam.py`` makes them: of a case with ``case_id`` ``c``
    the scan is ``scans/c<suffix>``, and its prediction becomes ``output_dir/c.nii.gz``,
    class indices in the voxels of the slices that were predicted and 0 in the others.
    Each sample is the slice ``slice_index`` of `NiftiVolume.read`. Add it to
    ``test_evaluator``.

    Args:
        scans: Folder of the scans.
        output_dir: Folder to write into; files that are there are not overwritten.
        suffix: What follows ``case_id`` in the names of the scans.
        collect_device: As in :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: As in :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(
        self,
        scans: str,
        output_dir: str,
        *,
        suffix: str = '.nii.gz',
        collect_device: str = 'cpu',
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, collect_dir=collect_dir)
        self.scans = Path(scans)
        self.output_dir = Path(output_dir)
        self.suffix = suffix

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the predictions of slices, compressed, until all of a scan are there.

        Args:
            data_batch: Not read.
            data_samples: Dicts with ``pred_sem_seg``, whose ``data`` is (1, H, W) of
                class indices up to 32767 at the size of the slice, and ``case_id``
                and ``slice_index`` of the metainfo.

        Raises:
            FileExistsError: The file of a case is there already.
            FileNotFoundError: A case has no scan.
            ValueError: Without ``case_id`` or ``slice_index``.
        """
        for sample in data_samples:
            for key in ('case_id', 'slice_index'):
                if sample.get(key) is None:
                    raise ValueError(
                        f'{sample.get("img_path")}: has no {key} in its metainfo; add '
                        'it to the meta_keys of the packing transform'
                    )
            scan, path = self.files(sample['case_id'])
            if not scan.is_file():
                raise FileNotFoundError(
                    f'{scan}: no such file, the scan of {sample.get("img_path")}'
                )
            if path.exists():
                raise FileExistsError(f'{path} exists and is not overwritten')
            labels = sample['pred_sem_seg']['data'].cpu().numpy()[0].astype(np.int16)
            self.results.append(
                (
                    sample['case_id'],
                    int(sample['slice_index']),
                    labels.shape,
                    zlib.compress(labels.tobytes(), 1),
                )
            )

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Write the files.

        Args:
            results: The entries of all samples.

        Returns:
            Nothing to log.

        Raises:
            OSError: A file cannot be written.
            ValueError: Slices do not fit their scan.
        """
        # Takes nibabel along, which importing the package does not.
        from mmseg_universeg.utils.nifti import NiftiVolume

        cases: dict[str, list[tuple]] = {}
        for case, *entry in results:
            cases.setdefault(case, []).append(entry)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        for case, slices in track_iter_progress(list(cases.items())):
            scan, path = self.files(case)
            labels = [
                np.frombuffer(zlib.decompress(packed), np.int16).reshape(shape)
                for _, shape, packed in slices
            ]
            if len({part.shape for part in labels}) > 1:
                raise ValueError(
                    f'case {case!r}: its slices differ in size, wanted that of {scan}'
                )
            indices = [index for index, *_ in slices]
            NiftiVolume(scan).write_labels(path, np.stack(labels), indices)
        MMLogger.get_current_instance().info(
            f'{len(cases)} predictions in {self.output_dir}'
        )
        return {}

    def files(self, case: str) -> tuple[Path, Path]:
        """Return the scan of a case and the file of its prediction."""
        return self.scans / f'{case}{self.suffix}', self.output_dir / f'{case}.nii.gz'
