"""Seconds and peak memory of UniverSeg against its plain restatement.

Every cell of the table is measured in a process of its own: random weights and
episodes of 128x128, one warm-up, then the fastest of the repetitions. Peak memory is
what the work adds to the process (CPU) or allocates (GPU).

    python tools/benchmarks/universeg.py --threads 2
    python tools/benchmarks/universeg.py --device cuda
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from peak_memory import PeakMemory
from plain_universeg import plain_universeg

from mmseg_universeg.models import UniverSeg

WORKS = {
    'inference': 'one query, no gradient',
    'training': 'one query, forward and backward',
    'queries': 'many queries against one support set, no gradient',
}
WAYS = {
    'plain': 'plain restatement, float32',
    'plain-last': 'plain restatement, float32, channels-last',
    'ours': 'ours, float32, channels-last (always so)',
    'ours-bf16': 'ours, bfloat16 autocast',
    'ours-compiled': 'ours, float32, torch.compile',
}


def main() -> None:
    args = parse_args()
    if args.cell:
        print(json.dumps(measure(args)))
        return
    print(describe(args))
    for work in args.works:
        for size in args.support_sizes:
            print_table(args, work, size)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--support-sizes', type=int, nargs='+', default=[1, 16, 64])
    parser.add_argument('--image-size', type=int, default=128)
    parser.add_argument('--queries', type=int, default=32)
    parser.add_argument('--repeat', type=int, default=3, help='repetitions per cell')
    parser.add_argument(
        '--works', nargs='+', choices=WORKS, default=list(WORKS), help=str(WORKS)
    )
    parser.add_argument(
        '--ways', nargs='+', choices=WAYS, default=list(WAYS), help=str(WAYS)
    )
    parser.add_argument(
        '--quick', action='store_true', help='small, to see that everything runs'
    )
    parser.add_argument('--cell', nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.support_sizes, args.image_size = [2], 32
        args.queries, args.repeat = 2, 1
    return args


def describe(args: argparse.Namespace) -> str:
    """Name the machine and the settings."""
    if args.device == 'cpu':
        device = f'{platform.processor() or platform.machine()}, {args.threads} threads'
    else:
        device = torch.cuda.get_device_name(args.device)
    return (
        f'torch {torch.__version__} on {device}; {args.image_size}x{args.image_size}, '
        f'S supports, fastest of {args.repeat}'
    )


def print_table(args: argparse.Namespace, work: str, size: int) -> None:
    """Measure one kind of work at one support size, each way in its own process."""
    title = f'{args.queries} queries, one support set' if work == 'queries' else work
    print(f'\n{title}, S={size}')
    print(f'{"":46}{"seconds":>9}{"ratio":>8}{"MiB":>9}{"ratio":>8}')
    base = None
    for way in args.ways:
        cell = run_cell(args, work, size, way)
        if 'error' in cell:
            print(f'{WAYS[way]:46}  does not work: {cell["error"]}', flush=True)
            continue
        base = base or cell
        seconds, mib = cell['seconds'], cell['mib']
        print(
            f'{WAYS[way]:46}{seconds:9.3f}{base["seconds"] / seconds:7.1f}x'
            f'{mib:9.0f}{base["mib"] / max(mib, 1):7.1f}x',
            flush=True,
        )


def run_cell(args: argparse.Namespace, work: str, size: int, way: str) -> dict:
    """Start this script anew for one cell."""
    command = [sys.executable, '-W', 'ignore', __file__]
    for name in ('device', 'threads', 'image_size', 'queries', 'repeat'):
        command += [f'--{name.replace("_", "-")}', str(getattr(args, name))]
    command += ['--cell', work, str(size), way]
    env = {**os.environ, 'OMP_NUM_THREADS': str(args.threads)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f'exit {done.returncode}']
        return dict(error=lines[-1][:100])
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Seconds and MiB of one cell, in this process."""
    work, size, way = args.cell[0], int(args.cell[1]), args.cell[2]
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    act = prepare(args, work, size, way)
    memory = PeakMemory(args.device)
    with memory:
        act()  # warm-up: kernels are chosen, compiled, and memory is laid out
    seconds = []
    for _ in range(args.repeat):
        start = time.perf_counter()
        with memory:
            act()
        seconds.append(time.perf_counter() - start)
    return dict(seconds=min(seconds), mib=memory.mib)


def prepare(
    args: argparse.Namespace, work: str, size: int, way: str
) -> Callable[[], None]:
    """Build the model and the data; return the work to be timed."""
    model = UniverSeg().to(args.device)
    edge, count = args.image_size, args.queries if work == 'queries' else 1
    queries = torch.rand(count, 1, edge, edge, device=args.device)
    images = torch.rand(1, size, 1, edge, edge, device=args.device)
    masks = (images > 0.5).float()
    if way == 'plain':
        model.to(memory_format=torch.contiguous_format)
    weights = dict(model.named_parameters())
    if way.startswith('plain'):

        def logits(image: torch.Tensor) -> torch.Tensor:
            return plain_universeg(weights, image, images, masks)

    else:
        compiled = way == 'ours-compiled'
        forward = torch.compile(model.logits) if compiled else model.logits

        def logits(image: torch.Tensor) -> torch.Tensor:
            return forward(image, images, masks)

    if work == 'queries' and way in ('ours', 'ours-bf16'):
        # One class alone, as the plain side does one binary run per query.
        model.set_support(
            images[0], torch.where(masks[0, :, 0] > 0, 0, 255), num_classes=1
        )
        logits = model.class_probabilities

    def act() -> None:
        with torch.autocast(
            torch.device(args.device).type, torch.bfloat16, way == 'ours-bf16'
        ):
            if work == 'training':
                logits(queries).float().square().mean().backward()
                model.zero_grad()
            else:
                with torch.no_grad():
                    for query in queries.split(1):
                        logits(query)
        if args.device != 'cpu':
            torch.cuda.synchronize(args.device)

    return act


if __name__ == '__main__':
    main()
