# Two images from one file: `server` (no torch) and `worker` (the trainer). Neither needs a compiler.
# What is installed is a layer below our own code, so that a change of the code builds in seconds and costs kilobytes.
FROM python:3.12-slim AS uv
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9

FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
RUN useradd --uid 10001 --create-home ganwatch && mkdir /data /secrets && chown ganwatch /data /secrets
WORKDIR /app
COPY requirements ./requirements
COPY pyproject.toml README.md LICENSE ./
RUN mkdir monitor trainer web migrations && touch monitor/__init__.py trainer/__init__.py

FROM base AS server
RUN --mount=type=cache,target=/var/cache/uv --mount=from=uv,source=/opt/uv,target=/opt/uv \
  PATH=/opt/uv/bin:$PATH UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 sh requirements/install.sh server
COPY monitor ./monitor
COPY web ./web
COPY migrations ./migrations
RUN python -m compileall -q monitor migrations
USER ganwatch
EXPOSE 8765
CMD ["ganwatch", "serve"]

# TORCH=cpu takes the small CPU-only build from PyTorch's own index; empty takes the package index's, which runs on both.
FROM base AS worker
ARG TORCH=
RUN --mount=type=cache,target=/var/cache/uv --mount=from=uv,source=/opt/uv,target=/opt/uv \
  PATH=/opt/uv/bin:$PATH UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 TORCH="$TORCH" sh requirements/install.sh trainer faces
COPY monitor ./monitor
COPY trainer ./trainer
RUN python -m compileall -q monitor trainer
USER ganwatch
CMD ["gantrain", "list"]
