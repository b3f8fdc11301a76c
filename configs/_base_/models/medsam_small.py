# A MedSAM that trains from scratch on a CPU: images of 512x512, 2.4 million parameters.
# Its prompt encoder is not frozen, as nobody has trained it before.
_base_ = ['medsam_vit-b.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='SAMImageEncoder',
        arch=dict(width=128, depth=6, heads=4, global_attention=(2, 5)),
        image_size=512,
        out_channels=128,
        window_size=8,
    ),
    decode_head=dict(image_size=512, channels=128, num_heads=4, mlp_channels=512),
    frozen=(),
)
