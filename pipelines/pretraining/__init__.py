"""The pretraining pipeline: text in, a validated, evaluated and pushed preset out.

`config` and `prepare` do without TFX, as those of the pipeline of tasks do.
"""
