"""Pictures of a case: image, truth, prediction and the supports it was made with."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from .class_masks import class_mask

# Told apart also with a colour vision deficiency (Okabe and Ito), for classes whose
# palette colour is a grey that would vanish in a grey image.
_COLOURS = ('#e69f00', '#56b4e9', '#009e73', '#d55e00', '#cc79a7', '#f0e442', '#0072b2')
_WIDTH = 9.6  # inches, at 100 dots each
_MARGIN = 0.1


def case_picture(
    image: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    title: str = '',
    supports: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    support_title: str = 'Support',
) -> np.ndarray:
    """Draw a case beside its truth and prediction, above a strip of supports.

    Args:
        image: (H, W) or (H, W, 3) RGB, uint8 or float in [0, 1].
        truth: Class indices (H, W), of which others than those of ``classes`` are not
            drawn; or a mask (H, W) for each class, bool, which may overlap.
        prediction: The same.
        classes: Names of the classes; ``background`` is not drawn.
        palette: An RGB colour, 0 to 255, for each class. A class whose colour is a
            grey gets another.
        title: Heading of the picture.
        supports: Image and label map of each support, (h, w) each, in one row.
        support_title: Heading of the strip.

    Returns:
        The picture, RGB uint8, 960 pixels wide.
    """
    colours = _class_colours(classes, palette)
    height, width = truth.shape[-2:]
    panel_height = np.clip((_WIDTH - 4 * _MARGIN) / 3 * height / width, 1.0, 6.0)
    strip_height = 0.0
    if supports:
        ratio = supports[0][1].shape[0] / supports[0][1].shape[1]
        # At least eight to a row, so that few supports do not outgrow the case.
        columns = max(len(supports), 8)
        thumb = (_WIDTH - (columns + 1) * _MARGIN) / columns
        strip_height = np.clip(thumb * ratio, 0.5, 2.0)
    # From top to bottom: title, panel titles, panels, strip title, strip, legend.
    total = 0.7 + panel_height + (0.35 + strip_height if supports else 0.0) + 0.45
    figure = Figure(figsize=(_WIDTH, total), dpi=100, facecolor='white')
    canvas = FigureCanvasAgg(figure)

    def axes(left: float, top: float, wide: float, high: float) -> Axes:
        """Bare axes at a place given in inches from the upper left corner."""
        box = left / _WIDTH, 1 - (top + high) / total, wide / _WIDTH, high / total
        ax = figure.add_axes(box)
        ax.set_axis_off()
        return ax

    figure.text(
        0.5, 1 - 0.2 / total, title, ha='center', va='center', size=12, wrap=True
    )
    panel_width = (_WIDTH - 4 * _MARGIN) / 3
    for column, (heading, labels) in enumerate(
        (('Image', None), ('Truth', truth), ('Prediction', prediction))
    ):
        left = _MARGIN + column * (panel_width + _MARGIN)
        ax = axes(left, 0.65, panel_width, panel_height)
        ax.set_title(heading, size=11, pad=4)
        _show(ax, image)
        if labels is not None:
            _fill(ax, labels, colours)
            _outline(ax, labels, colours, 1.2)
        if heading == 'Prediction':
            _outline(ax, truth, dict.fromkeys(colours, 'white'), 0.9, edge='0.2')
    if supports:
        top = 0.65 + panel_height + 0.35
        figure.text(
            _MARGIN / _WIDTH, 1 - (top - 0.14) / total, support_title, va='center'
        )
        for column, (support, labels) in enumerate(supports):
            left = _MARGIN + column * (thumb + _MARGIN)
            ax = axes(left, top, thumb, strip_height)
            _show(ax, support)
            _outline(ax, labels, colours, 1.2)
    handles = [Patch(color=colour, label=classes[c]) for c, colour in colours.items()]
    # White lines need a dark ground to be seen in the legend.
    handles.append(Line2D([], [], color='white', lw=1.5, label='outline of the truth'))
    figure.legend(
        handles=handles,
        loc='lower center',
        ncols=min(len(handles), 6),
        facecolor='0.35',
        labelcolor='white',
        edgecolor='none',
        fontsize=10,
    )
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _class_colours(
    classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> dict[int, tuple[float, ...] | str]:
    """A colour that is no grey for each class but the background."""
    spare = iter(_COLOURS * len(classes))
    return {
        index: next(spare)
        if max(colour) - min(colour) < 30
        else tuple(value / 255 for value in colour)
        for index, (name, colour) in enumerate(zip(classes, palette))
        if name.lower() != 'background'
    }


def _show(ax: Axes, image: np.ndarray) -> None:
    """Draw an image, black to white over [0, 1] or uint8's range."""
    top = 255 if image.dtype == np.uint8 else 1
    ax.imshow(image, cmap='gray', vmin=0, vmax=top, interpolation='bilinear')


def _fill(ax: Axes, labels: np.ndarray, colours: dict) -> None:
    """Tint each class's pixels."""
    for index, colour in colours.items():
        mask = class_mask(labels, index)
        tint = np.zeros((*mask.shape, 4))
        tint[mask] = (*to_rgb(colour), 0.4)
        ax.imshow(tint, interpolation='nearest')


def _outline(
    ax: Axes,
    labels: np.ndarray,
    colours: dict,
    linewidth: float,
    edge: str | None = None,
) -> None:
    """Draw a line around each class's pixels, on a wider one of colour ``edge``."""
    under = [withStroke(linewidth=linewidth + 0.8, foreground=edge)] if edge else []
    for index, colour in colours.items():
        mask = class_mask(labels, index)
        if mask.any() and not mask.all():
            lines = ax.contour(
                mask, levels=[0.5], colors=[colour], linewidths=linewidth
            )
            lines.set_path_effects(under)
