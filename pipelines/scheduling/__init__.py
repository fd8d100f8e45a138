"""Runs without a person who asks: schedules, backfills, and triggers from outside."""
