"""Paragraphs to sentences, for English, for Chinese and for both in one paragraph.

A sentence here is what next sentence prediction needs: a stretch of text that is mostly one sentence. Nothing is lost:
the sentences of a paragraph, put together, are the paragraph but for blanks between them.
"""

import re

from bert_keras.characters import is_ideograph

# After a full stop these never end a sentence: a name or a number follows.
_BEFORE_NAMES = frozenset(
    "mr mrs ms mx dr prof rev fr hon gen lt col maj capt cmdr adm sgt cpl pvt sen rep gov pres amb supt det insp st mt "
    "messrs mme mlle no nos art fig eq sec vol vs v cf e.g i.e viz approx ca al op est".split()
)
# These end a sentence only where the next word looks like the start of one.
_ABBREVIATIONS = frozenset(
    "inc corp co ltd llc plc bros jr sr esq ph.d m.d b.a m.a a.m p.m u.s u.k u.n e.u u.s.a d.c u.s.s.r etc dept univ "
    "assn ave blvd rd hwy ft jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat "
    "sun pp ed eds trans".split()
)
# Words that begin sentences far more often than names.
_STARTERS = frozenset(
    "the a an this that these those there here it its he she his her they their we our you your i my in on at by for "
    "from to with after before during since until while when where if although though because as but and or so yet "
    "however meanwhile moreover therefore thus then both all some many most several one two no not what who why how "
    "according".split()
)

_CLOSERS = "\"'”’»)\\]」』）】》〉"
_OPENERS = "\"'“‘«(\\[「『（【《〈"
# Marks that end a sentence wherever they stand, and marks that need a blank, or an ideograph, beside them.
_END = re.compile(rf"[。！？｡]+[{_CLOSERS}]*|[.!?]+[{_CLOSERS}]*(?=\s|$)|[!?]+[{_CLOSERS}]*")
_LAST_WORD = re.compile(r"[^\s\"'“”‘’()\[\]«»—-]*$")
_NEXT_WORD = re.compile(rf"\s+[{_OPENERS}]*(\w[\w'’]*)?")
_FULL_WIDTH = frozenset("。！？｡")


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, without blanks around them; none for a blank paragraph.

    "。", "！" and "？" end a sentence, with the quotes and brackets that close after them. ".", "!" and "?" do before a
    blank, where the next word is not written small; a full stop does not after an initial ("J."), after what comes
    before names ("Dr.", "e.g."), and after other abbreviations ("Inc.", "U.S.") only before a word that begins
    sentences ("The").
    """
    sentences, start = [], 0
    for found in _END.finditer(paragraph):
        if not _ends_sentence(paragraph, found.start(), found.end()):
            continue
        sentence = paragraph[start : found.end()].strip()
        if sentence:
            sentences.append(sentence)
        start = found.end()
    rest = paragraph[start:].strip()
    return [*sentences, rest] if rest else sentences


def _ends_sentence(text: str, begin: int, end: int) -> bool:
    if text[begin] in _FULL_WIDTH:
        return True
    if text[begin] in "!?" and is_ideograph(text[begin - 1 : begin]):
        return True
    following = _NEXT_WORD.match(text, end)
    if following is None:
        # The paragraph ends here, or no blank follows.
        return end == len(text)
    next_word = following[1] or ""
    if next_word[:1].islower():
        return False
    if text[begin] != "." or text[begin : begin + 2] == "..":
        return True
    return _stop_ends(_LAST_WORD.search(text, max(0, begin - 40), begin)[0], next_word)


def _stop_ends(word: str, next_word: str) -> bool:
    """Whether a full stop between two words ends a sentence; the second begins with no small letter."""
    folded = word.lower()
    if folded in _BEFORE_NAMES:
        # "No." before a number is an abbreviation, before anything else an answer.
        return folded in ("no", "nos") and not next_word[:1].isdigit()
    if len(word) == 1 and word.isupper() and word != "I":
        return False
    if folded in _ABBREVIATIONS:
        return next_word.lower() in _STARTERS
    return True
