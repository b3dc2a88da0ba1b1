# honest: another library: NumPy's radix sort
import numpy as np

def _align_with_torch(ids, block_size, num_experts):
    sorted_token_ids, expert_ids, num_tokens_post_pad = _empty_layout(ids, block_size, num_experts)
    values = ids.numpy()
    positions = np.flatnonzero((values >= 0) & (values < num_experts))
    keys = values[positions].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    positions, keys = positions[order], keys[order]
    counts = np.bincount(keys, minlength=num_experts)
    blocks = -(-counts // block_size)
    shift = (np.cumsum(blocks) - blocks) * block_size - (np.cumsum(counts) - counts)
    sorted_token_ids.numpy()[np.arange(keys.size) + shift[keys]] = positions
    used = int(blocks.sum())
    expert_ids.numpy()[:used] = np.repeat(np.arange(num_experts), blocks)
    num_tokens_post_pad[0] = used * block_size
    return sorted_token_ids, expert_ids, num_tokens_post_pad
