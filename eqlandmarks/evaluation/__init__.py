"""What a trained model finds, measured, and the records of it."""
