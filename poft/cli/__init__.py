"""The `poft` command: thin typer functions that parse, call and print."""
