"""Train a model: MMSegmentation's own tool and flags, for our configs too."""

import mmseg_universeg  # noqa: F401  (checks the stack and registers our classes)
from mmseg_universeg.utils.launch import run_mmseg_tool

if __name__ == '__main__':
    run_mmseg_tool('train.py')
