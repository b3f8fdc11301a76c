"""Running MMSegmentation's own command-line tools on our configs."""

import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from mmengine.config import Config

from .checkpoint import refuse_code
from .config import resolve_config, shipped_file


def run_mmseg_tool(name: str) -> None:
    """Run a tool of the installed MMSegmentation with the current arguments.

    The flags are that tool's own. Config names and bases of the form
    ``package::config`` are resolved first, and a config that does not exist or a
    work directory that cannot be written ends the program at once with one line.
    Several processes (``--launcher pytorch``) work without a GPU too, over gloo.

    Args:
        name: ``'train.py'`` or ``'test.py'``.
    """
    spec = spec_from_file_location('mmseg_tool', shipped_file('mmseg', f'tools/{name}'))
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    args = tool.parse_args()
    refuse_code()
    with tempfile.TemporaryDirectory(prefix='mmseg_universeg_') as folder:
        try:
            config = resolve_config(args.config, folder)
        except (OSError, ModuleNotFoundError) as error:
            sys.exit(f'{name}: {error}')
        _check_work_dir(args, config)
        if args.launcher == 'pytorch' and not torch.cuda.is_available():
            # MMEngine would select a CUDA device first, whatever the backend; a
            # process group that exists it takes as it is.
            torch.distributed.init_process_group('gloo')
        sys.argv[sys.argv.index(args.config, 1)] = config
        tool.main()


def _check_work_dir(args, config: str) -> None:
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(args.cfg_options or {})
    default = Path('work_dirs', Path(config).stem)
    work_dir = args.work_dir or cfg.get('work_dir') or default
    try:
        Path(work_dir).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=work_dir).close()
    except OSError as error:
        sys.exit(
            f'the work directory {str(work_dir)!r} cannot be written '
            f'({error.strerror}); give another with --work-dir'
        )
