# Takes out of a guest what makes it this very machine, so that guests cloned from it are machines of their own.
# Can be run again at any point; what it takes away comes back with the next boot.
set -u
installed() { command -v "$1" > /dev/null 2>&1; }

if [ -n "$(find /etc/ssh -maxdepth 1 -name 'ssh_host_*' 2> /dev/null)" ]; then
    rm -f /etc/ssh/ssh_host_*
    # Cloud-init makes new keys at the first boot of a clone. Without it the server does so before it starts:
    # `ssh-keygen -A` makes those that are missing.
    unit=/etc/systemd/system/ssh.service.d
    if ! installed cloud-init && [ -d /run/systemd/system ]; then
        mkdir -p "$unit" || exit 1
        printf '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n' \
            > "$unit/host-keys.conf" || exit 1
    fi
fi
if installed cloud-init; then
    cloud-init clean --logs --seed || exit 1
fi
# The shutdown that follows writes the seed again, and the journal into the folder of the old id: both are closed first.
if installed systemctl; then systemctl stop systemd-random-seed.service 2> /dev/null; fi
if installed journalctl; then journalctl --relinquish-var > /dev/null 2>&1; fi
rm -rf /var/log/journal/*
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
# D-Bus makes a link of it, or takes systemd's.
if [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi
# Emptied and not removed: the next boot fills it, and is not taken for the very first one of this system (machine-id(5)).
if [ -e /etc/machine-id ]; then : > /etc/machine-id || exit 1; fi
sync
