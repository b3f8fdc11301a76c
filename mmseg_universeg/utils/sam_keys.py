"""Parameter names of segment-anything and of our box-prompted segmentor."""

from collections.abc import Mapping

from torch import Tensor

# The parts of SAM, and where a `BoxPromptSegmentor` has them.
PARTS = {
    'image_encoder.': 'backbone.',
    'prompt_encoder.': 'decode_head.prompt_encoder.',
    'mask_decoder.': 'decode_head.mask_decoder.',
}


def to_segmentor_keys(weights: Mapping[str, object]) -> dict[str, object]:
    """Give the weights of SAM or MedSAM the names of a `BoxPromptSegmentor`.

    Those that have its names already keep them.

    Args:
        weights: By name, also with ``module.`` in front. Or a checkpoint of MedSAM's
            training, which holds them as ``model`` beside its optimiser's state.
    """
    inner = weights.get('model')
    weights = inner if isinstance(inner, Mapping) else weights
    return {_renamed(key, PARTS): value for key, value in weights.items()}


def to_sam_keys(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of a `BoxPromptSegmentor` the names of segment-anything.

    Args:
        weights: By name; names of segment-anything stay, ``module.`` is removed.

    Raises:
        ValueError: If a name belongs to no part of SAM.
    """
    back = {ours: theirs for theirs, ours in PARTS.items()}
    renamed = {_renamed(key, back): value for key, value in weights.items()}
    strange = [key for key in renamed if not key.startswith(tuple(PARTS))]
    if strange:
        raise ValueError(
            f'{strange[0]!r} belongs to no part of SAM, wanted names that begin with '
            f'{sorted(back)} or {sorted(PARTS)}'
        )
    return renamed


def _renamed(key: str, prefixes: Mapping[str, str]) -> str:
    key = key.removeprefix('module.')
    for old, new in prefixes.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
