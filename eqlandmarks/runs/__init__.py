"""A run: its folder, its config, its stages, and the comparison of methods."""
