#!/usr/bin/env bash
# A processor below x86-64-v3 is refused by name, before any instruction that it does not know.
set -euo pipefail
[ "$(uname -m)" = x86_64 ] || { echo "this machine is not x86-64"; exit 77; }
command -v qemu-x86_64 >/dev/null || { echo "qemu-x86_64 (package qemu-user) is not installed"; exit 77; }

# What a processor is told: exit code 4, nothing on standard output, the missing parts named.
refused() {
  local processor=$1 part=$2 code=0
  qemu-x86_64 -cpu "$processor" "$FREEHOLD" version >"$out" 2>"$err" || code=$?
  if [ "$code" -ne 4 ] || [ -s "$out" ] || ! grep -q "this processor lacks.*$part" "$err"; then
    echo "$processor: exit code $code"
    cat "$out" "$err"
    exit 1
  fi
}

out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT
refused core2duo POPCNT
refused Nehalem AVX
refused SandyBridge FMA
# The control: one that has them all runs.
qemu-x86_64 -cpu Haswell "$FREEHOLD" version >"$out" 2>"$err" || { cat "$err"; exit 1; }
[ -s "$out" ]
