"""A consortium's networks, made by its members: keys that never leave their owner, and public files that all can check.

Every member keeps its secrets (`member`), and shows the others a share: public keys and addresses. From the shares
anybody makes the same two chains (`chains_of`). Once these run, governance deploys and makes each chain follow the
other (`founding`). Then a member's services get their configuration (`services`). `poft consortium` is all of it.
"""
