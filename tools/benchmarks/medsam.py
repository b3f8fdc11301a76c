"""Seconds and peak memory of MedSAM: with and without cached embeddings, many boxes.

Random weights and images, ViT-B at 1024x1024 by default. Images and embeddings are in
memory; what is timed is the training step with its optimiser, and the prediction with
its masks at the original size, 512x512. Every row is measured in a process of its own:
one warm-up, then the fastest of the repetitions. Peak memory is what the work adds to
the process (CPU) or allocates (GPU).

    python tools/benchmarks/medsam.py --threads 2
    python tools/benchmarks/medsam.py --device cuda --bfloat16 --batch-size 8
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
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData
from mmseg.structures import SegDataSample
from peak_memory import PeakMemory

from mmseg_universeg.models import BoxPromptSegmentor

# Each work with its rows; the ratios of a work are to its first row.
WORKS = {
    'training': {
        'frozen': 'mask decoder only, image encoder run',
        'cached': 'mask decoder only, cached embeddings',
        'all': 'image encoder and mask decoder',
    },
    'inference': {'1': '1 box', '16': '16 boxes', '64': '64 boxes'},
}
TITLES = {'training': 'training step, one box an image', 'inference': 'one image'}
FROZEN = ('image_encoder', 'prompt_encoder')
PASSED_ON = ('device', 'threads', 'arch', 'image_size', 'batch_size', 'repeat')


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
    parser.add_argument('--bfloat16', action='store_true', help='under autocast')
    parser.add_argument('--arch', default='vit_b', help="'vit_b', 'vit_l', 'vit_h'")
    parser.add_argument('--image-size', type=int, default=1024)
    parser.add_argument('--batch-size', type=int, default=1, help='of training')
    parser.add_argument('--repeat', type=int, default=3, help='repetitions per row')
    parser.add_argument(
        '--works', nargs='+', choices=WORKS, default=list(WORKS), help=str(TITLES)
    )
    parser.add_argument('--cell', nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def describe(args: argparse.Namespace) -> str:
    """Name the machine and the settings."""
    if args.device == 'cpu':
        device = f'{platform.processor() or platform.machine()}, {args.threads} threads'
    else:
        device = torch.cuda.get_device_name(args.device)
    numbers = 'bfloat16 autocast' if args.bfloat16 else 'float32'
    return (
        f'torch {torch.__version__} on {device}; {args.arch}, {args.image_size}x'
        f'{args.image_size}, batches of {args.batch_size} in training, {numbers}, '
        f'fastest of {args.repeat}'
    )


def print_table(args: argparse.Namespace, work: str) -> None:
    """Measure one kind of work, each row in its own process."""
    print(f'\n{TITLES[work]}')
    print(f'{"":40}{"seconds":>9}{"ratio":>9}{"images/s":>10}{"MiB":>9}')
    first = None
    for form, name in WORKS[work].items():
        cell = run_cell(args, work, form)
        first = first or cell['seconds']
        images = args.batch_size if work == 'training' else 1
        # In training how much faster, in inference how much slower than the first.
        ratio = first / cell['seconds']
        ratio = ratio if work == 'training' else 1 / ratio
        print(
            f'{name:40}{cell["seconds"]:9.3f}{ratio:8.2f}x'
            f'{images / cell["seconds"]:10.2f}{cell["mib"]:9.0f}',
            flush=True,
        )


def run_cell(args: argparse.Namespace, work: str, form: str) -> dict[str, float]:
    """Start this script anew for one row."""
    command = [sys.executable, '-W', 'ignore', __file__, '--cell', work, form]
    for name in PASSED_ON:
        command += [f'--{name.replace("_", "-")}', str(getattr(args, name))]
    command += ['--bfloat16'] * args.bfloat16
    env = {**os.environ, 'OMP_NUM_THREADS': str(args.threads)}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'{work} of {form} failed')
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(args: argparse.Namespace, work: str, form: str) -> dict[str, float]:
    """Seconds and MiB of one row, in this process."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    prepare = prepare_training if work == 'training' else prepare_inference
    act = prepare(args, form)
    memory = PeakMemory(args.device)

    def run() -> float:
        start = time.perf_counter()
        with memory, torch.autocast(args.device, torch.bfloat16, args.bfloat16):
            act()
            if args.device != 'cpu':
                torch.cuda.synchronize(args.device)
        return time.perf_counter() - start

    run()  # warm-up: kernels are chosen, and memory is laid out
    return dict(seconds=min(run() for _ in range(args.repeat)), mib=memory.mib)


def prepare_training(args: argparse.Namespace, form: str) -> Callable[[], None]:
    """Return a training step of a form, on a batch of its own."""
    model = build(args, form == 'cached', FROZEN[1:] if form == 'all' else FROZEN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    wrapper = OptimWrapper(optimizer)
    model.train()
    samples = [make_sample(args, 1) for _ in range(args.batch_size)]
    inputs = make_inputs(args, form == 'cached', args.batch_size)
    return lambda: model.train_step(dict(inputs=inputs, data_samples=samples), wrapper)


def prepare_inference(args: argparse.Namespace, form: str) -> Callable[[], None]:
    """Return the prediction of one image with as many boxes as the form says."""
    model = build(args, False, FROZEN).eval()
    sample, inputs = make_sample(args, int(form)), make_inputs(args, False, 1)
    return lambda: model.test_step(dict(inputs=inputs, data_samples=[sample]))


def build(args: argparse.Namespace, cached: bool, frozen: tuple) -> BoxPromptSegmentor:
    """Build the model as ``_base_/models/medsam_vit-b.py`` does."""
    backbone = dict(type='CachedEmbedding')
    if not cached:
        backbone = dict(
            type='SAMImageEncoder', arch=args.arch, image_size=args.image_size
        )
    head = dict(type='MedSAMBoxPromptHead', image_size=args.image_size)
    return BoxPromptSegmentor(backbone, head, frozen).to(args.device)


def make_inputs(args: argparse.Namespace, cached: bool, number: int) -> list:
    """Return random images, or their embeddings as a cache gives them."""
    size, grid = args.image_size, args.image_size // 16
    if cached:
        return list(torch.randn(number, 256, grid, grid).half())
    return list(torch.rand(number, 3, size, size))


def make_sample(args: argparse.Namespace, number: int) -> SegDataSample:
    """Return a data sample of random boxes, each filled by its object."""
    size = args.image_size
    corners = torch.randint(0, size // 2, (number, 2))
    boxes = torch.cat([corners, corners + size // 4], dim=1)
    masks = torch.zeros(number, size, size, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.tolist()):
        mask[y1:y2, x1:x2] = 1
    meta = dict(img_path='random', ori_shape=(512, 512), embedding_fingerprint='1' * 64)
    sample = SegDataSample(metainfo=meta)
    sample.gt_instances = InstanceData(
        bboxes=boxes.float(), labels=torch.ones(number, dtype=torch.int64), masks=masks
    )
    return sample


if __name__ == '__main__':
    main()
