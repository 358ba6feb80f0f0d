"""A model as bytes: manifest, canonical stream, chunk commitment, streaming verification, artifact store.

docs/protocol.md section 4. Ledgers know a model by `ModelRef` alone; its bytes travel outside of them and are checked
chunk by chunk against it.
"""
