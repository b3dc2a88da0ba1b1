"""Builds the extension: `python setup.py build_ext --inplace`. Everything else is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "moe_align_native._align",
            sources=["csrc/align.cpp"],
            language="c++",
            extra_compile_args=["-std=c++17", "-O3", "-Wall", "-Wextra"],
            py_limited_api=True,
        )
    ]
)
