"""Starting from weights that others made."""

from mmengine.logging import print_log

from ...utils.checkpoint import load_weights


class SafePretrained:
    """Lets a segmentor read `init_cfg=dict(type='Pretrained', checkpoint=...)` safely.

    MMEngine's own reading of pretrained weights may run code that a file holds. To be
    named before the segmentor among the bases.
    """

    def init_weights(self) -> None:
        """Apply `init_cfg`.

        Raises:
            FileNotFoundError: if a pretrained checkpoint is not there.
            ValueError: if it is damaged, holds more than weights, or does not fit.
        """
        cfgs = [self.init_cfg] if isinstance(self.init_cfg, dict) else self.init_cfg
        pretrained = [cfg for cfg in cfgs or () if cfg['type'] == 'Pretrained']
        self.init_cfg = [cfg for cfg in cfgs or () if cfg not in pretrained]
        super().init_weights()
        self.init_cfg = cfgs
        for cfg in pretrained:
            self.load_state_dict(load_weights(cfg['checkpoint']))
            print_log(
                f'weights of {type(self).__name__} from {cfg["checkpoint"]}', 'current'
            )
