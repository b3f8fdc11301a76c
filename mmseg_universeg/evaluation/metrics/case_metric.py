"""DSC, NSD and HD95 of every case and class."""

from collections.abc import Sequence

import numpy as np
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from mmseg_universeg.utils.class_masks import class_mask

from ..class_masks import read_maps
from ..report import (
    QUARTILES,
    case_table,
    finite_mean,
    quartile_table,
    quartiles,
    short_names,
)
from ..volumes import Slice, join_slices
from .score_metric import ScoreMetric

EPISODE_CLASSES = ('background', 'foreground')


@METRICS.register_module()
class CaseMetric(ScoreMetric):
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
        metrics: Which of ``dsc``, ``nsd``, ``nsd_medsam`` and ``hd95``.
        csv_file: See :class:`ScoreMetric`.
        quartiles: Also return the median and the quartiles over cases of each score and
            class, as ``DSC_median/<class>``, ``DSC_q1/<class>`` and
            ``DSC_q3/<class>``, and print a table of them.
        **kwargs: ``tolerance``, ``spacing`` and others of :class:`ScoreMetric`.

    Raises:
        ValueError: Unknown metric, negative tolerance or spacing that is not positive.
    """

    default_prefix = 'case'

    def __init__(
        self,
        metrics: Sequence[str] = ('dsc', 'nsd', 'hd95'),
        *,
        csv_file: str | None = 'cases.csv',
        quartiles: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(metrics, csv_file=csv_file, **kwargs)
        self.quartiles = quartiles

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Score the images of a batch; keep those that are slices of a volume.

        One entry a sample goes to ``self.results``, so that gathering can drop the
        samples that a distributed sampler repeats. Images are scored here, by every
        process its own; slices are kept as compressed label maps.

        Args:
            data_batch: Not read.
            data_samples: Dicts with ``pred_sem_seg`` and ``gt_sem_seg``, each with
                ``data`` (1, H, W) of class indices, or (C, H, W) of 0 and 1 where the
                C classes may overlap, and the metainfo.

        Raises:
            ValueError: Without a truth, with masks of different sizes, with a truth
                value outside the classes, or a slice without ``slice_index``.
        """
        for sample in data_samples:
            classes = self._classes(sample)
            pred, truth = read_maps(sample, len(classes), self.ignore_index)
            entry = {'img_path': sample.get('img_path'), 'task': sample.get('task')}
            case_id, spacing = sample.get('case_id'), sample.get('spacing')
            # An episode is a case of its own, whatever volume its query is from.
            if case_id is None or entry['task'] is not None:
                spacing, entry['unit'] = self.pixel_size(spacing, 2, entry['img_path'])
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
            if self.quartiles:
                for c, of_class in values[metric].items():
                    for name, value in zip(QUARTILES, quartiles(of_class)):
                        means[f'{key}_{name}/{c}'] = value
        self._report(cases, values, units.pop())
        return means

    def _report(self, cases: list, values: dict[str, dict], unit: str) -> None:
        """Print the table and write the CSV."""
        columns = {self.title(m, unit): values[m] for m in self.metrics}
        MMLogger.get_current_instance().info(
            f'{len(cases)} cases, mean ± standard deviation over cases; skipped: class '
            'in neither mask; infinite: class in one mask only\n'
            f'{case_table(columns)}'
        )
        if self.quartiles:
            MMLogger.get_current_instance().info(
                f'mean, median [quartiles] over cases\n{quartile_table(columns)}'
            )
        rows = [
            [name, c, *(scores[c][m] for m in self.metrics)]
            for name, scores, _ in cases
            for c in scores
        ]
        self.write_scores(
            ['case', 'class', *(self.names[m] for m in self.metrics)], rows
        )

    def _classes(self, sample: dict) -> tuple[str, ...]:
        if sample.get('task') is not None:
            return EPISODE_CLASSES
        return self.class_names()

    def _score(
        self,
        pred: np.ndarray,
        truth: np.ndarray,
        classes: Sequence[str],
        spacing: np.ndarray,
    ) -> dict[str, dict[str, float]]:
        """Scores of one case: by class, then by metric."""
        return {
            name: self.score(class_mask(pred, index), class_mask(truth, index), spacing)
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
            spacing, unit = self.pixel_size(slices[0].spacing, 3, name)
            if len(slices) == 1:
                pred, truth = pred.squeeze(-3), truth.squeeze(-3)
                spacing = spacing[1:]
            scores = self._score(pred, truth, slices[0].classes, spacing)
            cases.append((name, scores, unit))
        return cases


def _is_file(entry: dict) -> bool:
    """Whether a case is named by its file."""
    alone = 'slice' not in entry and entry['task'] is None
    return alone and entry['img_path'] is not None
