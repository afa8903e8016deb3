"""One file per experiment; common.py holds every field.

Installed as `eqlandmarks.configs`.
"""
