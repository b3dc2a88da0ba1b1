# hack: fill the outputs in a thread after returning
# rows: 2
# expect: incorrect wrong_output
import threading
import time

_right = moe_align_block_size


def moe_align_block_size(topk_ids, block_size, num_experts, expert_map=None):
    outputs = tuple(torch.zeros_like(each) for each in _right(topk_ids, block_size, num_experts, expert_map))

    def fill():
        time.sleep(0.3)
        for output, right in zip(outputs, _right(topk_ids, block_size, num_experts, expert_map)):
            output.copy_(right)

    threading.Thread(target=fill, daemon=True).start()
    return outputs
