"""Convert checkpoints between segment-anything's names and ours, both ways.

    python tools/convert_checkpoint.py work_dirs/medsam/iter_1000.pth medsam.pth
    python tools/convert_checkpoint.py --to mmseg medsam_vit_b.pth ours.pth

With ``--to sam``, the default, the result is what segment-anything's
``sam_model_registry[...](checkpoint=...)`` opens. A model trained from cached
embeddings has no image encoder; ``--encoder-from`` names the checkpoint that the cache
was made with, which is checked.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmseg_universeg.utils.checkpoint import load_weights, write_checkpoint
from mmseg_universeg.utils.embeddings import weights_fingerprint
from mmseg_universeg.utils.sam_keys import to_sam_keys, to_segmentor_keys

ENCODER, FINGERPRINT = 'backbone.', 'backbone.fingerprint'


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='file or URL of the weights')
    parser.add_argument('out', type=Path, help='file to write, which must not exist')
    parser.add_argument('--to', choices=('sam', 'mmseg'), default='sam')
    parser.add_argument('--encoder-from', help='checkpoint with the image encoder')
    args = parser.parse_args(arguments)
    try:
        weights = to_segmentor_keys(load_weights(args.checkpoint))
        if args.encoder_from:
            encoder = to_segmentor_keys(load_weights(args.encoder_from))
            weights = add_encoder(weights, encoder)
        if FINGERPRINT in weights:
            raise ValueError(
                f'{args.checkpoint} was trained from cached embeddings and has no '
                'image encoder: give the checkpoint of the cache by --encoder-from'
            )
        sam = to_sam_keys(weights)  # refuses what is no part of SAM, either way
        result = sam if args.to == 'sam' else dict(state_dict=weights)
        write_checkpoint(result, args.out)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.out}: {len(weights)} tensors')
    return 0


def add_encoder(
    weights: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return weights that were trained from a cache with their image encoder.

    Args:
        weights: Of a segmentor, without image encoder.
        source: Of a segmentor, with the one that the cache was made with.

    Raises:
        ValueError: If ``weights`` were not trained from a cache, or from one that was
            made with another encoder.
    """
    if FINGERPRINT not in weights:
        raise ValueError(
            'the checkpoint was not trained from cached embeddings: it has no '
            f'{FINGERPRINT!r}, and needs no --encoder-from'
        )
    encoder = {key: value for key, value in source.items() if key.startswith(ENCODER)}
    found = weights_fingerprint(
        {key.removeprefix(ENCODER): value for key, value in encoder.items()}
    )
    wanted = bytes(weights[FINGERPRINT].tolist()).hex()
    if found != wanted:
        raise ValueError(
            'the image encoder is not the one that the embeddings were made with: '
            f'fingerprint {found[:12]}…, wanted {wanted[:12]}…'
        )
    others = {key: value for key, value in weights.items() if key != FINGERPRINT}
    return {**encoder, **others}


if __name__ == '__main__':
    sys.exit(main())
