# image: docker.io/dora/operator:dev
# The operator, published as src/Dora.Operator/Properties/PublishProfiles/container.pubxml says, on a minimal Debian:
#   docker build -t docker.io/dora/operator:dev .
# (hack/images/build.sh operator makes the same without Docker: it reads the last stage for the image's settings.)
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS publish
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.nuget/packages \
    dotnet publish src/Dora.Operator -p:PublishProfile=container -o /app

FROM debian:bookworm-slim
RUN --mount=type=bind,source=hack/images,target=/images \
    xargs /images/account.sh / </images/operator/account \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends </images/operator/packages \
    && /images/trim.sh /
COPY --from=publish /app /app
ENV PATH=/usr/local/bin:/usr/bin:/bin
ENV DOTNET_EnableDiagnostics=0
# A small heap matters more here than throughput: 1 MiB of young generation and of region, compacted; one arena for native memory.
ENV DOTNET_GCgen0size=0x100000
ENV DOTNET_GCRegionSize=0x100000
ENV DOTNET_GCConserveMemory=9
ENV MALLOC_ARENA_MAX=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/app/dora-operator"]
CMD ["run"]
