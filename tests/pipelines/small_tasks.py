"""Small data for the tasks on words and spans, of words that a preset of 2 layers x 32 learns within seconds."""

import json
import random

PEOPLE, PLACES = ("ada", "bob", "eve", "tom"), ("rome", "paris", "oslo", "bern")
SURNAME, REGION = "lee", "city"
FILLERS = ("met", "in", "went", "to", "saw", "and", "then")
ASK, BOOK = "where", "book"
WORDS = (*PEOPLE, *PLACES, SURNAME, REGION, *FILLERS, ASK, BOOK, "who", "is", "the", "a", "flight", "?", ".")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)


def draw_names(count, seed, longest=3):
    """`(words, tags)` of sentences with one to `longest` names, some of two words."""
    rng = random.Random(seed)
    sentences = []
    for _ in range(count):
        words, tags = [], []
        for _ in range(rng.randint(1, longest)):
            for filler in rng.choices(FILLERS, k=rng.randint(0, 2)):
                words.append(filler)
                tags.append("O")
            label, names, second = rng.choice([("PER", PEOPLE, SURNAME), ("LOC", PLACES, REGION)])
            words.append(rng.choice(names))
            tags.append(f"B-{label}")
            if rng.random() < 0.3:
                words.append(second)
                tags.append(f"I-{label}")
        sentences.append((words, tags))
    return sentences


def write_conll(path, sentences):
    """One word a line with its tag, a blank line after each sentence."""
    blocks = ("".join(f"{word}\t{tag}\n" for word, tag in zip(*sentence)) for sentence in sentences)
    path.write_text("\n".join(blocks), encoding="utf-8")


def draw_questions(count, seed, per_context=2):
    """SQuAD paragraphs such as "ada went to rome ." with `per_context` questions; every seventh has no answer."""
    rng = random.Random(seed)
    paragraphs, number = [], 0
    for _ in range(count):
        person, place = rng.choice(PEOPLE), rng.choice(PLACES)
        before = " ".join(rng.choices(FILLERS, k=rng.randint(0, 6)))
        context = f"{before} {person} went to {place} .".strip()
        qas = []
        for _ in range(per_context):
            number += 1
            asked, answer = rng.choice([("who went ?", person), (f"where is {person} ?", place)])
            answers = [] if number % 7 == 0 else [{"text": answer, "answer_start": context.rindex(answer)}]
            if not answers:
                asked = "where is the flight ?"
            qas.append({"id": f"{seed}-{number}", "question": asked, "answers": answers, "is_impossible": not answers})
        paragraphs.append({"context": context, "qas": qas})
    return paragraphs


def write_squad(path, paragraphs):
    """SQuAD's JSON, one article."""
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8")


def draw_utterances(count, seed):
    """`(words, slot tags, intent)`: "book" asks for a flight, "where" for a place."""
    rng = random.Random(seed)
    rows = []
    for words, tags in draw_names(count, seed, longest=2):
        asks = rng.random() < 0.5
        rows.append(([ASK if asks else BOOK, *words], ["O", *tags], "find" if asks else "flight"))
    return rows


def write_utterances(folder, rows):
    """The three files of ATIS and SNIPS."""
    folder.mkdir()
    for name, lines in (
        ("seq.in", [" ".join(words) for words, _, _ in rows]),
        ("seq.out", [" ".join(tags) for _, tags, _ in rows]),
        ("label", [intent for _, _, intent in rows]),
    ):
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def draw_predicates(count, seed):
    """Dicts of tokens, predicate and tags: the name before the predicate is ARG0, the one after it ARG1.

    A sentence may hold the predicate's word twice: which one is meant only its place tells.
    """
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        first, second, third = rng.sample(PEOPLE, 3)
        verb = rng.choice(("met", "saw"))
        tokens = [first, verb, second, "and", "then", verb, third]
        which = rng.choice((1, 5))
        tags = ["O"] * 7
        tags[which] = "B-V"
        tags[0 if which == 1 else 2], tags[2 if which == 1 else 6] = "B-ARG0", "B-ARG1"
        rows.append({"tokens": tokens, "predicate": which, "tags": tags})
    return rows
