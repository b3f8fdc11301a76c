"""The wheel, used from another folder, and the check of the installed stack."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import mmseg_universeg
from mmseg_universeg.utils import stack
from mmseg_universeg.weights import NAMED_WEIGHTS

ROOT = Path(__file__).resolve().parents[1]
MM_MODULES = "{'mmengine', 'mmcv', 'mmseg'}"


def run(*command, cwd, **env):
    """Run a program; its output, which must have come with success."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """A wheel built, by way of the source distribution, from a clean checkout."""
    folder = tmp_path_factory.mktemp('build')
    ignore = ignore_patterns('.git', '.venv*', 'build', 'dist', '*.egg-info', 'work*')
    copytree(ROOT, folder / 'checkout', ignore=ignore)
    build = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', folder]
    run(*build, folder / 'checkout', cwd=folder)
    (path,) = folder.glob('*.whl')
    return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Path:
    """The Python of an environment that holds the wheel and this lane's stack."""
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder, symlinks=True)
    python = folder / 'bin' / 'python'
    pip = [sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet']
    run(*pip, '--no-deps', '--no-index', wheel, cwd=folder)
    show = 'import sysconfig; print(sysconfig.get_path("purelib"))'
    site = Path(run(python, '-c', show, cwd=folder).strip())
    lane = run(sys.executable, '-c', show, cwd=folder)
    # Entries of a .pth file come after the environment's own packages, and .pth
    # files below them, such as that of an editable install, are not read.
    (site / 'lane.pth').write_text(lane)
    return python


def test_wheel_contents(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {name.split('/')[0] for name in names}
    dist_info = f'mmseg_universeg-{mmseg_universeg.__version__}.dist-info'
    assert top_level == {'mmseg_universeg', dist_info}
    shipped = {
        str(path.relative_to(ROOT))
        for folder in ('configs', 'tools')
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    mim = 'mmseg_universeg/.mim/'
    assert {name[len(mim) :] for name in names if name.startswith(mim)} == (
        shipped | {'model-index.yml'}
    )
    assert f'{dist_info}/licenses/LICENSE' in names


def test_wheel_ships_the_weights(wheel):
    weights = NAMED_WEIGHTS['universeg_drawn-tasks']
    folder = 'mmseg_universeg/weights'
    with zipfile.ZipFile(wheel) as archive:
        assert f'{folder}/README.md' in archive.namelist()
        content = archive.read(f'{folder}/{Path(weights.location).name}')
    assert sha256(content).hexdigest() == weights.sha256


def test_wheel_names_mm_packages_in_the_extras_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith('METADATA')]
        metadata = message_from_bytes(archive.read(name))
    required = {}
    for text in metadata.get_all('Requires-Dist'):
        requirement = Requirement(text)
        extra = re.search(r'extra == "(\w+)"', text)
        packages = required.setdefault(extra[1] if extra else None, {})
        packages[requirement.name] = requirement.specifier
    for extra, packages in required.items():
        found = {
            name: spec
            for name, spec in packages.items()
            if name.startswith(('mm', 'onedl-mm'))
        }
        wanted = stack.STACKS.get(extra, {})
        assert found == {name: SpecifierSet(spec) for name, spec in wanted.items()}
    assert set(required) == {None, 'onedl', 'openmmlab', 'dev'}


def test_wheel_trains_an_inherited_config_from_another_folder(installed, tmp_path):
    code = (
        'import mmseg_universeg as m; print(m.__file__); '
        'print(m.config_path("_base_/default_runtime.py"))'
    )
    module, config = run(installed, '-c', code, cwd=tmp_path).splitlines()[-2:]
    assert Path(module).is_relative_to(installed.parents[1])
    home = Path(module).resolve().parent
    assert config == str(home / '.mim/configs/_base_/default_runtime.py')
    # Another project: its config inherits ours by name, our tool trains it.
    copy(ROOT / 'tests/project/tiny.py', tmp_path / 'theirs.py')
    tool = home / '.mim/tools/train.py'
    run(
        installed,
        tool,
        'theirs.py',
        '--cfg-options',
        'train_cfg.max_iters=2',
        cwd=tmp_path,
    )
    assert (tmp_path / 'work_dirs/theirs/iter_2.pth').is_file()


def test_config_path_of_an_editable_install():
    path = mmseg_universeg.config_path('_base_/default_runtime.py')
    assert Path(path) == ROOT / 'configs/_base_/default_runtime.py'
    with pytest.raises(FileNotFoundError, match=r'_base_/default_runtime\.py'):
        mmseg_universeg.config_path('_base_/default_runtimes.py')


ONEDL = {
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmsegmentation': '1.4.2',
}
OPENMMLAB = {'mmengine': '0.10.7', 'mmcv': '2.1.0', 'mmsegmentation': '1.2.2'}


@pytest.mark.parametrize(
    ('packages', 'wanted'),
    [
        ({}, ['no package of it is installed', "pip install 'onedl-mmengine"]),
        (
            ONEDL | OPENMMLAB,
            ['overwritten each other', 'pip uninstall -y onedl-mmengine onedl-mmcv'],
        ),
        (
            ONEDL | {'mmengine': '0.10.7'},
            ['uninstall', 'onedl-mmsegmentation mmengine\n', 'pip install'],
        ),
        (
            OPENMMLAB | {'mmcv-lite': '2.1.0'},
            ['pip uninstall -y mmengine mmcv mmsegmentation mmcv-lite'],
        ),
        (
            {'onedl-mmengine': '0.10.12'},
            ['onedl-mmcv is not installed', "pip install 'onedl-mmengine"],
        ),
        (
            OPENMMLAB | {'mmcv': '2.2.0'},
            ['mmcv is 2.2.0, wanted >=2.0,<2.2', '--no-build-isolation'],
        ),
        (
            ONEDL | {'onedl-mmsegmentation': '1.3.0'},
            ['onedl-mmsegmentation is 1.3.0, wanted >=1.4,<2'],
        ),
    ],
    ids=['neither', 'both', 'mixed', 'lite', 'half', 'too-new', 'too-old'],
)
def test_import_names_the_command_that_mends_the_stack(packages, wanted, tmp_path):
    code = f"""
import sys
from importlib import metadata

def version(name, packages={packages!r}):
    if name in packages:
        return packages[name]
    raise metadata.PackageNotFoundError(name)

metadata.version = version
try:
    import mmseg_universeg
except ImportError as error:
    print(error)
    assert not {MM_MODULES} & sys.modules.keys()
else:
    raise AssertionError('imported')
"""
    output = run(sys.executable, '-c', code, cwd=tmp_path)
    for part in wanted:
        assert part in output


def test_upstream_without_operators_or_pkg_resources(monkeypatch):
    monkeypatch.setattr(stack, '_version', OPENMMLAB.get)
    monkeypatch.setattr(stack, 'find_spec', lambda name: None)
    monkeypatch.setattr(stack.metadata, 'files', lambda name: [Path('mmcv/x.py')])
    with pytest.raises(ImportError, match=r'pkg_resources.*without its compiled'):
        stack.find_stack()


def test_import_registers_once_and_again(tmp_path):
    code = """
import importlib, warnings
import mmseg_universeg
from mmengine.utils import import_modules_from_strings
from mmseg.registry import MODELS

model = MODELS.get('UniverSeg')
assert model is not None
warnings.simplefilter('error')
for _ in range(2):
    import_modules_from_strings(['mmseg_universeg'])
importlib.reload(mmseg_universeg)
assert MODELS.get('UniverSeg') is model
"""
    run(sys.executable, '-c', code, cwd=tmp_path)


def test_import_leaves_heavy_libraries_alone(tmp_path):
    # segment-anything is light: torchvision, its own import, comes with MMSeg.
    code = (
        'import sys, mmseg_universeg; print({"monai", "nibabel"} & sys.modules.keys())'
    )
    assert 'set()' in run(sys.executable, '-c', code, cwd=tmp_path)
