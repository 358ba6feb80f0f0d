"""Verification schemes, one module each."""
