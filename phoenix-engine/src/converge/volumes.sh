# Mounts and unmounts NFS volumes and keeps their lines in /etc/fstab, each exactly once.
# Five arguments a volume: mount|unmount, source, mount point, the mount point as fstab writes it, the line of fstab.
set -eu
tab=/etc/fstab
touch "$tab"

# The file without the entries of mount point $1.
others() {
    while IFS= read -r line || [ -n "$line" ]; do
        second=$(printf '%s\n' "$line" | { read -r _ second _ || :; printf '%s' "$second"; })
        case $line in '#'*) second= ;; esac
        [ "$second" = "$1" ] || printf '%s\n' "$line"
    done < "$tab"
}

replace() {
    cat "$tab.phoenix" > "$tab"
    rm -f "$tab.phoenix"
}

while [ "$#" -gt 0 ]; do
    action=$1 source=$2 target=$3 field=$4 entry=$5
    shift 5
    others "$field" > "$tab.phoenix"
    if [ "$action" = unmount ]; then
        replace
        if mountpoint -q "$target"; then umount "$target"; fi
        continue
    fi
    left=$(wc -l < "$tab.phoenix") all=$(wc -l < "$tab")
    if [ $((all - left)) -eq 1 ] && grep -qxF -- "$entry" "$tab"; then
        rm -f "$tab.phoenix"
    else
        printf '%s\n' "$entry" >> "$tab.phoenix"
        replace
    fi
    if ! command -v mount.nfs > /dev/null 2>&1; then
        # A fresh cloud image has no lists of packages yet, and its first boot may still hold the lock of the package system.
        export DEBIAN_FRONTEND=noninteractive
        wait='-o DPkg::Lock::Timeout=120'
        apt-get $wait install -y nfs-common > /dev/null 2>&1 \
            || { apt-get $wait update > /dev/null && apt-get $wait install -y nfs-common > /dev/null; }
    fi
    mkdir -p "$target"
    if mountpoint -q "$target" && [ "$(findmnt -n -o SOURCE -M "$target")" != "$source" ]; then
        umount "$target"
    fi
    mountpoint -q "$target" || mount -t nfs "$source" "$target"
    if ! mountpoint -q "$target"; then
        echo "$target is not mounted, although mount said so" >&2
        exit 1
    fi
done
