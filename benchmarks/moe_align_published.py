"""Times of MoE alignment that others took: 13 shapes, in microseconds of GPU time a call, on another H100 80GB.

torch 2.11, Triton 3.6; CUDA graphs of 64 calls (16 to 32 for the Triton kernels) over a ring of 4 inputs, the median of
60 replays, every output checked: as `benchmarks.moe_align` takes its own. None: that code refuses the shape.
"""

from __future__ import annotations

from typing import NamedTuple

# tokens, top_k, experts, block
SHAPES: list[tuple[int, int, int, int]] = [
    (1, 8, 256, 128),
    (1, 2, 64, 128),
    (16, 8, 256, 128),
    (64, 8, 64, 64),
    (256, 8, 256, 128),
    (256, 8, 512, 256),
    (1024, 8, 64, 64),
    (4096, 1, 64, 128),
    (4096, 2, 64, 128),
    (4096, 8, 128, 128),
    (4096, 8, 256, 256),
    (16384, 8, 256, 128),
    (65536, 8, 256, 128),
]


class Anchor(NamedTuple):
    """Somebody else's implementation.

    Attributes:
        name: as tables have it.
        code: where it is from.
        stable: whether the order inside an expert came out stable on every shape.
        times: microseconds, in the order of `SHAPES`.
        known: whether it counts among the known implementations of which the best of each shape is taken.
    """

    name: str
    code: str
    stable: bool
    times: list[float | None]
    known: bool = True


TRITON = Anchor(
    "vLLM 0.7.3, 4 Triton kernels",
    "vLLM 0.7.3, fused_moe.py",
    True,
    [29.43, 13.60, 29.69, 16.56, 35.30, 60.33, 36.39, 26.09, 36.19, 64.44, 63.17, 125.62, 377.36],
)
EARLIER = Anchor(
    "an earlier agent's patch of them",
    "an agent's session from before this project, which never measured it",
    True,
    [29.41, 13.73, 29.81, 16.64, 35.55, 60.19, 36.50, 26.10, 36.29, 64.68, 63.24, 125.70, 376.99],
    known=False,
)
VLLM = Anchor(
    "vLLM 0.33, CUDA",
    "vLLM 0.33.0, csrc/moe",
    False,
    [4.48, 8.89, 4.74, 11.08, 5.28, 11.30, 8.18, 6.46, 8.26, 16.54, 16.72, 53.72, 184.79],
)
ANCHORS = [
    TRITON,
    EARLIER,
    Anchor(
        "vLLM 0.7.3, CUDA",
        "vLLM 0.7.3, csrc/moe; not timed with 512 experts",
        False,
        [15.38, 10.83, 15.53, 11.79, 16.17, None, 53.03, 31.23, 52.92, 114.50, 41.41, 111.04, 451.18],
    ),
    VLLM,
    Anchor(
        "SGLang 0.5.23, CUDA",
        "SGLang 0.5.23, sgl-kernel",
        False,
        [4.17, 4.08, 4.31, 4.30, 5.28, 11.32, 7.47, 5.84, 7.58, 15.52, 16.88, 47.51, 227.92],
    ),
    Anchor(
        "SGLang v2, CUDA",
        "SGLang, open pull request 34131",
        False,
        [1.48, 1.46, 2.24, 2.64, 3.11, 3.25, 6.53, 3.98, 6.40, 12.40, 12.64, 39.54, 135.46],
    ),
    Anchor(
        "SGLang v2, launches overlapping",
        "SGLang, open pull request 34131, with programmatic dependent launch",
        False,
        [1.12, 1.11, 1.71, 1.93, 2.52, 2.67, 5.50, 3.30, 5.57, 11.14, 12.49, 38.57, 150.31],
    ),
    Anchor(
        "one cluster of 16 blocks, CUDA",
        "a CUDA design: histograms shared through distributed shared memory",
        False,
        [2.93, 2.85, 3.22, 2.76, 3.50, 4.47, 4.64, 3.53, 4.70, 7.88, 8.73, 10.12, 54.12],
    ),
    Anchor(
        "64 blocks that count all, CUDA",
        "a CUDA design: histograms made again by every block, a grid barrier where ids are many",
        False,
        [9.79, 4.36, 12.49, 3.65, 4.86, 7.17, 4.46, 3.97, 4.51, 6.10, 7.16, 8.48, 15.15],
    ),
]
EMPTY = Anchor(
    "an empty launch",
    "a kernel that does nothing: the least that any launch takes",
    True,
    [1.02, 1.03, 1.04, 1.04, 1.01, 1.03, 1.04, 1.03, 1.02, 1.02, 1.02, 1.04, 1.01],
    known=False,
)
BEST = Anchor(
    "the best known of each shape",
    "of the implementations above, shape by shape, the earlier agent's patch left out",
    False,
    [
        min(time for time in times if time is not None)
        for times in zip(*(anchor.times for anchor in ANCHORS if anchor.known), strict=True)
    ],
)
