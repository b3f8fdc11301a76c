"""Logging of what several processes have tested."""

from mmengine.dist import master_only
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class MainProcessLoggerHook(LoggerHook):
    """MMEngine's ``LoggerHook``, of which one process alone writes a test's scores.

    MMEngine has every process write them to the same
    ``<timestamp>/<timestamp>.json``. The times in it differ from process to process,
    and so may its length: a longer text leaves its end behind a shorter one, and the
    file is no JSON any more. Trainings and validations are not concerned. Arguments
    are those of ``LoggerHook``.
    """

    @master_only
    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Log the scores of a test, and write them to a file.

        Args:
            runner: The runner of the test.
            metrics: The scores by their names; what is logged is the runner's
                message hub, which has them too.
        """
        super().after_test_epoch(runner, metrics)
