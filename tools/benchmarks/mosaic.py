"""Images per second of BioMedicalRandomMosaic against MMSeg's RandomMosaic.

Both work in MultiImageMixDataset on the same files, in one process of one thread, with
the same loading before and the same crop, flip and packing after. By default the files
are drawn RGB images and label maps, PNG, in a temporary folder.

    python tools/benchmarks/mosaic.py
    python tools/benchmarks/mosaic.py --dsb2018 --size 256
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dataset import ConcatDataset
from mmengine.registry import init_default_scope
from mmseg.datasets import MultiImageMixDataset
from mmseg.registry import DATASETS

import mmseg_universeg  # noqa: F401  (registers the data sets and transforms)

MOSAICS = ('RandomMosaic', 'BioMedicalRandomMosaic')


def main() -> None:
    """Print both speeds and their ratio."""
    args = parse_args()
    init_default_scope('mmseg')
    # As in a worker process of the loader.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if args.dsb2018:
            files = dsb2018()
        else:
            draw_files(Path(folder), args.number, args.size)
            files = drawn(folder)
        files = ConcatDataset([DATASETS.build(files)])
        datasets = {name: mix(files, name, args) for name in MOSAICS}
        speeds = {name: [] for name in MOSAICS}
        for number in range(args.rounds):
            for name, dataset in datasets.items():
                speeds[name].append(images_per_second(dataset, args.images, number))
    print(
        f'{"DSB2018" if args.dsb2018 else "drawn images"}, {len(dataset)} files, '
        f'size {args.size}, prob {args.prob}, median of {args.rounds} rounds of '
        f'{args.images} images, one thread'
    )
    medians = [statistics.median(speeds[name]) for name in MOSAICS]
    for name, median in zip(MOSAICS, medians):
        print(f'{name:>22}: {median:.4g} images per second')
    print(f'ratio: {medians[1] / medians[0]:.2f}')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--prob', type=float, default=0.5, help='of a mosaic')
    parser.add_argument(
        '--size', type=int, default=512, help='of drawn images, of tiles and of crops'
    )
    parser.add_argument('--number', type=int, default=32, help='of drawn images')
    parser.add_argument('--images', type=int, default=200, help='per round')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--dsb2018', action='store_true', help='real images instead of drawn ones'
    )
    return parser.parse_args()


def draw_files(folder: Path, number: int, size: int) -> None:
    """Write smooth random images with their bright parts as label maps."""
    rng = np.random.default_rng(0)
    for kind in ('img', 'seg'):
        (folder / kind).mkdir()
    for index in range(number):
        noise = cv2.GaussianBlur(rng.random((size, size, 3), np.float32), (0, 0), 5)
        img = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        seg = (img[..., 0] > 128).astype(np.uint8)
        cv2.imwrite(str(folder / 'img' / f'{index}.png'), img)
        cv2.imwrite(str(folder / 'seg' / f'{index}.png'), seg)


def drawn(folder: str) -> dict:
    """Return the config of the data set of drawn files."""
    return dict(
        type='BaseSegDataset',
        data_root=folder,
        data_prefix=dict(img_path='img', seg_map_path='seg'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'bright')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')],
    )


def dsb2018() -> dict:
    """Return the config of the real data set."""
    return dict(
        type='DSB2018Dataset',
        split='train',
        pipeline=[dict(type='LoadMedicalImage'), dict(type='LoadLabelMap')],
    )


def mix(
    files: ConcatDataset, name: str, args: argparse.Namespace
) -> MultiImageMixDataset:
    """Wrap a data set, so that some of its images become mosaics."""
    size = (args.size, args.size)
    pipeline = [
        dict(type=name, prob=args.prob, img_scale=size),
        dict(type='RandomCrop', crop_size=size),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    return MultiImageMixDataset(files, pipeline)


def images_per_second(dataset: MultiImageMixDataset, number: int, seed: int) -> float:
    """Time so many images, one after the other."""
    np.random.seed(seed)
    start = time.perf_counter()
    for index in range(number):
        dataset[index % len(dataset)]
    return number / (time.perf_counter() - start)


if __name__ == '__main__':
    main()
