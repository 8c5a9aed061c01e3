#!/usr/bin/env bash
# Fetch one commit of REPOSITORY into FOLDER and check it out.
set -euo pipefail

[[ "$REPOSITORY" =~ ^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$ ]] || { echo "::error::Not OWNER/REPO: $REPOSITORY"; exit 1; }
[[ "$REF" != -* ]] || { echo "::error::Not a ref: $REF"; exit 1; }
folder="$GITHUB_WORKSPACE/$FOLDER"
if [[ -z "$REF" && "$REPOSITORY" == "$GITHUB_REPOSITORY" ]]; then REF="$GITHUB_SHA"; fi
depth=(--depth "$DEPTH")
if [[ "$DEPTH" == 0 ]]; then depth=(); fi

mkdir -p "$folder"
cd "$folder"
# The header goes in by the environment: arguments can be read by every process of the machine.
if [[ -n "$TOKEN" ]]; then
  export GIT_CONFIG_COUNT=1
  export GIT_CONFIG_KEY_0="http.$GITHUB_SERVER_URL/.extraheader"
  GIT_CONFIG_VALUE_0="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 | tr -d '\n')"
  export GIT_CONFIG_VALUE_0
  echo "::add-mask::${GIT_CONFIG_VALUE_0##* }"
fi
export GIT_TERMINAL_PROMPT=0
if [[ ! -d .git ]]; then git init --quiet --initial-branch=main; fi
git fetch --quiet --no-tags "${depth[@]}" "$GITHUB_SERVER_URL/$REPOSITORY" "${REF:-HEAD}"
if [[ "$CLEAN" == true ]]; then git clean -ffdxq; fi
if [[ "$REF" =~ ^[0-9a-f]{40}$ || -z "$REF" ]]; then
  git checkout --quiet --force --detach FETCH_HEAD
else
  git checkout --quiet --force -B "${REF#refs/heads/}" FETCH_HEAD
fi
git remote add origin "$GITHUB_SERVER_URL/$REPOSITORY" 2>/dev/null || git remote set-url origin "$GITHUB_SERVER_URL/$REPOSITORY"
if [[ "$PERSIST" == true && -n "$TOKEN" ]]; then git config "$GIT_CONFIG_KEY_0" "$GIT_CONFIG_VALUE_0"; fi
echo "$REPOSITORY at $(git rev-parse HEAD) in $FOLDER"
