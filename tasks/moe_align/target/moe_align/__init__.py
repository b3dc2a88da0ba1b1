"""Groups the tokens of a mixture-of-experts layer by expert, in whole blocks."""

from moe_align.align import moe_align_block_size

__all__ = ["moe_align_block_size"]
