"""Fixtures shared by every test."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData
from mmseg.structures import SegDataSample
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from mmseg_universeg.models import BoxPromptSegmentor


@pytest.fixture(scope='session')
def data_root() -> Path:
    """The folder that holds the real data sets; skips where it is not given."""
    root = os.environ.get('MMSEG_UNIVERSEG_DATA')
    if root and Path(root).is_dir():
        return Path(root).resolve()
    message = f'needs real data: MMSEG_UNIVERSEG_DATA is {root!r}, not a folder'
    if os.environ.get('CI'):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope='session')
def parity_root(data_root: Path) -> Path:
    """The folder with recorded outputs of the released models."""
    return data_root.parent / 'parity'


# A SAM of 64x64 images with both kinds of attention, for a CPU.
TINY_ENCODER = dict(width=16, depth=2, heads=2, global_attention=(1,))
TINY_HEAD = dict(channels=32, num_heads=2, mlp_channels=16)


@pytest.fixture(scope='session')
def make_sam() -> Callable[[], Sam]:
    """segment-anything's own model, tiny, all of its weights random."""

    def make() -> Sam:
        sam = Sam(
            ImageEncoderViT(
                img_size=64,
                embed_dim=16,
                depth=2,
                num_heads=2,
                out_chans=32,
                norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
                use_rel_pos=True,
                window_size=3,
                global_attn_indexes=(1,),
            ),
            PromptEncoder(
                embed_dim=32,
                image_embedding_size=(4, 4),
                input_image_size=(64, 64),
                mask_in_chans=16,
            ),
            MaskDecoder(
                transformer_dim=32,
                transformer=TwoWayTransformer(
                    depth=2, embedding_dim=32, mlp_dim=16, num_heads=2
                ),
                iou_head_hidden_dim=32,
            ),
            # MedSAM's images, in [0, 1], are not normalised.
            pixel_mean=[0, 0, 0],
            pixel_std=[1, 1, 1],
        )
        for parameter in sam.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return sam.eval()

    return make


@pytest.fixture(scope='session')
def make_prompted() -> Callable[..., BoxPromptSegmentor]:
    """Our segmentor of the same size, or one of a class derived from it."""

    def make(
        backbone: dict | None = None,
        kind: type[BoxPromptSegmentor] = BoxPromptSegmentor,
        **options,
    ) -> BoxPromptSegmentor:
        encoder = dict(
            type='SAMImageEncoder',
            arch=TINY_ENCODER,
            image_size=64,
            out_channels=32,
            window_size=3,
        )
        head = dict(type='MedSAMBoxPromptHead', image_size=64, **TINY_HEAD)
        return kind(backbone=backbone or encoder, decode_head=head, **options)

    return make


@pytest.fixture(scope='session')
def make_prompted_sample() -> Callable[..., SegDataSample]:
    """A data sample of boxes in a 64x64 image, each filled by its object."""

    def make(
        boxes: list, size: tuple[int, int] = (64, 64), labels: list | None = None
    ) -> SegDataSample:
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        masks = torch.zeros(len(boxes), 64, 64, dtype=torch.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist()):
            mask[y1:y2, x1:x2] = 1
        sample = SegDataSample(metainfo=dict(img_path='a.png', ori_shape=size))
        sample.gt_instances = InstanceData(
            bboxes=boxes,
            labels=torch.tensor(labels or [1] * len(boxes), dtype=torch.int64),
            masks=masks,
        )
        return sample

    return make
