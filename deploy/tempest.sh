#!/bin/sh
# The `tempest` command of the image, always as the user `tempest`.
#
# `docker exec` and the consoles of hosts come as root. A file that root made in the data directory could not be written
# by the server any more.
set -eu

if [ "$(id -u)" -eq 0 ]; then
    export HOME="${TEMPEST_DATA_DIR:-/var/lib/tempest}"
    exec setpriv --reuid=tempest --regid=tempest --init-groups --no-new-privs -- /opt/tempest/bin/tempest "$@"
fi

exec /opt/tempest/bin/tempest "$@"
