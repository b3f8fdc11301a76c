"""Compute the image embeddings of a data set once, to train a mask decoder from them.

    python tools/cache_embeddings.py configs/medsam_....py medsam_vit_b.pth --out cache
    torchrun --nproc_per_node 4 tools/cache_embeddings.py ... --device cuda

CONFIG is the experiment without a cache: its image encoder, and the data sets and
pipelines of training, validation and testing. Training with the cache is the same
config with ``model.backbone=dict(_delete_=True, type='CachedEmbedding')`` and
``dict(type='LoadImageEmbedding', cache_dir=...)`` at the end of every pipeline.

Embeddings are float16, one file for each image: 2.4 MiB at 1024x1024. The tests hold
losses to 1e-5 of those without a cache, and masks but for one pixel in a thousand, of
a tiny SAM with random weights. Run again after an interruption, it makes those that
are missing; those that are there must be of the same weights and the same images.

A pipeline that changes images by chance is refused: every image is drawn twice, and
both times it must be the same. A change that is rare enough to be missed so is refused
in training, by LoadImageEmbedding, at the first image that it changes.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import track_iter_progress
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import DATASETS, MODELS

import mmseg_universeg  # noqa: F401  (registers our classes)
from mmseg_universeg.utils.checkpoint import load_weights
from mmseg_universeg.utils.config import resolve_config
from mmseg_universeg.utils.embeddings import (
    Embedding,
    embedding_file,
    image_signature,
    read_embedding,
    weights_fingerprint,
    write_embedding,
)

SPLITS = ('train', 'val', 'test')


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='experiment without a cache')
    parser.add_argument('checkpoint', help='weights of SAM, MedSAM or of a training')
    parser.add_argument('--out', type=Path, required=True, help='folder of the cache')
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    args = parser.parse_args(arguments)
    # Of torchrun's processes each takes its share; they need not talk.
    rank, world = (
        int(os.environ.get(n, d)) for n, d in (('RANK', 0), ('WORLD_SIZE', 1))
    )
    device = args.device
    if device == 'cuda':
        device = f'cuda:{os.environ.get("LOCAL_RANK", 0)}'
    try:
        cfg = read_config(args.config)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
            model = build_model(cfg, args.checkpoint, device)
            samples = draw_samples(cfg, args.splits, rank, world)
            made, kept = fill_cache(model, samples, args.out)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f'\n{error}', file=sys.stderr)
        return 1
    print(f'\n{args.out}: {made} embeddings made, {kept} were there')
    return 0


def read_config(name: str) -> Config:
    """Read a config, also one of a package."""
    with tempfile.TemporaryDirectory(prefix='mmseg_universeg_') as folder:
        return Config.fromfile(resolve_config(name, folder))


def build_model(cfg: Config, checkpoint: str, device: str) -> BaseSegmentor:
    """Build the segmentor with the weights of a checkpoint, for testing.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it does not fit, or the model has no image encoder.
    """
    model = MODELS.build(cfg.model)
    if not any(True for _ in model.backbone.parameters()):
        raise ValueError(
            f'the backbone is {type(model.backbone).__name__}, wanted an image '
            'encoder: give the experiment without a cache'
        )
    model.load_state_dict(load_weights(checkpoint))
    return model.to(device).eval()


def draw_samples(
    cfg: Config, splits: list[str], rank: int, world: int
) -> Iterator[dict]:
    """Give every image of the splits that is this process's, packed.

    Raises:
        ValueError: If an image is another when it is drawn again.
    """
    for split in splits:
        dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
        own = range(rank, len(dataset), world)
        for index in own if rank else track_iter_progress(own):
            sample, again = dataset[index], dataset[index]
            meta, other = (one['data_samples'].metainfo for one in (sample, again))
            if embedding_file('', meta) != embedding_file('', other):
                # Nothing to train on: the data set gives any other image instead.
                continue
            if not torch.equal(sample['inputs'], again['inputs']):
                raise ValueError(
                    f'{meta["img_path"]}: its pipeline ({split}) gives another image '
                    'each time, and a cache holds only one: wanted no random change of '
                    'the image'
                )
            yield sample


@torch.no_grad()
def fill_cache(
    model: BaseSegmentor, samples: Iterator[dict], folder: Path
) -> tuple[int, int]:
    """Write the embeddings that are missing.

    Args:
        model: With the image encoder, in testing mode.
        samples: Packed images.
        folder: Of the cache.

    Returns:
        How many embeddings were made, and how many were there.

    Raises:
        OSError: If one cannot be written.
        ValueError: If one is there of other weights, or of another image.
    """
    fingerprint = weights_fingerprint(model.backbone.state_dict())
    made = kept = 0
    for sample in samples:
        path = embedding_file(folder, sample['data_samples'].metainfo)
        if path.exists():
            found = read_embedding(path)
            found.check_image(sample['inputs'], path)
            if found.fingerprint != fingerprint:
                raise ValueError(
                    f'{path}: was made with other weights, fingerprint '
                    f'{found.fingerprint[:12]}…, wanted {fingerprint[:12]}…: give '
                    'another folder by --out'
                )
            kept += 1
            continue
        batch = model.data_preprocessor(dict(inputs=[sample['inputs']]))
        (values,) = model.extract_feat(batch['inputs'])[0].cpu().numpy()
        with np.errstate(over='ignore'):  # which is refused when it is written
            values = values.astype(np.float16)
        signature = image_signature(sample['inputs'])
        embedding = Embedding(values, signature, fingerprint)
        try:
            write_embedding(path, embedding)
        except OSError as error:
            raise OSError(
                f'{error}: no more embeddings can be written after {made}. Run again '
                'to make the rest'
            ) from error
        made += 1
    return made, kept


if __name__ == '__main__':
    sys.exit(main())
