"""Prediction and truth of a sample: label maps, or a mask for each class."""

import numpy as np


def read_maps(
    sample: dict, num_classes: int, ignore_index: int
) -> tuple[np.ndarray, np.ndarray]:
    """Read what a sample predicts and what is true.

    Args:
        sample: With ``pred_sem_seg`` and ``gt_sem_seg``, whose ``data`` are label maps
            (1, H, W), or masks of 0 and 1 of classes that may overlap
            (num_classes, H, W).
        num_classes: Number of classes.
        ignore_index: Truth value of the pixels that are left out of both.

    Returns:
        Prediction and truth, copies: label maps (H, W) int16, -1 where ignored, or
        masks (num_classes, H, W) bool, False where ignored.

    Raises:
        ValueError: Without a truth, of different sizes, or with a value that is none of
            those.
    """
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
    # (1, H, W) with a single class is the mask of that class.
    overlap = truth.ndim == 3 and len(truth) == num_classes
    if not overlap:
        pred, truth = (m[0] if m.shape[:-2] == (1,) else m for m in (pred, truth))
    if pred.shape != truth.shape or not (overlap or pred.ndim == 2):
        raise ValueError(
            f'{where}: prediction {pred.shape} and truth {truth.shape} must be '
            f'label maps of the same size, or masks of {num_classes} classes'
        )
    ignored = truth == ignore_index
    highest = 1 if overlap else num_classes - 1
    outside = ~ignored & ((truth < 0) | (truth > highest))
    if outside.any():
        raise ValueError(
            f'{where}: truth holds the value {truth[outside][0]}; wanted 0 to '
            f'{highest}, or {ignore_index} for ignored pixels'
        )
    if not overlap:
        pred[ignored] = truth[ignored] = -1
        return pred, truth
    if ((pred < 0) | (pred > 1)).any():
        raise ValueError(
            f'{where}: predicted masks hold {np.unique(pred)[:10].tolist()}, wanted 0 '
            'and 1'
        )
    return (pred == 1) & ~ignored, truth == 1
