"""Sums over supports and terms common to them."""

import torch

from mmseg_universeg.models.layers.support_sums import add_query, sum_supports


def test_sums_the_supports_of_each_episode():
    maps = torch.arange(1.0, 7.0).reshape(6, 1, 1, 1)  # episodes 1 2 3 and 4 5 6
    assert sum_supports(maps, 2).flatten().tolist() == [6.0, 15.0]


def test_sums_half_precision_in_float32():
    maps = torch.full((300, 1, 1, 1), 1.0, dtype=torch.bfloat16)
    total = sum_supports(maps, 1)  # bfloat16 would stay at 256
    assert total.dtype == torch.float32
    assert total.item() == 300


def test_adds_the_term_of_each_episode_to_its_supports():
    maps, term = torch.zeros(4, 1, 1, 1), torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    output = add_query(maps, term, 2)
    assert output.flatten().tolist() == [1.0, 1.0, 2.0, 2.0]
    assert output.data_ptr() == maps.data_ptr()


def test_queries_that_share_supports_leave_them_as_they_are():
    maps = torch.tensor([10.0, 20.0]).reshape(2, 1, 1, 1)
    term = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    output = add_query(maps, term, 1)
    assert output.flatten().tolist() == [11.0, 21.0, 12.0, 22.0]
    assert maps.flatten().tolist() == [10.0, 20.0]


def test_gradients_agree_with_finite_differences():
    maps = torch.randn(4, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    term = torch.randn(2, 2, 2, 3, dtype=torch.float64, requires_grad=True)

    def both(maps, term):
        added = add_query(maps * 2, term, 2)
        return sum_supports(added, 2), added

    assert torch.autograd.gradcheck(both, (maps, term))


def test_stay_in_channels_last_memory_also_backwards():
    maps = torch.randn(4, 3, 4, 5).to(memory_format=torch.channels_last)
    maps.requires_grad_()
    total = sum_supports(maps, 2)
    assert total.is_contiguous(memory_format=torch.channels_last)
    (grad,) = torch.autograd.grad(total.square().sum(), maps)
    assert grad.is_contiguous(memory_format=torch.channels_last)
