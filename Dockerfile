# An image for each program: `docker build --target fan-out .` is one service of many, and without a target it is
# `rookery`, the whole system in one process. Needs BuildKit, for its cache mounts; all targets share one build.

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
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
LABEL org.opencontainers.image.licenses="Apache-2.0"
# The internal port stays on loopback until there is a token for operators.
ENV ROOKERY__HTTP__ADDR=0.0.0.0:8080 \
    ROOKERY__LOG__FORMAT=json
USER 65532:65532
EXPOSE 8080 8081

FROM runtime AS tweet-ingest
LABEL org.opencontainers.image.title="Rookery: tweet-ingest"
COPY --from=build /out/bin/tweet-ingest /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/tweet-ingest"]

FROM runtime AS fan-out
LABEL org.opencontainers.image.title="Rookery: fan-out"
COPY --from=build /out/bin/fan-out /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/fan-out"]

FROM runtime AS timeline-read
LABEL org.opencontainers.image.title="Rookery: timeline-read"
COPY --from=build /out/bin/timeline-read /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/timeline-read"]

FROM runtime AS follow-graph
LABEL org.opencontainers.image.title="Rookery: follow-graph"
COPY --from=build /out/bin/follow-graph /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/follow-graph"]

FROM runtime AS rookery
LABEL org.opencontainers.image.title="Rookery: all in one"
COPY --from=build /out/bin/rookery /usr/local/bin/
COPY --from=build --chown=65532:65532 /out/data /data
ENV ROOKERY__DATA_DIR=/data
VOLUME /data
ENTRYPOINT ["/usr/local/bin/rookery"]
