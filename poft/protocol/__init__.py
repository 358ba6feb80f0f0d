"""The bytes of the protocol: what is hashed, signed and proven, equal in Python, Solidity and Rust (docs/protocol.md)."""
