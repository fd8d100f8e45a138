"""Profiles, distances, thresholds, findings and the HTML report."""
