"""Audits: what a third party checks afterwards, from ledgers and artifact store alone."""
