"""Time BioMedicalElasticDeform against the elastic transforms of other libraries.

Each deforms an 8-bit RGB image together with its label map, on one thread; decoding
and packing are not counted. The transforms take turns, and the median counts.

    python tools/benchmarks/transforms.py

albumentations takes part where it is installed (pip install albumentations==2.0.8;
that brings a second OpenCV, so better not into an environment that is in use).
"""

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from monai.transforms import Rand2DElasticd

from mmseg_universeg.datasets.transforms import BioMedicalElasticDeform

try:
    from albumentations import ElasticTransform
except ImportError:
    ElasticTransform = None


def main() -> None:
    """Print images per second and the ratio to the fastest other transform."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, default=512, help='side of the image')
    parser.add_argument('--rounds', type=int, default=100, help='images per transform')
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    np.random.seed(0)
    image = np.random.randint(0, 256, (args.size, args.size, 3), np.uint8)
    labels = np.random.randint(0, 2, (args.size, args.size), np.uint8)
    yardsticks = others(image, labels)
    seconds = measure({**ours(image, labels), **yardsticks}, args.rounds)
    fastest = min(seconds[name] for name in yardsticks)
    print(
        f'{args.size}x{args.size} RGB with label map, one thread, {args.rounds} images'
    )
    print(f'{"":46}{"images/s":>9}{"ms":>8}{"ratio":>8}')
    for name, value in seconds.items():
        print(f'{name:46}{1 / value:9.0f}{1000 * value:8.2f}{fastest / value:7.1f}x')
    if ElasticTransform is None:
        print(
            'albumentations is not installed, so its rows are missing: '
            'pip install albumentations==2.0.8'
        )


def ours(image: np.ndarray, labels: np.ndarray) -> dict[str, Callable]:
    """Return our transforms by name, ready to be called."""

    def way(**config) -> Callable:
        transform = BioMedicalElasticDeform(prob=1, **config)
        return lambda: transform(
            dict(img=image, gt_seg_map=labels, seg_fields=['gt_seg_map'])
        )

    return {
        "ours, U-Net's scheme (default)": way(),
        "ours, Simard's scheme": way(scheme='simard'),
    }


def others(image: np.ndarray, labels: np.ndarray) -> dict[str, Callable]:
    """Return the other libraries' transforms by name, fed as each likes it best."""
    tensors = dict(
        image=torch.from_numpy(image).permute(2, 0, 1).float().contiguous(),
        label=torch.from_numpy(labels)[None].float(),
    )
    monai = Rand2DElasticd(
        keys=('image', 'label'),
        spacing=image.shape[0] / 2,
        magnitude_range=(0, 20),
        prob=1,
        mode=('bilinear', 'nearest'),
        padding_mode='zeros',
    )
    ways = {'MONAI Rand2DElastic': lambda: monai(tensors)}
    if ElasticTransform is not None:
        exact = ElasticTransform(alpha=500, p=1)
        quick = ElasticTransform(alpha=500, approximate=True, p=1)
        ways['albumentations ElasticTransform'] = lambda: exact(
            image=image, mask=labels
        )
        ways['albumentations ElasticTransform, approximate'] = lambda: quick(
            image=image, mask=labels
        )
    return ways


def measure(ways: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way."""
    times = {name: [] for name in ways}
    for act in ways.values():
        act()  # warm-up
    for _ in range(rounds):
        for name, act in ways.items():
            start = time.perf_counter()
            act()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == '__main__':
    main()
