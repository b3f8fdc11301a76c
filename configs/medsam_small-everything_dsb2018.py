# No prompts: the masks of a grid of points, shared out among the true nuclei, as an
# upper bound. For testing with the weights of medsam_small-point_dsb2018.py. Masks are
# not chosen by their predicted IoU, which is not trained, nor by their stability, which
# is low after a short training.
_base_ = ['medsam_small-point_dsb2018.py']
model = dict(
    prompt='everything',
    generator=dict(points_per_side=32, pred_iou_thresh=0, stability_score_thresh=0),
)
