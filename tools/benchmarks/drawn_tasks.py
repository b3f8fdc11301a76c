"""Tasks and images per second of the generator of drawn tasks, in one process.

Those of a config's options, all together and family by family, against the simple
tasks that the defaults draw; and as sketches, whose images the model's device makes, of
all label maps and of few, which it deforms to the others. Beside it, the network's work
for a task, how long a loader of two processes takes for a batch, and how much of that
work a device would have to do before it waits. With --device, how long that device
takes for the images of a batch of sketches of few label maps and for a training step on
them, and whether the loader keeps it busy.

    python tools/benchmarks/drawn_tasks.py
    python tools/benchmarks/drawn_tasks.py --image-size 64 --support-size 16
    python tools/benchmarks/drawn_tasks.py --image-size 128 --device cuda
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from mmseg_universeg import config_path
from mmseg_universeg.datasets import SyntheticTasksDataset
from mmseg_universeg.datasets.synthetic import find_options
from mmseg_universeg.models import InContextSegmentor

PROCESSES, BATCH, FEW_MAPS = 2, 8, 8


def main() -> None:
    """Print a table for every image size."""
    args = parse_args()
    init_default_scope('mmseg')
    # As in a worker process of the loader.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    cfg = Config.fromfile(args.config)
    options = find_options(cfg.train_dataloader.dataset)
    options.pop('image_size', None)
    model = MODELS.build(cfg.model)
    for size in args.image_size:
        print(
            f'\n{size}x{size}, {args.support_size} supports, {args.tasks} tasks each\n'
            f'{"":>22}{"tasks/s":>9}{"images/s":>10}'
        )
        simple = print_speed('simple tasks', size, args)
        speed = print_speed('every kind', size, args, **options)
        print(f'{"every kind : simple":>22}{speed / simple:9.2f}')
        sketched = dict(options, sketch=True)
        few = dict(sketched, support_maps=FEW_MAPS)
        for name, own in (('sketches', sketched), ('of few maps', few)):
            ratio = print_speed(name, size, args, **own) / speed
            print(f'{f"{name} : every kind":>22}{ratio:9.2f}')
        for name, weight in (options.get('families') or {}).items():
            own = {**options, 'families': {name: weight or 1.0}}
            print_speed(name, size, args, **own)
        work = 3 * forward_macs(model, size, args.support_size)
        print(
            f'one training step: {work / 1e9:.4g} GFLOP (multiply-adds) per task, '
            'three times the forward pass'
        )
        ways = {'draw': options, 'sketch': sketched, 'sketch with few maps': few}
        for what, own in ways.items():
            dataset = make_dataset(size, args, **own)
            seconds = time_loader(dataset, batches=args.tasks)
            print(
                f'{PROCESSES} processes {what} a batch of {BATCH} in {seconds:.3g} s '
                'and fall behind a device that sustains '
                f'{2 * work * BATCH / seconds / 1e12:.3g} TFLOP/s (a multiply-add '
                'being two)'
            )
        if args.device:
            print_device(model.to(args.device), dataset, seconds)
            model.to('cpu')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--config',
        default=config_path('universeg_drawn-tasks.py'),
        help='a config that trains UniverSeg on drawn tasks',
    )
    parser.add_argument('--image-size', type=int, nargs='+', default=[64, 128])
    parser.add_argument('--support-size', type=int, default=32)
    parser.add_argument('--tasks', type=int, default=40, help='of each row')
    parser.add_argument(
        '--device', help='where to measure a training step too, such as cuda'
    )
    return parser.parse_args()


def print_speed(name: str, size: int, args: argparse.Namespace, **options) -> float:
    """Print a row; return the tasks per second."""
    dataset = make_dataset(size, args, **options)
    dataset[args.tasks]  # a warm-up
    start = time.perf_counter()
    for idx in range(args.tasks):
        dataset[idx]
    speed = args.tasks / (time.perf_counter() - start)
    images = speed * (args.support_size + 1)
    print(f'{name:>22}{speed:9.3g}{images:10.4g}', flush=True)
    return speed


def make_dataset(
    size: int, args: argparse.Namespace, **options
) -> SyntheticTasksDataset:
    return SyntheticTasksDataset(
        image_size=(size, size),
        support_size=args.support_size,
        pipeline=[dict(type='PackEpisodeInputs')],
        **options,
    )


def time_loader(dataset: SyntheticTasksDataset, batches: int) -> float:
    """Seconds that a loader takes for a batch while nothing else is done."""
    loader = DataLoader(
        dataset, BATCH, num_workers=PROCESSES, collate_fn=pseudo_collate
    )
    drawn = iter(loader)
    # As many as are drawn ahead.
    for _ in range(loader.prefetch_factor * PROCESSES):
        next(drawn)
    start = time.perf_counter()
    for _ in range(batches):
        next(drawn)
    return (time.perf_counter() - start) / batches


def print_device(
    model: InContextSegmentor, dataset: SyntheticTasksDataset, seconds: float
) -> None:
    """Print a device's times for a batch that a loader sketches in ``seconds``."""
    batch = pseudo_collate([dataset[idx] for idx in range(BATCH)])

    def draw() -> torch.Tensor:
        return model.data_preprocessor(batch)['inputs']['img']

    def step() -> torch.Tensor:
        with torch.autocast(model.device.type, torch.bfloat16):
            losses = model.loss(**model.data_preprocessor(batch))
        loss, _ = model.parse_losses(losses)
        loss.backward()
        return loss

    drawing, training = median_time(draw), median_time(step)
    print(
        f'on {model.device}: the images of such a batch in {drawing:.3g} s, '
        f'{drawing / training:.2%} of a training step with them, in {training:.3g} s; '
        f'beside {PROCESSES} processes it waits '
        f'{max(0.0, 1 - training / seconds):.0%} of the time'
    )


def median_time(run: Callable[[], torch.Tensor], times: int = 5) -> float:
    """Seconds that a run takes until its result is there, after a first one."""
    found = []
    for _ in range(times + 1):
        start = time.perf_counter()
        run().sum().item()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def forward_macs(model: torch.nn.Module, size: int, supports: int) -> int:
    """Count the multiply-adds of the convolutions for one task."""
    image = torch.zeros(1, 1, size, size)
    several = torch.zeros(1, supports, 1, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.logits(image, several, several)
    return counter.get_total_flops() // 2


if __name__ == '__main__':
    main()
