# What in-context data sets share: how an image is read, and how episodes are augmented.
image_size = (64, 64)
load_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=image_size, keep_ratio=False),
]
# Testing in context, at the size of the published weights.
test_size = (128, 128)
support_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='LoadLabelMap'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=test_size, keep_ratio=False),
]
test_pipeline = [
    dict(type='LoadMedicalImage'),
    dict(type='ToGrayscale'),
    dict(type='MinMaxNormalize'),
    dict(type='Resize', scale=test_size, keep_ratio=False),
    # after Resize, so that scores are taken at the original size
    dict(type='LoadLabelMap'),
    dict(
        type='PackSegInputs',
        meta_keys=('img_path', 'ori_shape', 'img_shape', 'case_id', 'slice_index'),
    ),
]
# Augmentation at two levels, after UniverSeg's training (in-task and task);
# elastic fields and blurs are in pixels, meant for 64 to 128 of them.
episode_pipeline = [
    dict(
        type='AugmentEach',
        transforms=[
            dict(
                type='RandomAffineWarp',
                prob=0.5,
                degrees=(-25, 25),
                translate=0.1,
                scale=(0.9, 1.1),
                border='reflect',
            ),
            dict(
                type='RandomElastic',
                prob=0.25,
                alpha=(20, 60),
                sigma=(5, 7),
                border='reflect',
            ),
            dict(type='RandomBrightnessContrast', prob=0.5),
            dict(type='RandomSharpness', prob=0.25),
            dict(type='RandomGaussianBlur', prob=0.25),
            dict(type='RandomGaussianNoise', prob=0.25),
        ],
    ),
    dict(
        type='AugmentAlike',
        transforms=[
            dict(
                type='RandomFlip',
                prob=[0.25, 0.25],
                direction=['horizontal', 'vertical'],
            ),
            dict(
                type='RandomAffineWarp',
                prob=0.5,
                degrees=(-180, 180),
                translate=0.2,
                scale=(0.8, 1.2),
                border='reflect',
            ),
            dict(
                type='RandomElastic',
                prob=0.25,
                alpha=(20, 60),
                sigma=(5, 7),
                border='reflect',
            ),
            dict(type='RandomFlipIntensities', prob=0.5),
            dict(type='RandomBrightnessContrast', prob=0.5, contrast=(0.8, 1.2)),
            dict(type='RandomGamma', prob=0.5),
            dict(type='RandomSharpness', prob=0.25),
            dict(type='RandomGaussianBlur', prob=0.25),
            dict(type='RandomGaussianNoise', prob=0.25),
            dict(type='RandomEdgeLabels', prob=0.05),
            dict(type='RandomFlipLabels', prob=0.25),
        ],
    ),
    dict(type='PackEpisodeInputs'),
]
