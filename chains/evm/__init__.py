"""EVM chains: contracts, client and devnet (README.md)."""

from .client import EvmChain as EvmChain
from .devnet import EvmDevnet as EvmDevnet

__all__ = ["EvmChain", "EvmDevnet"]
