"""Behind `eqlandmarks.predictor.predictor` and --mode=predict."""
