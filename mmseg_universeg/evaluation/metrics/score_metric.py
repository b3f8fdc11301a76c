"""What the metrics that score pairs of masks have in common."""

from collections.abc import Sequence
from math import isfinite

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ..report import in_log_folder, write_csv
from ..scores import dice_score, hausdorff_95, surface_dice, surface_dice_medsam


class MaskMetric(BaseMetric):
    """Base of the metrics that compare masks of named classes, case by case.

    Args:
        ignore_index: Truth value of the pixels that are left out of both masks.
        csv_file: Where the scores of every case are written; a relative path is
            relative to the folder of the run's log file, and without a log file
            nothing is written. Replaced by each later evaluation of the run. None:
            not written.
        collect_device: As in :class:`mmengine.evaluator.BaseMetric`.
        prefix: As in :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: As in :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(
        self,
        *,
        ignore_index: int = 255,
        csv_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        self.ignore_index = ignore_index
        self.csv_file = csv_file

    def class_names(self) -> tuple[str, ...]:
        """Names of the data set's classes.

        Raises:
            ValueError: The data set has none.
        """
        classes = (self.dataset_meta or {}).get('classes')
        if classes is None:
            raise ValueError(
                f"{type(self).__name__} needs class names: the data set's metainfo "
                "has no 'classes'"
            )
        return tuple(classes)

    def write_scores(self, header: Sequence[str], rows: Sequence[Sequence]) -> None:
        """Write the CSV file, where there is to be one, and say where it is."""
        path = None if self.csv_file is None else in_log_folder(self.csv_file)
        if path is not None:
            write_csv(path, header, rows)
            MMLogger.get_current_instance().info(f'scores of every case: {path}')


class ScoreMetric(MaskMetric):
    """Base of the metrics that score binary masks by overlap and distance.

    Args:
        metrics: Which of ``dsc``, ``nsd``, ``nsd_medsam`` and ``hd95``, see
            ``evaluation/scores.py``. ``nsd_medsam`` is for comparison with figures of
            the released MedSAM evaluation only: on images it is far too high.
        tolerance: Of both NSD, in mm (in pixels where no spacing is known). 2 as in
            MedSAM (Ma et al., Nature Communications 2024).
        spacing: Size of a pixel in mm where a sample's metainfo has no ``spacing``:
            one number, or one per axis in the order of the array's axes (rows,
            columns; slices, rows, columns for volumes). None: distances are in
            pixels.
        **kwargs: ``ignore_index``, ``csv_file`` and others of :class:`MaskMetric`.

    Raises:
        ValueError: Unknown metric, negative tolerance or spacing that is not positive.
    """

    names = {'dsc': 'DSC', 'nsd': 'NSD', 'nsd_medsam': 'NSD_MedSAM', 'hd95': 'HD95'}

    def __init__(
        self,
        metrics: Sequence[str],
        *,
        tolerance: float = 2.0,
        spacing: float | Sequence[float] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        unknown = [name for name in metrics if name not in self.names]
        if unknown or not metrics or isinstance(metrics, str):
            raise ValueError(
                f'metrics must be a list of {list(self.names)}, got {metrics!r}'
            )
        if not (tolerance >= 0 and isfinite(tolerance)):
            raise ValueError(f'tolerance must be 0 mm or more, got {tolerance!r}')
        if spacing is not None and not np.all(np.asarray(spacing) > 0):
            raise ValueError(f'spacing must be positive (mm), got {spacing!r}')
        self.metrics = tuple(metrics)
        self.tolerance = tolerance
        self.spacing = spacing

    def pixel_size(
        self, given: float | Sequence[float] | None, ndim: int, where: str | None
    ) -> tuple[np.ndarray, str]:
        """Size of a pixel along each axis, and its unit.

        Args:
            given: What a sample says, if anything.
            ndim: Number of axes.
            where: What to name in messages.

        Raises:
            ValueError: It is not one positive number, or one per axis.
        """
        spacing = self.spacing if given is None else given
        if spacing is None:
            return np.ones(ndim), 'px'
        sizes = np.asarray(spacing, dtype=float)
        if sizes.ndim == 0:
            sizes = np.full(ndim, float(sizes))
        if len(sizes) != ndim or not np.all(sizes > 0):
            raise ValueError(
                f'{where}: spacing must be {ndim} positive numbers (mm), one per axis '
                f'of the array, got {spacing!r}'
            )
        return sizes, 'mm'

    def score(
        self, pred: np.ndarray, truth: np.ndarray, spacing: np.ndarray
    ) -> dict[str, float]:
        """Scores of a pair of bool masks, by metric."""
        functions = {
            'dsc': lambda: dice_score(pred, truth),
            'nsd': lambda: surface_dice(pred, truth, spacing, self.tolerance),
            'nsd_medsam': lambda: surface_dice_medsam(
                pred, truth, spacing, self.tolerance
            ),
            'hd95': lambda: hausdorff_95(pred, truth, spacing),
        }
        return {metric: functions[metric]() for metric in self.metrics}

    def title(self, metric: str, unit: str) -> str:
        """What a column of a metric is called, for distances in ``unit``."""
        titles = {
            'dsc': 'DSC',
            'nsd': f'NSD at {self.tolerance:g} {unit}',
            'nsd_medsam': f'NSD (H,W,1) at {self.tolerance:g} {unit}',
            'hd95': f'HD95 ({unit})',
        }
        return titles[metric]
