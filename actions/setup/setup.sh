#!/usr/bin/env bash
# Prepare the environment of the lock file LOCK (below Modelyard's source, which contains this file) and pass its
# interpreter to later steps as MODELYARD_PYTHON. Libraries that only some algorithms need are large, so they are installed
# on top only if MODELYARD_INPUT, a JSON text, names such an algorithm, or the file of a model below MODELYARD_STORAGE_ROOT
# that was trained by one. layers.txt lists these algorithms with their lock files; `make generate` writes it.
set -euo pipefail

source_folder="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"

texts=("${MODELYARD_INPUT:-}") # what the job is about: its input, and the signatures of the models that the input names
rest="${MODELYARD_INPUT:-}"
for _ in 1 2; do # no operation takes more models
  [[ "$rest" =~ \"([^\"]+)/model\.skops\"(.*) ]] || break
  signature="${MODELYARD_STORAGE_ROOT:-}/${BASH_REMATCH[1]}/model.json"
  rest="${BASH_REMATCH[2]}"
  [[ ! -f "$signature" ]] || texts+=("$(<"$signature")")
done

locks=("$source_folder/$LOCK")
while read -r algorithm layer; do
  lock="$source_folder/requirements/$layer.txt"
  # Two algorithms may need the same layer.
  if [[ "${texts[*]}" == *"\"$algorithm\""* && " ${locks[*]} " != *" $lock "* ]]; then
    locks+=("$lock")
  fi
done <"$source_folder/actions/setup/layers.txt"

environment="$(sh "$source_folder/actions/setup/environment.sh" "${locks[@]}")" || {
  echo "::error title=Modelyard::The environment could not be prepared on this runner; the lines above say why."
  exit 1
}
echo "MODELYARD_PYTHON=$environment/bin/python" >>"$GITHUB_ENV"
