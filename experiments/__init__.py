"""Experiments: TOML files, and what runs, attacks, measures and reports them."""
