# UNet++ with deep supervision on organs in MRI, from scratch: what pretrained models
# are compared with. From a file: --cfg-options load_from=FILE.
_base_ = [
    '_base_/models/multi_label.py',
    '_base_/datasets/uw-madison-gi.py',
    '_base_/schedules/transfer_6e.py',
    '_base_/default_runtime.py',
]
norm_cfg = _base_.norm_cfg
widths = (32, 64, 128, 256, 512)
model = dict(
    backbone=dict(type='UNetEncoder', widths=widths, norm_cfg=norm_cfg),
    decode_head=dict(type='UNetPlusPlusHead', in_channels=widths, multi_label=True),
)
log_processor = dict(by_epoch=True)
