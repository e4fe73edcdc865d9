"""The peer's tasks on words: a tag for each word, and besides one intent for each utterance."""

import torch
import transformers
from hf_loop import checkpoint, inputs_of, padded

# What HF's losses and torch's cross entropy leave out.
IGNORED = -100
SEPARATOR = "#"


class Tags:
    """`AutoModelForTokenClassification`; the first piece of a word learns its tag, the others nothing."""

    def __init__(self, train, tokenizer, options):
        self.tokenizer, self.max_length = tokenizer, options["max_length"]
        self.tags = sorted({tag for row in train for tag in row["tags"]})
        self.model = self.new_model(train, options["attention"])

    def new_model(self, train, attention):
        return transformers.AutoModelForTokenClassification.from_pretrained(
            checkpoint(), num_labels=len(self.tags), attn_implementation=attention
        )

    def features(self, rows, to_learn=False):
        encoded = self.tokenizer(
            [row["words"] for row in rows], is_split_into_words=True, truncation=True, max_length=self.max_length
        )
        tag_ids = {tag: number for number, tag in enumerate(self.tags)}
        features = []
        for index, row in enumerate(rows):
            words = first_pieces(encoded.word_ids(index))
            feature = {name: encoded[name][index] for name in ("input_ids", "token_type_ids")}
            feature["words"] = words
            if to_learn:
                feature["labels"] = [IGNORED if word is None else tag_ids[row["tags"][word]] for word in words]
                feature |= self.targets_of(row)
            features.append(feature)
        return features

    def targets_of(self, row):
        """What else a row has to learn."""
        return {}

    def batch(self, features):
        batch = inputs_of(features)
        if "labels" in features[0]:
            batch["labels"] = padded([feature["labels"] for feature in features], IGNORED)
        return batch

    def output(self, outputs, place):
        return outputs.logits[place].argmax(-1).tolist()

    def predictions(self, rows, features, found):
        return [self.tags_of(row, feature, best) for row, feature, best in zip(rows, features, found)]

    def tags_of(self, row, feature, best):
        tags = ["O"] * len(row["words"])
        for word, tag in zip(feature["words"], best):
            if word is not None:
                tags[word] = self.tags[tag]
        return tags


def first_pieces(word_ids):
    """The word that each token begins, None for special tokens and for further pieces."""
    before = [None, *word_ids]
    return [None if word == last else word for last, word in zip(before, word_ids)]


class Intents(Tags):
    """The joint model of Chen, Zhuo & Wang 2019, as its public implementations build it on `BertModel`.

    Several intents of one utterance are an intent of their own, named "a#b".
    """

    def new_model(self, train, attention):
        self.intents = sorted({SEPARATOR.join(row["intents"]) for row in train})
        encoder = transformers.AutoModel.from_pretrained(checkpoint(), attn_implementation=attention)
        return JointModel(encoder, len(self.intents), len(self.tags))

    def targets_of(self, row):
        return {"intent": self.intents.index(SEPARATOR.join(row["intents"]))}

    def batch(self, features):
        batch = super().batch(features)
        if "intent" in features[0]:
            batch["intent"] = torch.tensor([feature["intent"] for feature in features])
        return batch

    def output(self, outputs, place):
        return outputs.intent_logits[place].argmax().item(), super().output(outputs, place)

    def predictions(self, rows, features, found):
        return [
            (self.intents[intent].split(SEPARATOR), self.tags_of(row, feature, best))
            for row, feature, (intent, best) in zip(rows, features, found)
        ]


class JointModel(torch.nn.Module):
    """A linear layer over the pooled output for the intent, one over each token for its slot, dropout before both."""

    def __init__(self, encoder, num_intents, num_slots):
        super().__init__()
        self.encoder = encoder
        config = encoder.config
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob)
        self.intent = torch.nn.Linear(config.hidden_size, num_intents)
        self.slots = torch.nn.Linear(config.hidden_size, num_slots)
        for layer in (self.intent, self.slots):
            torch.nn.init.normal_(layer.weight, std=config.initializer_range)
            torch.nn.init.zeros_(layer.bias)

    def forward(self, intent=None, labels=None, **inputs):
        encoded = self.encoder(**inputs)
        intent_logits = self.intent(self.dropout(encoded.pooler_output))
        logits = self.slots(self.dropout(encoded.last_hidden_state))
        loss = None
        if intent is not None:
            cross_entropy = torch.nn.functional.cross_entropy
            loss = cross_entropy(intent_logits, intent)
            loss = loss + cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        return transformers.utils.ModelOutput(loss=loss, intent_logits=intent_logits, logits=logits)
