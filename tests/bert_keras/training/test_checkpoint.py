"""Checkpoints: whole or not at all, checked when read, thinned out."""

import os
import resource

import numpy as np
import pytest

from bert_keras.errors import BadInput, WorkFailed


@pytest.fixture
def store(tmp_path):
    from bert_keras.training.checkpoint import CheckpointStore

    return CheckpointStore(tmp_path / "checkpoints")


@pytest.fixture
def groups():
    """Variables of several shapes and types, as a model, an optimizer and a random generator have them."""
    import keras

    return {
        "weights": [keras.Variable(np.arange(6, dtype="float32").reshape(2, 3)), keras.Variable(np.float32(0.5))],
        "optimizer": [keras.Variable(np.int64(7), dtype="int64", trainable=False)],
        "random": [keras.Variable(np.array([3, 4], "uint32"), dtype="uint32", trainable=False)],
    }


def values(groups):
    return [variable.numpy().tolist() for variables in groups.values() for variable in variables]


def set_to_zero(groups):
    for variables in groups.values():
        for variable in variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))


def files(store, step):
    return os.path.join(store.directory, f"step_{step:08d}")


def test_values_of_every_type_come_back(store, groups):
    from bert_keras.training.checkpoint import restore

    before = values(groups)
    store.save(7, groups)
    set_to_zero(groups)
    found = store.latest()
    restore(found, groups)
    assert (found.step, values(groups), store.passed_over) == (7, before, [])


def test_without_checkpoints_there_is_none(store):
    assert store.latest() is None


@pytest.mark.parametrize("defect", ["cut", "flipped", "no description", "no arrays", "empty description"])
def test_a_broken_checkpoint_is_told_and_the_one_before_is_taken(store, groups, defect):
    store.save(1, groups)
    store.save(2, groups)
    arrays, description = (os.path.join(files(store, 2), name) for name in ("state.safetensors", "checkpoint.json"))
    if defect == "cut":
        os.truncate(arrays, os.path.getsize(arrays) - 3)
    elif defect == "flipped":
        with open(arrays, "r+b") as file:
            file.seek(-2, os.SEEK_END)
            byte = file.read(1)
            file.seek(-2, os.SEEK_END)
            file.write(bytes([byte[0] ^ 1]))
    elif defect == "empty description":
        os.truncate(description, 0)
    else:
        os.unlink(description if defect == "no description" else arrays)
    assert store.latest().step == 1
    (told,) = store.passed_over
    assert files(store, 2) in told and "is broken" in told


def test_where_all_are_broken_nothing_is_begun_anew_by_itself(store, groups):
    store.save(1, groups)
    os.truncate(os.path.join(files(store, 1), "state.safetensors"), 5)
    with pytest.raises(BadInput, match="None of the 1 checkpoints in .* is whole: .*start again in another directory"):
        store.latest()


def test_a_broken_one_is_replaced_when_its_step_comes_again(store, groups):
    store.save(1, groups)
    os.unlink(os.path.join(files(store, 1), "checkpoint.json"))
    store.save(1, groups)
    assert store.latest().step == 1


def test_the_newest_stay_and_those_of_chosen_steps(tmp_path, groups):
    from bert_keras.training.checkpoint import CheckpointStore

    store = CheckpointStore(tmp_path / "checkpoints", keep=2, keep_every=4)
    for step in range(1, 8):
        store.save(step, groups)
    assert store.steps() == [4, 6, 7]


def test_nothing_that_is_not_finite_is_written(store, groups):
    store.save(1, groups)
    groups["weights"][1].assign(np.nan)
    with pytest.raises(WorkFailed, match="After step 2 .* holds NaN or infinite values; .*last checkpoint, step 1"):
        store.save(2, groups)
    assert store.steps() == [1]


def test_a_full_disk_fails_in_one_sentence_and_leaves_the_former_ones(store, groups):
    """Files of this process may not grow any more: a write fails in the middle, as on a full disk."""
    import keras

    store.save(1, groups)
    groups["weights"].append(keras.Variable(np.zeros(100_000, "float32")))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(WorkFailed, match="Cannot write the checkpoint .*step_00000002 .*last checkpoint, step 1"):
            store.save(2, groups)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(store.directory) == ["step_00000001"] and store.latest().step == 1


def test_what_killed_writers_left_is_removed(store, groups):
    store.save(1, groups)
    os.mkdir(os.path.join(store.directory, ".step_00000002.abc.new"))
    store.clear_leftovers()
    assert os.listdir(store.directory) == ["step_00000001"]


@pytest.mark.parametrize("change", ["shape", "number"])
def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(store, groups, change):
    import keras

    from bert_keras.training.checkpoint import restore

    store.save(1, groups)
    set_to_zero(groups)
    other = keras.Variable(np.zeros(3, "float32"))
    groups["weights"] = [groups["weights"][0], other] if change == "shape" else [*groups["weights"], other]
    with pytest.raises(BadInput, match="is of another model or optimizer: it has .* for weights/0000"):
        restore(store.latest(), groups)
    assert not any(np.any(value) for value in values(groups))
