"""Files of embeddings know what they were made of."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Resize
from mmseg.structures import SegDataSample

from mmseg_universeg.datasets.transforms import LoadImageEmbedding, MinMaxNormalize
from mmseg_universeg.utils.embeddings import (
    Embedding,
    embedding_file,
    image_signature,
    read_embedding,
    weights_fingerprint,
    write_embedding,
)

WEIGHTS = dict(a=torch.arange(6.0).reshape(2, 3), b=torch.zeros(2))


@pytest.fixture
def image():
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def embedding(image):
    values = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float16)
    return Embedding(values, image_signature(image), weights_fingerprint(WEIGHTS))


def test_fingerprints_tell_weights_apart():
    same = dict(b=WEIGHTS['b'].clone(), a=WEIGHTS['a'].T.contiguous().T)
    assert weights_fingerprint(same) == weights_fingerprint(WEIGHTS)
    changed = WEIGHTS['a'].clone()
    changed[1, 2] = torch.nextafter(changed[1, 2], torch.tensor(9.0))
    others = [
        {**WEIGHTS, 'a': changed},
        {**WEIGHTS, 'a': WEIGHTS['a'].reshape(3, 2)},
        dict(a=WEIGHTS['a'], c=WEIGHTS['b']),
        dict(a=WEIGHTS['a']),
        {**WEIGHTS, 'a': WEIGHTS['a'].double()},
    ]
    found = {weights_fingerprint(weights) for weights in (*others, WEIGHTS)}
    assert len(found) == len(others) + 1
    assert all(len(bytes.fromhex(one)) == 32 for one in found)


def test_every_slice_has_its_file():
    metas = [
        dict(img_path='a/ct.nii.gz', slice_index=0),
        dict(img_path='a/ct.nii.gz', slice_index=1),
        dict(img_path='b/ct.nii.gz', slice_index=1),
        dict(img_path='a/ct.nii.gz'),
        dict(img_path='a/ct.png'),
    ]
    files = {embedding_file('cache', meta) for meta in metas}
    assert len(files) == len(metas)
    assert {file.parent.name for file in files} == {'cache'}
    assert all(file.name.startswith('ct-') for file in files)
    with pytest.raises(KeyError, match='img_path'):
        embedding_file('cache', dict(ori_shape=(1, 2)))


def test_written_and_read(embedding, tmp_path):
    path = tmp_path / 'new' / 'a.npz'
    write_embedding(path, embedding)
    assert list(path.parent.iterdir()) == [path]
    found = read_embedding(path)
    assert (found.values == embedding.values).all()
    assert found.values.dtype == np.float16
    assert (found.signature == embedding.signature).all()
    assert found.fingerprint == embedding.fingerprint


def test_what_does_not_fit_into_float16_is_refused(embedding, tmp_path):
    embedding.values[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match=r'a.npz: the embedding is not finite'):
        write_embedding(tmp_path / 'a.npz', embedding)
    assert not list(tmp_path.iterdir())


def patch(image, rows, columns):
    """1 in a patch of one channel, 0 elsewhere."""
    mask = torch.zeros_like(image)
    mask[1, rows, columns] = 1
    return mask


@pytest.mark.parametrize(
    'change',
    [
        lambda image: image.flip(2),
        lambda image: image.transpose(1, 2),
        lambda image: image.roll(1, 1),
        lambda image: image.flip(0),
        lambda image: image * 0.99,
        lambda image: image + 0.01 * torch.randn_like(image),
        lambda image: image[:, :16],
        # Three by three pixels, none in the middle of a cell.
        lambda image: image + 0.1 * patch(image, slice(9, 12), slice(17, 20)),
    ],
)
def test_another_image_is_refused(embedding, image, tmp_path, change):
    embedding.check_image(image, tmp_path)
    embedding.check_image(image + 5e-4, tmp_path)  # of another machine's rounding
    with pytest.raises(ValueError, match='another image than the pipeline makes now'):
        embedding.check_image(change(image), tmp_path)


def test_another_interpolation_is_refused(embedding, tmp_path):
    # As smooth as a scan.
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 1.5)

    def image(interpolation):
        resize = Resize((128, 128), keep_ratio=False, interpolation=interpolation)
        results = MinMaxNormalize()(resize(dict(img=picture)))
        return torch.from_numpy(results['img']).permute(2, 0, 1)

    made = replace(embedding, signature=image_signature(image('bicubic')))
    made.check_image(image('bicubic'), tmp_path)
    with pytest.raises(ValueError, match='another image than the pipeline makes now'):
        made.check_image(image('bilinear'), tmp_path)


def test_transform_replaces_the_packed_image(embedding, image, tmp_path):
    sample = SegDataSample(metainfo=dict(img_path='x.png', slice_index=3))
    write_embedding(embedding_file(tmp_path, sample.metainfo), embedding)
    packed = dict(inputs=image, data_samples=sample)
    transform = LoadImageEmbedding(str(tmp_path))
    found = transform(packed)
    assert (found['inputs'].numpy() == embedding.values).all()
    assert found['data_samples'].embedding_fingerprint == embedding.fingerprint
    with pytest.raises(KeyError, match='comes after PackBoxPromptInputs'):
        transform(dict(img=image.numpy()))
