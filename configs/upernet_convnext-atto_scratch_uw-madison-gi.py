# UPerNet with the smallest ConvNeXt on organs in MRI, from scratch, as
# segformer_mit-b0_scratch_uw-madison-gi.py.
_base_ = ['segformer_mit-b0_scratch_uw-madison-gi.py']
model = dict(
    backbone=dict(
        _delete_=True, type='TIMMBackbone', model_name='convnext_atto', pretrained=False
    ),
    decode_head=dict(
        _delete_=True,
        type='UPerHead',
        in_channels=[40, 80, 160, 320],
        in_index=[0, 1, 2, 3],
        channels=128,
        num_classes=3,
        norm_cfg=_base_.norm_cfg,
        loss_decode=dict(type='HybridDiceCELoss', use_sigmoid=True, per_image=True),
    ),
)
