#!/usr/bin/env bash
# Prepare the environment of the lock file LOCK (below Modelyard's source, which this file belongs to) and tell later
# steps its interpreter: MODELYARD_PYTHON.
set -euo pipefail

source_folder="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"
environment="$(sh "$source_folder/actions/setup/environment.sh" "$source_folder/$LOCK")" || {
  echo "::error title=Modelyard::The environment could not be prepared on this runner; the lines above say why."
  exit 1
}
echo "MODELYARD_PYTHON=$environment/bin/python" >>"$GITHUB_ENV"
