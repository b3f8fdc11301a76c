"""Checkpoints of segment-anything and ours, both ways."""

import resource
import runpy
from pathlib import Path

import pytest
import torch

from mmseg_universeg.models import UniverSeg

TOOL = runpy.run_path(str(Path(__file__).parents[2] / 'tools/convert_checkpoint.py'))


def convert(*arguments):
    return TOOL['main']([str(argument) for argument in arguments])


@pytest.fixture
def trained(tmp_path, make_prompted):
    """A checkpoint as MMEngine writes it, and its model."""
    model = make_prompted()
    path = tmp_path / 'iter_1.pth'
    torch.save(dict(meta=dict(iter=1), state_dict=model.state_dict()), path)
    return path, model


def test_opens_in_plain_segment_anything(trained, make_sam, tmp_path):
    path, model = trained
    assert convert(path, tmp_path / 'sam.pth') == 0
    weights = torch.load(tmp_path / 'sam.pth', weights_only=True)
    sam = make_sam()
    sam.load_state_dict(weights)  # strict: neither more nor less
    image, boxes = torch.rand(3, 64, 64), torch.tensor([[3.0, 4, 50, 60]])
    asked = dict(image=image, original_size=(64, 64), boxes=boxes)
    (wanted,) = sam([asked], multimask_output=False)
    with torch.no_grad():
        (embedding,) = model.eval().extract_feat(image[None])[0]
        found, _ = model.decode_head(embedding, boxes=boxes)
    torch.testing.assert_close(found, wanted['low_res_logits'][:, 0])


@pytest.mark.parametrize('kind', ['plain', 'as MedSAM trains'])
def test_both_ways_give_the_same(trained, make_sam, make_prompted, tmp_path, kind):
    weights = make_sam().state_dict()
    given = weights
    if kind != 'plain':
        given = {f'module.{key}': value for key, value in weights.items()}
        given = dict(model=given, optimizer=dict(state={}), epoch=1)
    torch.save(given, tmp_path / 'sam.pth')
    ours, back = tmp_path / 'ours.pth', tmp_path / 'back.pth'
    assert convert('--to', 'mmseg', tmp_path / 'sam.pth', ours) == 0
    make_prompted().load_state_dict(torch.load(ours, weights_only=True)['state_dict'])
    assert convert(ours, back) == 0
    found = torch.load(back, weights_only=True)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[key], value) for key, value in weights.items())


def test_refusals(trained, tmp_path, capsys):
    path, _ = trained
    out = tmp_path / 'out.pth'
    torch.save(UniverSeg(features=(4, 6)).state_dict(), tmp_path / 'other.pth')
    for arguments, message in (
        ((tmp_path / 'missing.pth', out), 'no checkpoint at'),
        ((tmp_path / 'other.pth', out), 'belongs to no part of SAM'),
        ((tmp_path / 'other.pth', out, '--to', 'mmseg'), 'belongs to no part of SAM'),
        ((path, path), 'exists and is not overwritten'),
        ((path, tmp_path / 'no' / 'out.pth'), f'{tmp_path}/no/out.pth'),
        ((path, out, '--encoder-from', path), 'needs no --encoder-from'),
    ):
        assert convert(*arguments) == 1
        assert message in capsys.readouterr().err
    assert not out.exists()


def test_full_disk_leaves_nothing(trained, tmp_path, capsys):
    path, _ = trained
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        code = convert(path, tmp_path / 'out.pth')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1
    assert f'{tmp_path}/out.pth' in capsys.readouterr().err
    assert {file.name for file in tmp_path.iterdir()} == {'iter_1.pth'}
