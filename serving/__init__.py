"""Serving: `serving.client` (never runs TensorFlow), `serving.server` (an embedded model server), `serving.deploy`."""
