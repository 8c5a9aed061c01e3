#!/usr/bin/env bash
# Prepare the environment of the lock file LOCK (below Modelyard's source, which this file belongs to) and tell later
# steps its interpreter: MODELYARD_PYTHON. PyTorch is large: it comes on top where MODELYARD_INPUT, a JSON text, names what
# needs it: a neural network, or a model below MODELYARD_STORAGE_ROOT that is one.
set -euo pipefail

is_about_a_network() {
  local rest="${MODELYARD_INPUT:-}" signature
  [[ "$rest" == *'"neural_network"'* ]] && return
  for _ in 1 2; do # no operation takes more models
    [[ "$rest" =~ \"([^\"]+)/model\.skops\"(.*) ]] || break
    signature="${MODELYARD_STORAGE_ROOT:-}/${BASH_REMATCH[1]}/model.json"
    rest="${BASH_REMATCH[2]}"
    [[ -f "$signature" && "$(<"$signature")" == *'"neural_network"'* ]] && return
  done
  return 1
}

source_folder="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"
locks=("$source_folder/$LOCK")
if is_about_a_network; then
  locks+=("$source_folder/requirements/torch.txt")
fi
environment="$(sh "$source_folder/actions/setup/environment.sh" "${locks[@]}")" || {
  echo "::error title=Modelyard::The environment could not be prepared on this runner; the lines above say why."
  exit 1
}
echo "MODELYARD_PYTHON=$environment/bin/python" >>"$GITHUB_ENV"
