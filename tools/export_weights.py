"""Take the weights alone out of a training's checkpoint, for others to load.

    python tools/export_weights.py work_dirs/mine/iter_4000.pth mine.pth

Without optimiser, log and metadata; floating-point tensors as float32. The same
checkpoint gives the same bytes each time.
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
    args = parser.parse_args(arguments)
    try:
        weights = {k: plain(v) for k, v in load_weights(args.checkpoint).items()}
        write_checkpoint(weights, args.out)
        load_weights(args.out)  # as others will
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    content = args.out.read_bytes()
    print(f'{args.out}: {len(weights)} tensors, {len(content):,} bytes')
    print(f'SHA-256 {sha256(content).hexdigest()}')
    return 0


def plain(tensor: Tensor) -> Tensor:
    """Copy a tensor, contiguous and with nothing else in its memory.

    Returns:
        float32 if it is of floating point, else of its own dtype.
    """
    wanted = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.to(wanted).clone(memory_format=torch.contiguous_format)


if __name__ == '__main__':
    sys.exit(main())
