"""Where sentences end, and that nothing of a paragraph is lost."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.sentences import split_sentences

# Each sentence of a line is parted by a bar.
PARAGRAPHS = [
    "It rained.|The match went on.",
    "Did it rain?|Yes!|It did.",
    "He paid $3.50 for 1.5 litres.|It was too much.",
    "Dr. Ada Smith met Mr. J. K. Jones at St. Mary's.|They talked.",
    "She moved to the U.S. in May.|He stayed.",
    "He flew to the U.S. The flight was late.".replace("S. The", "S.|The"),
    "He works for Acme Inc. and sails.|He is 40.",
    "It belongs to Acme Inc.|The price is unknown.",
    "It starts at 5 p.m. on Friday, i.e. Tomorrow Day.|Come early.",
    'He said: "It is late."|"Go home," she said.',
    "(It was late.)|Nobody came.",
    "They came ... and went.|Nobody saw them.",
    "He waited...|Nobody came.",
    "See No. 5 of the list.|Is it there?|No.|It is not.",
    "Version 2.0 is out.|3 bugs are left.",
    "So did I.|They laughed.",
    "no capital. but it goes on",
    "Yahoo!-like names stay whole.",
    "今天下雨。|比赛继续进行！|真的吗？|是的。",
    "他说：“今天下雨。”|她回家了。",
    "（今天下雨。）|她回家了",
    "价格是3.5元。|太贵了！！|真的？！",
    "真的吗?|是的!|好",
    "他在U.S.工作。|She lives in Beijing.|他们是朋友。",
    "我……不知道。|再见",
]


@pytest.mark.parametrize("marked", PARAGRAPHS)
def test_sentences_end_where_a_reader_ends_them(marked):
    paragraph = re.sub(r"(?<=[。！？”）])\||(?<=[吗的][?!])\|", "", marked).replace("|", " ")
    assert split_sentences(paragraph) == marked.split("|")


def test_a_blank_paragraph_has_no_sentence():
    assert split_sentences(" \t ") == []


@given(st.text(st.sampled_from(list("aB. !?\"'“”()。！？中1U\t…")) | st.characters(exclude_categories=["Cs"])))
def test_nothing_but_blanks_is_lost(paragraph):
    sentences = split_sentences(paragraph)
    assert "".join("".join(sentences).split()) == "".join(paragraph.split())
    assert all(sentence == sentence.strip() and sentence for sentence in sentences)


@given(st.text(st.sampled_from(list("aB. !?。”中")), max_size=40))
def test_a_sentence_that_ends_a_paragraph_stays_whole_when_split_again(paragraph):
    for sentence in split_sentences(paragraph):
        assert "".join(split_sentences(sentence)) == sentence or " " in sentence


def test_english_news_have_sentences_of_a_usual_length(shared_data):
    with gzip.open(shared_data / "pretrain_en_wikinews" / "wikinews.txt.gz", "rt", encoding="utf-8") as file:
        lines = [line.strip() for _, line in zip(range(3000), file) if line.strip()]
    words = [len(sentence.split()) for line in lines for sentence in split_sentences(line)]
    assert 20 < sum(words) / len(words) < 24
    assert sum(count < 3 for count in words) < 0.02 * len(words)


def test_chinese_articles_have_sentences_of_a_usual_length(shared_data):
    with gzip.open(shared_data / "pretrain_zh_wikipedia" / "zhwiki.txt.gz", "rt", encoding="utf-8") as file:
        lines = [line.strip() for _, line in zip(range(2000), file) if line.strip()]
    letters = [len(sentence) for line in lines for sentence in split_sentences(line)]
    assert 35 < sum(letters) / len(letters) < 60
