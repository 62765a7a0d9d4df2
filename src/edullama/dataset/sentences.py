"""Where sentences end in English and German prose."""

import re

SENTENCE_END = re.compile(r"(?<![\s.(]\w[.!?])(?<=[.!?])\s+(?=[A-ZÄÖÜ„“\"])")  # "z. B. Wien" and "e.g. Adam" end none


def split_sentences(text: str) -> list[str]:
    """Return a text's sentences, whatever white space stands between them."""
    return SENTENCE_END.split(text)
