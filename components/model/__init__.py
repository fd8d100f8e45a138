"""Fit, score, persist, and compare champion with challenger."""
