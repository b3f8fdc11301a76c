"""BFloat16OptimWrapper: computes in bfloat16, keeps everything else float32."""

import torch
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn

import mmseg_universeg  # noqa: F401


def build(model: nn.Module, **kwargs):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return OPTIM_WRAPPERS.build(
        dict(type='BFloat16OptimWrapper', optimizer=optimizer, **kwargs)
    )


def test_forward_is_bfloat16_and_parameters_stay_float32():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    wrapper = build(model)
    # 1 + 2^-9 is not a bfloat16 number (8 bits of mantissa): it rounds to 1.
    x = torch.tensor([[1 + 2.0**-9]])
    with wrapper.optim_context(model):
        y = model(x)
    assert y.dtype == torch.bfloat16 and y.item() == 1.0
    wrapper.update_params(y.float().sum())
    assert model.weight.dtype == torch.float32
    # d/dw sum(w x) = x, rounded to 1 in bfloat16; w - 0.5 * 1 = 0.5
    assert model.weight.item() == 0.5


def test_autocast_ends_with_the_context():
    model = nn.Linear(2, 2)
    wrapper = build(model)
    with wrapper.optim_context(model):
        pass
    assert model(torch.zeros(1, 2)).dtype == torch.float32


def test_accumulates_gradients():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    wrapper = build(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 2)
    for _ in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.ones(1, 1)).float().sum()
        wrapper.update_params(loss)
    # two halves of the gradient 1, one step of 0.5
    assert model.weight.item() == 0.5
