"""The head against segment-anything's modules, and its loss against the formula."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from mmseg_universeg.models import MedSAMBoxPromptHead
from mmseg_universeg.models.decode_heads import medsam_box_prompt_head

BOXES = torch.tensor(
    [[4.0, 8, 30, 50], [0, 0, 64, 64], [10.5, 20.25, 11.5, 60], [33, 1, 63, 9]]
)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_of_the_published_parts():
    head = MODELS.build(dict(type='MedSAMBoxPromptHead'))
    assert count(head.prompt_encoder) == 6_220
    assert count(head.mask_decoder) == 4_058_340


@pytest.fixture
def pair(make_sam, make_prompted):
    """segment-anything's model, and our head with the same weights."""
    sam, head = make_sam(), make_prompted().decode_head.eval()
    head.prompt_encoder.load_state_dict(sam.prompt_encoder.state_dict())
    head.mask_decoder.load_state_dict(sam.mask_decoder.state_dict())
    return sam, head


def decoded_by_sam(sam, embedding, **prompts):
    sparse, dense = sam.prompt_encoder(
        **{**dict(points=None, boxes=None, masks=None), **prompts}
    )
    return sam.mask_decoder(
        image_embeddings=embedding[None],
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )


# More prompts than are decoded at once, and as many as that twice.
@pytest.mark.parametrize('number', [1, 4, 19, 32])
@pytest.mark.parametrize('kind', ['boxes', 'points'])
@torch.no_grad()
def test_equals_segment_anything(pair, monkeypatch, number, kind):
    monkeypatch.setattr(medsam_box_prompt_head, 'CPU_CHUNK', 16 * 32 * 4 * 4)
    sam, head = pair
    embedding = torch.randn(32, 4, 4)
    if kind == 'boxes':
        prompts = dict(boxes=BOXES.repeat(8, 1)[:number])
    else:
        labels = torch.randint(-1, 2, (number, 3))
        prompts = dict(points=(64 * torch.rand(number, 3, 2), labels))
    logits, ious = head(embedding, **prompts)
    wanted = decoded_by_sam(sam, embedding, **prompts)
    assert logits.shape == (number, 16, 16)
    torch.testing.assert_close(logits, wanted[0][:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(ious, wanted[1][:, 0], rtol=0, atol=1e-5)
    assert logits.std() > 0.01


def test_prompts_keep_their_place_under_autocast(pair):
    # In bfloat16 the corners of these boxes would not differ at all.
    boxes = torch.tensor([[10.0, 10, 50, 50], [10.2, 10, 50, 50]])
    _, head = pair
    seen = []
    head.mask_decoder.register_forward_pre_hook(
        lambda module, inputs, kwargs: seen.append(kwargs), with_kwargs=True
    )
    embedding = torch.randn(32, 4, 4)
    for enabled in (False, True):
        with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            head(embedding, boxes=boxes)
    for name in ('sparse_prompt_embeddings', 'image_pe'):
        assert torch.equal(seen[0][name], seen[1][name])
    first, second = seen[1]['sparse_prompt_embeddings']
    assert not torch.equal(first, second)


def test_no_prompts_cost_nothing_but_reach_every_parameter(pair):
    _, head = pair
    embedding = torch.randn(32, 4, 4, requires_grad=True)
    logits, ious = head(embedding, boxes=torch.zeros(0, 4))
    assert logits.shape == (0, 16, 16)
    assert ious.shape == (0,)
    losses = head.loss([logits, logits], [torch.zeros(0, 64, 64, dtype=torch.uint8)])
    assert losses == {'loss_dice_ce': 0}
    losses['loss_dice_ce'].backward()
    gradients = [p.grad for p in head.mask_decoder.parameters() if p.requires_grad]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)
    assert not embedding.grad.any()


def test_loss_is_medsams():
    # Mean over all boxes, whichever image they are of, of Dice with squared
    # denominators and of binary cross-entropy, on logits upsampled to the image.
    head = MedSAMBoxPromptHead(64, 32, num_heads=2, mlp_channels=16)
    logits = torch.randn(3, 16, 16)
    masks = torch.randint(0, 2, (3, 64, 64), dtype=torch.uint8)
    (loss,) = head.loss([logits[:1], logits[1:]], [masks[:1], masks[1:]]).values()
    maps = F.interpolate(logits[:, None].double(), (64, 64), mode='bilinear')[:, 0]
    p, y = maps.sigmoid(), masks.double()
    overlap, sizes = (p * y).sum((1, 2)), (p**2).sum((1, 2)) + y.sum((1, 2))
    dice = 1 - (2 * overlap + 1e-5) / (sizes + 1e-5)
    entropy = -(y * p.log() + (1 - y) * (1 - p).log())
    wanted = dice.mean() + entropy.mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_sizes_that_do_not_fit_are_refused(pair):
    _, head = pair
    with pytest.raises(ValueError, match=r'\(32, 8, 8\), wanted \(32, 4, 4\)'):
        head(torch.randn(32, 8, 8), boxes=BOXES)
    with pytest.raises(ValueError, match='multiple of 16, found 100'):
        MedSAMBoxPromptHead(100)
    with pytest.raises(ValueError, match='does not fit'):
        head.load_state_dict(MedSAMBoxPromptHead(64, 64, num_heads=2).state_dict())
