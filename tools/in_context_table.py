r"""Compare a model in context with the mean mask and a rival trained on its supports.

    python tools/in_context_table.py configs/universeg_shipped_wbc.py \
        --rival configs/unet_few-shot_wbc.py --sizes 1 4 16 64 --out wbc.md
    python tools/in_context_table.py ... universeg.pth --cfg-options test_cfg.fp16=True

A Markdown table of Dice scores (DSC), the mean over cases of each class, for several
numbers of supports per class, S. CONFIG tests a model in context, with a
SupportSetHook. For each S there are three rows: the model with S supports;
MeanSupportMask with the same ones; and the rival, trained on all the images of that
support set with their whole label maps, which is on as many as S for each class. For
the largest S the model's mean of several draws is one more row. All are tested on the
same images.

Every row is kept in the work directory, in a folder with the runner's log and
scores.json, and is not computed again while the weights and the settings that make it
are the same. So an interrupted table goes on where it stopped, and --only divides the
work between processes.
"""

import argparse
import copy
import hashlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS

import mmseg_universeg  # noqa: F401  (registers our classes)
from mmseg_universeg.utils.checkpoint import load_weights, refuse_code
from mmseg_universeg.utils.config import resolve_config
from mmseg_universeg.utils.embeddings import weights_fingerprint
from mmseg_universeg.utils.whole_files import whole_file

SCORE = 'case/DSC'
# The settings that make a result: of a test, and of a training before it.
TESTED = ('model', 'test_dataloader', 'test_evaluator', 'test_cfg', 'custom_hooks')
TRAINED = (*TESTED, 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg')
MISSING = '-'


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parse_args(arguments)
    refuse_code()
    try:
        table = make_table(list(rows(args)))
        if args.out:
            with whole_file(args.out) as file:
                file.write(f'{table}\n'.encode())
    except (OSError, ValueError, TypeError, KeyError) as error:
        print(f'in_context_table.py: {error}', file=sys.stderr)
        return 1
    print(table)
    return 0


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='test in context')
    parser.add_argument(
        'checkpoint', nargs='?', help="weights; by default the config's load_from"
    )
    parser.add_argument('--rival', required=True, help='config of a training')
    parser.add_argument(
        '--sizes', nargs='+', type=int, default=[1, 4, 16, 64], help='supports, S'
    )
    parser.add_argument(
        '--draws', type=int, default=5, help='to be averaged at the largest S'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help="of the draws and the rival's training"
    )
    parser.add_argument(
        '--only', choices=('in-context', 'rival'), help='compute these rows only'
    )
    parser.add_argument('--work-dir', type=Path, help='by default work_dirs/<config>')
    parser.add_argument('--out', type=Path, help='file for the table')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='changes of CONFIG alone'
    )
    args = parser.parse_args(arguments)
    args.work_dir = args.work_dir or Path('work_dirs', Path(args.config).stem)
    return args


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Compute the rows, or read them, in the order of the table.

    Yields:
        What `kept` returns, with ``method``, ``supports`` and ``images``: the number
        of the rival's training images, or None.
    """
    trained = read_config(args.rival)
    in_context = read_config(args.config)
    in_context.merge_from_dict(args.cfg_options or {})
    check_tested(in_context, trained)
    weights = None
    if args.only != 'rival':
        in_context.load_from = args.checkpoint or in_context.get('load_from')
        if in_context.load_from is None:
            raise ValueError(f'{args.config}: load_from is None, give a CHECKPOINT')
        weights = weights_fingerprint(load_weights(in_context.load_from))
    sizes = sorted(set(args.sizes))
    for size in sizes:
        cfg = with_supports(in_context, size, 1, args.seed)
        if args.only != 'rival':
            yield test_row(cfg, weights, args.work_dir)
            yield test_row(mean_mask(cfg), None, args.work_dir)
        if args.only != 'in-context':
            yield rival_row(trained, cfg, args)
    if args.only != 'rival' and args.draws > 1:
        cfg = with_supports(in_context, sizes[-1], args.draws, args.seed)
        yield test_row(cfg, weights, args.work_dir)


def read_config(name: str) -> Config:
    """Read a config and leave of it what a row needs.

    One process, so that the processor's time is that of all; Dice scores; no pictures.
    """
    with tempfile.TemporaryDirectory() as folder:
        cfg = Config.fromfile(resolve_config(name, folder))
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    for loader in (cfg.get('train_dataloader'), cfg.test_dataloader):
        if loader is not None:
            loader.update(num_workers=0, persistent_workers=False)
    cfg.test_evaluator = [dict(type='CaseMetric', metrics=('dsc',))]
    hooks = cfg.get('custom_hooks') or []
    cfg.custom_hooks = [hook for hook in hooks if hook.type != 'CaseOverlayHook']
    return cfg


def check_tested(in_context: Config, trained: Config) -> None:
    """Both configs must test the same images of the same classes.

    Raises:
        ValueError: They do not.
    """
    found = [
        build_dataset(cfg.test_dataloader.dataset) for cfg in (in_context, trained)
    ]
    first, second = (
        (dataset.metainfo['classes'], sorted(image_paths(dataset))) for dataset in found
    )
    if first != second:
        raise ValueError(
            f'{trained.filename}: tests {len(second[1])} images with the classes '
            f'{second[0]}, wanted the {len(first[1])} images with the classes '
            f'{first[0]} that {in_context.filename} tests'
        )


def build_dataset(settings: dict) -> object:
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(settings)


def image_paths(dataset: object) -> list[str]:
    """Return the real path of every image."""
    paths = (dataset.get_data_info(i)['img_path'] for i in range(len(dataset)))
    return [os.path.realpath(path) for path in paths]


def with_supports(in_context: Config, size: int, draws: int, seed: int) -> Config:
    """Return a copy that draws so many supports for each class.

    Raises:
        ValueError: The config has no SupportSetHook, or several.
    """
    cfg = copy.deepcopy(in_context)
    hooks = support_hooks(cfg)
    if len(hooks) != 1:
        raise ValueError(
            f'{cfg.filename}: custom_hooks hold {len(hooks)} SupportSetHook, wanted one'
        )
    hooks[0].update(size=size, num_ensembles=draws, seed=seed)
    return cfg


def support_hooks(cfg: Config) -> list[dict]:
    return [hook for hook in cfg.custom_hooks if hook.type == 'SupportSetHook']


def mean_mask(cfg: Config) -> Config:
    """Return a copy that predicts the mean of the support masks."""
    cfg = copy.deepcopy(cfg)
    cfg.model = dict(
        type='MeanSupportMask', data_preprocessor=cfg.model.data_preprocessor
    )
    cfg.load_from = None
    return cfg


def test_row(cfg: Config, weights: str | None, work_dir: Path) -> dict:
    """Test in context.

    Args:
        cfg: Whole config of the test.
        weights: Fingerprint of what ``cfg.load_from`` names.
        work_dir: Of all rows.
    """
    (hook,) = support_hooks(cfg)
    method = cfg.model.type
    name = f'{Path(cfg.filename).stem}_{method}_{hook.size}'
    if hook.num_ensembles > 1:
        method += f', mean of {hook.num_ensembles} draws'
        name += f'x{hook.num_ensembles}'
    made_from = dict(settings=choose(cfg, TESTED), weights=weights)
    # Results of several weights are kept side by side.
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    folder = work_dir / f'{name}_{digest[:8]}'

    def test() -> dict:
        return dict(scores=make_runner(cfg, folder).test())

    return dict(
        method=method, supports=hook.size, images=None, **kept(folder, made_from, test)
    )


def rival_row(trained: Config, in_context: Config, args: argparse.Namespace) -> dict:
    """Train the rival on the support set of an in-context test, and test it."""
    cfg = copy.deepcopy(trained)
    (hook,) = support_hooks(in_context)
    name = Path(cfg.filename).stem
    folder = args.work_dir / f'{name}_{hook.size}'
    made_from = dict(
        settings=choose(cfg, TRAINED), support=plain(hook.to_dict()), seed=args.seed
    )

    def train() -> dict:
        with DefaultScope.overwrite_default_scope('mmseg'):
            paths = HOOKS.build(hook).draw()['paths']
        use_images(cfg, paths)
        cfg.randomness = dict(seed=args.seed)
        runner = make_runner(cfg, folder)
        runner.train()
        return dict(images=len(paths), scores=runner.test())

    return dict(method=name, supports=hook.size, **kept(folder, made_from, train))


def use_images(cfg: Config, paths: set[str]) -> None:
    """Cut the data set of training to these images, in place.

    Raises:
        ValueError: It does not hold all of them.
    """
    dataset = cfg.train_dataloader.dataset
    found = image_paths(build_dataset(dataset))
    dataset.indices = [index for index, path in enumerate(found) if path in paths]
    missing = paths - set(image_paths(build_dataset(dataset)))
    if missing:
        raise ValueError(
            f'{cfg.filename}: its training holds {len(paths) - len(missing)} of the '
            f'{len(paths)} images of the support set, wanted all; not '
            f'{sorted(missing)[0]}'
        )


def choose(cfg: Config, names: tuple[str, ...]) -> dict:
    """Return some settings of a config as JSON has them."""
    settings = cfg.to_dict()
    return plain({name: settings.get(name) for name in names})


def plain(settings: dict) -> dict:
    return json.loads(json.dumps(settings))


def kept(folder: Path, made_from: dict, make: Callable[[], dict]) -> dict:
    """Return a result that is kept in a folder, and make it where it is not.

    Args:
        folder: Of the result.
        made_from: All that decides it, as JSON has it. A kept result that was made
            from something else is made again.
        make: Makes it: ``scores`` and what else there is to keep.

    Returns:
        What ``make`` returned, and the processor's ``minutes`` that it took.
    """
    file = folder / 'scores.json'
    if file.is_file():
        found = json.loads(file.read_text())
        if found.pop('made_from') == made_from:
            return found
    start = time.process_time()
    made = make()
    made['minutes'] = (time.process_time() - start) / 60
    with whole_file(file) as out:
        out.write(json.dumps(dict(**made, made_from=made_from), indent=1).encode())
    return made


def make_runner(cfg: Config, folder: Path) -> Runner:
    """Build a runner that works in a folder, beside others in this process."""
    name = f'{folder.name}-{uuid.uuid4().hex}'
    cfg.work_dir = str(folder)
    cfg.experiment_name = name
    cfg.visualizer = dict(
        type='SegLocalVisualizer',
        name=name,
        vis_backends=[dict(type='LocalVisBackend')],
    )
    return Runner.from_cfg(cfg)


def make_table(found: list[dict]) -> str:
    """Return the rows as Markdown, those of one number of supports together."""
    found = sorted(found, key=lambda row: row['supports'])
    scores = [name for name in found[0]['scores'] if name.startswith(f'{SCORE}/')]
    lines = [
        [
            'method',
            'supports per class',
            'training images',
            *(name.removeprefix(f'{SCORE}/') for name in scores),
            'mean',
            'CPU minutes',
        ]
    ]
    lines.append(['---'] * len(lines[0]))
    for row in found:
        images = MISSING if row['images'] is None else str(row['images'])
        cells = [f'{row["scores"][name]:.3f}' for name in (*scores, SCORE)]
        minutes = f'{row["minutes"]:.1f}'
        lines.append([row['method'], str(row['supports']), images, *cells, minutes])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


if __name__ == '__main__':
    sys.exit(main())
