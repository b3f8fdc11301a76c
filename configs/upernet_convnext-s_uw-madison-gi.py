# UPerNet with ConvNeXt-S (Liu et al., CVPR 2022) on organs in MRI, timm's backbone
# trained on ImageNet. From scratch: --cfg-options model.backbone.pretrained=False; from
# a file of timm's: model.backbone.pretrained_cfg_overlay.file=FILE. The smallest:
# model.backbone.model_name=convnext_atto
# "model.decode_head.in_channels=[40,80,160,320]".
_base_ = [
    '_base_/models/multi_label.py',
    '_base_/datasets/uw-madison-gi.py',
    '_base_/schedules/transfer_6e.py',
    '_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        type='TIMMBackbone',
        model_name='convnext_small.fb_in1k',
        pretrained=True,
        drop_path_rate=0.3,
    ),
    decode_head=dict(
        type='UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        channels=512,
    ),
)
log_processor = dict(by_epoch=True)
