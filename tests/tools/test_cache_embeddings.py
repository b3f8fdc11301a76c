"""Embeddings that are computed once, and the training that uses them."""

import os
import resource
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from torch.optim import SGD, Adam

from mmseg_universeg.utils.embeddings import read_embedding

ROOT = Path(__file__).parents[2]
TOOL = runpy.run_path(str(ROOT / 'tools/cache_embeddings.py'))
CONVERT = runpy.run_path(str(ROOT / 'tools/convert_checkpoint.py'))
CACHED = dict(type='CachedEmbedding')

CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['mmseg_universeg', 'drawn_boxes'])
model = dict(
    type='BoxPromptSegmentor',
    backbone=dict(
        type='SAMImageEncoder',
        arch=dict(width=16, depth=2, heads=2, global_attention=(1,)),
        image_size=64,
        out_channels=32,
        window_size=3,
    ),
    decode_head=dict(
        type='MedSAMBoxPromptHead',
        image_size=64,
        channels=32,
        num_heads=2,
        mlp_channels=16,
    ),
    frozen=('image_encoder', 'prompt_encoder'),
)
pipeline = [dict(type='PackDrawnBoxes')]
train_dataloader = dict(
    dataset=dict(type='DrawnBoxesDataset', number=4, pipeline=pipeline)
)
val_dataloader = dict(
    dataset=dict(type='DrawnBoxesDataset', number=6, pipeline=pipeline)
)
test_dataloader = val_dataloader
"""
RANDOM = CONFIG.replace(
    'pipeline = [', "pipeline = [dict(type='RandomFlip', prob=0.5),"
)


@pytest.fixture
def project(tmp_path, monkeypatch, make_sam):
    """A folder with a config and the weights of a SAM, in MMSeg's scope."""
    monkeypatch.syspath_prepend(str(ROOT / 'tests/project'))
    (tmp_path / 'config.py').write_text(CONFIG)
    torch.manual_seed(0)
    torch.save(make_sam().state_dict(), tmp_path / 'sam.pth')
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield tmp_path


def run(project, *options, config='config.py', checkpoint='sam.pth'):
    files = [project / config, project / checkpoint, '--out', project / 'cache']
    return TOOL['main']([str(part) for part in (*files, *options)])


def draw(project, cached, number=6):
    """The packed images, with their embeddings if they are cached."""
    pipeline = [dict(type='PackDrawnBoxes')]
    if cached:
        pipeline.append(
            dict(type='LoadImageEmbedding', cache_dir=str(project / 'cache'))
        )
    cfg = dict(type='DrawnBoxesDataset', number=number, pipeline=pipeline)
    samples = list(DATASETS.build(cfg))
    return {key: [sample[key] for sample in samples] for key in samples[0]}


@pytest.fixture
def cache(project):
    assert run(project) == 0
    return project / 'cache'


def loaded(make_prompted, project, backbone=None, **options):
    model = make_prompted(backbone, **options)
    model.load_state_dict(torch.load(project / 'sam.pth', weights_only=True))
    return model


def test_losses_and_masks_are_those_without_a_cache(project, cache, make_prompted):
    # Of float16: losses to a hundred-thousandth, masks but for a pixel in a thousand.
    plain = loaded(make_prompted, project)
    cached = loaded(make_prompted, project, CACHED)
    results = []
    for model, has_cache in ((plain, False), (cached, True), (cached, True)):
        data = draw(project, has_cache)
        shape = (32, 4, 4) if has_cache else (3, 64, 64)
        assert all(tuple(inputs.shape) == shape for inputs in data['inputs'])
        if len(results) == 2:  # to see that it matters: each with the next one's
            data['inputs'].append(data['inputs'].pop(0))
        batch = model.data_preprocessor(data)
        (loss,) = model.train()(**batch, mode='loss').values()
        model.eval()
        masks = [s.pred_instances.masks for s in model(**batch, mode='predict')]
        results.append((loss.item(), torch.stack(masks)))
    (loss, masks), (cached_loss, cached_masks), (other_loss, other_masks) = results
    assert cached_loss == pytest.approx(loss, rel=1e-5) != other_loss
    assert (masks != cached_masks).float().mean() <= 1e-3
    assert (masks != other_masks).float().mean() > 1e-3


def test_trains_as_without_a_cache_and_gets_its_encoder_back(
    project, cache, make_prompted, capsys
):
    frozen = ('image_encoder', 'prompt_encoder')
    plain = loaded(make_prompted, project, frozen=frozen)
    cached = loaded(make_prompted, project, CACHED, frozen=frozen)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    for model, has_cache in ((plain, False), (cached, True)):
        # Not Adam, which makes a whole step of the rounding of a tiny gradient.
        wrapper = OptimWrapper(SGD(model.parameters(), lr=0.1))
        model.train()
        for _ in range(2):
            model.train_step(draw(project, has_cache), wrapper)
    torch.save(dict(state_dict=cached.state_dict()), project / 'trained.pth')
    with pytest.raises(ValueError, match=r'convert_checkpoint\.py --encoder-from'):
        plain.load_state_dict(cached.state_dict())
    convert = ['trained.pth', 'whole.pth', '--to', 'mmseg']
    convert[:2] = [str(project / name) for name in convert[:2]]
    assert CONVERT['main'](convert) == 1
    assert 'by --encoder-from' in capsys.readouterr().err
    assert CONVERT['main']([*convert, '--encoder-from', str(project / 'sam.pth')]) == 0
    whole = torch.load(project / 'whole.pth', weights_only=True)['state_dict']
    after = plain.state_dict()
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert all(name.startswith('decode_head.mask_decoder.') for name in moved)
    for name in after.keys() - moved:
        assert torch.equal(whole[name], before[name]), name
    way, off = (
        torch.cat([(weights[name] - start[name]).flatten() for name in sorted(moved)])
        for weights, start in ((after, before), (whole, after))
    )
    assert way.norm() > 0.1
    assert off.norm() < 1e-3 * way.norm()
    # Training goes on from its own checkpoint, with the same cache.
    model = make_prompted(CACHED)
    model.load_state_dict(cached.state_dict())
    model.embed(torch.zeros(1, 32, 4, 4), draw(project, True)['data_samples'])


def test_other_weights_are_refused(project, cache, make_prompted, make_sam, capsys):
    other = make_sam().state_dict()
    model = make_prompted(CACHED)
    model.load_state_dict(other)
    data = model.data_preprocessor(draw(project, True))
    message = r'drawn/0.png: the embedding was made with other weights'
    for mode in ('loss', 'predict'):
        with pytest.raises(ValueError, match=message):
            model(**data, mode=mode)
    torch.save(other, project / 'other.pth')
    assert run(project, checkpoint='other.pth') == 1
    assert 'was made with other weights' in capsys.readouterr().err
    args = [str(project / name) for name in ('trained.pth', 'whole.pth', 'other.pth')]
    torch.save(loaded(make_prompted, project, CACHED).state_dict(), args[0])
    assert CONVERT['main']([*args[:2], '--encoder-from', args[2]]) == 1
    assert 'not the one that the embeddings were made' in capsys.readouterr().err


def test_without_a_checkpoint_the_first_embeddings_count(project, cache, make_prompted):
    model = make_prompted(CACHED)
    data = draw(project, True)
    model.train_step(data, OptimWrapper(Adam(model.parameters())))
    wanted = loaded(make_prompted, project, CACHED).backbone.fingerprint
    assert torch.equal(model.backbone.fingerprint, wanted)
    data['data_samples'][2].set_metainfo(dict(embedding_fingerprint='00' * 32))
    with pytest.raises(ValueError, match=r'drawn/2.png: .*other weights'):
        model.test_step(data)
    with pytest.raises(ValueError, match=r'drawn/0.png: comes without an embedding'):
        model.test_step(draw(project, False))


def files_of(cache):
    return {path: path.stat().st_mtime_ns for path in cache.iterdir()}


def test_makes_what_is_missing(project, capsys):
    # The four of training and the six of testing are among the six of validation.
    assert run(project) == 0
    assert '6 embeddings made, 10 were there' in capsys.readouterr().out
    cache = project / 'cache'
    before = files_of(cache)
    assert len(before) == 6
    gone, *kept = before
    gone.unlink()
    assert run(project, '--splits', 'test') == 0
    assert '1 embeddings made, 5 were there' in capsys.readouterr().out
    after = files_of(cache)
    assert set(after) == set(before)
    assert all(after[path] == before[path] for path in kept)


def test_two_processes_make_what_one_makes(project, cache):
    other = project / 'other'
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command += ['--nproc_per_node=2', ROOT / 'tools/cache_embeddings.py']
    command += [project / 'config.py', project / 'sam.pth', '--out', other]
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Every other image, which the data sets share, of 4, of 6 and of 6 again.
    assert done.stdout.count('3 embeddings made, 5 were there') == 2
    assert sorted(p.name for p in other.iterdir()) == sorted(
        p.name for p in cache.iterdir()
    )
    for path in cache.iterdir():
        found, wanted = read_embedding(other / path.name), read_embedding(path)
        assert found.fingerprint == wanted.fingerprint
        np.testing.assert_array_equal(found.signature, wanted.signature)
        # To float16's rounding, if one has more threads.
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-3, atol=1e-3)


def test_random_images_are_refused(project, capsys):
    (project / 'random.py').write_text(RANDOM)
    assert run(project, config='random.py') == 1
    assert 'gives another image each time' in capsys.readouterr().err


def test_a_pipeline_that_changes_the_image_is_refused(project, cache, capsys):
    transforms = [
        dict(type='RandomFlip', prob=1.0),
        dict(type='RandomBrightnessContrast', prob=1.0),
        dict(type='RandomGaussianNoise', prob=1.0),
    ]
    pipeline = [
        dict(type='PackDrawnBoxes'),
        dict(type='LoadImageEmbedding', cache_dir=str(cache)),
    ]
    for transform in transforms:
        cfg = dict(type='DrawnBoxesDataset', number=1, pipeline=[transform, *pipeline])
        with pytest.raises(ValueError, match='another image than the pipeline makes'):
            DATASETS.build(cfg)[0]
        (project / 'other.py').write_text(
            CONFIG.replace('pipeline = [', f'pipeline = [{transform!r}, ')
        )
        assert run(project, config='other.py') == 1
        assert 'another image' in capsys.readouterr().err


def test_the_cached_experiment_is_refused(project, capsys):
    start, end = CONFIG.index('backbone=dict('), CONFIG.index('    decode_head')
    config = f"{CONFIG[:start]}backbone=dict(type='CachedEmbedding'),\n{CONFIG[end:]}"
    (project / 'cached.py').write_text(config)
    assert run(project, config='cached.py') == 1
    assert 'give the experiment without a cache' in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == 'win32', reason='no limit of file sizes there')
def test_full_disk(project, capsys):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        code = run(project)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1
    said = capsys.readouterr().err
    assert 'File too large' in said
    assert 'no more embeddings can be written after 0' in said
    assert 'Run again to make the rest' in said
    assert not list((project / 'cache').iterdir())
    assert run(project) == 0


def test_damaged_and_missing_files(project, cache):
    path = min(cache.iterdir())
    whole = path.read_bytes()
    for content in (b'', whole[: len(whole) // 2], b'any'):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f'{path.name}: not an embedding'):
            draw(project, True)
    with path.open('wb') as file:
        np.savez(file, values=np.array([{}], dtype=object), signature=0, fingerprint='')
    with pytest.raises(ValueError, match=r'not an embedding that can be read \(Object'):
        draw(project, True)
    with path.open('wb') as file:
        np.savez(file, values=np.zeros((2, 3)), signature=0, fingerprint='')
    with pytest.raises(ValueError, match=r'holds float64 \(2, 3\), wanted float16'):
        draw(project, True)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'tools/cache_embeddings.py CONFIG'):
        draw(project, True)
