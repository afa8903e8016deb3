"""Kinds of pairs of views, one file each."""
