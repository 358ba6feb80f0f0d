"""PoFT: federations on independent chains train one model, and each chain verifies the other."""
