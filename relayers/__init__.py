"""The two services between chains: attestors, who say what is final, and relayers, who carry it (README.md)."""
