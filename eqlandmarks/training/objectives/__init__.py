"""What stages minimise, one file per objective."""
