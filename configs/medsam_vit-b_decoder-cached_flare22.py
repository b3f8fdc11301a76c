# The same from embeddings that are computed once:
# python tools/cache_embeddings.py configs/medsam_vit-b_decoder_flare22.py \
#     checkpoints/medsam_vit_b.pth --out work_dirs/embeddings/medsam_vit-b_flare22
_base_ = ['medsam_vit-b_decoder_flare22.py']
load_embedding = dict(
    type='LoadImageEmbedding',
    cache_dir='work_dirs/embeddings/medsam_vit-b_flare22',
)
model = dict(backbone=dict(_delete_=True, type='CachedEmbedding'))
train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_pipeline, load_embedding]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline, load_embedding]))
test_dataloader = val_dataloader
