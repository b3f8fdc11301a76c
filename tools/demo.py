"""Train a small in-context model on drawn tasks and show what it segments.

Needs no data and no GPU: about five minutes on two CPU threads.
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
    return Runner.from_cfg(cfg)


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir)

    started = time.perf_counter()
    runner = build_runner('universeg_synthetic.py', work_dir, args.cfg_options)
    runner.train()
    minutes = (time.perf_counter() - started) / 60
    trained = runner.message_hub.get_scalar('val/case/DSC').current()
    num_tasks = len(runner.val_dataloader.dataset)

    rival = build_runner(
        'mean-support-mask_synthetic.py', work_dir / 'rival', args.cfg_options
    )
    baseline = rival.val()['case/DSC']

    pictures = Path(runner.log_dir, 'vis_data', 'vis_image')
    print(f'\nMean DSC on {num_tasks} drawn tasks never trained on:')
    print(f'  UniverSeg, trained for {minutes:.1f} min   {trained:.3f}')
    print(f'  mean of the support masks       {baseline:.3f}')
    print(f'Pictures of what it segments: {pictures}')


if __name__ == '__main__':
    main()
