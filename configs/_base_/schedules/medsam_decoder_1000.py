# The earlier training of MedSAM, of the mask decoder only: Adam without decay. For
# model.frozen=('image_encoder', 'prompt_encoder').
_base_ = ['medsam_1000.py']
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='Adam', lr=1e-5, weight_decay=0)
)
