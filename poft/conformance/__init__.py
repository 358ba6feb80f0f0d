"""The conformance kit: what a scheme's author describes, and the attacks that every scheme meets (docs/plugins.md)."""

from poft.conformance.plugin import Contract as Contract
from poft.conformance.plugin import Crate as Crate
from poft.conformance.plugin import Plugin as Plugin
from poft.conformance.source import Block as Block
from poft.conformance.source import Claim as Claim
from poft.conformance.source import Forgery as Forgery
from poft.conformance.source import HonestSource as HonestSource

__all__ = ["Block", "Claim", "Contract", "Crate", "Forgery", "HonestSource", "Plugin"]
