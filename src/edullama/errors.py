"""Errors a user can act on: each says what is wrong, where, and what to do."""


class EduLlamaError(Exception):
    """Something the user can mend; shown without a traceback."""


class RecipeError(EduLlamaError):
    """The recipe holds an unknown key or an impossible value."""


class InputError(EduLlamaError):
    """A lecture, card file, model or stage folder cannot be used."""


class ModelError(EduLlamaError):
    """A model cannot be found, fetched or checked."""


class EndpointError(EduLlamaError):
    """A remote model did not answer."""
