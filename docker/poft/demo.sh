#!/bin/sh
# The demo on embedded chains, then the audit as a third party: report in /runs/demo/report.html. A run that was
# stopped goes on; --fresh begins again.
set -eu
poft run experiments/demo.toml --output /runs/demo "$@"
poft verify /runs/demo
