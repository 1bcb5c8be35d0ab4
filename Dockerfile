FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/cache GOCACHE=/cache make build && mkdir /data

FROM gcr.io/distroless/static-debian13:nonroot
LABEL org.opencontainers.image.title="active_users_exporter" \
      org.opencontainers.image.description="Prometheus exporter of active users of chat servers" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/active_users_exporter /active_users_exporter
COPY --from=build --chown=nonroot:nonroot /data /data
ENV ACTIVE_USERS_STORAGE_PATH=/data
VOLUME /data
EXPOSE 10052
# It finds the listener by ACTIVE_USERS_WEB_LISTEN_ADDRESS and ACTIVE_USERS_WEB_CONFIG_FILE.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/active_users_exporter", "healthcheck"]
ENTRYPOINT ["/active_users_exporter"]
