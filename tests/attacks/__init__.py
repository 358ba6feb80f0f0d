"""What an attacker tries (docs/protocol.md section 11), each attempt run and refused; README.md lists them."""
