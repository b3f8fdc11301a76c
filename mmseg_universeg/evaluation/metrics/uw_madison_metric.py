"""Score of the UW-Madison GI tract competition."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from mmseg.registry import METRICS
from prettytable import PrettyTable

from mmseg_universeg.utils.class_masks import class_mask
from mmseg_universeg.utils.output_folder import write_png

from ..class_masks import read_maps
from ..report import finite_mean
from ..scores import dice_score, normalised_hausdorff
from ..volumes import Slice, join_slices
from .score_metric import MaskMetric

DICE_WEIGHT, HAUSDORFF_WEIGHT = 0.4, 0.6


@METRICS.register_module()
class UWMadisonMetric(MaskMetric):
    """``0.4 Dice + 0.6 (1 - Hausdorff)`` as the UW-Madison GI tract competition scores.

    Dice is the mean over all slices and organs; Hausdorff the mean over all scans and
    organs of `normalised_hausdorff` in 3-D, where a slice is one voxel thick. An organ
    in neither mask, of a slice or of a scan, is skipped in either mean (the
    competition's description says Dice 0, its scores skip); one of two empty has Dice 0
    and Hausdorff 1. Slices of a scan carry its ``case_id`` in their metainfo and are
    stacked in the order of ``slice_index``. A class called ``background`` is not
    scored.

    Returns ``score``, ``Dice`` and ``Hausdorff``, all in [0, 1], and each with
    ``/<class>``, all behind ``uw_madison/``. To keep the best checkpoint:
    ``CheckpointHook(save_best='uw_madison/score', rule='greater')``.

    Args:
        csv_file: See :class:`MaskMetric`. A row is an organ of a scan, its Dice the
            mean over slices.
        output_dir: Folder where predictions are written, for ``submit`` of
            ``tools/dataset_converters/uw_madison_gi.py``: an RGB picture for each
            slice, a channel for each organ, 0 and 255. None: not written.
        **kwargs: ``ignore_index`` and others of :class:`MaskMetric`.
    """

    default_prefix = 'uw_madison'

    def __init__(
        self,
        *,
        csv_file: str | None = 'uw_madison.csv',
        output_dir: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(csv_file=csv_file, **kwargs)
        self.output_dir = output_dir

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Take the Dice of each slice, and keep it for its scan.

        Args:
            data_batch: Not read.
            data_samples: Dicts with ``pred_sem_seg`` and ``gt_sem_seg``, each with
                ``data`` (C, H, W) of 0 and 1 for C classes that may overlap, or
                (1, H, W) of class indices; and ``case_id``, ``slice_index`` and
                ``img_path`` of the metainfo.

        Raises:
            OSError: A prediction cannot be written.
            ValueError: Without a truth or the metainfo, with masks of different sizes
                or with other values; with ``output_dir`` and not three organs.
        """
        classes = self.class_names()
        for sample in data_samples:
            where = sample.get('img_path')
            for key in ('case_id', 'slice_index'):
                if sample.get(key) is None:
                    raise ValueError(
                        f'{where}: has no {key} in its metainfo; add it to the '
                        'meta_keys of the packing transform'
                    )
            pred, truth = read_maps(sample, len(classes), self.ignore_index)
            masks = {
                name: (class_mask(pred, index), class_mask(truth, index))
                for index, name in enumerate(classes)
                if name.lower() != 'background'
            }
            if self.output_dir is not None:
                self._write_prediction(where, [pred for pred, _ in masks.values()])
            self.results.append(
                dict(
                    case_id=sample['case_id'],
                    dice={name: dice_score(*pair) for name, pair in masks.items()},
                    slice=Slice.pack(
                        int(sample['slice_index']),
                        *map(np.stack, zip(*masks.values())),
                        tuple(masks),
                        sample.get('spacing'),
                    ),
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Join the scans, average, print the table and write the CSV.

        Args:
            results: The entries of all samples, in the order of the data set.

        Returns:
            Means by name, as in the class's description.

        Raises:
            ValueError: No sample, or slices of one scan that differ in size or share a
                place.
        """
        if not results:
            raise ValueError('UWMadisonMetric got no sample to score')
        scans: dict[str, list[dict]] = {}
        for entry in results:
            scans.setdefault(entry['case_id'], []).append(entry)
        names = results[0]['slice'].classes
        # (organs, slices), then (organs, scans) each.
        dice = np.array([[entry['dice'][n] for entry in results] for n in names])
        distances = np.transpose(
            [
                self._distances(scan, [entry['slice'] for entry in entries])
                for scan, entries in scans.items()
            ]
        )
        found = _means(dice, distances)
        for row, name in enumerate(names):
            of_organ = _means(dice[row], distances[row])
            found |= {f'{key}/{name}': value for key, value in of_organ.items()}
        rows = [
            [
                scan,
                name,
                finite_mean(np.array([entry['dice'][name] for entry in entries])),
                distances[row, column],
            ]
            for column, (scan, entries) in enumerate(scans.items())
            for row, name in enumerate(names)
        ]
        MMLogger.get_current_instance().info(
            f'{len(results)} slices of {len(scans)} scans; means skip organs in '
            f'neither mask\n{_table(names, found)}'
        )
        self.write_scores(['scan', 'class', 'Dice', 'Hausdorff'], rows)
        return found

    def _distances(self, scan: str, slices: list[Slice]) -> list[float]:
        """Hausdorff distance of a scan, for each organ."""
        return [normalised_hausdorff(*pair) for pair in zip(*join_slices(scan, slices))]

    def _write_prediction(self, image: str | None, masks: list[np.ndarray]) -> None:
        if image is None or len(masks) != 3:
            raise ValueError(
                f'{image}: output_dir wants img_path in the metainfo and three organs, '
                f'found {len(masks)}'
            )
        folder = Path(self.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.stack(masks, axis=-1) * np.uint8(255)
        write_png(folder / f'{Path(image).stem}.png', pixels)


def _means(dice: np.ndarray, distances: np.ndarray) -> dict[str, float]:
    """Mean Dice and distance, and the score of both."""
    dice, distance = finite_mean(dice), finite_mean(distances)
    score = DICE_WEIGHT * dice + HAUSDORFF_WEIGHT * (1 - distance)
    return dict(score=score, Dice=dice, Hausdorff=distance)


def _table(names: Sequence[str], found: dict[str, float]) -> str:
    """The means, a row for each organ and one for all."""
    keys = ['score', 'Dice', 'Hausdorff']
    table = PrettyTable(['class', *keys])
    table.align = 'r'
    table.align['class'] = 'l'
    for name in names:
        cells = [f'{found[f"{key}/{name}"]:.4f}' for key in keys]
        table.add_row([name, *cells], divider=name == names[-1])
    table.add_row(['all', *(f'{found[key]:.4f}' for key in keys)])
    return table.get_string()
