"""Data, networks and the local training step of the `exact` profile. Importing this package does not import torch."""
