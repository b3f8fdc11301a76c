"""The weights alone, out of a training's checkpoint."""

import runpy
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from mmengine.logging import MessageHub

from mmseg_universeg.models import UniverSeg

TOOL = runpy.run_path(str(Path(__file__).parents[2] / 'tools/export_weights.py'))


def export(*arguments):
    return TOOL['main']([str(argument) for argument in arguments])


@pytest.fixture
def trained(tmp_path):
    """A checkpoint as a training of several processes writes it, and its weights."""
    hub = MessageHub('test_export_weights')
    hub.update_scalar('train/loss', 1.0)
    weights = UniverSeg(features=(4, 6)).state_dict()
    weights['half'] = torch.tensor([0.5, 3.0], dtype=torch.bfloat16)
    weights['part'] = torch.arange(10_000.0)[:2]
    weights['count'] = torch.tensor(7)
    checkpoint = dict(
        meta=dict(iter=1),
        state_dict={f'module.{key}': value for key, value in weights.items()},
        message_hub=hub.state_dict(),
        optimizer=dict(state={0: dict(exp_avg=torch.ones(4))}, param_groups=[]),
    )
    path = tmp_path / 'iter_1.pth'
    torch.save(checkpoint, path)
    return path, weights


def test_tensors_alone_as_float32(trained, tmp_path):
    path, weights = trained
    assert export(path, tmp_path / 'out.pth') == 0
    found = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert type(found) is dict and list(found) == list(weights)
    for key, value in weights.items():
        assert found[key].is_contiguous()
        assert found[key].dtype == (torch.int64 if key == 'count' else torch.float32)
        assert torch.equal(found[key], value.to(found[key].dtype))
    # Not the whole that 'part' is cut from.
    assert found['part'].untyped_storage().nbytes() == 8


def test_the_same_bytes_again(trained, tmp_path, capsys):
    path, weights = trained
    for name in ('one.pth', 'two.pth'):
        assert export(path, tmp_path / name) == 0
    content = (tmp_path / 'one.pth').read_bytes()
    assert content == (tmp_path / 'two.pth').read_bytes()
    said = capsys.readouterr().out
    assert said.count(f'SHA-256 {sha256(content).hexdigest()}\n') == 2
    assert f'one.pth: {len(weights)} tensors, {len(content):,} bytes\n' in said


def test_refusals(trained, tmp_path, capsys):
    path, _ = trained
    torch.save({'state_dict': {'a': 'b'}}, tmp_path / 'other.pth')
    out = tmp_path / 'out.pth'
    for arguments, message in (
        ((tmp_path / 'missing.pth', out), 'no checkpoint at'),
        ((tmp_path / 'other.pth', out), "holds a str under 'a'"),
        ((path, path), 'exists and is not overwritten'),
        ((path, tmp_path / 'no' / 'out.pth'), f'{tmp_path}/no/out.pth'),
    ):
        assert export(*arguments) == 1
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_mean_of_several(trained, tmp_path, capsys):
    path, weights = trained
    changed = {k: v + 3 if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(changed, tmp_path / 'other.pth')
    torch.save(weights, tmp_path / 'third.pth')
    others = ('--mean-with', tmp_path / 'other.pth', tmp_path / 'third.pth')
    assert export(path, tmp_path / 'out.pth', *others) == 0
    found = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert found['half'].tolist() == [1.5, 4.0]
    assert found['count'] == 7
    for key, value in weights.items():
        if value.is_floating_point():
            assert torch.allclose(found[key], value.float() + 1)
    del changed['half']
    torch.save(changed, tmp_path / 'less.pth')
    less = ('--mean-with', tmp_path / 'less.pth')
    assert export(path, tmp_path / 'none.pth', *less) == 1
    assert 'half is of shape None, wanted (2,)' in capsys.readouterr().err
    assert not (tmp_path / 'none.pth').exists()
