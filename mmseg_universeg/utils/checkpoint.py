"""Reading weights that others made, and writing ours.

What is read is tensors only, and errors say what is wrong.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError
from urllib.parse import urlparse
from urllib.request import url2pathname

import torch
from mmengine.dist import barrier, get_rank
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ..weights import SCHEME, locate_weights
from .stack import checkpoint_globals
from .whole_files import whole_file


def read_checkpoint(
    path_or_url: str | Path, map_location: str | torch.device | None = 'cpu'
) -> object:
    """Read a checkpoint without running any code it may hold.

    Args:
        path_or_url: a path, an http, https or file URL, or `mmseg_universeg://` and
            a name of `mmseg_universeg.weights.NAMED_WEIGHTS`. Downloads are kept in
            torch's hub folder, and made by one process of a machine-wide job.
        map_location: as in `torch.load`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, is no checkpoint, or holds anything
            but tensors and what MMEngine's own checkpoints hold; if a name is not
            known, or its file is not the one that was shipped.
    """
    text = str(path_or_url)
    if text.startswith(SCHEME):
        text = locate_weights(text)
    scheme = urlparse(text).scheme
    path = url2pathname(urlparse(text).path) if scheme == 'file' else text
    path = Path(path).expanduser()
    remote = scheme in ('http', 'https')
    if not remote and not path.is_file():
        raise FileNotFoundError(f'no checkpoint at {text}')
    # The context forbids all it names when it ends, so it must not name what is
    # allowed already.
    allowed = torch.serialization.get_safe_globals()
    missing = [name for name in checkpoint_globals() if name not in allowed]
    try:
        with torch.serialization.safe_globals(missing):
            if remote:
                return _download(text, map_location)
            return torch.load(path, map_location=map_location, weights_only=True)
    except UnpicklingError as error:
        # A cut-off file of the old format ends here too: it has no magic number.
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f'{text} was not read: it is damaged, or holds more than weights and '
            f'could run code when unpickled ({reason})'
        ) from error
    except URLError:
        raise
    # A cut-off archive may even be asked for bytes before its beginning (OSError).
    except (EOFError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[:1]
        raise ValueError(
            f'{text} is not a readable checkpoint, it may be truncated {reason}'
        ) from error


def refuse_code() -> None:
    """Let no `torch.load` of this process run code that a checkpoint holds.

    For our tools. The fork's MMEngine reads `load_from` and `resume` safely first,
    but what it is refused it reads again without the check.
    """
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')


def _download(url: str, map_location: str | torch.device | None) -> object:
    """Download once, then read in every process."""
    for turn in (0, 1):
        if (get_rank() > 0) == bool(turn):
            checkpoint = torch.hub.load_state_dict_from_url(
                url, map_location=map_location, weights_only=True
            )
        barrier()
    return checkpoint


@CheckpointLoader.register_scheme(prefixes=('file://', SCHEME))
def load_from_url(
    filename: str, map_location: str | torch.device | None = None
) -> object:
    """Let `load_from` of a config be a file URL or a name, unknown to MMEngine."""
    return read_checkpoint(filename, map_location)


def load_weights(path_or_url: str | Path) -> dict[str, Tensor]:
    """Read the weights of a checkpoint: its `state_dict`, its `model`, or all of it.

    Args:
        path_or_url: see `read_checkpoint`.

    Returns:
        Tensors by name, on the CPU, without the prefix `module.` of wrapped models.

    Raises:
        FileNotFoundError: see `read_checkpoint`.
        ValueError: see `read_checkpoint`; also if there are no named tensors.
    """
    checkpoint = read_checkpoint(path_or_url)
    weights = checkpoint
    for name in ('state_dict', 'model'):
        if isinstance(checkpoint, Mapping) and name in checkpoint:
            weights = checkpoint[name]
            break
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f'{path_or_url} holds no weights by name')
    strange = [key for key, value in weights.items() if not torch.is_tensor(value)]
    if strange:
        raise ValueError(
            f'{path_or_url} holds a {type(weights[strange[0]]).__name__} under '
            f'{strange[0]!r}, wanted tensors only'
        )
    return {key.removeprefix('module.'): value for key, value in weights.items()}


def write_checkpoint(checkpoint: Mapping, path: Path) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        FileExistsError: if the file is there already.
        OSError: if it cannot be written.
    """
    if path.exists():
        raise FileExistsError(f'{path} exists and is not overwritten')
    try:
        with whole_file(path) as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:  # torch.save's word for a full disk
        raise OSError(f'{path} cannot be written: {error}') from error


def check_fit(
    module: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = '', *_: object
) -> None:
    """Refuse a state dict with other parameters or buffers than a module has.

    MMEngine loads what fits and logs a warning for the rest. Registered with
    `register_load_state_dict_pre_hook`, this makes it an error for every child of the
    module that has parameters; other children's buffers (a support set, a loss's
    constants) may differ. `num_batches_tracked` may be missing, as in old files. A
    state dict with nothing under `prefix` is one of other modules, and passes.

    Raises:
        ValueError: naming the first parameter or buffer that is missing, not known or
            of another shape, with the shape found and the shape wanted.
    """
    owners = {name.split('.')[0] for name, _ in module.named_parameters()}
    wanted = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if name.split('.')[0] in owners
    }
    found = {
        key.removeprefix(prefix): value
        for key, value in state_dict.items()
        if key.startswith(prefix)
    }
    if prefix and not found:
        return
    for name, tensor in wanted.items():
        if name not in found:
            if name.endswith('num_batches_tracked'):
                continue
            raise ValueError(
                f'the checkpoint does not fit: it has no {prefix + name!r}, wanted of '
                f'shape {tuple(tensor.shape)}; it has {sorted(found)[:3]} ...'
            )
        if found[name].shape != tensor.shape:
            raise ValueError(
                f'the checkpoint does not fit: {prefix + name!r} is '
                f'{tuple(found[name].shape)}, wanted {tuple(tensor.shape)}'
            )
    for name in found:
        if name.split('.')[0] in owners and name not in wanted:
            raise ValueError(
                f'the checkpoint does not fit: it has {prefix + name!r} of shape '
                f'{tuple(found[name].shape)}, which this model has not'
            )
