"""What a model needs around it in production: configuration, Kubernetes objects, warm-up, clients elsewhere."""


class BadDeployment(ValueError):
    """Nothing can be written for what was asked; one sentence that says why and what to do."""
