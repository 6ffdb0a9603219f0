# Runs the script that lies in this file's own folder, and writes its exit status there. See `runner.sh`.
# This is a file, and its own arguments are lines of a file, because systemd expands `$` in the arguments of a unit.
umask 077
dir=${0%/*}
# The first one only: nothing starts a script twice.
mkdir "$dir/taken" || exit 0
echo $$ > "$dir/pid.part" && mv "$dir/pid.part" "$dir/pid"
{
    IFS= read -r id
    IFS= read -r guest
    IFS= read -r title
    set --
    while IFS= read -r word; do set -- "$@" "$word"; done
} < "$dir/words"
export PHOENIX_CONTEXT="$dir/context.json" PHOENIX_GUEST_ID="$id" PHOENIX_GUEST_NAME="$guest" PHOENIX_SCRIPT="$title"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
cd / || exit 1
(umask 022 && exec "$@" "$dir/script" "$id") < /dev/null > "$dir/log" 2>&1
status=$?
# Secrets go when the script ends, even when nobody follows it by then.
rm -f "$dir/script" "$dir/context.json"
echo "$status" > "$dir/status.part" && mv "$dir/status.part" "$dir/status"
