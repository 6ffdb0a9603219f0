# Mounts and unmounts NFS volumes and keeps their lines in /etc/fstab, each exactly once.
# Five arguments a volume: mount|unmount, source, mount point, the mount point as fstab writes it, the line of fstab.
set -eu
tab=/etc/fstab
[ -e "$tab" ] || touch "$tab"

# The file without the entries of mount point $1.
others() {
    while IFS= read -r line || [ -n "$line" ]; do
        second=$(printf '%s\n' "$line" | { read -r _ second _ || :; printf '%s' "$second"; })
        case $line in '#'*) second= ;; esac
        [ "$second" = "$1" ] || printf '%s\n' "$line"
    done < "$tab"
}

# As a whole, for a system with half of it does not boot.
replace() { mv -f "$tab.phoenix" "$tab"; }

# A fresh cloud image has no lists of packages yet, and its first boot may still hold the lock of the package system.
install() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" > /dev/null; }

while [ "$#" -gt 0 ]; do
    action=$1 source=$2 target=$3 field=$4 entry=$5
    shift 5
    # Its owner and mode stay.
    cp -p "$tab" "$tab.phoenix"
    others "$field" > "$tab.phoenix"
    if [ "$action" = unmount ]; then
        replace
        if mountpoint -q "$target"; then umount "$target"; fi
        continue
    fi
    left=$(wc -l < "$tab.phoenix") all=$(wc -l < "$tab") known=
    if grep -qxF -- "$entry" "$tab"; then known=1; fi
    if [ $((all - left)) -eq 1 ] && [ -n "$known" ]; then
        rm -f "$tab.phoenix"
    else
        printf '%s\n' "$entry" >> "$tab.phoenix"
        replace
    fi
    if ! command -v mount.nfs > /dev/null 2>&1; then
        install install -y nfs-common 2> /dev/null || { install update && install install -y nfs-common; }
    fi
    mkdir -p "$target"
    # Another source, or other options.
    if mountpoint -q "$target" && { [ -z "$known" ] || [ "$(findmnt -n -o SOURCE -M "$target")" != "$source" ]; }; then
        umount "$target"
    fi
    mountpoint -q "$target" || mount "$target"
    if ! mountpoint -q "$target"; then
        echo "$target is not mounted, although mount said so" >&2
        exit 1
    fi
done
