"""Which MMSegmentation stack is installed, and whether it can work.

Two families of packages own the import names ``mmengine``, ``mmcv`` and
``mmseg``: the maintained OneDL fork and upstream OpenMMLab. pip installs one over
the other without a word, so this is looked up in the packages' metadata before
any of them is imported.
"""

from importlib import metadata
from importlib.util import find_spec
from pickle import UnpicklingError

from packaging.specifiers import SpecifierSet
from packaging.version import Version

STACKS = {
    'onedl': {
        'onedl-mmengine': '>=0.10.8,<1',
        'onedl-mmcv': '>=2.3,<3',
        'onedl-mmsegmentation': '>=1.4,<2',
    },
    'openmmlab': {
        'mmengine': '>=0.10,<1',
        'mmcv': '>=2.0,<2.2',
        'mmsegmentation': '>=1.2,<2',
    },
}

# Other distributions of the same modules, with which neither stack works.
USURPERS = ('mmcv-full', 'mmcv-lite', 'mmengine-lite')


def find_stack() -> str:
    """Name the installed stack, without importing anything of it.

    Returns:
        ``'onedl'`` or ``'openmmlab'``.

    Raises:
        ImportError: Neither stack or both are installed, packages of one are
            missing, or their versions cannot work. The message names the commands
            that mend it.
    """
    found = {
        stack: {name: version for name in names if (version := _version(name))}
        for stack, names in STACKS.items()
    }
    usurpers = [name for name in USURPERS if _version(name)]
    present = [stack for stack, versions in found.items() if versions]
    if usurpers or len(present) > 1:
        raise ImportError(_clash_message(found, usurpers))
    if not present:
        raise ImportError(
            'mmseg_universeg needs MMSegmentation, and no package of it is '
            'installed. Install the maintained OneDL fork:\n  '
            + install_command('onedl')
            + '\nor, to share an environment with an existing OpenMMLab project:\n  '
            + install_command('openmmlab')
        )
    (stack,) = present
    problems = _version_problems(stack, found[stack])
    if not problems and stack == 'openmmlab':
        problems = _upstream_problems()
    if problems:
        raise ImportError(
            f'mmseg_universeg cannot work with the {stack} stack as installed: '
            + '; '.join(problems)
            + '. Mend it with:\n  '
            + install_command(stack)
        )
    return stack


def install_command(stack: str) -> str:
    """The shell command that installs one stack in versions that work.

    Args:
        stack: ``'onedl'`` or ``'openmmlab'``.
    """
    wanted = ' '.join(f"'{name}{spec}'" for name, spec in STACKS[stack].items())
    if stack == 'onedl':
        return f'pip install {wanted}'
    # The compiled operators of mmcv need torch and pkg_resources when building.
    return (
        "pip install 'setuptools<82' ftfy regex && MMCV_WITH_OPS=1 pip install "
        f'--no-build-isolation {wanted}'
    )


def allow_own_checkpoints() -> None:
    """Let upstream MMEngine resume the checkpoints it wrote itself.

    From torch 2.6 on, ``torch.load`` refuses every global it was not told of. Exactly
    what MMEngine's checkpoints need is allowed; the fork does the same by itself.
    """
    import torch

    if Version(torch.__version__) >= Version('2.6'):
        torch.serialization.add_safe_globals(checkpoint_globals())


def checkpoint_globals() -> list:
    """List what MMEngine's checkpoints name besides tensors.

    They store the message hub, with ``HistoryBuffer`` objects over NumPy arrays.
    """
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    def statistics_method(owner: type, name: str) -> object:
        """Stands in for ``getattr``, by which pickle names a method."""
        if owner is not HistoryBuffer or name.startswith('_'):
            raise UnpicklingError(f'refused to look up {name!r} of {owner!r}')
        return getattr(owner, name)

    array = np.zeros(1)
    return [
        HistoryBuffer,
        (statistics_method, 'builtins.getattr'),
        array.__reduce__()[0],  # rebuilds an array
        array[0].__reduce__()[0],  # rebuilds a scalar
        np.ndarray,
        np.dtype,
        *(type(np.dtype(name)) for name in ('float32', 'float64', 'int64')),
    ]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _clash_message(found: dict[str, dict[str, str]], usurpers: list[str]) -> str:
    names = [name for versions in found.values() for name in versions] + usurpers
    removal = 'pip uninstall -y ' + ' '.join(names)
    return (
        'These packages share the import names mmengine, mmcv and mmseg and have '
        f'overwritten each other: {", ".join(names)}. Remove all of them with\n  '
        f'{removal}\nand install one stack again, the maintained OneDL fork with\n  '
        + install_command('onedl')
        + '\nor OpenMMLab with\n  '
        + install_command('openmmlab')
    )


def _version_problems(stack: str, versions: dict[str, str]) -> list[str]:
    problems = []
    for name, spec in STACKS[stack].items():
        if name not in versions:
            problems.append(f'{name} is not installed')
        elif not SpecifierSet(spec, prereleases=True).contains(versions[name]):
            problems.append(f'{name} is {versions[name]}, wanted {spec}')
    return problems


def _upstream_problems() -> list[str]:
    problems = []
    if find_spec('pkg_resources') is None:
        problems.append(
            'mmengine imports pkg_resources, which setuptools 82 and later lack'
        )
    files = metadata.files('mmcv')
    if files and not any(file.name.startswith('_ext.') for file in files):
        problems.append('mmcv was built without its compiled operators')
    return problems
