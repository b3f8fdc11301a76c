"""Weights by a short name: those that ship beside this file, and the released ones.

``mmseg_universeg://NAME`` is understood wherever a checkpoint is named. See README.md
in this folder.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mmengine.logging import print_log

SCHEME = 'mmseg_universeg://'


@dataclass(frozen=True)
class NamedWeights:
    """Where weights are, and on what terms.

    Args:
        location: Path of a file that ships, or URL.
        licence: Name of the licence.
        sha256: What a file that ships must have, in hexadecimal digits; None for a
            URL, whose content is not checked.
    """

    location: str
    licence: str
    sha256: str | None = None


NAMED_WEIGHTS = {
    'universeg_drawn-tasks': NamedWeights(
        str(Path(__file__).parent / 'universeg_drawn-tasks.pth'),
        'Apache-2.0',
        '65b9902e123a0133b381c02e34c7394d61b62f1518cac5ccb2569ee154b98916',
    ),
    'universeg_v1-released': NamedWeights(
        'https://github.com/JJGO/UniverSeg/releases/download/weights/'
        'universeg_v1_nf64_ss64_STA.pt',
        'OpenRAIL++-M, research only',
    ),
}


def locate_weights(name: str) -> str:
    """Find weights by their name, check their file and log their licence.

    Args:
        name: ``mmseg_universeg://`` and a name of ``NAMED_WEIGHTS``.

    Returns:
        The path or URL to read them from.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: There are no weights of this name, or the file is not the one that
            was shipped.
    """
    known = {f'{SCHEME}{key}': value for key, value in NAMED_WEIGHTS.items()}
    if name not in known:
        raise ValueError(
            f'there are no weights {name!r}; known are {", ".join(sorted(known))}'
        )
    weights = known[name]
    if weights.sha256 is not None:
        found = sha256(Path(weights.location).read_bytes()).hexdigest()
        if found != weights.sha256:
            raise ValueError(
                f'{weights.location} is not the file that was shipped: its SHA-256 is '
                f'{found}, wanted {weights.sha256}'
            )
    print_log(f'licence of {name}: {weights.licence}', 'current')
    return weights.location
