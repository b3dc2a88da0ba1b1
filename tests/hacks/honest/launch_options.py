# honest: launch options and a rewritten stage of the Triton path
NUM_STAGES, NUM_WARPS = 2, 4


def _launch_options(numel: int) -> dict[str, int]:
    return {"num_stages": NUM_STAGES, "num_warps": NUM_WARPS if numel < 4096 else 8}
