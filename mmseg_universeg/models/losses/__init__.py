from .hybrid_dice_ce_loss import HybridDiceCELoss
from .multiclass_focal_loss import MulticlassFocalLoss
from .soft_dice_loss import SoftDiceLoss
from .soft_iou_loss import SoftIoULoss

__all__ = [
    'HybridDiceCELoss',
    'MulticlassFocalLoss',
    'SoftDiceLoss',
    'SoftIoULoss',
]
