"""Tells questions from what is none."""

import re

# "is", "in" and German "was" begin statements as well, and need their question mark.
ASKING = """
what what's which who whom whose when where why how are were do does did can could should would will has have
define describe explain name list give state tell show prove write find compute calculate derive compare
summarise summarize discuss illustrate sketch draw determine identify outline mention enumerate implement
welche welcher welches welchen welchem wer wem wen wessen wann wo warum wieso weshalb wie wozu woran womit wofür
worin worauf woraus wodurch wovon ist sind hat haben kann können darf muss definiere definieren beschreibe
beschreiben erkläre erklären erläutere erläutern nenne nennen gib geben zeige zeigen beweise beweisen berechne
berechnen vergleiche vergleichen bestimme bestimmen begründe begründen skizziere skizzieren
"""
REQUESTS = frozenset(ASKING.split())
QUESTION_MARK = re.compile(r"[?？][\s\"'”’»*_)\]]*(?:$|\s)")
FIRST_WORD = re.compile(r"[\W_]*([^\W_]+(?:'s)?)")


def asks(text: str) -> bool:
    """Tell whether a text is a question or a request, by its question mark or its first word."""
    first = FIRST_WORD.match(text)
    return QUESTION_MARK.search(text) is not None or (first is not None and first[1].casefold() in REQUESTS)
