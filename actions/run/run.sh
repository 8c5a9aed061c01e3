#!/usr/bin/env bash
# Run one operation or stage with the interpreter that actions/setup found (MODELYARD_PYTHON), from the source that this
# file belongs to. NAME or MODELYARD_OPERATION says which; MODELYARD_INPUT is its input as JSON.
set -euo pipefail

refuse() {
  echo "::error title=Modelyard::$1"
  exit 2
}

name="${NAME:-${MODELYARD_OPERATION:-}}"
[[ "${ESCAPED:-}" == "true" ]] || refuse "The input holds a dollar sign. Write it as \\u0024 in the JSON."
[[ "$name" =~ ^[a-z][a-z0-9_]{0,99}$ ]] || refuse "Not the name of an operation or a stage."
[[ -n "${MODELYARD_PYTHON:-}" ]] || refuse "No interpreter: actions/setup has to run before actions/run."

source_folder="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"
echo "Modelyard ${MODELYARD_SHA:-(no commit given)}, $name, $MODELYARD_PYTHON"
# Several jobs often share a machine's cores. By default an OpenMP thread that waits for another one keeps its core busy,
# which makes training up to ten times slower there. Libraries read this when they are loaded.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
# -P: nothing in the working folder may stand in for Modelyard's own packages.
PYTHONPATH="$source_folder" exec "$MODELYARD_PYTHON" -P -m runners.job "$name"
