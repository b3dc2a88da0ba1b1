# honest: another tuning constant, read from the environment if it is set
CPU_CHUNK = int(os.environ.get("MOE_ALIGN_CHUNK", "65536"))
