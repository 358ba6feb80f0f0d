#!/bin/sh
# Unpacks a secret of several files (consortium/member.py): a line each, its name, a blank, its content.
#
#   unpack.sh SECRET FOLDER     the folder lies in memory, and is its owner's alone
set -eu
umask 077
while read -r name content; do
    mkdir -p "$(dirname "$2/$name")"
    printf '%s' "$content" >"$2/$name"
done <"$1"
