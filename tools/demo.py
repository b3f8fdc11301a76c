"""Train a small in-context model on drawn tasks and show what it segments.

Needs no data and no GPU: a few minutes on two CPU threads.
"""

import argparse
import time
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

import mmseg_universeg


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir',
        default='work_dirs/demo',
        help='where logs, checkpoint and pictures go (default: %(default)s)',
    )
    return parser.parse_args()


def build_runner(config: str, work_dir: Path) -> Runner:
    cfg = Config.fromfile(str(mmseg_universeg.config_path(config)))
    cfg.work_dir = str(work_dir)
    return Runner.from_cfg(cfg)


def main() -> None:
    args = parse_args()
    work_dir = Path(args.work_dir)

    started = time.perf_counter()
    runner = build_runner('universeg_synthetic.py', work_dir)
    runner.train()
    minutes = (time.perf_counter() - started) / 60
    trained = runner.test()
    baseline = build_runner(
        'mean-support-mask_synthetic.py', work_dir / 'mean-support-mask'
    ).test()

    num_tasks = len(runner.test_dataloader.dataset)
    pictures = sorted(Path(runner.log_dir).glob('vis_data/vis_image/test*.png'))
    print(f'\nMean DSC on {num_tasks} drawn tasks never trained on:')
    print(f'  UniverSeg, trained for {minutes:.1f} min  {trained["case/DSC"]:.3f}')
    print(f'  mean of the support masks      {baseline["case/DSC"]:.3f}')
    print(f'{len(pictures)} pictures of what it segments: {pictures[0].parent}')


if __name__ == '__main__':
    main()
