"""vLLM's MoE alignment, run without a vLLM that is built. Not vLLM's: laid beside its files for this task."""
