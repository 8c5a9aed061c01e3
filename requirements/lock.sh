#!/bin/sh
# Write the locks anew from pyproject.toml with the newest versions that it allows, for every platform and Python from
# 3.11 on. `make lock` calls this with uv in PATH; `make lock KEEP=1` changes only what pyproject.toml no longer allows.
#
# No hashes and no index: torch and others have builds of their own on some machines, and mirrors differ.
set -eu
cd "$(dirname "$0")"

upgrade=--upgrade
[ -z "${KEEP:-}" ] || upgrade=

resolve() { # OUTPUT [OPTION ...]
  output=$1
  shift
  uv pip compile ../pyproject.toml --universal --python-version 3.11 --extra ml-cpu --extra tuning --extra aws "$@" --output-file "$output" \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet
  echo "$output: $(grep -c == "$output") packages"
}

# From the largest to the smallest, each bound by the one before, so that all agree.
resolve dev.txt --extra local --extra dev $upgrade
resolve local.txt --extra local --constraints dev.txt $upgrade
resolve runner.txt --constraints dev.txt $upgrade

# A layer has the needs of one extra alone, as a command filters them.
layer() { # EXTRA COMMAND [ARGUMENT ...]
  output=$1.txt
  cp "$output" "$output.new"
  EXTRA=$1 python -c '
import os, tomllib
with open("../pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["project"]["optional-dependencies"][os.environ["EXTRA"]], sep="\n")
' | uv pip compile - --universal --python-version 3.11 --constraints dev.txt $upgrade --output-file "$output.new" \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet
  shift
  {
    grep '^#' "$output" || true
    "$@" <"$output.new"
  } >"$output.whole"
  mv "$output.whole" "$output"
  rm "$output.new"
  echo "$output: $(grep -c == "$output") packages"
}

layer torch sed -E '/^(nvidia|cuda|triton)/d' # less what hangs on its build; the head of the file says why
layer mutants sed '/^yattag==/d' # it has no wheel; only an HTML report that nobody here makes needs it
