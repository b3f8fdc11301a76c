"""Weights by a short name: the file that ships, and those of a URL."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner, load_checkpoint

import mmseg_universeg
from mmseg_universeg import weights
from mmseg_universeg.models import UniverSeg
from mmseg_universeg.utils.checkpoint import load_weights, read_checkpoint

NAME = 'universeg_drawn-tasks'
SHIPPED = f'mmseg_universeg://{NAME}'
FILE = Path(weights.__file__).with_name(f'{NAME}.pth')


@pytest.fixture(scope='module')
def shipped() -> dict:
    """What the shipped file holds, read without our code."""
    return torch.load(FILE, weights_only=True)


def assert_loaded(model, wanted):
    found = model.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())


def rename(monkeypatch, name, **changes):
    """Change an entry of the table for this test."""
    entry = replace(weights.NAMED_WEIGHTS[name], **changes)
    monkeypatch.setitem(weights.NAMED_WEIGHTS, name, entry)


def test_the_file_is_the_one_of_the_table():
    assert weights.locate_weights(SHIPPED) == str(FILE)
    content = FILE.read_bytes()
    assert sha256(content).hexdigest() == weights.NAMED_WEIGHTS[NAME].sha256
    assert len(content) < 5_000_000


def test_tensors_of_the_published_network_and_nothing_else(shipped):
    assert list(shipped) == list(UniverSeg().state_dict())
    assert all(type(value) is torch.Tensor for value in shipped.values())
    assert {value.dtype for value in shipped.values()} == {torch.float32}
    assert all(value.is_contiguous() for value in shipped.values())
    assert sum(value.numel() for value in shipped.values()) == 1_182_785
    assert all(value.isfinite().all() for value in shipped.values())


@pytest.mark.parametrize('way', ['load_checkpoint', 'init_cfg'])
def test_models_load_it(way, shipped):
    if way == 'load_checkpoint':
        model = UniverSeg()
        load_checkpoint(model, SHIPPED, map_location='cpu')
    else:
        model = UniverSeg(init_cfg=dict(type='Pretrained', checkpoint=SHIPPED))
        model.init_weights()
    assert_loaded(model, shipped)


def test_a_test_run_loads_it(shipped, tmp_path):
    cfg = Config.fromfile(mmseg_universeg.config_path('universeg_shipped_synthetic.py'))
    assert cfg.load_from == SHIPPED
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(image_size=(16, 16), length=2, support_size=2)
    cfg.work_dir, cfg.visualizer.name = str(tmp_path), 'shipped weights'
    runner = Runner.from_cfg(cfg)
    runner.test()
    assert_loaded(runner.model, shipped)


def test_a_changed_byte_is_refused(tmp_path, monkeypatch):
    content = bytearray(FILE.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / 'changed.pth'
    path.write_bytes(content)
    rename(monkeypatch, NAME, location=str(path))
    found, wanted = sha256(content).hexdigest(), weights.NAMED_WEIGHTS[NAME].sha256
    for read in (read_checkpoint, load_weights):
        with pytest.raises(ValueError, match=f'changed.pth .*{found}, wanted {wanted}'):
            read(SHIPPED)
    with pytest.raises(ValueError, match=r'changed\.pth is not the file'):
        load_checkpoint(UniverSeg(), SHIPPED)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'changed\.pth'):
        read_checkpoint(SHIPPED)


@pytest.mark.parametrize('name', ['universeg_drawn', ''])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    asked = f'mmseg_universeg://{name}'
    known = f'{SHIPPED}, mmseg_universeg://universeg_v1-released'
    message = f'^there are no weights {asked!r}; known are {known}$'
    with pytest.raises(ValueError, match=message):
        read_checkpoint(asked)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(UniverSeg(), asked)


def test_a_name_with_a_url(tmp_path, monkeypatch):
    name, said = 'universeg_v1-released', []
    entry = weights.NAMED_WEIGHTS[name]
    assert entry.location.startswith('https://github.com/JJGO/UniverSeg/releases/')
    monkeypatch.setattr(weights, 'print_log', lambda text, logger: said.append(text))
    torch.save({'a': torch.arange(3)}, tmp_path / 'released.pt')
    rename(monkeypatch, name, location=(tmp_path / 'released.pt').as_uri())
    found = load_weights(f'mmseg_universeg://{name}')
    assert found['a'].tolist() == [0, 1, 2]
    assert said == [f'licence of mmseg_universeg://{name}: OpenRAIL++-M, research only']
