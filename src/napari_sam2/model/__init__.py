"""The SAM 2 network: one file per block of the paper's figure. It imports torch and nothing else."""
