"""The bytes of the protocol: what is hashed, signed and proven, equal in the three languages (docs/protocol.md)."""
