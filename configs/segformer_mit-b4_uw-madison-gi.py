# SegFormer-b4 on organs in MRI, its encoder trained on ImageNet.
_base_ = ['segformer_mit-b0_uw-madison-gi.py']
model = dict(
    backbone=dict(
        embed_dims=64,
        num_layers=[3, 8, 27, 3],
        init_cfg=dict(
            checkpoint='https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/'
            'segformer/mit_b4_20220624-d588d980.pth'
        ),
    ),
    decode_head=dict(in_channels=[64, 128, 320, 512]),
)
