"""BEiT started from weights that were trained on larger images."""

from math import isqrt

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor

# Biases from and to the class token, and of it to itself, at the end of each table.
_EXTRA = 3


@HOOKS.register_module()
class BEiTWindowHook(Hook):
    """Fits a loaded BEiT's position biases to the smaller images of this model.

    MMSeg's BEiT (Bao et al., ICLR 2022, section 2.1) has a bias for each offset between
    two patches, up to the size of the image. Of a model trained on larger images it
    takes, unchanged, those of the offsets that occur. MMSeg itself resizes the tables
    when a backbone starts from ``init_cfg``, by a function that SciPy 1.14 removed.

    For ``load_from``; what fits already is left as it is.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Cut the tables of a checkpoint, in place.

        Raises:
            ValueError: If a table is of smaller images than the model's.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        own = model.state_dict()
        weights = checkpoint.get('state_dict', checkpoint)
        for name in own.keys() & weights.keys():
            if name.endswith('.relative_position_index'):
                weights[name] = own[name]
            elif name.endswith('.relative_position_bias_table'):
                weights[name] = centre(weights[name], own[name].shape[0], name)


def centre(table: Tensor, length: int, name: str) -> Tensor:
    """Return the biases of the smallest offsets of a table.

    Args:
        table: ((2n - 1)^2 + 3, heads) of a square window of n x n patches.
        length: Number of rows wanted, of a window of the same form.
        name: Of the table, for messages.

    Raises:
        ValueError: If the table has fewer rows, or is not of a square window.
    """
    side, wanted = (isqrt(rows - _EXTRA) for rows in (table.shape[0], length))
    if side**2 + _EXTRA != table.shape[0] or wanted**2 + _EXTRA != length:
        raise ValueError(
            f'{name}: wanted a square window, found {table.shape[0]} biases in the '
            f'checkpoint and {length} in the model'
        )
    if side < wanted:
        raise ValueError(
            f'{name}: the checkpoint is of images of {(side + 1) // 2} patches a side, '
            f'the model of {(wanted + 1) // 2}: wanted a checkpoint of images at least '
            'as large'
        )
    border = (side - wanted) // 2
    inner = slice(border, border + wanted)
    grid = table[:-_EXTRA].view(side, side, -1)[inner, inner]
    return torch.cat([grid.reshape(wanted**2, -1), table[-_EXTRA:]])
