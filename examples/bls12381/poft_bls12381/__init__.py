"""BLS1: a finality committee that signs with BLS12-381, as a third party adds a scheme to PoFT (README.md)."""
