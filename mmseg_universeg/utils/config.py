"""Finding config files and tools that installed packages ship."""

import ast
import re
import tempfile
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path


def config_path(name: str) -> str:
    """Find one of this package's config files.

    Args:
        name: Path of the file below ``configs/``, for instance
            ``'universeg_wbc.py'`` or ``'_base_/default_runtime.py'``.

    Returns:
        The absolute path of the file, whether the package was installed from a
        wheel or in editable mode.

    Raises:
        FileNotFoundError: There is no such config; the message lists near names.
    """
    return str(shipped_file('mmseg_universeg', f'configs/{name}'))


def shipped_file(package: str, name: str) -> Path:
    """Find a file that a package ships for MIM, such as a config or a tool.

    Args:
        package: Import name of an installed package, for instance ``'mmseg'``.
        name: Path of the file in that package's repository.

    Returns:
        The absolute path below ``<package>/.mim`` (installed from a wheel) or
        below the repository (editable, where no ``.mim`` exists).

    Raises:
        ModuleNotFoundError: The package is not installed.
        FileNotFoundError: It has no such file; the message lists near names.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f'{package!r} is not an installed package; wanted its {name!r}'
        )
    home = Path(spec.origin).resolve().parent
    root = home / '.mim' if (home / '.mim').is_dir() else home.parent
    path = root / name
    if path.is_file():
        return path
    folder = root / Path(name).parts[0]
    known = [
        file.relative_to(root).as_posix()
        for file in sorted(folder.rglob('*'))
        if file.is_file() and file.suffix != '.pyc'
    ]
    near = get_close_matches(name, known, n=5, cutoff=0.5) or known[:20]
    raise FileNotFoundError(
        f'{package} has no file {name!r} in {root}; near names: '
        + (', '.join(near) or 'none, there are no such files at all')
    )


def resolve_config(name: str, folder: str) -> str:
    """Give a config path that ``mmengine.Config.fromfile`` can read.

    MMEngine looks up ``package::config`` names in a fixed table of distribution
    names, which holds neither this package nor the fork's MMSegmentation. Here the
    part before ``::`` is the import name of any installed package. A config that has
    such a name among its bases, at any depth, is copied with the names replaced by
    paths; any other is used where it lies.

    Args:
        name: Path of a config, or ``package::path below that package's configs``.
        folder: Folder for the copies, which must live as long as they are read.

    Returns:
        ``name`` itself, or the path of a file with the same base name.

    Raises:
        FileNotFoundError: The config or one of its bases does not exist.
        ModuleNotFoundError: The package before ``::`` is not installed.
    """
    package, colons, rest = name.partition('::')
    path = shipped_file(package, f'configs/{rest}') if colons else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f'there is no config file {name!r}; one that a package ships is named '
            "like 'mmseg_universeg::universeg_wbc.py'"
        )
    if path.suffix != '.py':
        return str(path)
    text = path.read_text(encoding='utf-8')
    statement = _base_statement(text, path)
    if statement is None:
        return str(path)
    bases = ast.literal_eval(statement.value)
    bases = [bases] if isinstance(bases, str) else bases
    # An absolute base stays as it is when joined to the folder of its config.
    found = [base if '::' in base else str(path.parent / base) for base in bases]
    resolved = [resolve_config(base, folder) for base in found]
    if resolved == found:
        return str(path)
    lines = text.splitlines(keepends=True)
    absolute = [str(Path(base).resolve()) for base in resolved]
    lines[statement.lineno - 1 : statement.end_lineno] = [f'_base_ = {absolute!r}\n']
    text = re.sub(
        r'{{\s*fileDirname\s*}}', path.resolve().parent.as_posix(), ''.join(lines)
    )
    copy = Path(tempfile.mkdtemp(dir=folder), path.name)
    copy.write_text(text, encoding='utf-8')
    return str(copy)


def _base_statement(text: str, path: Path) -> ast.Assign | None:
    """The top-level assignment to ``_base_``, where there is one."""
    for statement in ast.parse(text, filename=str(path)).body:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id == '_base_':
                return statement
    return None
