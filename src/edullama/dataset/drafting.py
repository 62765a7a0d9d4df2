"""Questions drafted from slides, for a course without cards: by rules, which are strict and few, or by an endpoint."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from edullama.dataset.entries import slide_id
from edullama.dataset.normalise import inside, words_inside
from edullama.records import Card, Draft, DraftKind, Slide, stable_id

BY_RULES = "drafted by rules"
BULLET = re.compile(r"\s*(?:[•▶►▸‣◦▪■□○●➢✓✔➔]\s*|[–—*-]\s+|\(?(?:\d{1,2}|[a-z])[.)]\s+)")
SENTENCE_END = re.compile(r"(?<![\s.(]\w[.!?])(?<=[.!?])\s+(?=[A-ZÄÖÜ„“\"])")
OFF_TOPIC = re.compile(  # titles of slides that teach nothing to be asked about
    r"(?i)\b(?:organi[sz]at|klausur|prüfung(?!s)|exams?\b|korrektur|blatt \d|übung|aufgabe|exercises?\b|homework|assignment"
    r"|beispiele?\b|examples?\b|demo\b|summary|recap|zusammenfassung|wrap-?up|ausblick|outlook|outline|overview|überblick"
    r"|übersicht|learning goals|lernziele|to remember|merken|literatur|references|quellen|fragen\?|questions\?|plagiat"
    r"|termine|schedule|dates|einstieg|motivation|exceptions:|contact|kontakt|about me|über mich)"
)
REFERS = re.compile(  # to what is not in the question
    r"(?i)\b(?:this|that|these|those|it|its|they|their|them|we|our|us|you|your|he|she|his|her|here|there|above|below"
    r"|following|next|previous|last|first|second|third|other|another|same|such|each|one|both|all|some|any|many|most|few"
    r"|former|latter|left|right|example|figure|picture|drawing|slide|lecture|author|let|if|when|while|because|since|so|but"
    r"|then|now|thus|hence|who|which|where|what|why|how|not|only|also"
    r"|diese[rsnm]?|jene[rsnm]?|es|er|sie|sein\w*|ihr\w*|wir|uns\w*|ich|mein\w*|du|dein\w*|hier|dort|da|dabei|damit|dann"
    r"|davon|dazu|daher|oben|unten|folgende\w*|nächste\w*|letzte\w*|erste\w*|zweite\w*|andere\w*|gleiche\w*|beide\w*|alle\w*"
    r"|jede\w*|einige|viele|manche|man|wer|wenn|wo|weil|aber|auch|nur|nicht|beispiel|bild|folie|vorlesung|solche\w*|so"
    r"|ziel|wichtig|problem|idee|nachteil|vorteil|lösung|grund|result|point|case|thing|idea|problem|question|answer)\b"
)
NO_TERM = re.compile(  # words before a colon that are no term
    r"(?i)(?:e\.?g|i\.?e|z\. ?b|nb|ps|hint|note|important|warning|attention|remember|also|now|but|then|otherwise|input|output"
    r"|inputs|outputs|time|space|stride|padding|filter|task|source|sources|quelle|quellen|hinweis|achtung|wichtig|merke"
    r"|merksatz|frage|antwort|tipp|fokus|laufzeit|platz|faustregel|regel|sonst|allerdings|außerdem|variante|annahme|bemerkung"
    r"|anmerkung|motivation|abfrage|fazit|frei nach|siehe|vgl|schritt|step|option|version|teil|part|phase|stufe|level|case"
    r"|fall|typ|type|goal|goals|aim|metric|number|kosten|cost|remark|observation|intuition|interpretation|definition|theorem"
    r"|lemma|proof|beweis|satz|zusammenhang|analogie|analogy|review|vorgehen|ablauf|konsole|ergebnis|results?|folge"
    r"|konsequenz|consequences?|formal|formally|informal|intuitively|simplest|general|generally|generell|besser|schlecht"
    r"|gut|better|bad|good|pros?|cons?|setting|assumption|wanted|given|gegeben|gesucht|model)\b.*"
)
LISTED = {
    "en": r"properties|advantages|disadvantages|drawbacks|benefits|types|kinds|steps|stages|phases|goals|reasons|components"
    r"|parts|rules|criteria|methods|techniques|assumptions|applications|limitations|challenges|requirements|principles"
    r"|categories|approaches|strategies|characteristics|ingredients|forms|shortcomings|problems|metrics|causes|tasks",
    "de": r"Eigenschaften|Vorteile|Nachteile|Arten|Typen|Schritte|Phasen|Ziele|Gründe|Bestandteile|Komponenten|Regeln"
    r"|Kriterien|Methoden|Verfahren|Annahmen|Anwendungen|Anforderungen|Prinzipien|Ansätze|Merkmale|Formen|Probleme"
    r"|Ursachen|Aufgaben|Grundregeln|Möglichkeiten|Voraussetzungen|Strategien|Elemente|Teile",
}
SUBJECT = r"(?P<subject>[^\W_][^,;:()!?=→⇒∈]{1,70}?)"
N = r"(?P<n>two|three|four|five|six|seven|eight|zwei|drei|vier|fünf|sechs|sieben|acht)"
AUX = r"(?P<aux>is|are|can|cannot|should|must|was|were)"
AUX_DE = r"(?P<aux>ist|sind|wird|werden|kann|können|muss|müssen|darf|dürfen|soll|sollte|sollten|braucht|kostet)"
Rule = tuple[DraftKind, re.Pattern[str], str]


def _rules(*rules: tuple[DraftKind, str, str]) -> list[Rule]:
    return [(kind, re.compile(pattern, re.DOTALL), question) for kind, pattern, question in rules]


SENTENCES = {
    "en": _rules(
        ("why", rf"{SUBJECT} {AUX} (?P<rest>[^,;:]+), because .{{15,}}", "Why {aux} {subject} {rest}?"),
        ("how", rf"{SUBJECT} (?P<aux>is|are) (?P<how>measured|computed|calculated|estimated|obtained|trained) .{{12,}}",
         "How {aux} {subject} {how}?"),
        ("definition", rf"{SUBJECT} (?P<aux>is|are) (?:called|known as) .{{3,}}", "What {aux} {subject} called?"),
        ("apply", rf"{SUBJECT} (?P<aux>is|are) used (?:to|for) .{{10,}}", "What {aux} {subject} used for?"),
        ("list", rf"{SUBJECT} consists of .{{10,}}", "What does {subject} consist of?"),
        ("list", rf"{SUBJECT} consist of .{{10,}}", "What do {subject} consist of?"),
        ("list", rf"{SUBJECT} has {N} (?P<what>[a-z]+s): .{{10,}}", "Which {n} {what} does {subject} have?"),
        ("definition", rf"{SUBJECT} (?P<verb>measure|describe|represent|denote|quantifie)s .{{15,}}",
         "What does {subject} {verb}?"),
        ("definition", rf"{SUBJECT} (?P<aux>is|are) (?!the same|the (?:most|best|only|reason|case)|a (?:bit|lot|good|bad|must))"
         r"(?:an?|the|one of|any|just the|simply the) .{20,}", "What {aux} {subject}?"),
        ("definition", rf"{SUBJECT} are (?!(?:\w+ ){{0,2}}\w+ed\b)[a-z][\w-]*(?: [\w-]+){{0,3}}s (?:that|which|for|of|with) .{{10,}}",
         "What are {subject}?"),
    ),
    "de": _rules(
        ("why", rf"{SUBJECT} {AUX_DE} (?P<rest>[^,;:]+), (?:weil|da) .{{15,}}", "Warum {aux} {subject} {rest}?"),
        ("definition", r"Unter (?P<subject>[^,;:]{3,60}?) versteht man .{15,}", "Was versteht man unter {subject}?"),
        ("definition", rf"{SUBJECT} (?P<aux>heißt|heißen) (?!,).{{3,}}", "Wie {aux} {subject}?"),
        ("apply", rf"{SUBJECT} (?P<aux>dient|dienen) (?:dazu|der|als|zur|zum|zu)\b.{{10,}}", "Wozu {aux} {subject}?"),
        ("list", rf"{SUBJECT} (?P<aux>besteht|bestehen) aus .{{10,}}", "Woraus {aux} {subject}?"),
        ("list", rf"{SUBJECT} hat {N} (?P<what>[A-Z]\w+): .{{10,}}", "Welche {n} {what} hat {subject}?"),
        ("definition", rf"{SUBJECT} (?P<aux>bezeichnet|beschreibt|misst|bezeichnen|beschreiben) .{{15,}}",
         "Was {aux} {subject}?"),
        ("definition", rf"{SUBJECT} (?P<aux>ist|sind) (?:eine?r?|die|der|das|nichts anderes als) .{{15,}}",
         "Was {aux} {subject}?"),
    ),
}  # fmt: skip
QUESTION = re.compile(
    r"(?P<why>why|warum|weshalb|wozu)|(?P<how>how|wie)|(?P<list>which|welche[rsnm]?)"
    r"|(?P<definition>what (?:is|are)|was (?:ist|sind))|(?P<apply>when|wann)",
    re.IGNORECASE,
)
ANSWERS = {"en": 'What is meant by “{}”?', "de": "Was versteht man unter „{}“?"}
STANDS_FOR = {"en": "What does {} stand for?", "de": "Wofür steht {}?"}
WHICH = {"en": "What are the {}?", "de": "Welche {} nennt die Vorlesung?"}
MATHS = re.compile(r"[=∈≤≥∑∫∝→⇒≈∼|{}<>^∂√·⋅]|::|\(\)|\b[a-zA-Zα-ω]\([a-zα-ω]\)|\w/\w+/")
SUBJECT_WORDS = 6
FEWEST_ANSWER_WORDS = 5
MOST_ANSWER_WORDS = 80
ALIKE = 0.75  # of the telling words of two questions: nobody would ask both
SMALL = frozenset(
    "what is are the a an of in meant by does do which how why was ist sind der die das ein eine von unter versteht man "
    "wie warum welche nennt vorlesung im in zu".split()
)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A line, or a sentence's lines together, of a slide's text."""

    raw: str  # as it stands on the slide
    text: str  # on one line, without its bullet
    bullet: str
    block: int


@dataclass(frozen=True, slots=True)
class _Found:
    kind: DraftKind
    question: str
    units: tuple[str, ...]  # of the answer, without bullets
    span: str


def draft_by_rules(slides: Sequence[Slide]) -> list[Draft]:
    """Draft questions in English and German from what slides define, list, give reasons for, and ask themselves."""
    seen = words_inside(block.text for slide in slides for block in slide.blocks if block.kind == "text")
    drafts = [
        _draft(slide, found, BY_RULES)
        for slide in choose_slides(slides)
        if (language := _language(slide)) in SENTENCES
        for found in _find(slide, language, seen)
    ]
    return drop_alike(drafts)


def choose_slides(slides: Sequence[Slide]) -> list[Slide]:
    """Return the slides that teach something: no outlines, no exercises, nothing about how the course is run."""
    chosen, lecture, is_off = [], "", False
    for slide in slides:
        if slide.lecture != lecture or slide.kind == "section":  # a section about organisation lasts until the next
            lecture, is_off = slide.lecture, slide.kind == "section" and bool(OFF_TOPIC.search(slide.title))
        if slide.kind == "content" and slide.title and not is_off and not OFF_TOPIC.search(slide.title):
            chosen.append(slide)
    return chosen


def drop_alike(drafts: Sequence[Draft]) -> list[Draft]:
    """Keep the first of questions that ask nearly the same."""
    kept: list[Draft] = []
    words: list[frozenset[str]] = []
    for draft in drafts:
        own = telling_words(draft.question.question)
        if not any(len(own & other) >= ALIKE * len(own | other) for other in words):
            kept.append(draft)
            words.append(own)
    return kept


def telling_words(question: str) -> frozenset[str]:
    """Return the words that make a question another one."""
    return frozenset(re.findall(r"[\w@#+]+", question.casefold())) - SMALL


def _draft(slide: Slide, found: _Found, source: str) -> Draft:
    card = Card(stable_id(found.question), slide.lecture, found.question, _join(found.units), source)
    return Draft(card, (slide_id(slide),), found.kind, found.span)


def _join(units: Sequence[str]) -> str:
    """Return lines as one, with something between what are no sentences."""
    ends = [unit if unit[-1] in ".!?:;," else f"{unit};" for unit in units[:-1]]
    return " ".join([*ends, *units[-1:]])


def _language(slide: Slide) -> str:
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
    return line.strip()[:1].islower() or before.text[-1] == "," or len(before.text) > 60


def _find(slide: Slide, language: str, seen: Counter[str]) -> Iterator[_Found]:
    units = _units(slide)
    yield from _find_questions(slide, units, seen)
    yield from _find_lists(slide, units, language, seen)
    for unit in units:
        for sentence in SENTENCE_END.split(unit.text):
            yield from _find_in_sentence(sentence, language, seen)
        yield from _find_term(unit, language)


def _find_questions(slide: Slide, units: Sequence[_Unit], seen: Counter[str]) -> Iterator[_Found]:
    """Take the questions that a slide asks and answers, in its title or above a list."""
    asked = [(recase(slide.title, seen), 0)]
    asked += [(unit.text, place) for place, unit in enumerate(units, 1) if not unit.bullet]
    for question, place in asked:
        kind = QUESTION.match(question)
        if kind is None or not re.fullmatch(r"[^?!.…:]+\?", question) or not _can_be_asked(question):
            continue
        answer = _take_answer(units[place:])
        if answer:
            yield _Found(_kind(kind), question, tuple(unit.text for unit in answer), _span(answer))


def _kind(match: re.Match[str]) -> DraftKind:
    kinds: tuple[DraftKind, ...] = ("why", "how", "list", "definition", "apply")
    return next(kind for kind in kinds if match[kind])


def _can_be_asked(question: str) -> bool:
    return len(question.split()) >= 4 and not REFERS.search(question.split(" ", 1)[1])


def _take_answer(units: Sequence[_Unit]) -> list[_Unit]:
    """Return what follows a question up to the next one, where it is long enough and no task."""
    answer: list[_Unit] = []
    for unit in units:
        if unit.text.endswith("?"):
            break
        answer.append(unit)
    words = sum(len(unit.text.split()) for unit in answer)
    return answer if FEWEST_ANSWER_WORDS <= words <= MOST_ANSWER_WORDS else []


def _span(units: Sequence[_Unit]) -> str:
    return "\n".join(unit.raw for unit in units)


def _find_lists(slide: Slide, units: Sequence[_Unit], language: str, seen: Counter[str]) -> Iterator[_Found]:
    """Ask for what stands under a title like "Properties of entropy"."""
    title = recase(slide.title, seen)
    listed = re.fullmatch(rf"(?i)(?:{LISTED[language]}) (?:of|for|in|with|von|für|der|des|bei|zur|zum|mit) [\w\s-]+", title)
    items = [unit for unit in units if len(unit.text.split()) >= 2]
    if listed and len(items) >= 2 and len(items) == len(units) and not any(MATHS.search(unit.text) for unit in units):
        what = title[0].lower() + title[1:] if language == "en" else title
        yield _Found("list", WHICH[language].format(what), tuple(unit.text for unit in units), _span(units))


def _find_in_sentence(sentence: str, language: str, seen: Counter[str]) -> Iterator[_Found]:
    """Turn a sentence round, by the first rule that fits."""
    if not sentence.endswith(".") and len(sentence.split()) < 7:
        return
    for kind, pattern, question in SENTENCES[language]:
        match = pattern.fullmatch(sentence)
        if match and _is_subject(match["subject"]) and not MATHS.search(sentence) and sentence[-1] != ":":
            parts = {name: text or "" for name, text in match.groupdict().items()}
            parts["subject"] = inside(parts["subject"], seen)
            yield _Found(kind, question.format(**parts), (sentence,), sentence)
            return


def _is_subject(subject: str) -> bool:
    words = subject.split()
    if len(words) > SUBJECT_WORDS or REFERS.search(subject) or not subject[0].isupper():
        return False
    is_vague = len(words) == 2 and words[0] in ("The", "Der", "Die", "Das")  # "The file is": which?
    return not is_vague and any(len(word) > 2 for word in words) and subject.count("“") == subject.count("”")


def _find_term(unit: _Unit, language: str) -> Iterator[_Found]:
    """Ask for a term that stands before a colon and its meaning, and for what an abbreviation stands for."""
    match = re.fullmatch(r"(?P<term>[^\W\d_][\w /+#-]{1,40}): (?P<meaning>[^:]+)", unit.text)
    if match is None or NO_TERM.fullmatch(match["term"]) or REFERS.search(match["term"]):
        return
    term, meaning = match["term"], match["meaning"]
    if term.isupper() and len(term) > 1 and _initials(meaning).startswith(term):
        yield _Found("definition", STANDS_FOR[language].format(term), (unit.text,), unit.raw)
    elif _is_term(term) and _is_meaning(term, meaning):
        yield _Found("definition", ANSWERS[language].format(term), (unit.text,), unit.raw)


def _initials(text: str) -> str:
    return "".join(part[0] for part in re.findall(r"[A-Z][a-z]*|(?<=-)[a-z]+", text)).upper()


def _is_term(term: str) -> bool:
    words = term.split()
    return len(words) <= 4 and words[0][0].isupper() and not re.search(r"[a-z]{2}en$", term)


def _is_meaning(term: str, meaning: str) -> bool:
    words = meaning.split()
    small = sum(word[0].islower() for word in words)
    is_prose = len(words) >= 4 and small >= 0.3 * len(words) and not MATHS.search(meaning)
    return is_prose and meaning[-1] not in "?!" and term.casefold() not in meaning.casefold()


def recase(title: str, seen: Counter[str]) -> str:
    """Return a title that is all in capitals as it would be written in a sentence."""
    if any(char.islower() for char in title) or len(title) < 5:
        return title
    spellings: dict[str, Counter[str]] = {}
    for word, count in seen.items():
        spellings.setdefault(word.upper(), Counter())[word] += count
    title = re.sub(r"[^\W\d_]+", lambda match: _spell(match[0], spellings), title)
    return title[:1].upper() + title[1:]


def _spell(word: str, spellings: dict[str, Counter[str]]) -> str:
    if word in spellings:
        return spellings[word].most_common(1)[0][0]
    return word if len(word) <= 4 else word.lower()
