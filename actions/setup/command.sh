#!/bin/sh
# Put the command `modelyard` of this checkout into an environment, and name that environment .modelyard/environment:
#
#   sh actions/setup/command.sh ENVIRONMENT
#
# Not an editable install: jobs share the environment, and they must run the source that was checked out for them.
set -eu

environment=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
command=$environment/bin/modelyard
text="#!/bin/sh
PYTHONPATH='$root' exec '$environment/bin/python' -P -m bot.cli \"\$@\""

if [ ! -x "$command" ] || [ "$(cat "$command")" != "$text" ]; then
  printf '%s\n' "$text" >"$command.$$"
  chmod +x "$command.$$"
  mv -f "$command.$$" "$command"
fi
mkdir -p "$root/.modelyard"
if [ "$(readlink "$root/.modelyard/environment")" != "$environment" ]; then
  ln -sfn "$environment" "$root/.modelyard/environment"
fi
