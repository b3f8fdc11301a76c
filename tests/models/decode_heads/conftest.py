"""What the tests of decoders share."""

from collections.abc import Callable, Iterator

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn


@pytest.fixture(scope='module', autouse=True)
def mmseg_scope() -> Iterator[None]:
    """Let MMEngine find MMSeg's classes by name, as a config does."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture(scope='session')
def make_samples() -> Callable[..., list[SegDataSample]]:
    """Data samples of labels (B, H, W) and, if given, weight maps [(h, w), ...]."""

    def make(labels: Tensor, weights: list | None = None) -> list[SegDataSample]:
        samples = []
        for number, label in enumerate(labels):
            size = tuple(label.shape)
            meta = dict(img_path=f'{number}.png', img_shape=size, ori_shape=size)
            samples.append(SegDataSample(metainfo=meta))
            samples[-1].gt_sem_seg = PixelData(data=label[None].long())
            if weights is not None and weights[number] is not None:
                samples[-1].gt_weight_map = PixelData(data=weights[number][None])
        return samples

    return make


@pytest.fixture(scope='session')
def make_segmentor() -> Callable[..., EncoderDecoder]:
    """MMSeg's segmentor in testing mode, with running statistics as if trained."""

    def make(
        backbone: dict, decode_head: dict, divisor: int | None = None
    ) -> EncoderDecoder:
        preprocessor = dict(type='SegDataPreProcessor', size_divisor=divisor)
        if divisor:
            preprocessor['test_cfg'] = dict(size_divisor=divisor)
        model = MODELS.build(
            ConfigDict(
                type='EncoderDecoder',
                backbone=backbone,
                decode_head=decode_head,
                data_preprocessor=preprocessor,
                test_cfg=dict(mode='whole'),
            )
        )
        for name, buffer in model.named_buffers():
            if 'running_mean' in name:
                nn.init.normal_(buffer, std=0.1)
            elif 'running_var' in name:
                nn.init.uniform_(buffer, 0.5, 1.5)
        return model.eval()

    return make


@pytest.fixture(scope='session')
def centre_taps() -> Callable[[nn.Module], None]:
    """Set a network to add up its maps: weights 1 at the centre, 0 elsewhere."""

    def set_weights(module: nn.Module) -> None:
        for part in module.modules():
            if isinstance(part, nn.ConvTranspose2d):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)
            elif isinstance(part, nn.Conv2d):
                nn.init.zeros_(part.weight)
                nn.init.zeros_(part.bias)
                height, width = part.kernel_size
                with torch.no_grad():
                    part.weight[:, :, height // 2, width // 2] = 1

    return set_weights
