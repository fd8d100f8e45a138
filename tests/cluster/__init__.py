"""Tests against a real cluster; they skip, and say what they need, where there is none."""
