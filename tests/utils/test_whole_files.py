"""Files appear whole or not at all, also on a full disk."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmseg_universeg.utils.whole_files import whole_file


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file of this process can grow beyond 20 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / 'a'
    with whole_file(path) as file:
        file.write(b'12')
        assert not path.exists()
        file.write(b'3')
    assert path.read_bytes() == b'123'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError, OSError('why')])
def test_what_was_there_stays(
    tmp_path: Path, error: BaseException | type[BaseException]
) -> None:
    path = tmp_path / 'a'
    path.write_text('before')
    with pytest.raises(BaseException) as raised, whole_file(path) as file:
        file.write(b'after')
        raise error
    assert raised.value is error or raised.type is error
    assert path.read_text() == 'before'
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk(tmp_path: Path, small_disk: None) -> None:
    with (
        pytest.raises(OSError, match=r'a\.bin'),
        whole_file(tmp_path / 'a.bin') as file,
    ):
        file.write(bytes(50_000))
    assert not list(tmp_path.iterdir())


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'none/a\b'):  # noqa: SIM117
        with whole_file(tmp_path / 'none' / 'a'):
            pass
