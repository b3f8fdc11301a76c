r"""Draw a picture of the tasks that a config trains on: what its options make of them.

    python tools/draw_tasks.py --out tasks.jpg
    python tools/draw_tasks.py my_config.py --out tasks.png --tasks 32 --supports 7

Each task is a row of images with the foreground outlined, under its family and what
tells the foreground from the rest. The tasks are those of the first
SyntheticTasksDataset of the config's training data, drawn from another seed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.utils import track_iter_progress
from PIL import Image

from mmseg_universeg.datasets import SyntheticTasksDataset
from mmseg_universeg.datasets.synthetic import find_options
from mmseg_universeg.utils.config import config_path, resolve_config
from mmseg_universeg.utils.whole_files import whole_file

_FORMATS = {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.png': 'PNG'}
_COLUMNS = 4
_WIDTH = 16.0  # inches, at 100 dots each
_GAP, _CAPTION = 0.12, 0.18
_SEAM = 2  # pixels of an image between the images of a task
_COLOUR = '#ffb000'


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parse_args(arguments)
    try:
        if args.out.suffix.lower() not in _FORMATS:
            raise ValueError(f'{args.out}: must end in .jpg or .png')
        if args.out.exists():
            raise ValueError(f'{args.out}: is there already, give another by --out')
        dataset = SyntheticTasksDataset(
            **read_options(args.config),
            support_size=args.supports,
            seed=args.seed,
            length=args.tasks,
        )
        tasks = [dataset[idx] for idx in track_iter_progress(list(range(args.tasks)))]
        with whole_file(args.out) as file:
            kind = _FORMATS[args.out.suffix.lower()]
            Image.fromarray(picture(tasks)).save(file, format=kind, quality=65)
    except (OSError, ValueError) as error:
        print(f'draw_tasks.py: {error}', file=sys.stderr)
        return 1
    print(f'\n{args.out}')
    return 0


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config',
        nargs='?',
        default=config_path('universeg_drawn-tasks.py'),
        help='a config that trains on drawn tasks; by default %(default)s',
    )
    parser.add_argument('--out', type=Path, required=True, help='JPEG or PNG file')
    parser.add_argument('--tasks', type=int, default=64, help='how many')
    parser.add_argument(
        '--supports', type=int, default=3, help='images beside the first'
    )
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(arguments)


def read_options(config: str) -> dict:
    """Read the options of the drawn tasks that a config, also of a package, trains on.

    Raises:
        ValueError: If it trains on none; names the config.
    """
    with tempfile.TemporaryDirectory(prefix='mmseg_universeg_') as folder:
        cfg = Config.fromfile(resolve_config(config, folder))
    try:
        return find_options(cfg.train_dataloader.dataset)
    except (AttributeError, ValueError) as error:
        raise ValueError(f'{config}: {error}') from error


def picture(tasks: list[dict]) -> np.ndarray:
    """Draw tasks, four to a row.

    Args:
        tasks: Each with its ``images`` and the name of the ``task``.

    Returns:
        The picture, RGB uint8, 1600 pixels wide.
    """
    height, width = tasks[0]['images'][0]['img'].shape
    wide = (_WIDTH - (_COLUMNS + 1) * _GAP) / _COLUMNS
    high = wide / len(tasks[0]['images']) * height / width
    rows = -(-len(tasks) // _COLUMNS)
    total = rows * (high + _CAPTION) + _GAP
    figure = Figure(figsize=(_WIDTH, total), dpi=100, facecolor='white')
    canvas = FigureCanvasAgg(figure)
    for number, task in enumerate(tasks):
        row, column = divmod(number, _COLUMNS)
        left = _GAP + column * (wide + _GAP)
        bottom = total - (row + 1) * (high + _CAPTION)
        box = left / _WIDTH, bottom / total, wide / _WIDTH, high / total
        ax = figure.add_axes(box)
        ax.set_axis_off()
        family, cue = task['task'].split('-')
        ax.set_title(f'{family}, by {cue}', size=8, pad=2)
        step = width + _SEAM
        for n, image in enumerate(task['images']):
            left, right = n * step - 0.5, n * step + width - 0.5
            extent = left, right, height - 0.5, -0.5
            ax.imshow(image['img'], cmap='gray', vmin=0, vmax=1, extent=extent)
            # Closed where an object reaches the border.
            mask = np.pad(image['gt_seg_map'], 1)
            xs, ys = np.arange(-1, width + 1) + n * step, np.arange(-1, height + 1)
            ax.contour(xs, ys, mask, levels=[0.5], colors=[_COLOUR], linewidths=0.8)
        ax.set(xlim=(-0.5, right), ylim=(height - 0.5, -0.5), aspect='auto')
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


if __name__ == '__main__':
    sys.exit(main())
