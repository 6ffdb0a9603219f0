# Runs a script detached from the connection that started it, and follows it.
# usage: start|resume|follow DIR OFFSET SECONDS LINGER GUEST-ID GUEST-NAME SCRIPT-NAME
# `start` and `resume` read the script's files from standard input, a line each: name, blank, base64. `start` joins one that runs
# and begins anew otherwise; `resume`, when nobody knows whether a start got through, joins one that was begun at all.
# The script's output goes to standard output from byte OFFSET on; the last line on standard error is
# `phoenix-run ended STATUS`, `phoenix-run at OFFSET` when SECONDS have passed or LINGER after the first output,
# `phoenix-run lost`, or `phoenix-run busy` when nothing was begun because another script still runs.
umask 077
mode=$1 dir=$2 at=$3 left=$4 linger=$5

alive() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

# Another script, or an earlier form of this one, that a run which died left behind.
other() {
    for old in /run/phoenix-*; do
        if [ "$old" != "$dir" ] && [ -f "$old/pid" ] && kill -0 "$(cat "$old/pid")" 2> /dev/null; then return 0; fi
    done
    return 1
}

begin() {
    if other; then
        echo 'phoenix-run busy' >&2
        exit 0
    fi
    # What ended before, and was heard of.
    for old in /run/phoenix-*; do
        if [ -f "$old/status" ] && [ ! -f "$old/script" ]; then rm -rf "$old"; fi
    done
    rm -rf "$dir"
    mkdir -p "$dir" || exit 1
    while read -r name data; do
        printf '%s' "$data" | base64 -d > "$dir/$name" || exit 1
    done
    chmod 700 "$dir/script"
    # A guest agent that is a service takes what it started with it when it is restarted, by an upgrade for one. So the script gets
    # a service of its own there.
    leave=setsid
    if grep -q '\.service$' /proc/self/cgroup 2> /dev/null && command -v systemd-run > /dev/null 2>&1; then
        leave="systemd-run --quiet --collect --unit=${dir##*/} --"
    fi
    $leave sh -c '
        export PHOENIX_CONTEXT="$1/context.json" PHOENIX_GUEST_ID="$2" PHOENIX_GUEST_NAME="$3" PHOENIX_SCRIPT="$4"
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
        umask 077
        cd / && echo $$ > "$1/pid.part" && mv "$1/pid.part" "$1/pid"
        "$1/script" "$2" > "$1/log" 2>&1
        echo $? > "$1/status.part"; mv "$1/status.part" "$1/status"' \
        phoenix-script "$dir" "$1" "$2" "$3" < /dev/null > /dev/null 2>&1 &
    tries=0
    while [ ! -f "$dir/pid" ] && [ "$tries" -lt 50 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

case $mode in
    start) alive || begin "$6" "$7" "$8" ;;
    resume) [ -f "$dir/pid" ] || [ -f "$dir/status" ] || begin "$6" "$7" "$8" ;;
esac

while :; do
    # Whether it still runs is looked at before the log, so that its last output is never missed.
    running=; alive && running=1
    status=; [ -f "$dir/status" ] && status=$(cat "$dir/status")
    if [ -s "$dir/log" ]; then
        size=$(wc -c < "$dir/log")
        if [ "$size" -gt "$at" ]; then
            tail -c "+$((at + 1))" "$dir/log" | head -c "$((size - at))"
            at=$((size))
            if [ "$left" -gt "$linger" ]; then left=$linger; fi
        fi
    fi
    if [ -n "$status" ]; then
        # The status stays for whoever asks once more because this answer was lost on its way; all else goes.
        rm -f "$dir/script" "$dir/context.json" "$dir/log" "$dir/pid"
        echo "phoenix-run ended $status" >&2
        exit 0
    fi
    if [ -z "$running" ] && [ ! -f "$dir/status" ]; then
        rm -rf "$dir"
        echo 'phoenix-run lost' >&2
        exit 0
    fi
    left=$((left - 1))
    if [ "$left" -le 0 ]; then
        echo "phoenix-run at $at" >&2
        exit 0
    fi
    sleep 1
done
