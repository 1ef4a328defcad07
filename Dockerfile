# One image for every process of the cluster; the verb is the command: `worker`, `api`, …
FROM python:3.11-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/freshet
ENV PATH=/opt/freshet/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Before the source, so that a change of ours does not install everything again.
COPY requirements.lock ./
RUN python -m pip install --quiet --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY config config
COPY models models
COPY producers producers
COPY stream stream
RUN python -m pip install --quiet --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home freshet \
 && install -d -o freshet -g freshet /data /data/snapshots /var/cache/freshet
COPY --from=build /opt/freshet /opt/freshet
# Kernels compiled here are used again by the same kind of CPU, and compiled anew by another.
ENV PATH=/opt/freshet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/cache/freshet
USER freshet
WORKDIR /data
RUN python -m config.warm
ENTRYPOINT ["freshet"]
CMD ["--help"]
