"""Segment drawn tasks with the weights that ship, then train a small model on such.

Needs no data and no GPU: seconds for the first, about five minutes on two CPU threads
for the second.
"""

import argparse
import time
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

import mmseg_universeg


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        help='where logs, checkpoint and pictures go (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        help='settings to override, e.g. train_cfg.max_iters=200',
    )
    return parser.parse_args()


def build_runner(config: str, work_dir: Path, options: dict) -> Runner:
    cfg = Config.fromfile(mmseg_universeg.config_path(config))
    cfg.merge_from_dict(options)
    cfg.work_dir = str(work_dir)
    cfg.visualizer.name = str(work_dir)  # one of this name would be used again
    return Runner.from_cfg(cfg)


def pictures_of(runner: Runner) -> Path:
    return Path(runner.log_dir, 'vis_data', 'vis_image')


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir)

    started = time.perf_counter()
    ready = build_runner(
        'universeg_shipped_synthetic.py', work_dir / 'shipped', args.cfg_options
    )
    shipped = ready.val()['case/DSC']
    seconds = time.perf_counter() - started
    num_tasks = len(ready.val_dataloader.dataset)
    print(f'\nMean DSC of the shipped weights on {num_tasks} tasks: {shipped:.3f}')
    print(f'Pictures of what they segment: {pictures_of(ready)}\n')

    started = time.perf_counter()
    runner = build_runner(
        'universeg_synthetic.py', work_dir / 'trained', args.cfg_options
    )
    runner.train()
    minutes = (time.perf_counter() - started) / 60
    trained = runner.message_hub.get_scalar('val/case/DSC').current()

    rival = build_runner(
        'mean-support-mask_synthetic.py', work_dir / 'rival', args.cfg_options
    )
    baseline = rival.val()['case/DSC']

    print(f'\nMean DSC on {num_tasks} drawn tasks. Both networks were trained on other')
    print('tasks of the same generator.')
    for what, score in (
        (f'UniverSeg, shipped weights, in {seconds:.0f} s', shipped),
        (f'a smaller one, trained for {minutes:.1f} min', trained),
        ('mean of the support masks', baseline),
    ):
        print(f'  {what:<40}{score:.3f}')
    print(f'Pictures of what they segment: {pictures_of(ready)}')
    print(f'{"and":>30} {pictures_of(runner)}')


if __name__ == '__main__':
    main()
