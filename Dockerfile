# docker buildx build --platform linux/amd64,linux/arm64 .
# Without a container engine, scripts/image/image.sh makes the same image: both run scripts/image/rootfs.sh.

# Each platform builds its own: the programs and libraries in the image are those of the build stage, Debian's and npm's.
FROM node:24-trixie-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils conntrack gcc iproute2 libc6-dev nftables \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /postern
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE tsconfig.json ./
COPY scripts/image scripts/image
COPY src src
RUN sh scripts/image/rootfs.sh /rootfs

FROM scratch
COPY --from=build /rootfs /
# As in scripts/image/pack.sh.
ENV PATH=/usr/bin:/usr/sbin MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=131072
ENTRYPOINT ["/usr/bin/postern"]
