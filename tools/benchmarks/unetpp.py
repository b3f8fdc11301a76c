"""Parameters and milliseconds of UNet++ pruned to each depth, in one run.

The network of configs/unetpp_dsb2018.py with random weights, one image, fast mode; the
last row is the whole network in accurate mode, which averages all heads. Levels take
turns, and of each the fastest of the repetitions counts. Ratios are to the whole
network in fast mode.

    python tools/benchmarks/unetpp.py --threads 2
    python tools/benchmarks/unetpp.py --device cuda
"""

import argparse
import platform
import time

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import MODELS

import mmseg_universeg

DEPTHS = (1, 2, 3, 4)


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    init_default_scope('mmseg')
    models = {f'L{depth}': build(depth, 'fast', args.device) for depth in DEPTHS}
    models['L4, accurate mode'] = build(DEPTHS[-1], 'accurate', args.device)
    image = torch.rand(1, 3, args.image_size, args.image_size, device=args.device)
    seconds = dict.fromkeys(models, float('inf'))
    for _ in range(args.repeat + 1):  # the first one warms up, it is not the fastest
        for name, model in models.items():
            seconds[name] = min(seconds[name], time_of(model, image))
    device = f'{platform.machine()}, {args.threads} threads'
    if args.device != 'cpu':
        device = torch.cuda.get_device_name(args.device)
    print(
        f'torch {torch.__version__} on {device}; 1x3x{args.image_size}x'
        f'{args.image_size}, float32, fastest of {args.repeat}'
    )
    print(f'{"":20}{"parameters":>12}{"ms":>9}{"ratio":>8}')
    for name, model in models.items():
        parameters = sum(parameter.numel() for parameter in model.parameters())
        ratio = seconds['L4'] / seconds[name]
        print(f'{name:20}{parameters:12,}{1000 * seconds[name]:9.1f}{ratio:7.2f}x')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--image-size', type=int, default=256)
    parser.add_argument('--repeat', type=int, default=10, help='repetitions per level')
    return parser.parse_args()


def build(depth: int, mode: str, device: str) -> BaseSegmentor:
    """Return the network of a depth, for testing."""
    config = Config.fromfile(mmseg_universeg.config_path('unetpp_dsb2018.py'))
    config.merge_from_dict(
        {
            'model.backbone.prune': depth,
            'model.decode_head.prune': depth,
            'model.decode_head.mode': mode,
        }
    )
    return MODELS.build(config.model).to(device).eval()


def time_of(model: BaseSegmentor, image: torch.Tensor) -> float:
    """Return the seconds of one image, from pixels to logits."""
    start = time.perf_counter()
    with torch.no_grad():
        model(image, mode='tensor')
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
    return time.perf_counter() - start


if __name__ == '__main__':
    main()
