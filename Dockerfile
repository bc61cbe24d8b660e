# Tempest as an image: `docker build --tag tempest .`, or with fewer adapters `--build-arg EXTRAS=speed,smtp`.
#
# The data volume is mounted by whoever runs the image, at /var/lib/tempest; docs/deploying.md tells how.
FROM python:3.11-slim-bookworm AS build
# The extras of tempest-core/pyproject.toml that are installed, with commas between them.
ARG EXTRAS=all
# cbrrr, of the extra `speed`, comes as C source. The newest compiler of this Debian will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --quiet --constraint constraints.txt hatchling \
    && /opt/build/bin/pip wheel --no-cache-dir --quiet --no-deps --no-build-isolation --wheel-dir /wheels \
        ./plugins ./tempest-core ./tempest-blob-s3 ./tempest-backup-s3 ./tempest-smtp ./tempest-otel
# Our own packages are named by file, so that none of that name is ever taken from an index.
RUN for wheel in /wheels/tempest_pds_*.whl; do \
        name=$(basename "$wheel"); echo "${name%%-*} @ file://$wheel"; \
    done > /wheels/ours.txt \
    && python -m venv /opt/tempest \
    && set -- /wheels/tempest_pds-*.whl \
    && /opt/tempest/bin/pip install --no-cache-dir --quiet --no-compile \
        --constraint constraints.txt --constraint /wheels/ours.txt "tempest-pds[${EXTRAS}] @ file://$1" \
    && /opt/tempest/bin/pip uninstall --quiet --yes setuptools \
    && /opt/tempest/bin/python -m compileall -q /opt/tempest/lib

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Tempest" \
      org.opencontainers.image.description="A self-hostable Personal Data Server (PDS) for the AT Protocol" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
RUN groupadd --system --gid 10001 tempest \
    && useradd --system --uid 10001 --gid tempest --home-dir /var/lib/tempest --no-create-home \
        --shell /usr/sbin/nologin tempest
COPY --from=build /opt/tempest /opt/tempest
COPY deploy/entrypoint.sh /usr/local/bin/tempest-entrypoint
COPY deploy/tempest.sh /usr/local/bin/tempest
# Within the container every address, or no published port would lead to the server.
ENV TEMPEST_DATA_DIR=/var/lib/tempest \
    TEMPEST_BIND_ADDRESS=0.0.0.0 \
    PORT=4000
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["tempest", "health"]
# As root, for a volume that was just mounted belongs to root; the entrypoint goes on as the user `tempest`.
ENTRYPOINT ["tempest-entrypoint"]
CMD ["tempest", "serve"]
