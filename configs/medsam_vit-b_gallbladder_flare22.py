# A tutorial of fine-tuning: MedSAM's mask decoder on one small organ, the gallbladder,
# from MedSAM's weights. For another organ inherit from this and put its index, see
# FLARE22Dataset, into both pipelines.
_base_ = ['medsam_vit-b_decoder_flare22.py']
gallbladder = (9,)
train_pipeline = [
    *_base_.train_pipeline[:-2],
    dict(_base_.train_pipeline[-2], classes=gallbladder),
    _base_.train_pipeline[-1],
]
test_pipeline = [
    *_base_.test_pipeline[:-2],
    dict(_base_.test_pipeline[-2], classes=gallbladder),
    _base_.test_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# Other organs get no box, which CaseMetric would count as missed.
val_evaluator = [dict(type='BoxMetric')]
test_evaluator = val_evaluator
