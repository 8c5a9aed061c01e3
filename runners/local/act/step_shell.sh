# Stands in for the shell that act starts a step with: runs the real one of that name, and where the step failed, ends
# only when the hub has read its last line. By itself act stops reading as soon as it sees a step fail, so the lines that
# say why would come late or never.
bin=$MODELYARD_RUN_FOLDER/bin
path=:$PATH:
path=${path//":$bin:"/:}
path=${path#:}
PATH=${path%:}

stopped=
trap 'stopped=INT' INT
trap 'stopped=TERM' TERM
"${0##*/}" "$@"
status=$?
if [ "$status" -ne 0 ]; then
  read_to=$MODELYARD_RUN_FOLDER/ends/$$
  if mkfifo "$read_to" && exec 3<>"$read_to"; then
    printf '%s %s\n' "$MODELYARD_RUN_MARKER" "$$"
    IFS= read -r -t 20 -u 3 _
    rm -f "$read_to"
  fi
fi
if [ -n "$stopped" ] && [ "$status" -gt 128 ]; then
  trap - "$stopped"
  kill -s "$stopped" "$$"
fi
exit "$status"
