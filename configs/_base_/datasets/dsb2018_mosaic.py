# Nuclei of DSB2018; in training every other image is a mosaic of four.
_base_ = ['dsb2018.py']
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=dict(
            type='DSB2018Dataset',
            split='train',
            pipeline=_base_.train_pipeline[:1],
        ),
        pipeline=[
            dict(type='BioMedicalRandomMosaic', prob=0.5, img_scale=(256, 256)),
            *_base_.train_pipeline[1:],
        ],
    ),
)
