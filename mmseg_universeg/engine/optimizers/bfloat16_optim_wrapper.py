from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Train under bfloat16 autocast, on a CPU as well as on a GPU.

    MMEngine's ``AmpOptimWrapper`` refuses to run without a GPU. bfloat16 has
    the exponent range of float32, so no loss scaling is needed; parameters,
    gradients and the optimiser's state stay float32.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass of ``model`` under bfloat16 autocast."""
        device_type = torch.device(get_device()).type
        with (
            super().optim_context(model),
            torch.autocast(device_type, dtype=torch.bfloat16),
        ):
            yield
