# DPT (Ranftl et al., ICCV 2021) on organs in MRI, with the ViT-B/16 trained on
# ImageNet-21k that MMSeg publishes for Segmenter. From scratch: --cfg-options
# model.backbone.init_cfg=None; from a file: model.backbone.init_cfg.checkpoint=FILE.
_base_ = [
    '_base_/models/multi_label.py',
    '_base_/datasets/uw-madison-gi.py',
    '_base_/schedules/transfer_6e.py',
    '_base_/default_runtime.py',
]
model = dict(
    # As these weights were trained.
    data_preprocessor=dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5]),
    backbone=dict(
        type='VisionTransformer',
        img_size=_base_.image_size,
        out_indices=(2, 5, 8, 11),
        output_cls_token=True,
        patch_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6),
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segmenter/vit_base_p16_384_20220308-96dfe169.pth',
        ),
    ),
    decode_head=dict(
        type='DPTHead',
        in_channels=(768, 768, 768, 768),
        in_index=(0, 1, 2, 3),
        input_transform='multiple_select',
        channels=256,
        embed_dims=768,
        post_process_channels=[96, 192, 384, 768],
        readout_type='project',
    ),
)
log_processor = dict(by_epoch=True)
