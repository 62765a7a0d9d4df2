from edullama.lectures.language import tell_language


def test_german_and_english_are_told_apart() -> None:
    assert tell_language("Der Gradient zeigt in die Richtung des steilsten Anstiegs.") == "de"
    assert tell_language("The gradient points in the direction of steepest ascent.") == "en"


def test_code_does_not_make_a_german_slide_english() -> None:
    code = "public static void main(String[] args) { for (Student s : list.getAll()) print(s.name()); }"
    assert tell_language(f"Ausgabe aller Studierenden mit einer einfachen Schleife\n{code}") == "de"


def test_too_little_text_has_no_language() -> None:
    assert tell_language("Hashmaps") == ""
