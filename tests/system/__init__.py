"""Processes and devnets together."""
