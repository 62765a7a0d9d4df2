"""The questions that a slide itself gives: by what it asks, defines, compares, lists and gives reasons for.

The rules are strict: most sentences give no question, so that nearly all questions are ones a lecturer would ask.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edullama.dataset.normalise import OPENS, TELLING, WordCounts, inside, words_inside
from edullama.dataset.phrases import (
    BEFORE_NOUN,
    COMMAND,
    DANGLING,
    DIFFER,
    GENERIC,
    LISTED,
    MEANT,
    NO_TERM,
    POINTS,
    QUESTION,
    RECAP,
    REFERS,
    RELATES,
    SENTENCES,
    STANDS_FOR,
    TALK,
    VERB,
    WHICH,
)
from edullama.dataset.sentences import split_sentences
from edullama.dataset.words import content_words
from edullama.records import DraftKind, Slide

BULLET = re.compile(r"\s*(?:[•▶►▸‣◦▪■□○●➢✓✔➔]\s*|[–—*-]\s+|\(?(?:\d{1,2}|[a-z])[.)]\s+)")
FORMULA = re.compile(r"[=∈≤≥∑∫∝⇒≈∼^∂√⋅ˆ¯µ]|(?<!\w)(?!O)[A-Za-zα-ω] ?\([^)]{1,9}\)|[^\W\d_] \d+ [^\W\d_](?!\w)")
MATHS = re.compile(rf"{FORMULA.pattern}|[→|{{}}<>]|::|\(\)|\w/\w+/")
ADJECTIVE = re.compile(r"^[A-ZÄÖÜ](?=[a-zäöü]+e[nrsm]? [A-ZÄÖÜ])")
COMMAND_LINE = re.compile(r"[a-z][a-z0-9]{1,9} [a-z-]+(?: .{0,60})?")
POINTS_BACK = re.compile(r"\b(?:this|these|that|those|it|them|dies\w*|davon|dafür)\.?$")
NO_OPENING = re.compile(
    r"(?i)(?:immer|nur|meist|always|often|usually|also|d\. ?h|z\. ?b|e\.g|i\.e|for|in|if|when|at|on|with|by|from|as|how"
    r"|für|bei|wenn|mit|durch|nach|vor|wie)\b"
)
SUBJECT_WORDS = 6
MOST_OF_SLIDE = 0.75  # words: an answer that leaves out more is none
LOOSE = re.compile(  # ends of sentences that lie on other slides, or beside the text
    r"(?i)\b(?:above|below|following|here|oben|unten|folgende\w*|hier|see|siehe|let|sei|seien|next slides?|e\.,"
    r"|konsole|quote|forts|cont"
    r"|we (?:see|have|now|explore|will)|wobei$|where$|and$|und$)|\. \. ?\.|…|\b(?:19|20)\d\d\)?$"
    r"|^(?:but|aber|so|now|for this|this|these|dies\w*)\b|[^\W\d_] \d+ [^\W\d_] "
)
FEWEST_TOPIC_WORDS = 12
MOST_SLIDES = 3  # of one title: more are about too much
FEWEST_ANSWER_WORDS = 5
MOST_ANSWER_WORDS = 80


@dataclass(frozen=True, slots=True)
class _Unit:
    """A line, or a sentence's lines together, of a slide's text."""

    raw: str  # as it stands on the slide
    text: str  # on one line, without its bullet
    bullet: str
    block: int


@dataclass(frozen=True, slots=True)
class Course:
    """What a slide is seen against."""

    seen: WordCounts  # words as they are written inside sentences
    titles: Counter[str]
    stems: frozenset[str]  # of all content words below titles
    nouns: Sequence[str]  # what follows an article or a preposition, in small letters, sorted


@dataclass(frozen=True, slots=True)
class Found:
    """A question, and where its answer stands."""

    kind: DraftKind
    question: str
    answer: str
    span: str  # of the slide, as it stands there


def look_over(slides: Sequence[Slide]) -> Course:
    """Look at a course as a whole, for what tells a term from other words."""
    blocks = [(slide, block) for slide in slides for block in slide.blocks]
    below = [block.text for slide, block in blocks if block.kind == "text" and block.text != slide.title]
    titles = Counter(slide.title for slide in slides)
    text = "\n".join(block.text for _, block in blocks).casefold()
    nouns = sorted(set(re.findall(rf"{BEFORE_NOUN}(?=(\S+))", text)))
    return Course(words_inside(below), titles, frozenset(content_words("\n".join(below))), nouns)


def told_language(slide: Slide) -> str:
    told = Counter(block.language for block in slide.blocks if block.kind == "text" and block.language)
    return told.most_common(1)[0][0] if told else slide.language


def _units(slide: Slide) -> list[_Unit]:
    """Return the lines of a slide below its title, those of one sentence or bullet together."""
    units: list[_Unit] = []
    for number, block in enumerate(slide.blocks):
        if block.kind != "text" or " ".join(block.text.split()) == slide.title:
            continue
        for line in block.text.splitlines():
            if units and units[-1].block == number and _continues(units[-1], line):
                raw = f"{units[-1].raw}\n{line}"
                units[-1] = _Unit(raw, f"{units[-1].text} {line.strip()}", units[-1].bullet, number)
            else:
                bullet = BULLET.match(line)
                text = " ".join(line[bullet.end() if bullet else 0 :].split())
                units.append(_Unit(line, text, bullet[0].strip() if bullet else "", number))
    return [unit for unit in units if unit.text]


def _continues(before: _Unit, line: str) -> bool:
    if BULLET.match(line) or before.text[-1:] in ("", ".", "!", "?", ":"):
        return False
    return line.strip()[:1].islower() or bool(DANGLING.search(before.text)) or len(before.text) > 60


def find_questions(slide: Slide, language: str, course: Course) -> Iterator[Found]:
    units = _units(slide)
    title = recase(plain_title(slide.title), course.seen)
    yield from _find_asked(title, units)
    for unit in units:
        for sentence in split_sentences(unit.text):
            yield from _find_in_sentence(sentence, title, language, course.seen)
        yield from _find_term(unit, language, course)
    yield from _find_topic(slide, title, units, language, course)


def _find_asked(title: str, units: Sequence[_Unit]) -> Iterator[Found]:
    """Take the questions that a slide asks and answers, in its title or above a list."""
    asked = [(title, 0)]
    asked += [(unit.text, place) for place, unit in enumerate(units, 1) if _heads_list(unit, units[place:])]
    for question, place in asked:
        kind = QUESTION.match(question)
        answer = _take_answer(units[place:]) if kind and _can_be_asked(question) else []
        if kind and answer:
            yield Found(_kind(kind), question, *_tell(answer))


def _heads_list(unit: _Unit, following: Sequence[_Unit]) -> bool:
    return not unit.bullet and len(following) > 1 and all(item.bullet for item in following[:2])


def _kind(match: re.Match[str]) -> DraftKind:
    kinds: tuple[DraftKind, ...] = ("why", "how", "list", "definition", "apply")
    return next(kind for kind in kinds if match[kind])


def _can_be_asked(question: str) -> bool:
    whole = re.fullmatch(r"[^?!.…:]+\?", question) and len(question.split()) >= 4
    return bool(whole) and not REFERS.search(question.split(" ", 1)[1])


def _take_answer(units: Sequence[_Unit]) -> list[_Unit]:
    """Return what follows a question up to the next one, where it is long enough."""
    answer: list[_Unit] = []
    for unit in units:
        if unit.text.endswith("?") or (answer and answer[-1].bullet and not unit.bullet and QUESTION.match(unit.text)):
            break
        answer.append(unit)
    return answer if FEWEST_ANSWER_WORDS <= _count(answer) <= MOST_ANSWER_WORDS else []


def _tell(units: Sequence[_Unit]) -> tuple[str, str]:
    """Return lines as one, with something between what are no sentences, and as they stand on the slide."""
    texts = [unit.text for unit in units]
    ends = [text if text[-1] in ".!?:;," else f"{text};" for text in texts[:-1]]
    return " ".join([*ends, *texts[-1:]]), "\n".join(unit.raw for unit in units)


def _count(units: Sequence[_Unit]) -> int:
    return sum(len(unit.text.split()) for unit in units)


def _find_topic(slide: Slide, title: str, units: Sequence[_Unit], language: str, course: Course) -> Iterator[Found]:
    """Ask for what a title announces: a comparison, things that are listed, or the points of a topic."""
    if course.titles[slide.title] > MOST_SLIDES and len(units) > 2 and _heads(units):
        title, units = units[0].text, units[1:]  # what a heading below the title announces
    told = _longest_run(units)
    words = _count(told)
    pair = re.fullmatch(r"(?:[^:]+: )?([\w -]{2,40}?)(?:,? [Vv]s\.? | versus )([\w -]{2,40})", title)
    listed = re.fullmatch(
        rf"(?i)(?:{LISTED[language]}) (?:of|for|in|with|von|für|der|des|bei|zur|zum|mit) [\w\s-]+", title
    )
    if not FEWEST_TOPIC_WORDS <= words <= MOST_ANSWER_WORDS or slide.pages[0] == 1 or not _is_whole(slide, told):
        return
    if pair:
        yield Found("compare", DIFFER[language].format(pair[1], pair[2]), *_tell(told))
    elif listed:
        what = title[0].lower() + title[1:] if language == "en" else title
        yield Found("list", WHICH[language].format(what), *_tell(told))
    elif (len(told) >= 3 or words >= 25) and _is_topic(title) and course.stems.issuperset(content_words(title)):
        yield Found("list", POINTS[language].format(title), *_tell(told))


def _heads(units: Sequence[_Unit]) -> bool:
    return not units[0].bullet and len(units[1].text.split()) > 3


def _is_whole(slide: Slide, told: Sequence[_Unit]) -> bool:
    """Tell whether lines are what their slide says: in words, without labels of a figure, and without loose ends."""
    others = [block for block in slide.blocks if block.kind in ("code", "formula", "table")]
    words = sum(len(block.text.split()) for block in slide.blocks if block.text != slide.title)
    long = sum(bool(unit.bullet) or len(unit.text.split()) >= 3 for unit in told)
    loose = any(_is_loose(unit) for unit in told) or told[-1].text[-1] in ":,"
    most = _count(told) >= MOST_OF_SLIDE * words
    return len(told) >= 2 and len(others) <= 1 and most and long >= len(told) - len(told) // 5 and not loose


def _is_loose(unit: _Unit) -> bool:
    """Tell whether a line goes on elsewhere, or speaks of what stands elsewhere."""
    begins = unit.text[0].islower() and not unit.bullet
    speaks = LOOSE.search(unit.text) or TALK.search(unit.text) or "?" in unit.text
    return bool(begins or speaks or DANGLING.search(unit.text))


def _longest_run(units: Sequence[_Unit]) -> list[_Unit]:
    """Return the most lines in a row that are told in words."""
    runs: list[list[_Unit]] = [[]]
    for unit in units:
        if _is_noise(unit.text) or (runs[-1] and unit.block > runs[-1][-1].block + 1):
            runs.append([])
        if not _is_noise(unit.text):
            runs[-1].append(unit)
    return max(runs, key=lambda run: sum(len(unit.text) for unit in run))


def _is_topic(title: str) -> bool:
    """Tell whether a title names a topic that can be asked for without its slide."""
    named = re.fullmatch(r"[\w\s&+#’'“”/.–-]+", title) and not MATHS.search(title) and len(title.split()) <= 6
    return bool(named) and not (
        VERB.search(title) or REFERS.search(title) or GENERIC.fullmatch(title) or RECAP.fullmatch(title)
    )


def _is_noise(text: str) -> bool:
    """Tell whether a line is a formula, an address or the like."""
    return bool(FORMULA.search(text) or re.search(r"https?:|www\.|\w@\w|©", text)) or not re.search(
        r"[^\W\d_]{3}", text
    )


def _find_in_sentence(sentence: str, title: str, language: str, seen: Counter[str]) -> Iterator[Found]:
    """Turn a sentence round, by the first rule that fits."""
    if len(sentence.split()) < 6 or MATHS.search(sentence) or sentence[-1] in ":?" or TALK.search(sentence):
        return
    if DANGLING.search(sentence) or POINTS_BACK.search(sentence) or sentence.count("(") != sentence.count(")"):
        return
    for kind, pattern, question in SENTENCES[language]:
        match = pattern.fullmatch(sentence)
        if match and _agrees(match["subject"], question) and _is_subject(match["subject"], title, language, seen):
            parts = {name: text or "" for name, text in match.groupdict().items()}
            parts["subject"] = inside(parts["subject"], seen, language)
            yield Found(kind, question.format(**parts), sentence, sentence)
            return


def _agrees(subject: str, question: str) -> bool:
    """Tell whether a subject is not plural where the question's verb is singular."""
    return not ("does" in question and re.search(r"[a-z]{2}(?<![aius])s$", subject))


def _is_subject(subject: str, title: str, language: str, seen: Counter[str]) -> bool:
    words = subject.split()
    if language == "de" and not OPENS.match(words[0].lower() + " ") and seen[words[0].lower()] > seen[words[0]]:
        return False
    if len(words) > SUBJECT_WORDS or not words[0][0].isupper() or not any(len(word) > 2 for word in words):
        return False
    if (
        REFERS.search(subject)
        or re.search(r"\.(?: |$)| \w$", subject)
        or NO_TERM.match(re.sub(r"^(?:The|An?|Der|Die|Das|Eine?) ", "", subject))
        or VERB.search(subject)
    ):
        return False
    if re.search(r"(?:^\w+ing (?:an?|the)\b| (?:and|or|und|oder|usually|often|then)$)", subject):
        return False
    is_vague = len(words) == 2 and words[0] in ("The", "Der", "Die", "Das")  # "The file is": which?
    return not is_vague or (words[0] == "The" and not words[1].islower()) or words[1].casefold() in title.casefold()


def _find_term(unit: _Unit, language: str, course: Course) -> Iterator[Found]:
    """Ask for a term that stands before its meaning, a command for a task, and what an abbreviation stands for."""
    match = re.fullmatch(r"(?P<term>[^\W\d_][\w /+-]{1,40})(?::| [–=]) (?P<meaning>[^:]+)", unit.text)
    if match is None:
        return
    term, meaning = match["term"], match["meaning"]
    question = ""
    if term.isupper() and len(term) > 1 and _initials(meaning).startswith(term):
        question = STANDS_FOR[language].format(term)
    elif language == "de" and re.search(r" [a-zäöü]+en$", term) and COMMAND_LINE.fullmatch(meaning):
        question = COMMAND[language].format(ADJECTIVE.sub(lambda match: match[0].lower(), term))
    elif _is_term(term, language, course) and _is_meaning(term, meaning):
        question = MEANT[language].format(term)
    if question:
        yield Found("definition", question, unit.text, unit.raw)


def _initials(text: str) -> str:
    return "".join(part[0] for part in re.findall(r"[A-Z][a-z]*|(?<=-)[a-z]+", text)).upper()


def _is_term(term: str, language: str, course: Course) -> bool:
    """Tell whether words name something: they are short, and stand elsewhere in the course as nouns do."""
    words = term.split()
    if NO_TERM.fullmatch(term) or REFERS.search(term) or VERB.search(term) or not words[0][0].isupper():
        return False
    if language == "de" and (
        words[-1][0].islower() or any(course.seen[word.lower()] > course.seen[word] for word in words)
    ):
        return False
    fits = len(words) <= 4 and not term.isupper() and not re.search(r"(?:[a-z]{2}(?:en|ern|ly)|\d)$", words[-1])
    return fits and _begins_one(course.nouns, words[0].casefold())


def _begins_one(words: Sequence[str], start: str) -> bool:
    """Tell whether one of the sorted words begins so."""
    place = bisect_left(words, start)
    return place < len(words) and words[place].startswith(start)


def _is_meaning(term: str, meaning: str) -> bool:
    """Tell whether a text says what a term means: a kind of thing and what tells it from others, told to the end."""
    words = meaning.split()
    small = sum(word[0].islower() for word in words)
    is_prose = len(words) >= 4 and not meaning[0].isdigit() and small >= 0.3 * len(words) and not MATHS.search(meaning)
    if not is_prose or not RELATES.search(meaning) or meaning.count("(") != meaning.count(")"):
        return False
    ends = meaning[-1] in "?!" or DANGLING.search(meaning) or re.search(r"(?<![\w-])[a-zäöü]+(?:en|t)\.?$", meaning)
    opens = VERB.search(" ".join(words[:6])) or re.match(r"[A-Z]\w+ [a-z]+s ", meaning) or NO_OPENING.match(meaning)
    points = re.search(r"(?i)\b(?:this|these|here|diese\w*|hier)\b", meaning)
    return not (ends or opens or points or TALK.search(meaning)) and term.casefold() not in meaning.casefold()


def recase(title: str, seen: WordCounts) -> str:
    """Return a title that is all in capitals as it would be written in a sentence."""
    if any(char.islower() for char in title) or len(title) < 5:
        return title
    title = re.sub(r"[^\W\d_]+", lambda match: _spell(match[0], seen.spellings), title)
    return title[:1].upper() + title[1:]


def _spell(word: str, spellings: Mapping[str, str]) -> str:
    if word in spellings:
        return spellings[word]
    is_small = any(word.lower() in words for words in TELLING.values())
    return word.lower() if is_small or len(word) > 4 else word


def plain_title(title: str) -> str:
    """Return a title without the numbers of its section and of its part."""
    title = re.sub(r"^(?:\d+(?:\.\d+)*[.)]?|[IVX]+\.)\s+(?=\D)", "", title.strip())
    title = re.sub(
        r"\s*(?:/\s*\d+|\(\d+(?:\s*/\s*\d+)?\)|\((?:cont|forts)[^)]*\)|\s[IVX]+|\s\d+)$", "", title, flags=re.IGNORECASE
    )
    title = title.rstrip(" :–-")
    half = len(title) // 2  # some programs print a title twice, for its shadow
    return title[:half] if title[:half].casefold() == title[half + 1 :].casefold() else title
