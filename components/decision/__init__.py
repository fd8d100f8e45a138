"""What to do about a window: nothing, alert or retrain, decided once."""
