# Two images from one file: `server` (no torch) and `worker` (the trainer). Neither needs a compiler.
FROM python:3.12-slim AS source
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_CACHE_DIR=/var/cache/uv
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
ENV PATH=/opt/uv/bin:$PATH
WORKDIR /app
COPY requirements ./requirements
COPY pyproject.toml README.md LICENSE ./
COPY monitor ./monitor
COPY trainer ./trainer
COPY web ./web
COPY migrations ./migrations

FROM source AS server-environment
RUN --mount=type=cache,target=/var/cache/uv sh requirements/install.sh server

# TORCH=cpu takes the small CPU-only build from PyTorch's own index; empty takes the package index's, which runs on both.
FROM source AS worker-environment
ARG TORCH=
RUN --mount=type=cache,target=/var/cache/uv TORCH="$TORCH" sh requirements/install.sh trainer

FROM python:3.12-slim AS runtime
ENV PYTHONUNBUFFERED=1 PATH=/app/.venv/bin:$PATH
RUN useradd --uid 10001 --create-home ganwatch && mkdir /data /secrets && chown ganwatch /data /secrets
WORKDIR /app

FROM runtime AS server
COPY --from=server-environment /app /app
USER ganwatch
EXPOSE 8765
CMD ["ganwatch", "serve"]

FROM runtime AS worker
COPY --from=worker-environment /app /app
USER ganwatch
CMD ["gantrain", "list"]
