"""The report is rendered from a made-up course; its figures are computed by the real code from made-up losses."""

import random
import re
from dataclasses import replace
from html.parser import HTMLParser

from edullama.evaluation.estimates import estimate_all
from edullama.evaluation.findings import Contestant, basis, cautions, headline, standfirst, telling, with_interval
from edullama.evaluation.plots import plot_all
from edullama.evaluation.report import ReportData, render_report, short_count
from edullama.records import Answer, Author, Card, Estimate, ReferenceLoss, Similarity, Support, Verdict, Winner

TOPICS = (
    ("What does double quantisation save, and on what?", "About 0.37 bits a parameter, by quantising the scales too."),
    ("Why is the student built from a fresh config?", "So that no cache index or layer count of the parent survives."),
    ("Wozu dient die Schrittweite eines Fensters?", "Sie bestimmt, wie viele Folien zwei Fenster gemeinsam haben."),
    ("Which targets does distillation use?", "All token probabilities of the teacher's answer, softened by T."),
    ("When is a page read by OCR?", "When its text layer holds fewer characters than its images hide."),
)
VOICES = {
    "base": "It is a common method in machine learning that is used in many fields, such as computer vision.",
    "teacher": "It saves about 0.37 bits for every parameter, because the scales themselves are quantised again.",
    "shrunk": "the the of of it it it is is is the of the of it it it is is is the of",
    "student": "It saves bits by quantising the scales of the blocks.",
}
EFFECT = {"base": (0.0, 0.0), "teacher": (0.58, 0.26), "shrunk": (-1.9, -1.8), "student": (0.24, 0.13)}


def made_up_losses(cards: list[Card], place: int, spread: float = 0.3) -> list[ReferenceLoss]:
    """Losses with a given mean gain on the exam (place 0) or the control cards (place 1)."""
    generator = random.Random(place)
    hardness = {card.id: generator.gauss(3.4, 0.6) for card in cards}
    return [
        ReferenceLoss(card.id, name, hardness[card.id] - effect[place] + generator.gauss(0, spread), 18)
        for card in cards
        for name, effect in EFFECT.items()
    ]


def made_up_verdicts(cards: list[Card]) -> list[Verdict]:
    generator, pair = random.Random(5), ("teacher", "base")
    outcomes = [Winner.A, Winner.A, Winner.A, Winner.B, Winner.TIE, Winner.UNPARSED]
    reason = "The first answer names the saving of the reference.\nVERDICT: FIRST"
    return [
        Verdict(card.id, pair, order, generator.choice(outcomes), reason, "a judge", "2026-05-01")
        for card in cards
        for order in (pair, ("base", "teacher"))
    ]


def made_up_support(cards: list[Card], unanswerable: int) -> list[Support]:
    """What says of the last cards that the slides cannot answer them."""
    held = len(cards) - unanswerable
    return [
        Support(card.id, (f"{card.lecture}:12", f"{card.lecture}:3"), 0.83, 0.71, True)
        if place < held
        else Support(card.id, (f"{card.lecture}:7",), 0.22, 0.31, False)
        for place, card in enumerate(cards)
    ]


def made_up_course(questions: int = 34, judged: bool = True, unanswerable: int = 0) -> ReportData:
    cards = [
        Card(f"q{i:02}", f"0{i % 5 + 1}-lecture", f"{TOPICS[i % 5][0]} ({i})", TOPICS[i % 5][1], "cards.tsv")
        for i in range(questions)
    ]
    controls = [Card(f"c{i:02}", "cheese", f"Cheese {i}?", "Brie", "controls.tsv") for i in range(40)]
    answers = [
        Answer(card.id, name, text, (1, 2), "length" if name == "shrunk" else "stop")
        for card in cards
        for name, text in VOICES.items()
    ]
    generator = random.Random(9)
    cosines = [Similarity(a.question_id, a.model, generator.uniform(0.2, 0.8)) for a in answers]
    losses, control_losses = made_up_losses(cards, 0), made_up_losses(controls, 1)
    verdicts = made_up_verdicts(cards) if judged else []
    support = made_up_support(cards, unanswerable)
    estimates = estimate_all(cards, controls, answers, losses, control_losses, cosines, verdicts, support)
    apart = {one.question_id for one in support if not one.answerable}
    steps = {
        "finetune": [{"step": i, "loss": 1.3 + 2 * 0.97**i + generator.gauss(0, 0.08)} for i in range(1, 96)],
        "distill": [{"step": i, "loss": 0.3 + 1.4 * 0.9**i} for i in range(1, 30)],
    }
    return ReportData(
        title="How EduLLama works",
        contestants=(
            Contestant("base", 134_515_008, 30, "SmolLM2-135M-Instruct"),
            Contestant("teacher", 139_399_488, 30, "base in NF4, LoRA r=16 on all linear layers"),
            Contestant("shrunk", 99_118_656, 20, "20 of 30 layers, untrained"),
            Contestant("student", 99_118_656, 20, "distilled from the teacher"),
        ),
        cards=cards,
        controls=controls,
        answers=answers,
        losses=losses,
        similarities=cosines,
        verdicts=verdicts,
        estimates=estimates,
        plots=plot_all(
            estimates,
            [loss for loss in losses if loss.question_id not in apart],
            steps,
            [loss for loss in losses if loss.question_id in apart],
        ),
        support=support,
        authors=(),
        judge="a judge" if judged else None,
        embedding="wordllama l2_supercat 256",
        counts={"lectures": 5, "slides": 79, "training entries": 81},
        settings='[course]\ntitle = "How EduLLama works"\n[finetune]\nepochs = 4\n',
        versions={"edullama": "0.1.0", "torch": "2.13.0"},
    )


class Page(HTMLParser):
    """What a browser would load, and whether every element is closed."""

    VOID = frozenset({"meta", "br", "input", "link", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.loads += [given[name] or "" for name in ("src", "href", "xlink:href") if name in given]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_loads_nothing_and_is_the_same_every_time() -> None:
    html = render_report(made_up_course())
    page = Page(html)
    assert page.open == [] and len(page.ids) == len(set(page.ids))
    assert all(address.startswith("#") for address in page.loads)
    assert not re.search(r"@import|url\((?!#)|fetch\(|https?://(?!www\.w3\.org)", html)
    assert html == render_report(made_up_course())


def test_every_question_is_there_with_its_reference_and_four_answers() -> None:
    html = render_report(made_up_course())
    assert html.count('<details class="question">') == 34
    for contender in ("base", "teacher", "shrunk", "student"):
        assert html.count(f"<h3>{contender}<span") == 34
    assert html.count("cut off at the length limit</span>") == 34


def parts(html: str) -> dict[str, str]:
    """The page's sections by their id."""
    return dict(re.findall(r'<section id="(\w+)">(.*?)</section>', html, re.DOTALL))


def words(html: str) -> str:
    """What a reader reads of a piece of the page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", "\u00a0").split(" ")).replace("\n", " ")


def test_every_question_shows_its_slides_and_how_much_of_the_answer_they_hold() -> None:
    shown = parts(render_report(made_up_course(unanswerable=4)))
    assert shown["questions"].count("01-lecture:12, 01-lecture:3") == 6
    assert "83\u00a0% of the answer's words" in words(shown["questions"]) and "cosine 0.71" in shown["questions"]
    assert shown["unanswerable"].count("not enough to answer it") == 4
    assert "Slide 01-lecture:7 holds 22\u00a0% of the answer's words" in words(shown["unanswerable"])
    assert "From cards.tsv, lecture 01-lecture." in words(shown["questions"])


def test_questions_that_the_slides_cannot_answer_stand_in_a_section_of_their_own_that_says_why() -> None:
    course = made_up_course(unanswerable=4)
    html = render_report(course)
    shown = parts(html)
    assert (shown["questions"].count('class="question"'), shown["unanswerable"].count('class="question"')) == (30, 4)
    assert "Of 34 exam questions, 4 ask what the slides do not hold." in shown["unanswerable"]
    assert "count in none of the figures above" in shown["unanswerable"]
    own = next(figure for figure in course.estimates if figure.name == "unanswerable.reference_loss.base")
    assert own.n == 4 and f"<b>{own.mean:.2f}</b>" in shown["unanswerable"]
    assert shown["judge"].count("against base") == 1 == shown["unanswerable"].count("</span> against base")
    assert 'id="unanswerable-figure_1"' in shown["unanswerable"] and "unanswerable-figure_1" not in shown["figures"]
    assert "The figures rest on the 30 exam questions that the slides can answer; the 4 that they cannot" in html
    assert Page(html).open == [] and len(Page(html).ids) == len(set(Page(html).ids))


def test_an_exam_that_the_slides_answer_whole_has_no_such_section() -> None:
    html = render_report(made_up_course())
    assert "unanswerable" not in parts(html) and "Not on the slides" not in html
    assert "The slides can answer all 34 exam questions." in html


def test_without_support_all_questions_count_and_the_page_says_that_nothing_is_known() -> None:
    course = made_up_course()
    estimates = estimate_all(course.cards, [], [], course.losses, [], [], [])
    html = render_report(replace(course, support=(), estimates=estimates))
    assert "It is not known which exam questions the slides can answer, so all of them count." in html
    assert "It is not known of 34 exam questions" in html and "answerable from the slides</li>" not in html
    assert parts(html)["questions"].count("It is not known whether the slides answer this.") == 34


def test_an_exam_that_the_slides_hardly_answer_is_told_of_before_anything_else() -> None:
    html = render_report(made_up_course(unanswerable=31))
    assert '<p class="headline">Only 3 of the 34 exam questions can be answered from the slides: ' in html
    assert "The teacher knows this course" not in html
    assert "Only 3 of the 34 exam questions can be answered from the slides, so the figures rest on all 34." in html
    assert "The figures rest on questions that the slides cannot answer." in html
    assert "so the figures above count them all the same" in parts(html)["unanswerable"]
    none = render_report(made_up_course(unanswerable=34))
    assert "None of the 34 exam questions can be answered from the slides" in none
    assert "There are none." in parts(none)["questions"]


def test_the_page_says_what_it_rests_on() -> None:
    course = made_up_course(unanswerable=4)
    cards = [replace(card, source="sold.apkg") if card.id > "q28" else card for card in course.cards]
    authors = [Author("drafted questions", "gpt-4o"), Author("training text (slides translated)", "")]
    origin = parts(render_report(replace(course, cards=cards, authors=authors)))["origin"]
    assert "cards.tsv</td><td>29</td><td>29</td>" in origin and "sold.apkg</td><td>5</td><td>1</td>" in origin
    assert "drafted questions</td><td>gpt-4o" in origin
    assert "training text (slides translated)</td><td>a model that was not recorded" in origin
    assert "The judge is a judge." in origin


def test_whether_models_wrote_the_exam_is_told_apart_from_not_knowing() -> None:
    course = made_up_course()
    assert "No model wrote any of the questions" in render_report(course)
    assert "was not recorded (2-prepare/authors.jsonl)" in render_report(replace(course, authors=None))


def test_comparisons_that_were_not_made_are_missing_and_none_that_could_not_be_read() -> None:
    course = made_up_course()
    html = render_report(replace(course, verdicts=course.verdicts[:20]))
    assert '<td data-label="missing">24</td>' in parts(html)["judge"]
    course = made_up_course(unanswerable=4)
    html = render_report(replace(course, verdicts=course.verdicts[:20]))
    assert '<td data-label="missing">4</td>' in parts(html)["unanswerable"], "none of these was judged"


def test_what_models_and_lecturers_wrote_is_shown_and_never_run() -> None:
    course = made_up_course(questions=2)
    attack = '<script>alert("x")</script></main>'
    html = render_report(
        replace(course, title=attack, answers=[replace(course.answers[0], text=attack)], settings=attack)
    )
    assert attack not in html and html.count("&lt;script&gt;") >= 3


def test_without_a_judge_the_page_says_so_and_how_to_get_one() -> None:
    html = render_report(made_up_course(judged=False))
    assert "No judge ran: no endpoint is configured." in html and "[endpoint.NAME]" in html
    assert "No judge ran" not in render_report(made_up_course())


def test_a_course_without_a_student_is_reported_all_the_same() -> None:
    course = made_up_course(judged=False)
    left = [loss for loss in course.losses if loss.model in ("base", "teacher")]
    estimates = estimate_all(course.cards, [], [], left, [], [], [])
    html = render_report(
        replace(course, contestants=course.contestants[:2], losses=left, answers=[], similarities=[],
                controls=[], estimates=estimates, plots={})
    )  # fmt: skip
    assert "<h3>student" not in html and 'href="#figures"' not in html
    assert "without control cards this may be style" in html


def test_parameters_are_written_as_people_do() -> None:
    assert (short_count(134_515_008), short_count(2_494_000_000)) == ("134.5 M", "2.49 B")


def own(mean: float, low: float, high: float) -> Estimate:
    """A difference of losses: negative is better."""
    return Estimate("reference_loss.teacher-base", mean, low, high, 40, 0)


def knowledge(mean: float, low: float, high: float) -> Estimate:
    return Estimate("knowledge.teacher", mean, low, high, 80, 0)


def test_the_headline_claims_knowledge_only_where_both_intervals_exclude_zero() -> None:
    sentence = headline([own(-0.5, -0.7, -0.3), knowledge(0.3, 0.1, 0.5)])
    assert sentence.startswith("The teacher knows this course: it is 0.50 [0.30,\u00a00.70] nats per token better")
    assert "knowledge was not shown" in headline([own(-0.5, -0.7, -0.3), knowledge(0.1, -0.1, 0.3)])
    assert "knowledge was not shown" in headline([own(-0.5, -0.7, -0.3), knowledge(-0.3, -0.5, -0.1)])
    assert "without control cards" in headline([own(-0.5, -0.7, -0.3)])


def test_the_headline_says_so_where_nothing_was_gained() -> None:
    assert headline([own(-0.1, -0.3, 0.1), knowledge(0.3, 0.1, 0.5)]).startswith("No difference beyond chance")
    worse = headline([own(0.4, 0.2, 0.6), knowledge(0.3, 0.1, 0.5)])
    assert worse.startswith("The teacher is worse than the base: it loses 0.40 [0.20,\u00a00.60]")
    assert headline([]).startswith("Nothing can be said yet")
    one = Estimate("reference_loss.teacher-base", -0.4, None, None, 1, 0)
    assert headline([one]).startswith("Nothing can be said yet: one exam question")


def answerable(held: int, known: int, unknown: int = 0) -> Estimate:
    """The share of questions that the slides can answer."""
    return Estimate("answerable", held / known if known else None, 0.0, 1.0, known, unknown)


def test_no_knowledge_of_the_course_is_claimed_where_the_slides_do_not_hold_the_answers() -> None:
    figures = [own(-0.5, -0.7, -0.3), knowledge(0.3, 0.1, 0.5)]
    assert headline([*figures, answerable(10, 40)]).startswith("The teacher knows this course: it is 0.50")
    few = headline([*figures, answerable(9, 40)])
    assert few.startswith("Only 9 of the 40 exam questions can be answered from the slides: whether")
    assert few.endswith("The teacher is 0.50 [0.30,\u00a00.70] nats per token better than the base on the exam, "
                        "0.30 [0.10,\u00a00.50] more than on control cards.")  # fmt: skip


def test_the_basis_says_which_questions_the_figures_rest_on() -> None:
    assert basis([answerable(70, 70)]) == "The slides can answer all 70 exam questions."
    assert basis([answerable(12, 40, unknown=2)]) == (
        "The figures rest on the 12 exam questions that the slides can answer; the 28 that they cannot answer are "
        "shown apart. Of 2 more it is not known; they count too."
    )
    assert basis([answerable(0, 0, unknown=5)]).startswith("It is not known which exam questions")
    assert basis([]) == ""


def test_the_student_is_spoken_of_only_where_it_was_measured() -> None:
    assert standfirst([]) == ""
    behind = Estimate("reference_loss.student-base", 0.4, 0.2, 0.6, 40, 0)
    healed = Estimate("reference_loss.student-shrunk", -2.0, -2.2, -1.8, 40, 0)
    sentence = standfirst([behind, healed])
    assert "is still behind the base" in sentence and "Distillation won it 2.00" in sentence


def test_cautions_name_what_weakens_the_figures() -> None:
    estimates = [
        replace(own(-0.5, -0.7, -0.3), missing=3),
        Estimate("cut_off.teacher", 0.25, 0.1, 0.4, 12, 0),
        Estimate("repetition.student", 0.6, 0.5, 0.7, 12, 0),
        Estimate("dictionary.base", 0.95, 0.9, 1.0, 12, 0),
        Estimate("dictionary.student", 0.6, 0.5, 0.7, 12, 0),
    ]
    contestants = [Contestant("base", 100, 30), Contestant("student", 60, 19)]
    found = "\n".join(cautions(estimates, contestants, questions=12, controls=0))
    assert "only 12 questions" in found and "no control cards" in found and "teacher 3" in found
    assert "25\u00a0% of the teacher's answers were cut off" in found and "The student repeats itself" in found
    assert "Only 60\u00a0% of the student's words stand in a dictionary, 95\u00a0% of the base's." in found
    assert "keeps 19 of 30 layers" in found


def test_a_sound_evaluation_has_no_cautions() -> None:
    contestants = [Contestant("base", 100, 30), Contestant("student", 60, 20)]
    assert cautions([own(-0.5, -0.7, -0.3)], contestants, questions=30, controls=30) == []


def test_figures_are_written_with_true_minus_signs_and_no_negative_zero() -> None:
    assert with_interval(Estimate("e", -0.001, -0.5, 0.25, 9, 0)) == "0.00 [−0.50,\u00a00.25]"
    assert with_interval(Estimate("e", 2.0, None, None, 1, 0)) == "2.00 [no interval]"
    assert with_interval(Estimate("e", None, None, None, 0, 1)) == "not measured"


def test_a_model_that_lost_on_its_own_exam_is_not_said_to_know_the_course() -> None:
    figures = [own(-0.5, -0.7, -0.3), knowledge(0.3, 0.1, 0.5)]
    assert telling(figures) == figures
    lost = [own(0.5, 0.3, 0.7), knowledge(0.3, 0.1, 0.5)]  # it lost still more on the control cards
    assert telling(lost) == lost[:1]
