#!/bin/sh
# Find a Python that Modelyard can run on, and with it prepare the environment of a lock file, or find it complete.
#
#   sh actions/setup/environment.sh LOCK [LAYER ...]
#
# The last line on standard output is the environment's path; everything else goes to standard error. What is done, and
# where, is in environment.py. This file must do little: it runs in every job.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || exit 1

# An interpreter that is too old to read environment.py must still be able to say so: this much runs on any. Until here
# standard error is closed, for a shim of a version manager complains about each version that it lacks.
program='
import os, sys
os.dup2(3, 2)
if sys.version_info < (3, 11):
    sys.stdout.write("%d.%d" % sys.version_info[:2])
    sys.exit(64)
sys.path[0] = sys.argv[1]
import environment
sys.exit(environment.main(sys.argv[2:]))
'

# The one that was used here before comes first: asking a version manager's shims takes longer than all the rest. Then
# those that the locks were tried with. MODELYARD_BASE_PYTHON names the one to use.
used=
cache=${MODELYARD_ENVIRONMENTS:-${RUNNER_TOOL_CACHE:+$RUNNER_TOOL_CACHE/modelyard}}
cache=${cache:-~/.cache/modelyard/environments}
case $cache in
  "~/"*) cache=${HOME:-}/${cache#"~/"} ;; # from a file of settings, where no shell has seen it
esac
if [ -z "${MODELYARD_BASE_PYTHON:-}" ] && [ -r "$cache/interpreter" ]; then
  IFS= read -r used <"$cache/interpreter"
fi

tried=
missing_venv=
for name in "$used" ${MODELYARD_BASE_PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
  python=$(command -v -- "$name") || continue
  answer=$("$python" -E -s -S -c "$program" "$here" "$@" 3>&2 2>/dev/null)
  status=$?
  case $status in
    0) # done
      printf '%s\n' "$answer"
      exit 0
      ;;
    64) found="Python $answer, too old" ;;
    65)
      found="Python $answer, without venv or ensurepip"
      missing_venv=${missing_venv:-$answer}
      ;;
    66 | 130 | 137 | 143) # failed and said why; stopped by somebody
      exit 1
      ;;
    *) found="does not start (exit status $status)" ;;
  esac
  tried="$tried
  $python: $found"
done

{
  echo "modelyard: Python 3.11 or newer with the modules venv and ensurepip is needed. Found:${tried:- no Python at all}"
  if [ -n "$missing_venv" ]; then
    echo "Install the modules (Debian and Ubuntu: apt-get install python$missing_venv-venv), then try again."
  else
    echo "Install Python 3.11 or newer (Debian and Ubuntu: apt-get install python3 python3-venv; elsewhere brew, pyenv" \
      "or python.org), see to it that python3 finds it, then try again."
  fi
} >&2
exit 1
