"""A hook that ends training as the kernel does when memory runs out."""

import os
import signal

from mmengine.hooks import Hook
from mmseg.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):
    """Kills its own process after a given number of iterations.

    Args:
        iteration: Number of iterations to let pass.
    """

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)
