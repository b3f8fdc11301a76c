# U-Net on membranes of ISBI 2012, with the elastic deformation and the border weight
# map of its paper; the cells are the objects whose borders are weighed.
_base_ = ['unet_isbi2012_plain.py']
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='BioMedicalElasticDeform', prob=0.8),
    dict(type='GenerateBorderWeightMap', instances_from=0),
    dict(type='PackWeightedSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
