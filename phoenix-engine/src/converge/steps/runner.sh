# Runs a script detached from the connection that started it, and follows it.
# usage: start|resume|follow|stop DIR OFFSET SECONDS LINGER MOST
# `start` and `resume` read the script's files from standard input, one per line: name, blank, base64. The last line is `end`; without
# it a link broke on the way, and nothing starts. `start` joins a script that
# runs and begins it otherwise. `resume` is for a start whose answer was lost: it joins a script that was begun. `stop` kills the
# script with everything that it started.
# The script's output goes to standard output from byte OFFSET on, at most MOST bytes of it. The last line on standard error is
# `phoenix-run ended STATUS`; `phoenix-run at OFFSET` when SECONDS have passed, LINGER after the first output, or when there is more
# output; `phoenix-run lost [REASON]`; or `phoenix-run busy` when nothing was begun because another script still runs.
umask 077
mode=$1 dir=$2 at=$3 left=$4 linger=$5 most=$6

# One property of the service that runs the script in folder $1.
property() { systemctl show --property="$2" --value "$(cat "$1/unit")" 2> /dev/null; }

# Whether the script in folder $1 runs. When systemd does not answer, nothing says that the script has ended.
runs() {
    if [ -f "$1/unit" ]; then
        state=$(property "$1" ActiveState) || return 0
        case $state in inactive | failed) return 1 ;; esac
    else
        # By its command line, since another process can have its number by now.
        [ -f "$1/pid" ] && { tr '\0' ' ' < "/proc/$(cat "$1/pid")/cmdline" | grep -qF "$1/supervise"; } 2> /dev/null
    fi
}

# Kills what is left of the script in folder $1. Each of its processes has the script's environment.
sweep() {
    for process in /proc/[0-9]*; do
        if { tr '\0' '\n' < "$process/environ" | grep -qxF "PHOENIX_CONTEXT=$1/context.json"; } 2> /dev/null; then
            kill -KILL "${process#/proc/}" 2> /dev/null
        fi
    done
}

# Takes the ended service of the script in folder $1 off the list of failed ones.
forget() {
    if [ -f "$1/unit" ]; then
        { systemctl stop "$(cat "$1/unit")"; systemctl reset-failed "$(cat "$1/unit")"; } 2> /dev/null
    fi
}

begin() {
    # Another script, or an earlier form of this one, that a killed run left behind.
    for old in "${dir%/*}"/*; do
        if runs "$old"; then
            echo 'phoenix-run busy' >&2
            exit 0
        fi
    done
    # The folder around them is ours alone, and nothing asks for a script that has ended.
    for old in "${dir%/*}"/*; do
        rm -rf "$old"
    done
    mkdir -p "$dir" || exit 1
    whole=
    while read -r name data; do
        if [ "$name" = end ]; then
            whole=1
            break
        fi
        printf '%s' "$data" | base64 -d > "$dir/$name" || exit 1
    done
    if [ -z "$whole" ]; then
        rm -rf "$dir"
        echo 'the files of the script arrived incomplete' >&2
        exit 1
    fi
    # A guest agent that is a service takes along what it started when it restarts, for example during an upgrade. There the
    # script gets a service of its own, whose end leaves alone what the script left running.
    if grep -q '\.service$' /proc/self/cgroup 2> /dev/null && command -v systemd-run > /dev/null 2>&1; then
        # A name of its own for each start: what an earlier start left running keeps the unit of that start loaded.
        unit=phoenix-script-${dir##*/}-$$.service
        echo "$unit" > "$dir/unit"
        systemd-run --quiet --unit="$unit" --description='Phoenix script' --property=KillMode=process \
            -- /bin/sh "$dir/supervise" < /dev/null > /dev/null || exit 1
    else
        setsid sh "$dir/supervise" < /dev/null > /dev/null 2>&1 &
        while [ ! -f "$dir/pid" ] && kill -0 $! 2> /dev/null; do
            sleep 0.1
        done
    fi
}

case $mode in
    start) runs "$dir" || begin ;;
    resume) runs "$dir" || [ -d "$dir/taken" ] || [ -f "$dir/status" ] || begin ;;
    stop)
        # Without `--`: dash does not know it behind a signal.
        if runs "$dir"; then kill -KILL "-$(cat "$dir/pid")"; fi
        sweep "$dir"
        forget "$dir"
        rm -rf "$dir"
        exit 0
        ;;
esac

while :; do
    # Whether it still runs is asked before the log is read, so that its last output is never missed.
    running=
    if runs "$dir"; then running=1; fi
    status=
    if [ -f "$dir/status" ]; then status=$(cat "$dir/status"); fi
    size=$at
    if [ -f "$dir/log" ]; then size=$(($(wc -c < "$dir/log"))); fi
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
        # The status stays for a second question in case this answer gets lost; all else goes.
        for file in "$dir"/*; do
            if [ "$file" != "$dir/status" ]; then rm -rf "$file"; fi
        done
        echo "phoenix-run ended $status" >&2
        exit 0
    fi
    if [ -z "$running" ] && [ ! -f "$dir/status" ]; then
        reason=
        if [ -f "$dir/unit" ]; then reason=$(property "$dir" Result); fi
        forget "$dir"
        # Only its supervisor was killed, perhaps: without it nothing can tell how the script ends.
        sweep "$dir"
        rm -rf "$dir"
        echo "phoenix-run lost $reason" >&2
        exit 0
    fi
    left=$((left - 1))
    if [ "$left" -le 0 ]; then
        echo "phoenix-run at $at" >&2
        exit 0
    fi
    sleep 1
done
