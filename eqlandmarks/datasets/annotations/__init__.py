"""A user's labels: which image each belongs to, and who is train or test."""
