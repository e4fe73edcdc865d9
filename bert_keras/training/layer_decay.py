"""Lower learning rates for lower layers."""

import re

_BLOCK = re.compile(r"(?:^|/)block_(\d+)/")
_EMBEDDINGS = re.compile(r"(?:^|/)embeddings/")


def layer_rate_scales(paths, decay):
    """What the learning rate of each weight is multiplied with (Howard & Ruder 2018, 3.2; Clark et al. 2020, A.2).

    Heads and pooler keep the rate, the topmost block has `decay` times it, each block below `decay` times that of the
    one above, the embeddings `decay` times that of the lowest block.

    Args:
        paths: the paths of an encoder's weights and of its heads'.
        decay: float. 1 leaves all rates alike.

    Returns:
        List of floats, one for each path.
    """
    blocks = [int(found.group(1)) for path in paths if (found := _BLOCK.search(path))]
    layers = max(blocks, default=-1) + 1

    def depth(path):
        if found := _BLOCK.search(path):
            return layers - int(found.group(1))
        return layers + 1 if _EMBEDDINGS.search(path) else 0

    return [decay ** depth(path) for path in paths]
