# UNet 3+ on the heart, with the module that says which structures a slice shows.
_base_ = ['unet3plus_acdc.py']
model = dict(decode_head=dict(cgm_loss_weight=1.0))
