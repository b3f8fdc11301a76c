"""Threads of the libraries that multiply matrices for NumPy."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let NumPy multiply matrices on one thread inside the block, or the function.

    PyTorch gives each process of a loader one thread, but NumPy's OpenBLAS starts as
    many as there are cores in every one of them, which then wait for each other.
    """
    with _blas().limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api='blas')
