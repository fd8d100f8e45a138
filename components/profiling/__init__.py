"""Profiling a data set part by part: plan the parts, count each, merge them into one profile."""
