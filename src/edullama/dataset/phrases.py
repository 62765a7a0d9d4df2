"""What English and German slides say in which words, and the questions that ask for it."""

import re

from edullama.records import DraftKind

Rule = tuple[DraftKind, re.Pattern[str], str]

OFF_TOPIC = re.compile(  # titles of slides that teach nothing to be asked about
    r"(?i)\b(?:organi[sz]at|klausur|prüfung(?!s)|exams?\b|korrektur|blatt \d|übung|aufgabe|exercises?\b|homework"
    r"|assignment"
    r"|beispiele?\b|examples?\b|demo\b|ausblick|outlook|outline|learning goals|lernziele|literatur|references"
    r"|quellen|fragen\?|questions\?|plagiat"
    r"|termine|schedule|dates|exceptions:|contact|kontakt|about me|über mich|hands-on|quiz|konsole"
    r"|counterexample|participation|attendance|active lecture|class$|communication|disclaimer|syllabus|grading"
    r"|hausaufgabe|referenzen|factors to|project|projekt|proof|beweis|vorrechnen|spielregeln|evaluation der|feedback)"
)
REFERS = re.compile(  # to what is not in the question
    r"(?i)\b(?:this|that|these|those|it|its|they|their|them|we|our|us|you|your|he|she|his|her|here|there|above|below"
    r"|following|next|previous|last|first|second|third|other|another|same|such|each|one|both|all|some|any|many|most"
    r"|few"
    r"|former|latter|left|right|example|figure|picture|drawing|slide|author|let|if|when|while|because|since|so|but"
    r"|then|now|thus|hence|who|which|where|what|why|how|not|only|also|resulting|associated|above|case"
    r"|diese[rsnm]?|jene[rsnm]?|es|er|sie|sein\w*|ihr\w*|wir|uns\w*|ich|mein\w*|du|dein\w*|hier|dort|da|dabei|damit"
    r"|dann"
    r"|davon|dazu|daher|oben|unten|folgende\w*|nächste\w*|letzte\w*|erste\w*|zweite\w*|andere\w*|gleiche\w*"
    r"|beide\w*|alle\w*"
    r"|jede\w*|einige|viele|manche|man|wer|wenn|wo|weil|aber|auch|nur|nicht|beispiel|bild|folie|solche\w*|so)\b"
)
NO_TERM = re.compile(  # what stands before a colon or "is" and is no term
    r"(?i)(?:e\.?g|i\.?e|z\. ?b|nb|ps|hints?|notes?|important|warning|attention|remember|also|now|but|then"
    r"|otherwise|inputs?"
    r"|outputs?|time|space|stride|padding|filter|tasks?|sources?|quellen?|hinweise?|achtung|wichtig\w*|merke"
    r"|merksatz|fragen?"
    r"|antwort\w*|tipps?|fokus|laufzeit\w*|platz|faustregel|regel|sonst|allerdings|außerdem|variante|annahmen?"
    r"|bemerkung"
    r"|anmerkung|motivation|abfrage|fazit|frei nach|siehe|vgl|schritt|steps?|option|version|teil|parts?|phase|stufe"
    r"|levels?"
    r"|cases?|fall|typ|types?|goals?|ziele?|aims?|metrics?|number|kosten|costs?|remarks?|observation|beobachtung"
    r"|intuition"
    r"|interpretation|definition|theorem|lemma|proof|beweis|satz|zusammenhang|analogie|analogy|review|vorgehen"
    r"|ablauf|konsole"
    r"|ergebnisse?|results?|folgen?|konsequenz|consequences?|formal\w*|informal\w*|intuitively|simplest|general\w*"
    r"|generell"
    r"|besser|schlecht|gut|better|bad|good|pros?|cons?|setting|assumptions?|wanted|given|gegeben|gesucht|benötigt"
    r"|models?"
    r"|equivalent|analytic\w*|properties|eigenschaften|claim|conclusion|caveat|lhs|rhs|examples?|demo|cli|ide|in"
    r"|for|with|as"
    r"|by|on|at|from|to|mit|für|bei|im|zur?|zum|von|nach|seit|ohne|bisher|jetzt|vorher|nachher|früher|heute|today"
    r"|so far|typically|usually|often|more|empirical|common|grund|gründe"
    r"|reasons?|ideas?|ideen?|problems?|probleme?|lösung\w*|solutions?|vor-?teile?|nachteile?|advantages?"
    r"|disadvantages?"
    r"|abwäg\w*|data ?set|data|daten|thing|point|question|answer|klammern|parameters?|voreinstellung|defaults?"
    r"|estimation via|not|nicht|recap|methods?|components?|identify|consider|multiple|big|existing|new|various"
    r"|typical|grundidee|alternativ\w*|graphic)\b.*"
)
NO_DEFINITION = (
    r"(?!the same|the (?:most|best|only|reason|case|main|key)\b|(?:a|an) (?:bit|little|lot|must|good|bad|great|nice"
    r"|weak|big"
    r"|well|huge|hard|reasonable|common|popular|typical|active|simple|natural|important|maximum|minimum)\b)"
)
RECAP = re.compile(  # titles of slides that say again, or before, what others explain
    r"(?i)(?:summary|recap|zusammenfassung|wrap-?up|overview|überblick|übersicht|what to remember|zum merken|einstieg"
    r"|motivation)(?:\W.*)?"
)
GENERIC = re.compile(  # titles that need their slide to be understood
    r"(?i)(?:(?:the |die |der |das )?(?:bezug|introduction|basics?|prinzip|principle|definition\w*"
    r"|properties|eigenschaften|erzeugung|idee|idea|ziele?|goals?|begriffe|notation|setup|setting|results?"
    r"|ergebnisse?|algorithm\w*|algorithmus|varianten|variants"
    r"|details?"
    r"|history|historical.*|geschichte|theorie|theory|framework\b.*|wie .*|problem\w*|lösung\w*|solution\w*|tipps?"
    r"|hinweise?|vorsicht|aber|diskussion|discussion"
    r"|remarks?|bemerkung\w*|erinnerung|wiederholung|review|intuition|konflikte|anwendung\w*|applications?"
    r"|two\b|three|four|five|no\b|implementierung|implementation|laufzeit\w*|kosten|werkzeuge|tools|metrics?"
    r"|start\w*|ende|improvements?|attributes?|herausforderung\w*|challenges?|.*zwischenstand|interface"
    r"|requirements?|anforderungen)(?:\W.*)?"
    r"|(?:case|fall|part|teil|schritt|step|why now|general|training|data recording|for|in|with|as|by|on|at|from|to"
    r"|mit|für|bei"
    r"|im|zum|zur|von|nach|anti-\w+|variante)\b.*)"
)
DANGLING = re.compile(  # the end of a line that goes on, or the middle of a sentence
    r"(?i)(?:\b(?:the|an?|of|to|for|and|or|with|in|by|is|are|that|as|from|at|on|where|if|der|die|das|den|dem|des"
    r"|eine?[nmrs]?"
    r"|und|oder|von|vom|für|mit|zu|im|bei|auf|aus|als|zur|zum|bis|wird|ist|sind|kann|noch|wobei|mittels|status)"
    r"|[,(–-])$"
)
TALK = re.compile(  # of a lecturer to students, of the course, and of what stands elsewhere
    r"(?i)\b(?:we|us|our|you|your|wir|uns|unser\w*|sie sich|ihr|euch|zuvor|vorher|später|earlier|later|next lecture"
    r"|last time|et al"
    r"|nächste\w* (?:woche|mal)|letztes mal|chapter|kapitel|office hours|zoom|canvas|e-?mail|moodle|reading|klausur\w*"
    r"|hausaufgabe\w*|homework|s\. ?v)\b"
)
RELATES = re.compile(  # what is between a kind of thing and what tells it from others
    r" (?:that|which|of|for|to|with|from|into?|in|by|when|where|von|vom|für|mit|zur?|zum|im|ohne|zwischen|einer?|des)\b"
    r"|, (?:der|die|das|den|wenn|in|mit|für|falls) "
)
BEFORE_NOUN = (
    r"\b(?:the|an?|of|for|in|with|by|from|on|der|die|das|dem|den|des|eine?[nmrs]?|von|vom|mit|für|im|zum|zur|bei|pro) "
)
LISTED = {
    "en": r"properties|advantages|disadvantages|drawbacks|benefits|types|kinds|steps|stages|phases|goals|reasons"
    r"|components"
    r"|parts|rules|criteria|methods|techniques|assumptions|applications|limitations|challenges|requirements"
    r"|principles"
    r"|categories|approaches|strategies|characteristics|ingredients|forms|shortcomings|problems|metrics|causes|tasks",
    "de": r"Eigenschaften|Vorteile|Nachteile|Arten|Typen|Schritte|Phasen|Ziele|Gründe|Bestandteile|Komponenten|Regeln"
    r"|Kriterien|Methoden|Verfahren|Annahmen|Anwendungen|Anforderungen|Prinzipien|Ansätze|Merkmale|Formen|Probleme"
    r"|Ursachen|Aufgaben|Grundregeln|Möglichkeiten|Voraussetzungen|Strategien|Elemente|Teile",
}
VERB = re.compile(
    r"(?i)\b(?:is|are|was|were|has|have|can|cannot|will|do|does|should|must|may|means?|vs|gives?|becomes?|goes|makes|needs|uses|works|helps|leads"
    r"|ist|sind|war|hat|haben|kann|können|wird|werden|muss|müssen|soll|sollte|darf|gibt|liefert|passt|geht"
    r"|bedeutet)\b"
)

SUBJECT = r"(?P<subject>[^\W_][^,;:()!?=→⇒∈]{1,70}?)"
NOUN_DE = r"(?P<subject>(?:(?:Der|Die|Das|Ein|Eine) )?(?:[a-zäöü-]+ ){0,2}[A-Z][\w-]+)"
N = r"(?P<n>two|three|four|five|six|seven|eight|zwei|drei|vier|fünf|sechs|sieben|acht)"
AUX = r"(?P<aux>is|are|can|should|must|was|were)"
REST = r"(?P<rest>(?:[^,;:]|,(?=\d))+)"
VERBS = (
    r"increase|decrease|reduce|improve|prevent|need|require|lead|cause|allow|help|enable|make|use|work|fail|converge"
)


def _rules(*rules: tuple[DraftKind, str, str]) -> list[Rule]:
    return [(kind, re.compile(pattern, re.DOTALL), question) for kind, pattern, question in rules]


SENTENCES = {
    "en": _rules(
        ("why", rf"{SUBJECT} {AUX} {REST},? because .{{12,}}", "Why {aux} {subject} {rest}?"),
        ("why", rf"{SUBJECT} (?P<verb>{VERBS})s {REST},? because .{{12,}}", "Why does {subject} {verb} {rest}?"),
        ("how", rf"{SUBJECT} (?P<aux>is|are) (?P<how>measured|computed|calculated|estimated|obtained) .{{12,}}",
         "How {aux} {subject} {how}?"),
        ("definition", rf"{SUBJECT} (?P<aux>is|are) (?:called|known as) [^,(]{{3,60}}", "What {aux} {subject} called?"),
        ("apply", rf"{SUBJECT} (?P<aux>is|are) used (?:to|for) .{{10,}}", "What {aux} {subject} used for?"),
        ("list", rf"{SUBJECT} consists of .{{10,}}", "What does {subject} consist of?"),
        ("list", rf"{SUBJECT} consist of .{{10,}}", "What do {subject} consist of?"),
        ("list", rf"{SUBJECT} has {N} (?P<what>[a-z]+s): .{{10,}}", "Which {n} {what} does {subject} have?"),
        ("definition", rf"{SUBJECT} (?P<verb>measure|describe|represent|denote)s"
         r" (?:the|an?|how|whether|what|all|distance) .{12,}", "What does {subject} {verb}?"),
        ("how", rf"{SUBJECT} has (?:{N}|\d+) (?P<what>(?:[a-z-]+ )?[a-z]+s)(?:[,;.]| (?:and|for|with|of|in)\b).*",
         "How many {what} does {subject} have?"),
        ("list", rf"{SUBJECT} (?P<verb>contain|hold(?=s (?:the|every|what|a))|require)s"
         r" .{10,}",
         "What does {subject} {verb}?"),
        ("how", rf"{SUBJECT} (?P<verb>occur|happen)s (?:when|if) .{{10,}}", "When does {subject} {verb}?"),
        ("definition", rf"{SUBJECT} (?P<aux>is|are) (?:just |simply |basically )?{NO_DEFINITION}"
         r"(?!a special case)(?:an?|the|one|two|three|four|any) .{10,}", "What {aux} {subject}?"),
        ("definition", rf"{SUBJECT} are (?!(?:\w+ ){{0,2}}\w+ed\b)[a-z][\w-]*"
         r"(?: [\w-]+){0,3}s (?:that|which|for|of|with) .{10,}",
         "What are {subject}?"),
    ),
    "de": _rules(
        ("why", rf"{NOUN_DE} (?P<aux>[a-zäöüß]+t|sind|sollen|werden|können|müssen|haben|muss|kann|soll) "
         rf"{REST}, (?:weil|da) .{{12,}}",
         "Warum {aux} {subject} {rest}?"),
        ("definition", r"Unter (?P<subject>[^,;:]{3,60}?) versteht man .{15,}", "Was versteht man unter {subject}?"),
        ("definition", rf"{SUBJECT} (?P<aux>heißt|heißen) (?!,).{{3,}}", "Wie {aux} {subject}?"),
        ("apply", rf"{SUBJECT} (?P<aux>dient|dienen) (?:dazu|der|als|zur|zum|zu)\b.{{10,}}", "Wozu {aux} {subject}?"),
        ("list", rf"{SUBJECT} (?P<aux>besteht|bestehen) aus .{{10,}}", "Woraus {aux} {subject}?"),
        ("list", rf"{SUBJECT} hat {N} (?P<what>[A-Z]\w+): .{{10,}}", "Welche {n} {what} hat {subject}?"),
        ("definition", rf"{NOUN_DE} (?P<aux>bezeichnet|beschreibt|misst|bezeichnen|beschreiben|speichert|enthält"
         r") .{12,}", "Was {aux} {subject}?"),
        ("definition", rf"{SUBJECT} (?P<aux>ist|sind) (?:eine?r?|die|der|das|nichts anderes als) .{{15,}}",
         "Was {aux} {subject}?"),
    ),
}  # fmt: skip
QUESTION = re.compile(
    r"(?P<why>why|warum|weshalb|wozu)\b|(?P<how>how|wie)\b|(?P<list>which|welche[rsnm]?)\b"
    r"|(?P<definition>what (?:is|are)|was (?:ist|sind))\b|(?P<apply>when|wann)\b",
    re.IGNORECASE,
)
MEANT = {"en": "What is meant by “{}”?", "de": "Was versteht man unter „{}“?"}
STANDS_FOR = {"en": "What does {} stand for?", "de": "Wofür steht {}?"}
WHICH = {"en": "What are the {}?", "de": "Welche {} nennt die Vorlesung?"}
POINTS = {"en": "What are the main points about “{}”?", "de": "Was sind die wichtigsten Punkte zum Thema „{}“?"}
DIFFER = {"en": "How do {} and {} differ?", "de": "Worin unterscheiden sich {} und {}?"}
COMMAND = {"en": "Which command is there to {}?", "de": "Mit welchem Befehl kann man {}?"}
