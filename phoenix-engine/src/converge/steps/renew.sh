# Gives a clone that runs for the first time ssh host keys of its own and, with the word `machine-id`, lets its next boot give it
# a machine id of its own. Can be run again at any point.
# usage: [machine-id]
set -u
installed() { command -v "$1" > /dev/null 2>&1; }

if [ -x /usr/sbin/sshd ] || [ -n "$(find /etc/ssh -maxdepth 1 -name 'ssh_host_*' 2> /dev/null)" ]; then
    rm -f /etc/ssh/ssh_host_*
    if installed ssh-keygen; then ssh-keygen -A > /dev/null || exit 1; fi
    # A server that runs already has its source's in memory.
    if installed systemctl; then
        systemctl try-restart ssh.service sshd.service > /dev/null 2>&1 || :
    elif installed rc-service; then
        rc-service --ifstarted sshd restart > /dev/null 2>&1 || :
    fi
fi
if [ "${1-}" = machine-id ]; then
    rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
    # As in a template that is cleaned.
    if [ ! -L /var/lib/dbus/machine-id ]; then rm -f /var/lib/dbus/machine-id; fi
    if [ -e /etc/machine-id ]; then : > /etc/machine-id || exit 1; fi
fi
sync
