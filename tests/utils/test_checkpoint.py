"""Checkpoints that fit, that do not, and that should not be opened."""

import pickle

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import load_checkpoint, load_state_dict

from mmseg_universeg.models import UniverSeg
from mmseg_universeg.utils.checkpoint import (
    check_fit,
    load_weights,
    read_checkpoint,
    refuse_code,
)

SMALL = dict(features=(4, 6))
FIRST = 'enc_blocks.0.cross.cross_conv.weight'


class Attack:
    """What a hostile pickle does: it names a function to be called."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


def pretrained(checkpoint, **kwargs):
    model = UniverSeg(
        **{**SMALL, **kwargs},
        init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)),
    )
    model.init_weights()
    return model


@pytest.fixture
def saved(tmp_path):
    """A small model and the file of its weights."""
    model = UniverSeg(**SMALL)
    path = tmp_path / 'weights.pt'
    torch.save(model.state_dict(), path)
    return model, path


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values())
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize('how', ['path', 'url'])
def test_weights_load_through_init_cfg_and_load_from(saved, how):
    model, path = saved
    where = str(path) if how == 'path' else path.as_uri()
    assert same(pretrained(where), model)
    other = UniverSeg(**SMALL)
    load_checkpoint(other, where, map_location='cpu')  # what a Runner calls
    assert same(other, model)


def test_published_file_by_its_url(parity_root):
    model = pretrained(
        (parity_root / 'universeg_v1_random.pt').as_uri(), features=(64,) * 4
    )
    assert sum(p.numel() for p in model.parameters()) == 1_182_785


def test_checkpoints_of_runs_load(saved, tmp_path):
    from mmengine.logging import MessageHub

    model, _ = saved
    hub = MessageHub('test_checkpoint')
    hub.update_scalar('train/loss', 1.0)
    state = {f'module.{key}': value for key, value in model.state_dict().items()}
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(meta=dict(iter=1), state_dict=state, hub=hub.state_dict()), path)
    assert same(pretrained(path), model)


def test_other_init_cfgs_still_work():
    model = UniverSeg(
        **SMALL,
        init_cfg=dict(type='Constant', layer='Conv2d', val=0.5, bias=0.25),
    )
    model.init_weights()
    assert all((p == (0.5 if p.dim() == 4 else 0.25)).all() for p in model.parameters())


@pytest.mark.parametrize('load', ['init_cfg', 'load_from'])
@pytest.mark.parametrize(
    'kwargs, message',
    [
        (
            dict(features=(8, 6)),
            rf"'{FIRST}' is \(4, 3, 3, 3\), wanted \(8, 3, 3, 3\)",
        ),
        (dict(features=(4, 6, 6)), r"it has no 'enc_blocks.2.cross.cross_conv.weight'"),
        (dict(out_conv=False), r"'dec_blocks.0.target.vmapped.conv.weight' is"),
    ],
)
def test_weights_of_another_network_are_an_error(saved, load, kwargs, message):
    _, path = saved
    with pytest.raises(ValueError, match=message):
        if load == 'init_cfg':
            pretrained(path, **kwargs)
        else:
            load_checkpoint(UniverSeg(**{**SMALL, **kwargs}), str(path))


def test_weights_that_are_not_known_are_an_error(saved):
    model, _ = saved
    state = {**model.state_dict(), 'enc_blocks.7.bias': torch.zeros(2)}
    with pytest.raises(ValueError, match=r"it has 'enc_blocks.7.bias' of shape \(2,\)"):
        model.load_state_dict(state, strict=False)


@pytest.fixture
def normalised():
    """A layer with batch normalisation within a network, and its state."""

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3)
            self.norm = torch.nn.BatchNorm2d(2)
            self.constants = torch.nn.Module()
            self.constants.register_buffer('scale', torch.zeros(3))
            self.register_load_state_dict_pre_hook(check_fit)

    network = torch.nn.ModuleDict(dict(own=Layer(), other=torch.nn.Linear(2, 2)))
    return network, network.state_dict()


def test_buffers_of_another_network_are_an_error(normalised):
    network, state = normalised
    load_state_dict(network, state)
    changed = {**state, 'own.norm.running_mean': torch.zeros(3)}
    message = r"'own.norm.running_mean' is \(3,\), wanted \(2,\)"
    with pytest.raises(ValueError, match=message):
        load_state_dict(network, changed)
    missing = {key: value for key, value in state.items() if 'running_var' not in key}
    with pytest.raises(ValueError, match=r"it has no 'own.norm.running_var', wanted"):
        load_state_dict(network, missing)
    unknown = {**state, 'own.norm.running_max': torch.zeros(2)}
    with pytest.raises(ValueError, match=r"it has 'own.norm.running_max' of shape"):
        load_state_dict(network, unknown)


def test_old_files_do_not_count_batches(normalised):
    network, state = normalised
    old = {key: value for key, value in state.items() if 'batches' not in key}
    assert len(old) == len(state) - 1
    load_state_dict(network, old)


def test_what_others_have_does_not_disturb(normalised):
    network, state = normalised
    others = {
        'other.weight': torch.zeros(5),
        'own.constants.scale': torch.zeros(4),
        'own.decoder.weight': torch.zeros(6),
        'owner.weight': torch.zeros(7),
    }
    load_state_dict(network, {**state, **others})
    load_state_dict(network, {'other.weight': torch.ones(2, 2)})
    assert (network['other'].weight == 1).all()


def test_missing_and_truncated_files(saved, tmp_path):
    _, path = saved
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*nowhere\.pt'):
        load_weights(tmp_path / 'nowhere.pt')
    content = path.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 100):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r'weights.pt .*(truncated|damaged)'):
            load_weights(path)
        with pytest.raises(ValueError, match=r'weights.pt .*(truncated|damaged)'):
            pretrained(path)


@pytest.mark.parametrize('writer', [torch.save, pickle.dump])
def test_code_in_a_pickle_is_not_run(tmp_path, writer):
    traces, path = tmp_path / 'traces', tmp_path / 'hostile.pth'
    with path.open('wb') as file:
        writer({FIRST: Attack(traces)}, file)
    traces.unlink(missing_ok=True)
    for where in (path, path.as_uri()):
        with pytest.raises(ValueError, match='could run code'):
            pretrained(where)
    with pytest.raises(ValueError, match='could run code'):
        load_checkpoint(UniverSeg(**SMALL), path.as_uri())
    assert not traces.exists()


def test_our_tools_run_no_code_in_load_from(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '')  # restored afterwards
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD')
    refuse_code()
    traces, path = tmp_path / 'traces', tmp_path / 'hostile.pth'
    torch.save({FIRST: Attack(traces)}, path)
    with pytest.raises(pickle.UnpicklingError):
        load_checkpoint(UniverSeg(**SMALL), str(path))
    assert not traces.exists()


def test_what_is_not_weights(tmp_path):
    path = tmp_path / 'other.pt'
    torch.save([1, 2], path)
    assert read_checkpoint(path) == [1, 2]
    with pytest.raises(ValueError, match='holds no weights by name'):
        load_weights(path)
    torch.save({'state_dict': {'a': 'b'}}, path)
    with pytest.raises(ValueError, match="holds a str under 'a'"):
        load_weights(path)


def test_reading_leaves_what_was_allowed(tmp_path):
    path = tmp_path / 'weights.pth'
    torch.save({'weight': torch.ones(1)}, path)
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([HistoryBuffer])
    try:
        read_checkpoint(path)
        assert HistoryBuffer in torch.serialization.get_safe_globals()
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)
    assert set(torch.serialization.get_safe_globals()) == set(before)
