# MedSAM as released: SAM's ViT-B on images of 1024x1024 in [0, 1], prompt encoder
# frozen. With the image encoder frozen too: --cfg-options
# "model.frozen=('image_encoder','prompt_encoder')".
model = dict(
    type='BoxPromptSegmentor',
    data_preprocessor=dict(type='BoxPromptDataPreprocessor'),
    backbone=dict(type='SAMImageEncoder', arch='vit_b', image_size=1024),
    decode_head=dict(
        type='MedSAMBoxPromptHead',
        image_size=1024,
        loss_decode=dict(
            type='HybridDiceCELoss', squared=True, per_image=True, smooth=1e-5
        ),
    ),
    frozen=('prompt_encoder',),
    prompt='box',
    resize='probabilities',
)
