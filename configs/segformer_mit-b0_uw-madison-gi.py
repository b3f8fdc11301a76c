# SegFormer-b0 (Xie et al., NeurIPS 2021) on organs in MRI, its encoder trained on
# ImageNet. From scratch: --cfg-options model.backbone.init_cfg=None; from a file:
# model.backbone.init_cfg.checkpoint=FILE.
_base_ = [
    '_base_/models/multi_label.py',
    '_base_/datasets/uw-madison-gi.py',
    '_base_/schedules/transfer_6e.py',
    '_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b0_20220624-7e0fe6dd.pth',
        ),
    ),
    decode_head=dict(
        type='SegformerHead',
        in_channels=[32, 64, 160, 256],
        in_index=[0, 1, 2, 3],
        channels=256,
    ),
)
log_processor = dict(by_epoch=True)
