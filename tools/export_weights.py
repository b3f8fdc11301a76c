r"""Take the weights alone out of a training's checkpoint, for others to load.

    python tools/export_weights.py work_dirs/mine/iter_4000.pth mine.pth
    python tools/export_weights.py work_dirs/mine/iter_4000.pth mine.pth \
        --mean-with work_dirs/mine/iter_3500.pth

Without optimiser, log and metadata; floating-point tensors as float32. The same
checkpoint gives the same bytes each time. The mean of the weights along a training is
often better than any of them (Izmailov et al., Averaging Weights Leads to Wider Optima
and Better Generalization, UAI 2018).
"""

import argparse
import sys
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from mmseg_universeg.utils.checkpoint import load_weights, write_checkpoint


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='file or URL of the checkpoint')
    parser.add_argument('out', type=Path, help='file to write, which must not exist')
    parser.add_argument(
        '--mean-with',
        nargs='+',
        default=[],
        metavar='CHECKPOINT',
        help='others of the same training, to write the mean of all weights',
    )
    args = parser.parse_args(arguments)
    try:
        weights = mean_weights([args.checkpoint, *args.mean_with])
        write_checkpoint(weights, args.out)
        load_weights(args.out)  # as others will
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    content = args.out.read_bytes()
    print(f'{args.out}: {len(weights)} tensors, {len(content):,} bytes')
    print(f'SHA-256 {sha256(content).hexdigest()}')
    return 0


def mean_weights(checkpoints: list[str]) -> dict[str, Tensor]:
    """Read the weights of checkpoints and take their mean.

    Returns:
        Mean of each tensor of floating point; others as in the first checkpoint.

    Raises:
        ValueError: If a checkpoint holds other tensors than the first.
    """
    first, *others = (load_weights(checkpoint) for checkpoint in checkpoints)
    for checkpoint, other in zip(checkpoints[1:], others):
        for name in first.keys() | other.keys():
            found, wanted = (
                tuple(weights[name].shape) if name in weights else None
                for weights in (other, first)
            )
            if found != wanted:
                raise ValueError(
                    f'{checkpoint}: {name} is of shape {found}, wanted {wanted} as in '
                    f'{checkpoints[0]}'
                )
    weights = {name: plain(tensor) for name, tensor in first.items()}
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            for other in others:
                tensor += other[name]
            tensor /= len(checkpoints)
    return weights


def plain(tensor: Tensor) -> Tensor:
    """Copy a tensor, contiguous and with nothing else in its memory.

    Returns:
        float32 if it is of floating point, else of its own dtype.
    """
    wanted = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.to(wanted).clone(memory_format=torch.contiguous_format)


if __name__ == '__main__':
    sys.exit(main())
