"""Make a Markdown table of results from work directories: no figure is typed by hand.

A row is an experiment: a config and what --cfg-options changed in it. Runs that differ
by their seed alone share a row, with mean ± standard deviation over the seeds. The
figures are those of the newest run of each work directory, which must have finished: a
training by the validation after its last iteration or epoch, or a test.

    python tools/results_table.py work_dirs/unet_isbi2012 work_dirs/unetpp_dsb2018-seed*
    python tools/results_table.py work_dirs/unetpp_* --update README.md --name unetpp

--update replaces what lies between the lines <!-- table: unetpp --> and
<!-- end of table -->.
"""

import argparse
import inspect
import json
import re
import shlex
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS
from torch import nn

from mmseg_universeg.utils.config import resolve_config
from mmseg_universeg.utils.whole_files import whole_file

ROOT = Path(__file__).resolve().parents[1]
# The settings that make an experiment. What else stands in a config, the runner does
# not read.
COMPARED = inspect.signature(Runner).parameters.keys() - {
    'launcher',
    'resume',
    'work_dir',
}
MISSING = '-'


@dataclass
class Run:
    """What the newest run of a work directory says.

    Attributes:
        work_dir: The work directory.
        config: File name of its config.
        checkpoint: The tested checkpoint; None for a training.
        options: What the run changed in the config, as ``key=value``.
        seed: Its random seed.
        usual_seed: That of the config.
        metrics: Figures by name.
        iterations: Of the training, or its epochs; None for a test.
        minutes: Wall time of the training, those it was resumed from included.
        settings: Its whole config.
    """

    work_dir: Path
    config: str
    checkpoint: str | None
    options: list[str]
    seed: int
    usual_seed: int | None
    metrics: dict[str, float]
    iterations: str | None
    minutes: float | None
    settings: Config

    @property
    def experiment(self) -> tuple:
        """What runs over several seeds have in common."""
        return self.config, self.checkpoint, *self.options


def main() -> None:
    """Print the table, or write it into a file."""
    args = parse_args()
    try:
        runs = [read_run(Path(folder), args.configs) for folder in args.work_dirs]
        table = make_table(runs, args.metrics, args.parameters, args.macs)
        if args.update:
            update(args.update, args.name, table)
    except (OSError, ValueError) as error:
        sys.exit(f'results_table.py: {error}')
    print(table)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dirs', nargs='+', help='a row each, or a seed of a row')
    parser.add_argument(
        '--metrics',
        nargs='*',
        help='columns, or none at all; by default case/DSC and that per class',
    )
    parser.add_argument(
        '--parameters',
        action='store_true',
        help='build each model and give its number of parameters',
    )
    parser.add_argument(
        '--macs',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='build each model and give its multiplications with addition, in 10^9, '
        'for one image of this size; FLOPs in papers are these or twice these',
    )
    parser.add_argument(
        '--configs', type=Path, default=ROOT / 'configs', help='folder of the configs'
    )
    parser.add_argument('--update', type=Path, help='file to write the table into')
    parser.add_argument('--name', help='name of the table in that file')
    args = parser.parse_args()
    if (args.update is None) != (args.name is None):
        parser.error('--update and --name belong together')
    return args


def read_run(work_dir: Path, configs: Path) -> Run:
    """Read the newest run of a work directory.

    Raises:
        FileNotFoundError: No run or no config is there.
        ValueError: The newest run has not finished, or there are several configs.
    """
    logs = sorted(work_dir.glob('[0-9]*_[0-9]*/*.log'))
    if not logs:
        raise FileNotFoundError(
            f'{work_dir}: no run in it, wanted <timestamp>/<timestamp>.log'
        )
    names = [path.name for path in work_dir.glob('*.py')]
    if len(names) != 1:
        raise ValueError(f'{work_dir}: wanted the config of one run, found {names}')
    folder = logs[-1].parent
    settings = read_config(folder / 'vis_data' / 'config.py')
    tested = (folder / f'{folder.name}.json').is_file()
    metrics, iterations = finished(folder, settings, tested)
    usual = usual_settings(configs / names[0])
    compared = COMPARED - {'load_from'} if tested else COMPARED
    options = changes(
        {key: settings[key] for key in sorted(compared & settings.keys())}, usual
    )
    options.pop('randomness.seed', None)
    return Run(
        work_dir,
        names[0],
        settings.load_from if tested else None,
        [f'{key}={value}' for key, value in options.items()],
        seed_of(folder),
        usual.get('randomness', {}).get('seed'),
        metrics,
        iterations,
        None if tested else wall_minutes(work_dir),
        settings,
    )


def read_config(path: Path) -> Config:
    return Config.fromfile(path, import_custom_modules=False)


def usual_settings(config: Path) -> dict:
    """Return the settings of a config that nothing was changed in."""
    with tempfile.TemporaryDirectory() as folder:
        return read_config(resolve_config(str(config), folder)).to_dict()


def log_of(folder: Path) -> str:
    return (folder / f'{folder.name}.log').read_text(encoding='utf-8')


def seed_of(folder: Path) -> int:
    found = re.search(r'^ +seed: (\d+)$', log_of(folder), re.MULTILINE)
    if found is None:
        raise ValueError(f'{folder}: its log names no seed')
    return int(found[1])


def finished(
    folder: Path, settings: Config, tested: bool
) -> tuple[dict[str, float], str | None]:
    """Return the figures of a run, and the iterations or epochs of a training.

    Raises:
        ValueError: The run has not finished, or its scores cannot be read.
    """
    if tested:
        file = folder / f'{folder.name}.json'
        try:
            return json.loads(file.read_text()), None
        except json.JSONDecodeError as error:
            raise ValueError(f'{file}: no JSON of a test ({error})') from error
    file = folder / 'vis_data' / 'scalars.json'
    lines = file.read_text().splitlines() if file.is_file() else []
    # The line of a killed run may be cut off.
    last = json.loads(lines[-1]) if lines and lines[-1].endswith('}') else {}
    loop = settings.get('train_cfg') or {}
    key = 'max_epochs' if 'max_epochs' in loop else 'max_iters'
    wanted = loop.get(key)
    # Only lines of training have the key 'iter'.
    if wanted is None or last.get('step') != wanted or 'iter' in last:
        raise ValueError(
            f'{folder.parent}: no finished validation or test in its newest run '
            f'{folder.name}, wanted a validation after train_cfg.{key}={wanted}; '
            f'{file.name} ends at step {last.get("step")}'
        )
    return last, f'{wanted} epochs' if key == 'max_epochs' else str(wanted)


def wall_minutes(work_dir: Path) -> float:
    """Return the wall time of the newest training and of those it resumed."""
    minutes = 0.0
    for file in sorted(work_dir.glob('*/vis_data/scalars.json'), reverse=True):
        log = log_of(file.parents[1])
        stamps = re.findall(r'^(\d{4}/[\d/]+ [\d:]+) - ', log, re.MULTILINE)
        first, last = (
            datetime.strptime(stamp, '%Y/%m/%d %H:%M:%S')
            for stamp in (stamps[0], stamps[-1])
        )
        minutes += (last - first).total_seconds() / 60
        if not read_config(file.with_name('config.py')).resume:
            break
    return minutes


def changes(settings: object, usual: object, key: str = '') -> dict[str, object]:
    """Return what differs from the usual settings, by dotted key.

    Keys that only the usual settings have are left out: no option removes a key.
    """
    if isinstance(settings, dict) and isinstance(usual, dict):
        pairs = [(name, value, usual.get(name)) for name, value in settings.items()]
    elif (
        isinstance(settings, list)
        and isinstance(usual, list)
        and len(settings) == len(usual)
    ):
        pairs = list(zip(range(len(usual)), settings, usual))
    else:
        return {} if settings == usual else {key: settings}
    found = {}
    for name, value, other in pairs:
        found |= changes(value, other, f'{key}.{name}' if key else str(name))
    return found


def make_table(
    runs: list[Run],
    metrics: list[str] | None = None,
    parameters: bool = False,
    macs: tuple[int, int] | None = None,
) -> str:
    """Return the table as Markdown.

    Args:
        runs: Rows are in the order of their first run.
        metrics: Names of the columns; None for ``case/DSC`` and that per class.
        parameters: Whether to count each model's parameters.
        macs: Height and width of the image for which to count each model's
            multiplications with addition.

    Raises:
        ValueError: No run has a metric, or two runs of an experiment have one seed.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.metrics))
    if metrics is None:
        per_class = [name for name in known if name.startswith('case/DSC/')]
        metrics = ['case/DSC', *per_class]
    unknown = [name for name in metrics if name not in known]
    if unknown:
        raise ValueError(
            f'{", ".join(str(run.work_dir) for run in runs)}: no metric '
            f'{", ".join(unknown)}, found {known}'
        )
    rows = {}
    for run in runs:
        rows.setdefault(run.experiment, []).append(run)
    header = ['experiment', 'seed', *metrics, 'iterations', 'minutes', 'command']
    if parameters:
        header.insert(-1, 'parameters')
    if macs:
        header.insert(-1, 'GMAC')
    lines = [header, ['---'] * len(header)]
    for row in rows.values():
        first = row[0]
        cells = [' '.join([Path(first.config).stem, *first.options]), seeds(row)]
        cells += [mean([run.metrics.get(name) for run in row], 3) for name in metrics]
        cells += [first.iterations or MISSING]
        cells += [mean([run.minutes for run in row], 1, deviation=False)]
        if parameters:
            model = build_model(first.settings)
            cells += [f'{sum(p.numel() for p in model.parameters()):,}']
        if macs:
            cells += [f'{count_macs(build_model(first.settings), macs) / 1e9:.1f}']
        lines.append([*cells, f'`{command(row)}`'])
    return '\n'.join(
        f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in line)} |'
        for line in lines
    )


def seeds(row: list[Run]) -> str:
    """Name the seeds of a row.

    Raises:
        ValueError: Two runs have the same one.
    """
    by_seed = {}
    for run in row:
        if run.seed in by_seed:
            raise ValueError(
                f'{by_seed[run.seed].work_dir} and {run.work_dir} hold the same '
                f'experiment with the same seed {run.seed}'
            )
        by_seed[run.seed] = run
    return ', '.join(str(run.seed) for run in row)


def mean(values: list[float | None], digits: int, deviation: bool = True) -> str:
    """Write a mean, with its standard deviation where there are several values."""
    if None in values:
        return MISSING
    text = f'{statistics.mean(values):.{digits}f}'
    if deviation and len(values) > 1:
        text += f' ± {statistics.stdev(values):.{digits}f}'
    return text


def command(row: list[Run]) -> str:
    """Write the command that runs an experiment again; $seed stands for several."""
    run = row[0]
    tool = 'train' if run.checkpoint is None else 'test'
    words = ['python', f'tools/{tool}.py', f'configs/{run.config}']
    words += [run.checkpoint] if run.checkpoint else []
    options = [shlex.quote(option) for option in run.options]
    if len(row) > 1:
        options.append('randomness.seed=$seed')
    elif run.seed != run.usual_seed:
        options.append(f'randomness.seed={run.seed}')
    return ' '.join([*words, *(['--cfg-options', *options] if options else [])])


def build_model(settings: Config) -> BaseSegmentor:
    """Build a model without downloading weights."""
    init_default_scope('mmseg')
    # Test-time augmentation is around the model.
    model = settings.model.get('module', settings.model).copy()
    if model.get('backbone', {}).get('pretrained'):
        model.backbone.pretrained = False
    return MODELS.build(model)


def count_macs(model: BaseSegmentor, size: tuple[int, int]) -> int:
    """Count the multiplications with addition for one image.

    As MMEngine counts FLOPs: of convolutions and products of matrices, and a few
    operations for each value that is normalised or resized.

    Args:
        model: That takes images alone, as MMSeg's do.
        size: Height and width of the image as it goes into the network.
    """
    first = next(m for m in model.backbone.modules() if isinstance(m, nn.Conv2d))
    image = torch.zeros(1, first.in_channels, *size)
    return get_model_complexity_info(
        model.eval(), inputs=(image,), show_table=False, show_arch=False
    )['flops']


def update(file: Path, name: str, table: str) -> None:
    """Replace a table in a file, whole or not at all.

    Raises:
        ValueError: The markers of the table are not there, or not once.
    """
    file = file.resolve()
    text = file.read_bytes().decode()
    start, end = f'<!-- table: {name} -->', '<!-- end of table -->'
    before, *rest = text.split(start)
    if len(rest) != 1:
        raise ValueError(
            f'{file}: holds the marker {start} {len(rest)} times, not once'
        )
    old, found, after = rest[0].partition(end)
    if not found or '<!-- table:' in old:
        raise ValueError(f'{file}: no marker {end} after {start}')
    mode = file.stat().st_mode
    with whole_file(file) as new:
        new.write(f'{before}{start}\n{table}\n{end}{after}'.encode())
    file.chmod(mode)


if __name__ == '__main__':
    main()
