#!/usr/bin/env bash
# Report a job from bash with curl alone: every file given is compressed, and who watches sees which one is next.
#
#     examples/shell_loop.sh /var/log/*.log
#
# The server is found by PROGRESS_URL; when it is away the work goes on, and nothing is said. PROGRESS_PATIENCE is for
# how many seconds one that does not answer is waited for.
set -euo pipefail

server=${PROGRESS_URL:-http://127.0.0.1:5100}
patience=${PROGRESS_PATIENCE:-2}
job="compress-$$-$(date +%s)"

# report ADDRESS JSON: never fails and never waits for long, whatever the server does.
report() {
  curl --silent --max-time "$patience" --output /dev/null --header 'Content-Type: application/json' \
    --data "$2" "$server/progress/$1" || true
}

# text STRING: as a JSON string.
text() {
  local escaped=${1//\\/\\\\}
  printf '"%s"' "${escaped//\"/\\\"}"
}

finish() {
  local code=$?
  if ((code == 0)); then
    report complete "{\"job_id\": \"$job\", \"success\": true, \"result\": {\"files\": $done}}"
  else
    report complete "{\"job_id\": \"$job\", \"success\": false, \"result\": {\"error\": $(text "${command:-it} ended with $code")}}"
  fi
}

(($#)) || { echo "usage: $0 FILE..." >&2; exit 2; }
done=0
out=$(mktemp -d)
trap 'command=$BASH_COMMAND' ERR
trap finish EXIT

report start "{\"job_id\": \"$job\", \"photo_id\": \"$# files\", \"workflow\": \"compress\",
  \"phases\": [\"measure\", \"compress\", \"check\"], \"host\": $(text "$(hostname)")}"

report report "{\"job_id\": \"$job\", \"stage\": \"measure\", \"progress\": 0}"
bytes=$(cat -- "$@" | wc -c)

for file in "$@"; do
  report report "{\"job_id\": \"$job\", \"stage\": \"compress\", \"progress\": $((100 * done / $#)),
    \"message\": $(text "$file"), \"details\": {\"bytes\": $bytes}}"
  gzip --best --stdout -- "$file" >"$out/$done.gz"
  done=$((done + 1))
done

report report "{\"job_id\": \"$job\", \"stage\": \"check\", \"progress\": 0}"
gzip --test "$out"/*.gz
echo "$bytes bytes in $# files became $(cat "$out"/*.gz | wc -c), in $out"
