# Runs a script detached from the connection that started it, and follows it.
# usage: start|follow DIR OFFSET SECONDS GUEST-ID GUEST-NAME SCRIPT-NAME
# `start` reads the script's files from standard input, a line each: name, blank, base64.
# The script's output goes to standard output from byte OFFSET on; the last line on standard error is
# `phoenix-run ended STATUS`, `phoenix-run at OFFSET` when SECONDS have passed, or `phoenix-run lost`.
umask 077
mode=$1 dir=$2 at=$3 left=$4

alive() { [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

if [ "$mode" = start ] && ! alive; then
    rm -rf "$dir"
    mkdir -p "$dir" || exit 1
    while read -r name data; do
        printf '%s' "$data" | base64 -d > "$dir/$name" || exit 1
    done
    chmod 700 "$dir/script"
    export PHOENIX_CONTEXT="$dir/context.json" PHOENIX_GUEST_ID="$5" PHOENIX_GUEST_NAME="$6" PHOENIX_SCRIPT="$7"
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
    cd / || exit 1
    setsid sh -c '"$1/script" "$2" > "$1/log" 2>&1; echo $? > "$1/status.part"; mv "$1/status.part" "$1/status"' \
        phoenix-script "$dir" "$5" < /dev/null > /dev/null 2>&1 &
    echo $! > "$dir/pid"
fi

# Whoever asked before may be gone while its follower goes on; the last one to come is the one that is heard.
[ -d "$dir" ] && echo $$ > "$dir/follower"

while :; do
    if [ -f "$dir/follower" ] && [ "$(cat "$dir/follower")" != $$ ]; then
        echo "phoenix-run at $at" >&2
        exit 0
    fi
    # Whether it still runs is looked at before the log, so that its last output is never missed.
    running=; alive && running=1
    status=; [ -f "$dir/status" ] && status=$(cat "$dir/status")
    if [ -s "$dir/log" ]; then
        size=$(wc -c < "$dir/log")
        if [ "$size" -gt "$at" ]; then
            tail -c "+$((at + 1))" "$dir/log" | head -c "$((size - at))"
            at=$((size))
        fi
    fi
    if [ -n "$status" ]; then
        rm -rf "$dir"
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
