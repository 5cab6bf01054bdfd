#!/usr/bin/env bash
# Report a job from bash with curl alone: compress the given files, and report the current one.
#
#     examples/shell_loop.sh /var/log/*.log
#
# PROGRESS_URL is the server's address [http://127.0.0.1:5100], or several with commas, of servers that share a log. If
# one is down, the next is used. While all are down, the work continues without reports.
# PROGRESS_PATIENCE is the time in seconds to wait for an answer [2].
set -euo pipefail

IFS=, read -ra servers <<<"${PROGRESS_URL:-http://127.0.0.1:5100}"
servers=("${servers[@]//[[:space:]]/}")
patience=${PROGRESS_PATIENCE:-2}
job="compress-$$-$(date +%s)"

# report PATH JSON: send a report. It never fails, and never waits for long.
report() {
  local status
  for _ in "${servers[@]}"; do
    status=$(curl --silent --max-time "$patience" --output /dev/null --header 'Content-Type: application/json' \
      --write-out '%{http_code}' --data "$2" "${servers[0]}/progress/$1") || status=000
    # 503: this server can't reach the log, or has found no leader.
    [[ $status == 000 || $status == 503 ]] || return 0
    servers=("${servers[@]:1}" "${servers[0]}")
  done
}

# text STRING: print it as a JSON string. Names of files may have any bytes: control characters become \u escapes, and
# bytes that are not UTF-8 become question marks.
text() {
  local LC_ALL=C string=$1 escaped='' character code i
  if ! iconv --from-code=UTF-8 --to-code=UTF-8 <<<"$string" >/dev/null 2>&1; then
    string=${string//[$'\x80'-$'\xff']/?}
  fi
  for ((i = 0; i < ${#string}; i++)); do
    character=${string:i:1}
    case $character in
      [\"\\]) character="\\$character" ;;
      [[:cntrl:]])
        printf -v code %d "'$character"
        printf -v character '\\u%04x' "$code"
        ;;
    esac
    escaped+=$character
  done
  printf '"%s"' "$escaped"
}

finish() {
  local code=$?
  if ((code == 0)); then
    report complete "{\"job_id\": \"$job\", \"success\": true, \"result\": {\"files\": $done}}"
  else
    report complete "{\"job_id\": \"$job\", \"success\": false, \"result\": {\"error\": $(text "${command:-the script} failed with exit code $code")}}"
  fi
}

(($#)) || { echo "usage: $0 FILE..." >&2; exit 2; }
done=0
out=$(mktemp -d)
trap 'command=$BASH_COMMAND' ERR
trap finish EXIT

report start "{\"job_id\": \"$job\", \"name\": \"$# files\", \"workflow\": \"compress\",
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
