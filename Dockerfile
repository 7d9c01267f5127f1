# clipal in a container: docker build -t clipal .
# Mount the configuration at /etc/clipal (readable for user 10001), with listen_addr: 0.0.0.0 and client_tokens; keys are
# files too (api_key: "file:/run/secrets/clipal/…"). Stop it with --time longer than drain_timeout.
FROM python:3.12-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/clipal \
    && /opt/clipal/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && /opt/clipal/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements/run.txt \
    && /opt/clipal/bin/pip install --no-cache-dir --no-deps --no-build-isolation --no-index .

FROM python:3.12-slim
COPY --from=build /opt/clipal /opt/clipal
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin clipal
USER 10001
ENV PATH=/opt/clipal/bin:$PATH PYTHONDONTWRITEBYTECODE=1
EXPOSE 3333
STOPSIGNAL SIGTERM
# 1 is a provider in a cooldown, which is no reason to start clipal again.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["sh", "-c", "clipal status --config-dir /etc/clipal >/dev/null || [ $? -eq 1 ]"]
ENTRYPOINT ["clipal", "--config-dir", "/etc/clipal"]
