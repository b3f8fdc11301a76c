"""Fetching data sets, from archives made here."""

import functools
import http.server
import importlib.util
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mmseg_universeg.datasets import WBCDataset

TOOL = Path(__file__).parents[3] / 'tools' / 'dataset_converters' / 'download.py'
WBC = {
    f'segmentation_WBC-master/Dataset {i}/001.{kind}': f'{kind} {i}'.encode() * 1000
    for i in (1, 2)
    for kind in ('bmp', 'png')
}


def _archive(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, 'w') as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path.as_uri()


class Done(NamedTuple):
    """What a run of the tool ended with."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run the tool with these arguments, in this process because it is quicker."""
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    tool = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, TOOL.stem, tool)  # dataclasses look there
    spec.loader.exec_module(tool)

    def call(*arguments: str | Path) -> Done:
        status = tool.main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return call


def test_wbc(tmp_path: Path, run: Callable) -> None:
    extra = {
        'segmentation_WBC-master/README.rst': b'read me',
        'segmentation_WBC-master/Dataset 1.png': b'not of the data set',
        '__MACOSX/Dataset 1/._001.png': b'rubbish',
    }
    url = _archive(tmp_path / 'a.zip', {**WBC, **extra})
    out = tmp_path / 'data'
    done = run('wbc', '--out', out, '--url', url)
    assert done.returncode == 0, done.stderr
    assert 'GPL-3.0' in done.stdout
    assert '100' in done.stderr or '#' in done.stderr  # the progress bar
    files = {str(p.relative_to(out / 'wbc')) for p in out.rglob('*') if p.is_file()}
    assert files == {'README.rst'} | {
        f'Dataset {i}/001.{kind}' for i in (1, 2) for kind in ('bmp', 'png')
    }
    assert (out / 'wbc' / 'Dataset 2' / '001.bmp').read_bytes() == b'bmp 2' * 1000
    assert [p.name for p in out.iterdir()] == ['wbc']  # nothing left over

    again = run('wbc', '--out', out, '--url', url)
    assert again.returncode == 1
    assert 'exists and is not overwritten' in again.stderr


def test_goes_where_the_data_sets_look(
    tmp_path: Path, run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MMSEG_UNIVERSEG_DATA', str(tmp_path / 'elsewhere'))
    assert run('wbc', '--url', _archive(tmp_path / 'a.zip', WBC)).returncode == 0
    dataset = WBCDataset(folder='Dataset 2')
    assert [Path(d['img_path']).name for d in dataset.load_data_list()] == ['001.bmp']


def test_other_layouts(tmp_path: Path, run: Callable) -> None:
    name = 'a1' * 32
    url = _archive(
        tmp_path / 'a.zip',
        {
            f'{name}/images/{name}.png': b'image',
            f'{name}/masks/{"b2" * 32}.png': b'mask',
            'unet-master/data/membrane/train/image/0.png': b'image',
            'unet-master/data/membrane/train/label/0.png': b'label',
            'unet-master/data/membrane/train/aug/image_0_1.png': b'augmented',
            'unet-master/data/membrane/test/0.png': b'test',
        },
    )
    for dataset, folder in (
        ('dsb2018', f'stage1_train/{name}/images'),
        ('isbi2012', 'label'),
    ):
        done = run(dataset, '--out', tmp_path, '--url', url)
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / dataset / folder).iterdir())) == 1
        assert sum(p.is_file() for p in (tmp_path / dataset).rglob('*')) == 2


@pytest.mark.parametrize('name', ['../evil.png', '/evil.png', 'a/../../evil.png'])
def test_archive_that_would_write_elsewhere(
    tmp_path: Path, name: str, run: Callable
) -> None:
    url = _archive(tmp_path / 'a.zip', {**WBC, name: b'evil'})
    done = run('wbc', '--out', tmp_path / 'data', '--url', url)
    assert done.returncode == 1
    assert 'unsafe archive' in done.stderr
    assert 'Traceback' not in done.stderr
    assert list((tmp_path / 'data').iterdir()) == []


def test_archive_of_something_else_or_damaged(tmp_path: Path, run: Callable) -> None:
    url = _archive(tmp_path / 'a.zip', {'x/Dataset 1/001.bmp': b'image'})
    done = run('wbc', '--out', tmp_path / 'data', '--url', url)
    assert done.returncode == 1
    assert 'missing: Dataset 1/001.png' in done.stderr
    _archive(tmp_path / 'a.zip', WBC)
    raw = (tmp_path / 'a.zip').read_bytes()
    (tmp_path / 'a.zip').write_bytes(raw.replace(b'png 2png', b'png 3png', 1))
    done = run('wbc', '--out', tmp_path / 'data', '--url', url)
    assert done.returncode == 1
    assert 'CRC' in done.stderr
    (tmp_path / 'a.zip').write_text('<html>moved</html>')
    done = run('wbc', '--out', tmp_path / 'data', '--url', url)
    assert done.returncode == 1
    assert 'not a zip file' in done.stderr
    assert list((tmp_path / 'data').iterdir()) == []


def test_no_such_address(tmp_path: Path, run: Callable) -> None:
    url = (tmp_path / 'none.zip').as_uri()
    done = run('wbc', '--out', tmp_path, '--url', url)
    assert done.returncode == 1
    assert 'cannot be reached' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    ('name', 'address'),
    [('drive', 'drive.grand-challenge.org'), ('acdc', 'humanheart-project')],
)
def test_where_to_register(
    tmp_path: Path, name: str, address: str, run: Callable
) -> None:
    done = run(name, '--out', tmp_path / 'data')
    assert done.returncode == 1
    assert address in done.stdout
    assert not (tmp_path / 'data').exists()


class _Server(http.server.BaseHTTPRequestHandler):
    """Breaks off once, then continues where the client asks."""

    def __init__(self, content: bytes, starts: list, *args) -> None:
        self.content, self.starts = content, starts
        super().__init__(*args)

    def do_GET(self) -> None:
        """Serve the archive."""
        asked = self.headers.get('Range')
        start = int(asked.removeprefix('bytes=').rstrip('-')) if asked else 0
        self.starts.append(start)
        rest = self.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header('Content-Length', str(len(rest)))
        self.end_headers()
        self.wfile.write(rest if asked else rest[: len(rest) // 2])

    def log_message(self, *args) -> None:
        """Say nothing."""


def test_interrupted_download_is_continued(tmp_path: Path, run: Callable) -> None:
    _archive(tmp_path / 'a.zip', WBC)
    content, starts = (tmp_path / 'a.zip').read_bytes(), []
    handler = functools.partial(_Server, content, starts)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}/a.zip'
        first = run('wbc', '--out', tmp_path / 'data', '--url', url)
        second = run('wbc', '--out', tmp_path / 'data', '--url', url)
        server.shutdown()
    assert first.returncode == 1
    assert f'of {len(content)} bytes; the same command continues it' in first.stderr
    assert second.returncode == 0, second.stderr
    assert starts == [0, len(content) // 2]
    assert (tmp_path / 'data' / 'wbc' / 'Dataset 1' / '001.bmp').exists()
