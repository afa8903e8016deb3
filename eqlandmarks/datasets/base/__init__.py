"""What all datasets share: preparing, storing, and reading batches."""
