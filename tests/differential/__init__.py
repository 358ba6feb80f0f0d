"""One question, three answers: random valid cases with one random mutation, put to Python, Solidity and Rust.

    python -m tests.differential --mutations 3000 --seed 1

Verdict, code and resulting state must be equal (docs/protocol.md section 11, "Parity"). A disagreement is written as a
vector to build/differential/, so that it can be appended to tests/vectors once it is settled.
"""
