"""Substrate chains: client and devnet (README.md)."""

from .client import SubstrateChain as SubstrateChain
from .devnet import SubstrateDevnet as SubstrateDevnet

__all__ = ["SubstrateChain", "SubstrateDevnet"]
