"""The peer's question answering: `AutoModelForQuestionAnswering` over overlapping windows of the fast tokenizer.

A window that does not hold the whole answer learns `[CLS]`. Of all windows of a question the span with the highest sum
of a start's and an end's logit is the answer, among the 20 best starts and ends of each window and up to 30 pieces
long: what HF's example of question answering does.
"""

import bisect
import statistics

import torch
import transformers
from hf_loop import checkpoint, inputs_of

N_BEST = 20
LONGEST_ANSWER = 30


class Answers:
    def __init__(self, train, tokenizer, options):
        self.tokenizer, self.max_length = tokenizer, options["max_length"]
        # The tokenizer counts pieces that neighbouring windows share, BERT's doc_stride from one's start to the next's;
        # where the one is 128 the other depends on the question's length, of which this takes the middle.
        asked = tokenizer([row["question"] for row in train], add_special_tokens=False)["input_ids"]
        capacity = self.max_length - 3 - int(statistics.median(map(len, asked)))
        self.overlap = max(capacity - options["doc_stride"], 0)
        self.model = transformers.AutoModelForQuestionAnswering.from_pretrained(
            checkpoint(), attn_implementation=options["attention"]
        )

    def features(self, rows, to_learn=False):
        encoded = self.tokenizer(
            [row["question"] for row in rows],
            [row["context"] for row in rows],
            truncation="only_second",
            max_length=self.max_length,
            stride=self.overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        features = []
        for window, row in enumerate(encoded["overflow_to_sample_mapping"]):
            feature = {name: encoded[name][window] for name in ("input_ids", "token_type_ids")}
            # All tokens of the context lie between the two [SEP]s, of which the second is the last token.
            feature["first"] = feature["token_type_ids"].index(1)
            feature["row"], feature["offsets"] = row, encoded["offset_mapping"][window]
            if to_learn:
                text, begin = rows[row]["answers"][0]
                feature["span"] = span_of(feature, begin, begin + len(text))
            features.append(feature)
        return features

    def batch(self, features):
        batch = inputs_of(features)
        if "span" in features[0]:
            spans = torch.tensor([feature["span"] for feature in features])
            batch |= {"start_positions": spans[:, 0], "end_positions": spans[:, 1]}
        return batch

    def output(self, outputs, place):
        return outputs.start_logits[place], outputs.end_logits[place]

    def predictions(self, rows, features, found):
        best = [(float("-inf"), "")] * len(rows)
        for feature, (start_logits, end_logits) in zip(features, found):
            inside = slice(feature["first"], len(feature["input_ids"]) - 1)
            offsets, context = feature["offsets"][inside], rows[feature["row"]]["context"]
            starts, ends = (likeliest(logits[inside]) for logits in (start_logits, end_logits))
            for start, start_score in starts:
                for end, end_score in ends:
                    if start <= end < start + LONGEST_ANSWER and start_score + end_score > best[feature["row"]][0]:
                        text = context[offsets[start][0] : offsets[end][1]]
                        best[feature["row"]] = start_score + end_score, text
        return [text for _, text in best]


def span_of(feature, begin, end):
    """The first and the last token of characters [begin, end) of the context; (0, 0) where the window lacks some."""
    first = feature["first"]
    offsets = feature["offsets"][first:-1]
    if offsets[0][0] > begin or offsets[-1][1] < end:
        return 0, 0
    start = bisect.bisect_right(offsets, begin, key=lambda offset: offset[0]) - 1
    last = bisect.bisect_left(offsets, end, key=lambda offset: offset[1])
    return first + start, first + last


def likeliest(logits):
    """`(place, score)` of the best ones."""
    scores, places = logits.topk(min(N_BEST, len(logits)))
    return list(zip(places.tolist(), scores.tolist()))
