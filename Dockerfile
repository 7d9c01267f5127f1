# clipal in a container: docker build -t clipal .
# Mount the configuration at /etc/clipal (readable for user 10001), with listen_addr: 0.0.0.0 and client_tokens; keys are
# files too (api_key: "file:/run/secrets/clipal/…"). Stop it with --time longer than drain_timeout.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements requirements
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
# Without pip: the environment has clipal and what requirements/run.txt names, and nothing that could install more.
RUN python -m venv --without-pip /opt/clipal \
    && /build/bin/pip --python /opt/clipal/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements/run.txt
COPY . .
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /wheel . \
    && /build/bin/pip --python /opt/clipal/bin/python install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim
COPY --from=build /opt/clipal /opt/clipal
# A new volume takes its owner from the directory on which it is mounted.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin clipal \
    && install --directory --owner 10001 --group 10001 --mode 700 /var/log/clipal
USER 10001
ENV PATH=/opt/clipal/bin:$PATH PYTHONDONTWRITEBYTECODE=1 CLIPAL_CONFIG_DIR=/etc/clipal
EXPOSE 3333
STOPSIGNAL SIGTERM
# 1 is a provider in a cooldown, which is no reason to start clipal again.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["sh", "-c", "clipal status >/dev/null || [ $? -eq 1 ]"]
ENTRYPOINT ["clipal"]
