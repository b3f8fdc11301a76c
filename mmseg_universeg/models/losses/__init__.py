from .hybrid_dice_ce_loss import HybridDiceCELoss
from .ms_ssim_loss import MSSSIMLoss
from .multiclass_focal_loss import MulticlassFocalLoss
from .soft_dice_loss import SoftDiceLoss
from .soft_iou_loss import SoftIoULoss

__all__ = [
    'HybridDiceCELoss',
    'MSSSIMLoss',
    'MulticlassFocalLoss',
    'SoftDiceLoss',
    'SoftIoULoss',
]
