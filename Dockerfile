# Two images from one file: `server` (no torch) and `worker` (the trainer). Neither needs a compiler.
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY requirements ./requirements
COPY monitor ./monitor
COPY trainer ./trainer
COPY web ./web
COPY migrations ./migrations
RUN useradd --uid 10001 --create-home ganwatch && mkdir -p /data /secrets && chown ganwatch /data /secrets

FROM base AS server
RUN --mount=type=cache,target=/root/.cache/uv \
    sh requirements/install.sh server
USER ganwatch
ENV PATH=/app/.venv/bin:$PATH
EXPOSE 8765
CMD ["ganwatch", "serve"]

# TORCH=cpu takes the small CPU-only build from PyTorch's own index; empty takes the package index's, which runs on both.
FROM base AS worker
ARG TORCH=
RUN --mount=type=cache,target=/root/.cache/uv \
    TORCH="$TORCH" sh requirements/install.sh trainer
USER ganwatch
ENV PATH=/app/.venv/bin:$PATH
CMD ["gantrain", "list"]
