"""BatchingParameters: defaults, files, and what does not fit together."""

import os

import pytest

from serving.server import batching_parameters, configuration
from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.flags import Flags
from serving.server.status import ServingError
from serving.server.text_files import NotParsed


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "batching.config"
        path.write_text(text)
        return batching_parameters.read(str(path))

    return read_text


def test_defaults_are_those_of_tensorflow_serving(read):
    pool, queue = read("")
    assert pool == PoolOptions(num_batch_threads=os.cpu_count())
    assert (queue, queue.batch_limit) == (QueueOptions(1000, 0, 10, (), False, False, None), 1000)


def test_every_field_is_read(read):
    pool, queue = read(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 } max_enqueued_batches { value: 3 } "
        "num_batch_threads { value: 2 } thread_pool_name { value: 'p' } allowed_batch_sizes: 4 allowed_batch_sizes: 8 "
        "pad_variable_length_inputs: true enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 4 }"
    )
    assert (pool, queue) == (PoolOptions(2), QueueOptions(8, 500, 3, (4, 8), True, True, 4))
    assert queue.batch_limit == 4


def test_without_splitting_the_size_of_batches_is_that_of_requests(read):
    _, queue = read("max_batch_size { value: 8 } max_execution_batch_size { value: 4 }")
    assert queue.batch_limit == 8


def test_without_splitting_no_waiting_batches_means_one(read):
    assert read("max_enqueued_batches { value: 0 }")[1].max_enqueued_batches == 1


def test_a_batch_grows_to_the_next_allowed_size():
    queue = QueueOptions(max_batch_size=8, allowed_batch_sizes=(2, 4, 8))
    assert [queue.padded_size(size) for size in (1, 2, 3, 8, 9)] == [2, 2, 4, 8, 9]


SPLIT = "enable_large_batch_splitting { value: true } "


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8",
        ),
        (
            "allowed_batch_sizes: 4",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 1000",
        ),
        (
            "max_batch_size { value: 8 } allowed_batch_sizes: 9 allowed_batch_sizes: 8",
            "allowed_batch_sizes entries must be monotonically increasing",
        ),
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        ("num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"),
        (SPLIT + "max_enqueued_batches { value: 0 }", "max_enqueued_batches must be positive; was 0"),
        (
            SPLIT + "max_batch_size { value: 4 } max_execution_batch_size { value: 8 }",
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size.",
        ),
    ],
)
def test_numbers_that_do_not_fit_are_told(read, text, message):
    with pytest.raises(ServingError) as caught:
        read(text)
    assert str(caught.value) == f"INVALID_ARGUMENT: {message}"


def test_a_file_that_does_not_parse_is_told_with_its_place(read):
    with pytest.raises(NotParsed, match="Error parsing text-format tensorflow.serving.BatchingParameters: 1:1"):
        read("max_size: 3")


def test_a_versions_own_file(tmp_path):
    assert batching_parameters.of_model(str(tmp_path)) is None
    path = tmp_path / "batching_params.pbtxt"
    path.write_text("max_batch_size { value: 7 }")
    assert batching_parameters.of_model(str(tmp_path)) == QueueOptions(max_batch_size=7)
    path.write_text("no parameters")
    with pytest.raises(ServingError) as caught:
        batching_parameters.of_model(str(tmp_path))
    assert str(caught.value) == f"INVALID_ARGUMENT: Invalid protobuf file: '{path}'"


def test_batching_is_off_unless_asked_for():
    assert configuration.read(Flags()).batching is None
    assert configuration.read(Flags(enable_batching=True)).batching == QueueOptions()
