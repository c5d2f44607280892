# naturalist with every extra that fits into one environment (`all`), in the versions of the lock.
#
#   docker build -t naturalist .
#   docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" naturalist run -c garden
#
# Pin both base images by digest for builds that are to be repeated.
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml hatch_build.py README.md CHANGELOG.md LICENSE ./
COPY src src
COPY frontend frontend
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm
# Reads HOME for caches; a user without one gets this.
ENV HOME=/home/naturalist \
    PYTHONDONTWRITEBYTECODE=1
COPY constraints/locked.txt /tmp/locked.txt
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --require-hashes -r /tmp/locked.txt \
    && pip install --no-cache-dir --no-deps /tmp/wheels/naturalist-*.whl \
    && rm -r /tmp/locked.txt /tmp/wheels \
    && useradd --create-home --uid 10001 naturalist \
    && chmod 0777 /home/naturalist
# The number, so that a host can tell that it is not root.
USER 10001
WORKDIR /data
ENTRYPOINT ["naturalist"]
CMD ["--help"]
