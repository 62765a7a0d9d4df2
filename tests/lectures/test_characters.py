from edullama.lectures.characters import count_unreadable, read_glyphs, repair


def test_split_umlauts_are_put_together() -> None:
    assert repair("¨Ubungsblatt, F¨ahigkeit, fu¨r, Gr¨oße") == "Übungsblatt, Fähigkeit, für, Größe"


def test_a_circumflex_in_a_regular_expression_is_no_accent() -> None:
    assert repair("[ˆabc]") == "[ˆabc]"


def test_ligatures_and_soft_hyphens_are_undone() -> None:
    assert repair("e\ufb03cient \ufb02ow, Grad\u00adient") == "efficient flow, Gradient"


def test_a_struck_out_sign_is_one_sign() -> None:
    assert repair("|R|\u0338 = |V|") == "|R|≠ |V|"


def test_letters_of_formulas_are_plain_letters() -> None:
    assert repair("𝑓 𝑥") == "f x"


def test_hats_and_sums_of_powerpoint_formulas_are_told() -> None:
    assert repair("\u0ddcy = \u0dcd w\u210e") == "ŷ = ∑ wh"


def test_glyphs_without_a_meaning_go_and_are_counted() -> None:
    assert repair("\ue123a\ufffd") == "a"
    assert count_unreadable("\ue123a\ufffd") == 2


def test_bullets_of_symbol_fonts_stay_bullets() -> None:
    assert repair("\uf0b7 item") == "• item"
    assert count_unreadable("\uf0b7 item") == 0


def test_tall_brackets_of_tex_are_brackets_and_other_unnamed_glyphs_unreadable() -> None:
    assert read_glyphs("CMEX10", "\x10P\x11") == "(∑)"
    assert read_glyphs("Scribble", "\x10P") == "\ufffd\ufffd"
