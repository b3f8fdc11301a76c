"""DSC and NSD of every box prompt, beside what the box alone would give."""

from collections.abc import Sequence

import numpy as np
from mmengine.logging import MMLogger
from mmseg.registry import METRICS

from ..report import (
    QUARTILES,
    finite_mean,
    quartile_table,
    quartiles,
    short_names,
)
from ..scores import dice_score
from .score_metric import ScoreMetric

ELLIPSE = 'DSC of ellipse'


@METRICS.register_module()
class BoxMetric(ScoreMetric):
    """Scores of the mask of each box against the mask that the box was made for.

    A case is a box. Beside its scores stands the DSC of the ellipse that fills the box
    and touches all of its sides: a segmentor that is not better has learnt nothing
    from the image. Pixels ignored in ``gt_sem_seg``, where that is there, are left out
    of all masks.

    A box whose masks are both empty is skipped (NaN); one of two empty has DSC 0,
    NSD 0 and an infinite HD95. Distances are in 2-D.

    Returns the mean over all boxes of ``DSC``, ``NSD`` (0 to 1) and ``ellipse_DSC``,
    with the median and the quartiles as ``DSC_median``, ``DSC_q1`` and ``DSC_q3``, and
    each also over the boxes of a class as ``DSC/<class>`` and ``DSC_median/<class>``,
    all behind ``box/``. To keep the best checkpoint:
    ``CheckpointHook(save_best='box/DSC', rule='greater')``.

    Args:
        metrics: Which of ``dsc``, ``nsd``, ``nsd_medsam`` and ``hd95``.
        csv_file: See :class:`ScoreMetric`. A row is a box, its corners in pixels of
            the image file.
        **kwargs: ``tolerance``, ``spacing`` and others of :class:`ScoreMetric`. Of the
            three numbers of a slice's spacing the last two are taken.

    Raises:
        ValueError: Unknown metric, negative tolerance or spacing that is not positive.
    """

    default_prefix = 'box'

    def __init__(
        self,
        metrics: Sequence[str] = ('dsc', 'nsd'),
        *,
        csv_file: str | None = 'boxes.csv',
        **kwargs,
    ) -> None:
        super().__init__(metrics, csv_file=csv_file, **kwargs)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Score the boxes of a batch.

        One entry a sample goes to ``self.results``, so that gathering can drop the
        samples that a distributed sampler repeats.

        Args:
            data_batch: Not read.
            data_samples: Dicts with ``pred_instances`` (``masks`` (N, H, W) bool,
                ``bboxes`` (N, 4) in pixels of these masks) and ``gt_instances``
                (``masks`` (N, H, W) of 0 and 1, ``labels`` (N,) class indices), in the
                same order, and the metainfo. N may be 0.

        Raises:
            ValueError: Without masks to compare with, or with masks of other sizes or
                another number.
        """
        classes = self.class_names()
        for sample in data_samples:
            where = sample.get('img_path')
            preds, truths = _masks(sample, where)
            spacing = sample.get('spacing')
            if np.size(spacing) == 3:
                spacing = spacing[1:]
            spacing, unit = self.pixel_size(spacing, 2, where)
            known = self._known(sample, truths.shape[1:])
            boxes = sample['pred_instances']['bboxes'].detach().cpu().numpy()
            labels = sample['gt_instances']['labels'].tolist()
            scored = []
            for pred, truth, box, label in zip(preds, truths, boxes, labels):
                pred, truth = pred & known, truth & known
                scores = self.score(pred, truth, spacing)
                ellipse = box_ellipse(box, truth.shape) & known
                scores[ELLIPSE] = dice_score(ellipse, truth)
                scored.append((classes[label], box.tolist(), scores))
            self.results.append(dict(img_path=where, unit=unit, boxes=scored))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Average, print the table and write the CSV.

        Args:
            results: The entries of all samples, in the order of the data set.

        Returns:
            Means, medians and quartiles by name, as in the class's description.

        Raises:
            ValueError: No box at all; samples with and without spacing together.
        """
        boxes = [box for entry in results for box in entry['boxes']]
        if not boxes:
            raise ValueError(f'BoxMetric got no box to score in {len(results)} images')
        units = {entry['unit'] for entry in results}
        if len(units) > 1 and self.metrics != ('dsc',):
            raise ValueError(
                'some images have a spacing and some have none, their distances '
                'cannot be averaged; give BoxMetric(spacing=...) for those without'
            )
        unit, names = units.pop(), np.array([name for name, *_ in boxes])
        groups = {c: names == c for c in self.class_names() if c in names}
        groups['all boxes'] = np.full(len(names), True)
        found, columns = {}, {}
        for metric in (*self.metrics, ELLIPSE):
            values = np.array([scores[metric] for *_, scores in boxes])
            key = self.names.get(metric, 'ellipse_DSC')
            title = ELLIPSE if metric == ELLIPSE else self.title(metric, unit)
            columns[title] = {name: values[chosen] for name, chosen in groups.items()}
            for name, of_group in columns[title].items():
                end = '' if name == 'all boxes' else f'/{name}'
                found[f'{key}{end}'] = finite_mean(of_group)
                for which, value in zip(QUARTILES, quartiles(of_group)):
                    found[f'{key}_{which}{end}'] = value
        MMLogger.get_current_instance().info(
            f'{len(boxes)} boxes in {len(results)} images, mean and median '
            f'[quartiles] over boxes\n{quartile_table(columns)}'
        )
        self._write(results)
        return found

    def _known(self, sample: dict, size: tuple[int, int]) -> np.ndarray | bool:
        """Which pixels count, (H, W) or all."""
        if 'gt_sem_seg' not in sample:
            return True
        truth = sample['gt_sem_seg']['data'][0].detach().cpu().numpy()
        if truth.shape != size:
            raise ValueError(
                f'{sample.get("img_path")}: gt_sem_seg {truth.shape} and masks {size} '
                'must be of one size'
            )
        return truth != self.ignore_index

    def _write(self, results: list[dict]) -> None:
        paths = [entry['img_path'] or f'image#{i}' for i, entry in enumerate(results)]
        rows = [
            [image, number, name, *box, *scores.values()]
            for image, entry in zip(short_names(paths), results)
            for number, (name, box, scores) in enumerate(entry['boxes'])
        ]
        header = ['image', 'box', 'class', 'x1', 'y1', 'x2', 'y2']
        header += [self.names[metric] for metric in self.metrics]
        self.write_scores([*header, 'ellipse_DSC'], rows)


def box_ellipse(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fill a box with the ellipse that touches all of its sides.

    Args:
        box: (4,) x1, y1, x2, y2 in pixels, with an area; (0, 0) is the corner of the
            first pixel.
        size: (height, width) of the result.

    Returns:
        (H, W) bool: the pixels whose centre is in the ellipse.
    """
    x1, y1, x2, y2 = box
    x = (np.arange(size[1]) + 0.5 - (x1 + x2) / 2) / ((x2 - x1) / 2)
    y = (np.arange(size[0]) + 0.5 - (y1 + y2) / 2) / ((y2 - y1) / 2)
    return x**2 + y[:, None] ** 2 <= 1


def _masks(sample: dict, where: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true masks, (N, H, W) bool each."""
    if 'pred_instances' not in sample:
        raise ValueError(
            f'{where}: no pred_instances to score; BoxMetric is for segmentors that '
            'are prompted with boxes'
        )
    if 'masks' not in sample.get('gt_instances', {}):
        raise ValueError(
            f'{where}: no gt_instances with masks to compare with; BoxPromptsFromMask '
            'or MasksForBoxPrompts make them in the test pipeline'
        )
    preds, truths = (
        sample[key]['masks'].detach().cpu().numpy().astype(bool)
        for key in ('pred_instances', 'gt_instances')
    )
    if preds.shape != truths.shape:
        raise ValueError(
            f'{where}: predicted masks {preds.shape} and true masks {truths.shape} '
            'must be as many and of one size'
        )
    return preds, truths
