# One image for all programs; the command says which: `docker run rookery` is the whole system in one process,
# `docker run rookery fan-out` is one service of many. Needs BuildKit, for its cache mounts.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bins \
      --package all-in-one --package tweet-ingest --package fan-out --package timeline-read --package follow-graph \
    && mkdir -p /out/bin /out/data \
    && cp target/release/rookery target/release/tweet-ingest target/release/fan-out target/release/timeline-read \
      target/release/follow-graph /out/bin/ \
    && strip --strip-debug /out/bin/*

# Draws the secrets of compose.yaml; the image is there for the build anyhow, and has openssl.
FROM rust:1-bookworm AS keys
COPY docker/make-keys.sh /
ENTRYPOINT ["sh", "/make-keys.sh"]

# No shell and no package manager; runs as user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/bin/ /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/data /data
# The internal port stays on loopback until there is a token for operators.
ENV ROOKERY__HTTP__ADDR=0.0.0.0:8080 \
    ROOKERY__DATA_DIR=/data \
    ROOKERY__LOG__FORMAT=json
USER 65532:65532
VOLUME /data
EXPOSE 8080 8081
CMD ["rookery"]
