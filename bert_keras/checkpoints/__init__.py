"""Weights from elsewhere: Hugging Face safetensors and KerasHub presets."""
