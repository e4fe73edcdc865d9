"""The TFX pipelines: one YAML file in, a validated, evaluated and pushed model out.

The only package that imports tfx, tft, tfma, tfdv and beam; `config`, `load` and `prepare` do without them, so that a
mistake in a config or in the data is told before TFX, whose import takes half a minute, is loaded.
"""
