"""The memory that a piece of work takes, for the benchmarks."""

import os
import threading
from pathlib import Path

import torch


class PeakMemory:
    """Largest memory used within `with` blocks, beyond that before the first.

    On a CPU the resident set is sampled, because its recorded peak also counts
    what importing and building took.
    """

    def __init__(self, device: str):
        self.device = device
        self.peak = self.before = self._now()
        self._stop = threading.Event()

    @property
    def mib(self) -> float:
        return (self.peak - self.before) / 2**20

    def _now(self) -> int:
        if self.device != 'cpu':
            return torch.cuda.memory_allocated(self.device)
        pages = Path('/proc/self/statm').read_text().split()[1]
        return int(pages) * os.sysconf('SC_PAGE_SIZE')

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self.peak = max(self.peak, self._now())

    def __enter__(self) -> None:
        if self.device != 'cpu':
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        self._stop.clear()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def __exit__(self, *_: object) -> None:
        if self.device != 'cpu':
            self.peak = max(self.peak, torch.cuda.max_memory_allocated(self.device))
            return
        self._stop.set()
        self._watcher.join()
