"""MainProcessLoggerHook: which process writes the scores of a test."""

import json
from pathlib import Path

import mmengine.dist.utils

from mmseg_universeg.engine import MainProcessLoggerHook


def test_the_main_process_alone_writes(monkeypatch, make_runner, test_cfg, make_files):
    logger = {'type': 'MainProcessLoggerHook'}
    dataset = test_cfg(make_files('tested', 3))
    runner = make_runner(dataset, [], default_hooks={'logger': logger})
    scores = runner.test()
    (hook,) = (h for h in runner.hooks if isinstance(h, MainProcessLoggerHook))
    file = Path(runner.log_dir, f'{runner.timestamp}.json')
    written = json.loads(file.read_text())
    assert written.items() >= scores.items() and scores['case/DSC'] > 0

    file.unlink()
    monkeypatch.setattr(mmengine.dist.utils, 'get_rank', lambda group=None: 1)
    hook.after_test_epoch(runner, scores)
    assert not file.exists()
    monkeypatch.undo()
    hook.after_test_epoch(runner, scores)
    assert json.loads(file.read_text()).items() >= scores.items()
