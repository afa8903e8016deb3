"""Behind `eqlandmarks.predictor` and --mode=predict."""
