"""Time the episodes of a config: images kept in memory against decoded each time.

Example: ``python tools/benchmarks/episodes.py configs/universeg_multi.py``
"""

import argparse
import statistics
import time

import cv2
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmseg_universeg  # noqa: F401  (registers the data sets)


def build(config: dict) -> tuple[object, float]:
    """Build a data set; return it and the seconds that took."""
    start = time.perf_counter()
    dataset = DATASETS.build(config)
    return dataset, time.perf_counter() - start


def milliseconds(dataset: object, count: int) -> list[float]:
    """Return the time of each of the first ``count`` episodes."""
    times = []
    for idx in range(count):
        start = time.perf_counter()
        dataset[idx]
        times.append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='a config that trains on InContextDataset')
    parser.add_argument('--episodes', type=int, default=40, help='how many to time')
    args = parser.parse_args()
    init_default_scope('mmseg')
    # As in a worker process of the loader.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    loader = Config.fromfile(args.config).train_dataloader
    if loader.dataset.type != 'InContextDataset':
        parser.error(f'trains on {loader.dataset.type}, wanted InContextDataset')
    means = {}
    for name, extra in [('kept', {}), ('decoded each time', dict(cache_mb=0))]:
        dataset, seconds = build({**loader.dataset, **extra})
        times = milliseconds(dataset, args.episodes)
        means[name] = statistics.mean(times)
        print(
            f'{name:>17}: built in {seconds:.1f} s; {means[name]:.1f} ms per episode '
            f'(median {statistics.median(times):.1f}, most {max(times):.1f}), '
            f'{means[name] * loader.batch_size:.0f} ms per batch of {loader.batch_size}'
        )
    print(f'ratio: {means["decoded each time"] / means["kept"]:.1f}')


if __name__ == '__main__':
    main()
