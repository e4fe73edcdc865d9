"""What TFX's statistics of the examples say of a corpus."""

import dataclasses
import os

from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.components.statistics_gen.stats_artifact_utils import BINARY_PB_BASENAME


@dataclasses.dataclass(frozen=True)
class CorpusStatistics:
    """The counts of one split.

    Attributes:
        documents, sentences, characters, tokens, unknown_tokens: what is in all documents; unknown tokens are `[UNK]`.
        most_sentences: those of the document that has most.
    """

    documents: int
    sentences: int
    characters: int
    tokens: int
    unknown_tokens: int
    most_sentences: int

    @property
    def unknown_share(self) -> float:
        """The share of `[UNK]` among the tokens."""
        return self.unknown_tokens / self.tokens if self.tokens else 0.0

    def __str__(self) -> str:
        return (
            f"{self.documents:,} documents, {self.sentences:,} sentences, {self.characters:,} characters, "
            f"{self.tokens:,} tokens ({self.unknown_share:.2%} [UNK])"
        )


def read_statistics(folder: str) -> CorpusStatistics:
    """The counts of a split, from its folder in the output of StatisticsGen."""
    with open(os.path.join(folder, BINARY_PB_BASENAME), "rb") as file:
        return corpus_statistics(statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read()))


def corpus_statistics(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> CorpusStatistics:
    """The counts of a split, from TFX's statistics of its examples."""
    (dataset,) = statistics.datasets
    numbers = {feature.path.step[0]: feature.num_stats for feature in dataset.features if feature.HasField("num_stats")}

    def total(name: str) -> int:
        # The mean is a sum that was divided; doubles hold sums of counts up to 2**53.
        return round(numbers[name].mean * numbers[name].common_stats.tot_num_values)

    return CorpusStatistics(
        documents=int(dataset.num_examples),
        sentences=total("num_sentences"),
        characters=total("num_characters"),
        tokens=total("num_tokens"),
        unknown_tokens=total("num_unknown"),
        most_sentences=int(numbers["num_sentences"].max),
    )
