"""NumPy's threads within the work of a loader process."""

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from mmseg_universeg.datasets import SyntheticTasksDataset, synthetic
from mmseg_universeg.datasets.drawing import Scene
from mmseg_universeg.datasets.transforms import displacement
from mmseg_universeg.utils.threads import one_blas_thread


def blas_threads() -> set[int]:
    """Threads of every library that multiplies for NumPy, SciPy or OpenCV."""
    libraries = ThreadpoolController().info()
    found = {one['num_threads'] for one in libraries if one['user_api'] == 'blas'}
    assert found, 'no BLAS library is loaded'
    return found


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api='blas'):
        yield
        assert blas_threads() == {3}


def test_there_is_one_thread_in_the_block_and_as_many_as_before_after_it():
    with one_blas_thread():
        assert blas_threads() == {1}
    assert blas_threads() == {3}
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert blas_threads() == {3}


def test_functions_can_be_told_so_too():
    counted = one_blas_thread()(blas_threads)
    for _ in range(2):
        assert counted() == {1}
        assert blas_threads() == {3}


def test_tasks_are_drawn_on_one_thread(monkeypatch):
    seen = []

    def family(rng, size, changes):
        def draw(rng, num_images):
            seen.append(blas_threads())
            labels = np.zeros((num_images, *size), np.uint8)
            labels[:, 4:12, 4:12] = 1
            return labels

        return Scene(draw, [0.0, 1.0])

    monkeypatch.setattr(synthetic, 'FAMILIES', {family: 1.0})
    for sketch in (False, True):
        SyntheticTasksDataset(image_size=(32, 32), support_size=2, sketch=sketch)[0]
    assert seen == [{1}] * 4


def test_elastic_fields_are_drawn_on_one_thread(monkeypatch):
    seen = []

    class Rows(np.ndarray):
        def __matmul__(self, other):
            seen.append(blas_threads())
            return np.asarray(self) @ other

    def matrix(points, pixels):
        return np.ones((pixels, points), np.float32).view(Rows)

    monkeypatch.setattr(displacement, 'bicubic_matrix', matrix)
    field = displacement.grid_displacement(8, 6, 3, 1.0)
    assert field.shape == (8, 6, 2)
    assert seen == [{1}]
