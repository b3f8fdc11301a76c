"""Puts configs, tools and the model index into the wheel, where MIM looks."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    """``build_py`` that adds ``mmseg_universeg/.mim`` to what is built.

    The files go straight into the build folder, so that a checkout never holds
    a second copy that could grow stale; an editable install reads the originals.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'mmseg_universeg', '.mim')
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in SHIPPED:
            source = ROOT / name
            if source.is_dir():
                ignore = shutil.ignore_patterns('__pycache__', '.*')
                shutil.copytree(source, target / name, ignore=ignore)
            else:
                shutil.copy(source, target)


setup(cmdclass={'build_py': BuildWithMim})
