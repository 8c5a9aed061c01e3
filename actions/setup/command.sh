#!/bin/sh
# Put the command `modelyard` of this checkout into .modelyard/bin, and write .modelyard/activate, which adds it and the
# environment's own commands to PATH:
#
#   sh actions/setup/command.sh ENVIRONMENT
#
# Nothing is written into the environment: several checkouts may share one, and each must run its own source.
set -eu

environment=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
bin=$root/.modelyard/bin

# quote TEXT: as one word of the shell
quote() {
  printf "'"
  printf '%s' "$1" | sed "s/'/'\\\\''/g"
  printf "'"
}

# write FILE: from standard input, at once, and only if it differs
write() {
  cat >"$1.$$"
  if cmp -s "$1.$$" "$1"; then rm -f "$1.$$"; else mv -f "$1.$$" "$1"; fi
}

mkdir -p "$bin"
write "$bin/modelyard" <<EOF
#!/bin/sh
PYTHONPATH=$(quote "$root") exec $(quote "$environment/bin/python") -P -m bot.cli "\$@"
EOF
chmod +x "$bin/modelyard"
write "$root/.modelyard/activate" <<EOF
. $(quote "$environment/bin/activate")
PATH=$(quote "$bin"):\$PATH
EOF
