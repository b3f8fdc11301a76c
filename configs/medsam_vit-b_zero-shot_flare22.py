# MedSAM as released, not trained further, to compare with: for tools/test.py alone,
# with checkpoints/medsam_vit_b.pth.
_base_ = ['medsam_vit-b_decoder_flare22.py']
train_dataloader = None
train_cfg = None
optim_wrapper = None
