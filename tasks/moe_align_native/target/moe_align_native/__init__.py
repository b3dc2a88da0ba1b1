"""Groups the tokens of a mixture-of-experts layer by expert, in whole blocks, in C++."""

from moe_align_native.align import moe_align_block_size

__all__ = ["moe_align_block_size"]
