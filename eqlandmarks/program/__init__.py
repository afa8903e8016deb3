"""The program: its flags, and a file for each mode."""
