"""Attention over its image, as a grid of small pictures."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_SIDE = 1.2  # inches, at 100 dots each


def attention_picture(
    image: np.ndarray,
    region: np.ndarray,
    rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]],
    title: str = '',
) -> np.ndarray:
    """Draw maps over an image, a row of pictures for each layer.

    Each map has its own colours, from its smallest value to its largest, which is
    written above it as a share of the whole.

    Args:
        image: (H, W) floats in [0, 1].
        region: (H, W) bool, whose outline is drawn in every picture.
        rows: Heading of each row, and its maps: heading and (h, w) floats of any size,
            drawn over the whole image.
        title: Heading of the picture.

    Returns:
        RGB uint8, 120 pixels wide and a little more high for each map.
    """
    columns = max(len(maps) for _, maps in rows)
    height, width = image.shape
    size = _SIDE * (columns + 0.8), (_SIDE * height / width + 0.25) * len(rows) + 0.5
    figure = Figure(figsize=size, dpi=100, facecolor='white')
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, size=9)
    axes = figure.subplots(
        len(rows),
        columns,
        squeeze=False,
        gridspec_kw=dict(
            left=0.8 / (columns + 0.8),
            right=0.999,
            bottom=0.001,
            top=1 - 0.7 / size[1],
            wspace=0.05,
            hspace=0.25,
        ),
    )
    for ax in axes.ravel():
        ax.set_axis_off()
    for line, (heading, maps) in zip(axes, rows):
        line[0].text(
            -0.08,
            0.5,
            heading,
            ha='right',
            va='center',
            size=8,
            transform=line[0].transAxes,
        )
        for ax, (name, values) in zip(line, maps):
            ax.set_title(f'{name} {values.max():.2g}'.strip(), size=6, pad=2)
            ax.imshow(image, cmap='gray', vmin=0, vmax=1, extent=(0, width, height, 0))
            ax.imshow(
                values,
                cmap='inferno',
                alpha=0.6,
                extent=(0, width, height, 0),
                interpolation='nearest',
            )
            if not region.all():
                ax.contour(
                    np.arange(width) + 0.5,
                    np.arange(height) + 0.5,
                    region,
                    levels=[0.5],
                    colors=['cyan'],
                    linewidths=0.7,
                )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
