# syntax=docker/dockerfile:1
#
# Two images of one repository: the market's gateway, and a provider's agent.
#
#   docker build --target gateway -t guildhall .
#   docker build --target agent -t guildhall-agent .
#
# Neither holds a secret, runs as root, or writes anywhere but into its volume. See docs/install.md and compose.yaml.

ARG NODE_IMAGE=node:26-bookworm-slim

FROM ${NODE_IMAGE} AS source
WORKDIR /guildhall
COPY . .

# The pages, which need tools that the gateway does not.
FROM source AS pages
RUN npm ci --no-audit --no-fund && npm run build --workspace=@guildhall/console

# The gateway runs from its sources. It needs neither an embedded database nor an engine: those are other containers.
FROM source AS gateway-files
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY --from=pages /guildhall/apps/console/dist apps/console/dist

FROM ${NODE_IMAGE} AS gateway
ENV NODE_ENV=production \
    GUILDHALL_HOME=/var/lib/guildhall \
    GUILDHALL_HOST=0.0.0.0 \
    GUILDHALL_AGENT=off
RUN install -d -m 700 -o node -g node /var/lib/guildhall
COPY --from=gateway-files /guildhall /guildhall
USER node
WORKDIR /var/lib/guildhall
VOLUME /var/lib/guildhall
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8787/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--conditions=@guildhall/source", "/guildhall/apps/reference-gateway/src/main.ts"]
CMD ["start"]

# The agent as install.sh installs it: the same archive, the same lock.
FROM source AS agent-files
RUN node --no-warnings apps/reference-gateway/src/install/bundleMain.ts > /tmp/agent.tgz \
  && mkdir /agent && tar -xzf /tmp/agent.tgz -C /agent \
  && cd /agent && npm ci --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE} AS agent
ENV NODE_ENV=production \
    HOME=/var/lib/guildhall-agent \
    GUILDHALL_AGENT_HOME=/var/lib/guildhall-agent/home
RUN install -d -m 700 -o node -g node /var/lib/guildhall-agent
COPY --from=agent-files /agent /opt/guildhall-agent
USER node
WORKDIR /var/lib/guildhall-agent
VOLUME /var/lib/guildhall-agent
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8790/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/guildhall-agent/packages/agent/bin/guildhall-agent.mjs"]
CMD ["--port", "8790"]
