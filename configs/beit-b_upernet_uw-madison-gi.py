# BEiT-B with UPerNet (Bao et al., ICLR 2022) on organs in MRI, from MMSeg's model of
# ADE20K: MMEngine reports that its classifier and its auxiliary head do not fit. Images
# must be of the size of the config. From scratch: --cfg-options load_from=None; from a
# file: load_from=FILE.
_base_ = [
    '_base_/models/multi_label.py',
    '_base_/datasets/uw-madison-gi.py',
    '_base_/schedules/transfer_6e.py',
    '_base_/default_runtime.py',
]
model = dict(
    backbone=dict(
        type='BEiT',
        img_size=_base_.image_size,
        out_indices=(3, 5, 7, 11),
        norm_cfg=dict(type='LN', eps=1e-6),
        drop_path_rate=0.1,
        init_values=0.1,
    ),
    neck=dict(type='Feature2Pyramid', embed_dim=768, rescales=[4, 2, 1, 0.5]),
    decode_head=dict(
        type='UPerHead',
        in_channels=[768, 768, 768, 768],
        in_index=[0, 1, 2, 3],
        channels=768,
    ),
)
load_from = (
    'https://mmassets.onedl.ai/mmsegmentation/v0.5/beit/'
    'upernet_beit-base_8x2_640x640_160k_ade20k/'
    'upernet_beit-base_8x2_640x640_160k_ade20k-eead221d.pth'
)
custom_hooks = [*_base_.custom_hooks, dict(type='BEiTWindowHook')]
log_processor = dict(by_epoch=True)
