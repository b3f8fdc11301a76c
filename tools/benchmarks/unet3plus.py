"""Seconds and peak memory of UNet 3+ against its plain restatement.

Encoder, random weights and images are the same in all forms; what differs is how the
decoder's branches are computed, and the memory layout: that of PyTorch's default, as
the published code has it, or channels-last, which the package uses. Every cell of the
table is measured in a process of its own: one warm-up, then the fastest of the
repetitions. Peak memory is what the work adds to the process (CPU) or allocates (GPU).

    python tools/benchmarks/unet3plus.py --threads 2
    python tools/benchmarks/unet3plus.py --device cuda
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
from plain_unet3plus import plain_unet3plus

from mmseg_universeg.models import UNet3PlusHead, UNetEncoder

WORKS = {
    'inference': 'inference, no gradient',
    'training': 'training step, forward and backward of all five outputs',
}
FORMS = {
    'plain': 'plain: upsampled, then convolved',
    'plain-channels-last': 'plain, channels-last',
    'ours': 'ours: convolved, then upsampled',
}
NORM = dict(type='BN')


def main() -> None:
    args = parse_args()
    if args.cell:
        print(json.dumps(measure(args, *args.cell)))
        return
    print(describe(args))
    for work in args.works:
        print_table(args, work)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--image-size', type=int, default=256)
    parser.add_argument('--width', type=int, default=64, help='of the finest row')
    parser.add_argument('--repeat', type=int, default=3, help='repetitions per cell')
    parser.add_argument(
        '--works', nargs='+', choices=WORKS, default=list(WORKS), help=str(WORKS)
    )
    parser.add_argument('--cell', nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def describe(args: argparse.Namespace) -> str:
    """Name the machine and the settings."""
    if args.device == 'cpu':
        device = f'{platform.processor() or platform.machine()}, {args.threads} threads'
    else:
        device = torch.cuda.get_device_name(args.device)
    return (
        f'torch {torch.__version__} on {device}; {args.batch_size}x3x{args.image_size}'
        f'x{args.image_size}, width {args.width}, float32, fastest of {args.repeat}'
    )


def print_table(args: argparse.Namespace, work: str) -> None:
    """Measure one kind of work, each form in its own process."""
    print(f'\n{WORKS[work]}')
    print(f'{"":36}{"seconds":>9}{"ratio":>8}{"MiB":>9}{"ratio":>8}')
    plain = None
    for form, name in FORMS.items():
        cell = run_cell(args, work, form)
        plain = plain or cell
        seconds, mib = cell['seconds'], cell['mib']
        print(
            f'{name:36}{seconds:9.3f}{plain["seconds"] / seconds:7.2f}x'
            f'{mib:9.0f}{plain["mib"] / max(mib, 1):7.2f}x',
            flush=True,
        )


def run_cell(args: argparse.Namespace, work: str, form: str) -> dict[str, float]:
    """Start this script anew for one cell."""
    command = [sys.executable, '-W', 'ignore', __file__, '--cell', work, form]
    for name in ('device', 'threads', 'batch_size', 'image_size', 'width', 'repeat'):
        command += [f'--{name.replace("_", "-")}', str(getattr(args, name))]
    env = {**os.environ, 'OMP_NUM_THREADS': str(args.threads)}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'{work} of {form} failed')
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(args: argparse.Namespace, work: str, form: str) -> dict[str, float]:
    """Seconds and MiB of one cell, in this process."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    act = prepare(args, work, form)
    memory = PeakMemory(args.device)
    with memory:
        act()  # warm-up: kernels are chosen, and memory is laid out
    seconds = []
    for _ in range(args.repeat):
        start = time.perf_counter()
        with memory:
            act()
        seconds.append(time.perf_counter() - start)
    return dict(seconds=min(seconds), mib=memory.mib)


def prepare(args: argparse.Namespace, work: str, form: str) -> Callable[[], None]:
    """Build the network and the images; return the work to be timed."""
    training = work == 'training'
    widths = [args.width * 2**level for level in range(5)]
    encoder = UNetEncoder(3, widths, norm_cfg=NORM, bias=True)
    encoder.to(args.device).train(training)
    head = UNet3PlusHead(
        widths, branch_channels=args.width, num_classes=2, out_channels=1, norm_cfg=NORM
    )
    head.to(args.device).train(training)
    if form == 'plain':
        encoder.to(memory_format=torch.contiguous_format)
        head.to(memory_format=torch.contiguous_format)
    weights = {**dict(head.named_parameters()), **dict(head.named_buffers())}
    images = torch.rand(
        args.batch_size, 3, args.image_size, args.image_size, device=args.device
    )

    def levels() -> list[torch.Tensor]:
        features = encoder(images)
        if form != 'ours':
            return plain_unet3plus(weights, features, head.strides, training)
        return [
            head.to_input_size(logits, features)
            for logits in head.forward_levels(list(features))
        ]

    def act() -> None:
        with torch.set_grad_enabled(training):
            outputs = levels()
        if training:
            sum(output.square().mean() for output in outputs).backward()
            encoder.zero_grad()
            head.zero_grad()
        if args.device != 'cpu':
            torch.cuda.synchronize(args.device)

    return act


if __name__ == '__main__':
    main()
