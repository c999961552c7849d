# nonconv with the libraries of requirements.lock:
#   docker build -t nonconv .
#   docker run --rm --user "$(id -u)" -v "$PWD:/work" -v nonconv-cache:/cache nonconv run configs/adam_const.yaml
FROM python:3.12-slim

# The libraries first: they change seldom, so that this layer is kept.
COPY requirements.lock /src/
RUN pip install --no-cache-dir --disable-pip-version-check -r /src/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY nonconv /src/nonconv
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps /src \
    && mkdir /work /cache \
    && chmod 1777 /work /cache

# Kernels and the font cache are kept in a volume, for whichever user runs the container.
ENV NONCONV_CACHE_DIR=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    PYTHONUNBUFFERED=1
VOLUME /cache
WORKDIR /work
USER 1000
ENTRYPOINT ["nonconv"]
CMD ["--help"]
