"""Words of a text, for comparing texts: without case and punctuation, endings and words that say little."""

import re
import unicodedata
from functools import lru_cache

WORD = re.compile(r"[^\W_]+")
SHORT_FORM = re.compile(r"(?<=\w)['’](?:s|ll|re|ve)\b", re.IGNORECASE)  # what's, we'll
UMLAUTS = str.maketrans("äöü", "aou")
ENDINGS = ("ings", "edly", "ing", "ies", "ers", "ed", "es", "ly", "er", "en", "em", "e", "n", "s", "y")
SHORTEST_STEM = 4

# In a question these change what is asked.
ASKING_TEXT = (
    "how no not when where who why without kein keine keinen nicht ohne wann warum weshalb wer wie wieso wo wozu"
)
# Words that stand in texts on anything, in English and German.
FUNCTION_TEXT = """
a about above after again all also although am among an and another any are around as at be because been before being
between both but by can cannot could did do does doing done down during each either else etc even every few for from
further get gets give given gives had has have having he hence her here hers him his however i if in instead into is
it its itself just like made make makes making many may me might more most much must my neither nor now of off often
on once one only onto or other others our out over own per rather same say says see shall she should since so some
still such than that the their them themselves then there thereby therefore these they this those though through thus
to too toward towards two under until up upon us use used uses using usually very via was way we well were what
whereas whether which while whom whose will with within would yet you your

aber alle allem allen aller alles als also am an andere anderem anderen anderer anderes ans auch auf aus bei beim
beispiel bereits bis bzw da dabei dadurch dafür daher damit danach dann daran darauf darf das dass davon dazu dem den
denen denn dennoch der deren des dessen die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem
einen einer eines einige er es etwa etwas euch falls für gegen gibt hat hatte hatten hier hinter ich ihm ihn ihnen ihr
ihre ihrem ihren ihrer ihres im immer in indem ins ist je jede jedem jeden jeder jedes jedoch kann können könnte man
mehr meist mit muss müssen nach neben noch nun nur ob oder sehr sein seine seinem seinen seiner seines seit sich sie
sind so sobald sodass sogar soll sollte somit sondern sonst sowie sowohl um und uns unter viel viele vom von vor war
waren was weil weitere weiteren weiterer welche welchem welchen welcher welches wenn werden wird wobei wodurch worden
wurde wurden während z zu zum zur zwar zwei zwischen über
"""
ASKING, FUNCTION_WORDS = frozenset(ASKING_TEXT.split()), frozenset(FUNCTION_TEXT.split())


def normalise(text: str) -> str:
    """Return a text without case, punctuation and width of spaces, so that near-equal ones count as one."""
    return " ".join(_words(text))


def content_words(text: str) -> list[str]:
    """Return the stems of all words that say something about the matter, in their order."""
    return [stem(word) for word in _long_forms(text) if word not in FUNCTION_WORDS and word not in ASKING]


def asking_words(text: str) -> list[str]:
    """Return what distinguishes one question from another: content words, numbers, and why or when."""
    return [stem(word) for word in _long_forms(text) if word not in FUNCTION_WORDS]


def _long_forms(text: str) -> list[str]:
    return _words(SHORT_FORM.sub("", text) if "'" in text or "’" in text else text)


def _words(text: str) -> list[str]:
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """Take common English and German endings off while enough is left: columns and column, Bäume and Baum are one."""
    plain = word.translate(UMLAUTS)
    while cut := next((end for end in ENDINGS if plain.endswith(end) and len(plain) - len(end) >= SHORTEST_STEM), ""):
        plain = plain.removesuffix(cut)
    return plain
