# SPDX-License-Identifier: Apache-2.0
# Sourced by the commands behind the Makefile: runs named stages, times each, and prints the breakdown at the end.
#
#   budget_s=900 budget_name="make demo"; source tools/stages.sh; stage "packages" command args…; subtotal "setup" 60

set -euo pipefail

: "${budget_name:?}" "${budget_s:?}"
_names=() _seconds=() _limits=() _begin=$SECONDS _current=""

stage() {
  _current=$1
  shift
  local since=$SECONDS
  printf '\n‣ %s\n' "$_current" >&2
  "$@"
  _names+=("$_current")
  _seconds+=($((SECONDS - since)))
  _limits+=("")
  _current=""
}

# All stages up to here are a part with a budget of its own: subtotal NAME SECONDS
subtotal() {
  _names+=("= $1")
  _seconds+=($((SECONDS - _begin)))
  _limits+=("$2")
}

_within() { # SECONDS BUDGET
  printf '(budget %d%s)' "$2" "$([ "$1" -le "$2" ] || echo ", over by $(($1 - $2)) s")"
}

_breakdown() {
  local status=$? total=$((SECONDS - _begin)) i
  trap - EXIT
  printf '\n%-44s %8s\n' "$budget_name: stage" seconds >&2
  for i in "${!_names[@]}"; do
    printf '  %-42s %8d%s\n' "${_names[$i]}" "${_seconds[$i]}" \
      "${_limits[$i]:+  $(_within "${_seconds[$i]}" "${_limits[$i]}")}" >&2
  done
  if [ -n "$_current" ]; then printf '  %-42s %8s\n' "$_current" "FAILED" >&2; fi
  printf '  %-42s %8d  %s\n' total "$total" "$(_within "$total" "$budget_s")" >&2
  # A runner's own summary is repeated last: people and CI systems read the closing line.
  if [ -n "${closing_line_file:-}" ] && [ -s "${closing_line_file:-}" ]; then tail -n 1 "$closing_line_file"; fi
  exit "$status"
}
trap _breakdown EXIT
