"""Verification of foreign chains: the plug-in point, the schemes, and the order in which a packet is received."""
