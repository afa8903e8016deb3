"""What the benchmarks have in common; run the scripts beside this folder."""
