"""A sheet of small pictures with their labels, to see at a glance what is there."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_COLUMNS = 4
_LEGEND_COLUMNS = 12
_SIDE = 2.4  # inches, at 100 dots each
# Those that differ most first.
_COLOURS = [*matplotlib.colormaps['tab10'].colors, *matplotlib.colormaps['Set3'].colors]


def contact_sheet(
    pictures: Sequence[tuple[str, np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Draw pictures in rows of four, each label in its colour.

    Args:
        pictures: Title, image (H, W) or (H, W, 3) RGB uint8, and labels (H, W), 0
            where nothing is drawn, of each.

    Returns:
        The sheet, RGB uint8, 960 pixels wide.
    """
    rows = -(-len(pictures) // _COLUMNS)
    ids = sorted(set().union(*(np.unique(labels) for _, _, labels in pictures)) - {0})
    colours = {label: _COLOURS[i % len(_COLOURS)] for i, label in enumerate(ids)}
    legend_rows = -(-len(colours) // _LEGEND_COLUMNS)
    size = _COLUMNS * _SIDE, rows * (_SIDE + 0.3) + 0.3 + 0.2 * legend_rows
    figure = Figure(figsize=size, dpi=100, facecolor='white', layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, image, labels) in zip(axes, pictures):
        ax.set_title(title, size=7)
        ax.imshow(image, cmap='gray', vmin=0, vmax=255)
        tint = np.zeros((*labels.shape, 4))
        for label, colour in colours.items():
            tint[labels == label] = (*colour, 0.5)
        ax.imshow(tint, interpolation='nearest')
    if colours:
        figure.legend(
            handles=[Patch(color=c, label=str(label)) for label, c in colours.items()],
            loc='outside lower center',
            ncols=min(len(colours), _LEGEND_COLUMNS),
            fontsize=8,
        )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
