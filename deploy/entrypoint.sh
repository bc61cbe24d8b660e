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
    # All that is in it changes hands.
    case "$(realpath -m -- "$data")" in
        / | /bin* | /boot* | /dev* | /etc* | /lib* | /opt | /opt/tempest* | /proc* | /run | /sbin* | /sys* | /usr* | /var | /var/lib)
            fail "TEMPEST_DATA_DIR must be a folder of its own, such as /var/lib/tempest, and none of the system's" ;;
    esac
    said=$(mkdir -p "$data" 2>&1) || fail "cannot make the data directory $data: $(reason "$said")"
    # Only what is not ours yet: on a large volume the rest would be written for nothing.
    said=$(find "$data" \( ! -user tempest -o ! -group tempest \) -exec chown -h tempest:tempest {} + 2>&1) ||
        fail "cannot give the data directory $data to the user tempest: $(reason "$said")"
    said=$(chmod 700 "$data" 2>&1) || fail "cannot close the data directory $data to others: $(reason "$said")"
    export HOME="$data"
    exec setpriv --reuid=tempest --regid=tempest --init-groups --no-new-privs -- "$@"
fi

exec "$@"
