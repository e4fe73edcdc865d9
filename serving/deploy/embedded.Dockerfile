# This package's own server, not TensorFlow Serving. From the top of the checkout:
#   docker build -f serving/deploy/embedded.Dockerfile -t bert-keras-server:1 .
#   docker run -p 8500:8500 -p 8501:8501 -v /absolute/path/served:/models:ro bert-keras-server:1 \
#     --model_name=reviews --model_base_path=/models/reviews
FROM python:3.12.8-slim-bookworm

WORKDIR /app
COPY requirements/core.txt ./
# The lock is complete and names the hash of every file.
RUN pip install --no-cache-dir --no-deps --require-hashes -r core.txt
COPY serving ./serving

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
USER 1000:1000
EXPOSE 8500 8501
ENTRYPOINT ["python", "-m", "serving.server", "--host=0.0.0.0", "--port=8500", "--rest_api_port=8501"]
