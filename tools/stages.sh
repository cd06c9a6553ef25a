# SPDX-License-Identifier: Apache-2.0
# Sourced by the commands behind the Makefile: runs named stages, times each, and prints the breakdown at the end.
#
#   budget_s=900 budget_name="make demo"; stage "packages" command args…; finish

set -euo pipefail

: "${budget_name:?}" "${budget_s:?}"
_names=() _seconds=() _begin=$SECONDS _current=""

stage() {
  _current=$1
  shift
  local since=$SECONDS
  printf '\n‣ %s\n' "$_current" >&2
  "$@"
  _names+=("$_current")
  _seconds+=($((SECONDS - since)))
  _current=""
}

_breakdown() {
  local status=$? total=$((SECONDS - _begin)) i
  trap - EXIT
  printf '\n%-44s %8s\n' "$budget_name: stage" seconds >&2
  for i in "${!_names[@]}"; do printf '  %-42s %8d\n' "${_names[$i]}" "${_seconds[$i]}" >&2; done
  if [ -n "$_current" ]; then printf '  %-42s %8s\n' "$_current" "FAILED" >&2; fi
  printf '  %-42s %8d  (budget %d)\n' total "$total" "$budget_s" >&2
  if [ "$total" -gt "$budget_s" ]; then printf '  over budget by %d s\n' $((total - budget_s)) >&2; fi
  # A runner's own summary is repeated last: people and CI systems read the closing line.
  if [ -n "${closing_line_file:-}" ] && [ -s "${closing_line_file:-}" ]; then tail -n 1 "$closing_line_file"; fi
  exit "$status"
}
trap _breakdown EXIT
