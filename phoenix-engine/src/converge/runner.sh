# Runs a script detached from the connection that started it, and follows it.
# usage: start|resume|follow|stop DIR OFFSET SECONDS LINGER MOST GUEST-ID GUEST-NAME SCRIPT-NAME INTERPRETER...
# `start` and `resume` read the script's files from standard input, a line each: name, blank, base64. `start` joins one that runs
# and begins anew otherwise; `resume`, when nobody knows whether a start got through, joins one that was begun at all;
# `stop` kills it with what it started.
# The script's output goes to standard output from byte OFFSET on, at most MOST bytes of it; the last line on standard error is
# `phoenix-run ended STATUS`, `phoenix-run at OFFSET` when SECONDS have passed, LINGER after the first output or when there is more
# of it, `phoenix-run lost`, or `phoenix-run busy` when nothing was begun because another script still runs.
umask 077
mode=$1 dir=$2 at=$3 left=$4 linger=$5 most=$6
shift 6

# Whether the script in folder $1 runs.
runs() { [ -f "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2> /dev/null; }

begin() {
    # Another script, or an earlier form of this one, that a run which died left behind.
    for old in "${dir%/*}"/*; do
        if runs "$old"; then
            echo 'phoenix-run busy' >&2
            exit 0
        fi
    done
    # Nobody asks any more after what has ended. The folder around them is ours alone.
    for old in "${dir%/*}"/*; do
        rm -rf "$old"
    done
    mkdir -p "$dir" || exit 1
    while read -r name data; do
        printf '%s' "$data" | base64 -d > "$dir/$name" || exit 1
    done
    # A guest agent that is a service takes what it started with it when it is restarted, by an upgrade for one. So the script gets
    # a service of its own there, whose end leaves alone what the script left running.
    leave=setsid
    if grep -q '\.service$' /proc/self/cgroup 2> /dev/null && command -v systemd-run > /dev/null 2>&1; then
        leave="systemd-run --quiet --collect --property=KillMode=process --unit=phoenix-${dir##*/} --"
    fi
    # What is secret goes when the script ends, whether or not anybody follows it by then.
    # shellcheck disable=SC2016
    $leave sh -c '
        dir=$1 id=$2
        export PHOENIX_CONTEXT="$dir/context.json" PHOENIX_GUEST_ID="$id" PHOENIX_GUEST_NAME="$3" PHOENIX_SCRIPT="$4"
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
        shift 4
        umask 077
        cd / && echo $$ > "$dir/pid.part" && mv "$dir/pid.part" "$dir/pid"
        (umask 022 && exec "$@" "$dir/script" "$id") > "$dir/log" 2>&1
        status=$?
        rm -f "$dir/script" "$dir/context.json"
        echo "$status" > "$dir/status.part"; mv "$dir/status.part" "$dir/status"' \
        phoenix-script "$dir" "$@" < /dev/null > /dev/null 2>&1 &
    tries=0
    while [ ! -f "$dir/pid" ] && [ "$tries" -lt 50 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

case $mode in
    start) runs "$dir" || begin "$@" ;;
    resume) [ -f "$dir/pid" ] || [ -f "$dir/status" ] || begin "$@" ;;
    stop)
        # Without `--`: dash knows none behind a signal.
        if runs "$dir"; then kill -KILL "-$(cat "$dir/pid")"; fi
        rm -rf "$dir"
        exit 0
        ;;
esac

while :; do
    # Whether it still runs is looked at before the log, so that its last output is never missed.
    running=; runs "$dir" && running=1
    status=; [ -f "$dir/status" ] && status=$(cat "$dir/status")
    size=$at; [ -f "$dir/log" ] && size=$(($(wc -c < "$dir/log")))
    if [ "$size" -gt "$at" ]; then
        piece=$((size - at))
        if [ "$piece" -gt "$most" ]; then piece=$most; fi
        tail -c "+$((at + 1))" "$dir/log" | head -c "$piece"
        at=$((at + piece)) most=$((most - piece))
        if [ "$left" -gt "$linger" ]; then left=$linger; fi
    fi
    if [ "$at" -lt "$size" ]; then
        echo "phoenix-run at $at" >&2
        exit 0
    fi
    if [ -n "$status" ]; then
        # The status stays for whoever asks once more because this answer was lost on its way; all else goes.
        rm -f "$dir/log" "$dir/pid"
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
