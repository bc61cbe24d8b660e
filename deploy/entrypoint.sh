#!/bin/sh
# Prepares the data volume as root, then runs a command as the user `tempest`: ENTRYPOINT of the image.
#
# A volume that was just mounted belongs to root, and nobody else could make it ours. All that follows (the files'
# making, migrations, the server) is done as `tempest`. A container that was started as another user skips this.
set -eu

data=${TEMPEST_DATA_DIR:-/var/lib/tempest}

fail() {
    echo "tempest: $*" >&2
    exit 2
}

# The reason at the end of an error message of coreutils.
reason() {
    printf '%s\n' "$1" | sed -n '1s/.*: //p'
}

if [ "$(id -u)" -eq 0 ]; then
    case "$data" in
        /*) ;;
        *) fail "TEMPEST_DATA_DIR must be an absolute path" ;;
    esac
    # All that is in it changes hands. What a pattern names first, a later one does not take.
    case "$(realpath -m -- "$data")" in
        / | /bin* | /boot* | /dev* | /etc* | /lib* | /proc* | /root* | /run* | /sbin* | /sys* | /usr*) plausible=no ;;
        /home | /media | /mnt | /opt | /opt/tempest* | /srv | /tmp) plausible=no ;;
        /home/*/*) plausible=yes ;;
        /home/*) plausible=no ;;
        /var/lib/apt* | /var/lib/dpkg* | /var/lib/misc* | /var/lib/pam* | /var/lib/python* | /var/lib/systemd*) plausible=no ;;
        /var | /var/backups* | /var/cache* | /var/lib | /var/local | /var/log* | /var/mail* | /var/opt) plausible=no ;;
        /var/spool* | /var/tmp | /var/www*) plausible=no ;;
        *) plausible=yes ;;
    esac
    [ "$plausible" = yes ] ||
        fail "TEMPEST_DATA_DIR must be a folder of its own, such as /var/lib/tempest, and none of the system's"
    said=$(mkdir -p "$data" 2>&1) || fail "cannot make the data directory $data: $(reason "$said")"
    # Only what is not ours yet: on a large volume the rest would be written for nothing.
    said=$(find "$data" \( ! -user tempest -o ! -group tempest \) -exec chown -h tempest:tempest {} + 2>&1) ||
        fail "cannot give the data directory $data to the user tempest: $(reason "$said")"
    said=$(chmod 700 "$data" 2>&1) || fail "cannot close the data directory $data to others: $(reason "$said")"
    export HOME="$data"
    exec setpriv --reuid=tempest --regid=tempest --init-groups --no-new-privs -- "$@"
fi

exec "$@"
