"""DSC, NSD and HD95 of every case and class."""

from collections.abc import Sequence
from functools import partial
from math import isfinite

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from ..report import case_table, finite_mean, in_log_folder, short_names, write_csv
from ..scores import dice_score, hausdorff_95, surface_dice
from ..volumes import Slice, join_slices

EPISODE_CLASSES = ('background', 'foreground')


@METRICS.register_module()
class CaseMetric(BaseMetric):
    """Scores of each case and class, then their mean.

    A case is one image; slices that carry the same ``case_id`` in their metainfo are
    stacked in the order of ``slice_index`` and scored as one 3-D volume (one slice
    alone is scored in 2-D: a volume one slice thick would have two flat faces that
    always agree). The metainfo must be packed, so list ``case_id``, ``slice_index``
    and ``spacing`` in the ``meta_keys`` of the packing transform where the data set
    gives them. In-context episodes (metainfo ``task``) have the classes background
    and foreground. Classes called ``background`` are not scored.

    A class in neither mask is skipped (NaN); a class in only one of them has DSC 0,
    NSD 0 and an infinite HD95. The mean of HD95 is that of the finite values, and the
    table gives the number of infinite ones beside it. The mean of a score is the mean
    over its classes of their means over cases.

    Returns ``DSC``, ``NSD`` (0 to 1), ``HD95`` (mm, or pixels where no spacing is
    known) and each with ``/<class>``, all behind ``case/``. To keep the best
    checkpoint: ``CheckpointHook(save_best='case/DSC', rule='greater')``.

    Args:
        metrics: Which of ``dsc``, ``nsd`` and ``hd95``.
        tolerance: Of the NSD, in mm (in pixels where no spacing is known). 2 as in
            MedSAM (Ma et al., Nature Communications 2024).
        spacing: Size of a pixel in mm where a sample's metainfo has no ``spacing``:
            one number, or one per axis in the order of the array's axes (rows,
            columns; slices, rows, columns for volumes). None: distances are in
            pixels.
        ignore_index: Truth value of the pixels that are left out of both masks.
        csv_file: Where the scores of every case are written; a relative path is
            relative to the folder of the run's log file, and without a log file
            nothing is written. Replaced by each later evaluation of the run. None:
            not written.
        collect_device: As in :class:`mmengine.evaluator.BaseMetric`.
        prefix: As in :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: As in :class:`mmengine.evaluator.BaseMetric`.

    Raises:
        ValueError: Unknown metric, negative tolerance or spacing that is not positive.
    """

    default_prefix = 'case'
    names = {'dsc': 'DSC', 'nsd': 'NSD', 'hd95': 'HD95'}

    def __init__(
        self,
        metrics: Sequence[str] = ('dsc', 'nsd', 'hd95'),
        tolerance: float = 2.0,
        spacing: float | Sequence[float] | None = None,
        ignore_index: int = 255,
        csv_file: str | None = 'cases.csv',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
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
        self.ignore_index = ignore_index
        self.csv_file = csv_file

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Score the images of a batch; keep those that are slices of a volume.

        One entry a sample goes to ``self.results``, so that gathering can drop the
        samples that a distributed sampler repeats. Images are scored here, by every
        process its own; slices are kept as compressed label maps.

        Args:
            data_batch: Not read.
            data_samples: Dicts with ``pred_sem_seg`` and ``gt_sem_seg``, each with
                ``data`` (1, H, W) of class indices, and the metainfo.

        Raises:
            ValueError: Without a truth, with masks of different sizes, with a truth
                value outside the classes, or a slice without ``slice_index``.
        """
        for sample in data_samples:
            classes = self._classes(sample)
            pred, truth = self._label_maps(sample, len(classes))
            entry = {'img_path': sample.get('img_path'), 'task': sample.get('task')}
            case_id, spacing = sample.get('case_id'), sample.get('spacing')
            # An episode is a case of its own, whatever volume its query is from.
            if case_id is None or entry['task'] is not None:
                spacing, entry['unit'] = self._spacing(spacing, 2, entry['img_path'])
                entry['scores'] = self._score(pred, truth, classes, spacing)
            elif sample.get('slice_index') is None:
                raise ValueError(
                    f'{entry["img_path"]}: has case_id {case_id!r} but no slice_index '
                    'in its metainfo; add it to the meta_keys of the packing transform'
                )
            else:
                entry['case_id'] = case_id
                entry['slice'] = Slice.pack(
                    int(sample['slice_index']), pred, truth, classes, spacing
                )
            self.results.append(entry)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Join slices, average, print the table and write the CSV.

        Args:
            results: The entries of all samples, in the order of the data set.

        Returns:
            Means by name, as in the class's description.

        Raises:
            ValueError: Slices of one volume that differ in size or share an index;
                cases with and without spacing together.
        """
        if not results:
            raise ValueError('CaseMetric got no sample to score')
        cases = self._cases(results)
        units = {unit for _, _, unit in cases}
        if len(units) > 1 and self.metrics != ('dsc',):
            raise ValueError(
                'some cases have a spacing and some have none, their distances '
                'cannot be averaged; give CaseMetric(spacing=...) for those without'
            )
        classes = list(dict.fromkeys(c for _, scores, _ in cases for c in scores))
        means = {}
        values = {}
        for metric in self.metrics:
            key = self.names[metric]
            values[metric] = {
                c: np.array(
                    [scores[c][metric] for _, scores, _ in cases if c in scores]
                )
                for c in classes
            }
            by_class = {c: finite_mean(v) for c, v in values[metric].items()}
            means[key] = finite_mean(np.array(list(by_class.values())))
            means.update({f'{key}/{c}': mean for c, mean in by_class.items()})
        self._report(cases, values, units.pop())
        return means

    def _report(self, cases: list, values: dict[str, dict], unit: str) -> None:
        """Print the table and write the CSV."""
        titles = {
            'dsc': 'DSC',
            'nsd': f'NSD at {self.tolerance:g} {unit}',
            'hd95': f'HD95 ({unit})',
        }
        table = case_table({titles[m]: values[m] for m in self.metrics})
        logger = MMLogger.get_current_instance()
        logger.info(
            f'{len(cases)} cases, mean ± standard deviation over cases; skipped: class '
            f'in neither mask; infinite: class in one mask only\n{table}'
        )
        path = None if self.csv_file is None else in_log_folder(self.csv_file)
        if path is not None:
            rows = [
                [name, c, *(scores[c][m] for m in self.metrics)]
                for name, scores, _ in cases
                for c in scores
            ]
            write_csv(
                path, ['case', 'class', *(self.names[m] for m in self.metrics)], rows
            )
            logger.info(f'scores of every case: {path}')

    def _classes(self, sample: dict) -> tuple[str, ...]:
        if sample.get('task') is not None:
            return EPISODE_CLASSES
        classes = (self.dataset_meta or {}).get('classes')
        if classes is None:
            raise ValueError(
                "CaseMetric needs class names: the data set's metainfo has no 'classes'"
            )
        return tuple(classes)

    def _label_maps(
        self, sample: dict, num_classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prediction and truth, int16 copies, -1 where the truth is to be ignored."""
        where = sample.get('img_path') or sample.get('task')
        if 'gt_sem_seg' not in sample:
            raise ValueError(
                f'{where}: no gt_sem_seg to compare with; the test pipeline must load '
                'the label map'
            )
        pred, truth = (
            sample[key]['data'].detach().cpu().numpy().astype(np.int16)
            for key in ('pred_sem_seg', 'gt_sem_seg')
        )
        pred, truth = (
            m[0] if m.ndim == 3 and len(m) == 1 else m for m in (pred, truth)
        )
        if pred.ndim != 2 or pred.shape != truth.shape:
            raise ValueError(
                f'{where}: prediction {pred.shape} and truth {truth.shape} must be '
                'label maps of the same size'
            )
        ignored = truth == self.ignore_index
        outside = ~ignored & ((truth < 0) | (truth >= num_classes))
        if outside.any():
            raise ValueError(
                f'{where}: truth holds the value {truth[outside][0]}; wanted 0 to '
                f'{num_classes - 1}, or {self.ignore_index} for ignored pixels'
            )
        pred[ignored] = truth[ignored] = -1
        return pred, truth

    def _spacing(
        self, given: float | Sequence[float] | None, ndim: int, where: str | None
    ) -> tuple[np.ndarray, str]:
        """Size of a pixel along each axis, and its unit."""
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

    def _score(
        self,
        pred: np.ndarray,
        truth: np.ndarray,
        classes: Sequence[str],
        spacing: np.ndarray,
    ) -> dict[str, dict[str, float]]:
        """Scores of one case: by class, then by metric."""
        score = {
            'dsc': dice_score,
            'nsd': partial(surface_dice, spacing=spacing, tolerance=self.tolerance),
            'hd95': partial(hausdorff_95, spacing=spacing),
        }
        return {
            name: {m: score[m](pred == index, truth == index) for m in self.metrics}
            for index, name in enumerate(classes)
            if name.lower() != 'background'
        }

    def _cases(self, results: list[dict]) -> list[tuple[str, dict, str]]:
        """Name, scores and unit of every case: slices joined, names unique."""
        paths = [e['img_path'] for e in results if _is_file(e)]
        file_names = iter(short_names(paths))
        cases, volumes = [], {}
        for index, entry in enumerate(results):
            if 'slice' in entry:
                volumes.setdefault(entry['case_id'], []).append(entry['slice'])
                continue
            if _is_file(entry):
                name = next(file_names)
            else:
                name = f'{entry["task"] or "image"}#{index}'
            cases.append((name, entry['scores'], entry['unit']))
        for name, slices in volumes.items():
            pred, truth = join_slices(name, slices)
            spacing, unit = self._spacing(slices[0].spacing, 3, name)
            if len(slices) == 1:
                pred, truth, spacing = pred[0], truth[0], spacing[1:]
            scores = self._score(pred, truth, slices[0].classes, spacing)
            cases.append((name, scores, unit))
        return cases


def _is_file(entry: dict) -> bool:
    """Whether a case is named by its file."""
    alone = 'slice' not in entry and entry['task'] is None
    return alone and entry['img_path'] is not None
