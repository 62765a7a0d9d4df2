"""What the terminal shows of a course: the state of its stages and its main figures."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter

from edullama.files import from_json
from edullama.manifest import Manifest
from edullama.recipe import Recipe
from edullama.records import Estimate, TokenCounts
from edullama.store import Workspace

MAIN = {
    "reference_loss.teacher-base": "teacher − base, nats per token (negative is better)",
    "reference_loss.shrunk-base": "shrunk − base, nats per token (negative is better)",
    "reference_loss.student-base": "student − base, nats per token (negative is better)",
    "knowledge.teacher": "teacher's gain beyond that on control cards, nats (positive is better)",
    "knowledge.student": "student's gain beyond that on control cards, nats (positive is better)",
    "identified.teacher-base": "teacher − base, share of questions that pick out their own answer (positive is better)",
    "cosine.teacher-base": "teacher − base, cosine to the reference (positive is better)",
    "cosine.student-base": "student − base, cosine to the reference (positive is better)",
    "unanswerable.reference_loss.teacher-base": "teacher − base on what the slides cannot answer, nats per token",
    "unanswerable.reference_loss.student-base": "student − base on what the slides cannot answer, nats per token",
}
BINS = 8  # of the histogram, at the most
LONGEST_BAR = 40  # characters


def show_status(work: Workspace, recipe: Recipe) -> None:
    """Print for each stage its state, how long it took, what it holds, and why it is out of date."""
    for status in work.status(recipe):
        manifest = work.manifest(status.stage)
        print(f"{status.stage:<9} {status.state}{f' in {manifest.seconds:.0f} s' if manifest else ''}")
        if status.why:
            print(f"{'':<9} {status.why}")
        if manifest:
            print(f"{'':<9} {describe(manifest)}")
        if manifest and status.stage == "prepare" and (path := work.folder("prepare") / "tokens.json").exists():
            counts = from_json(path.read_bytes(), TokenCounts)
            print(*(f"{'':<9} {line}" for line in show_tokens(counts, recipe.finetune.max_tokens)), sep="\n")


def show_tokens(counts: TokenCounts, most: int) -> Iterator[str]:
    """Yield how many tokens the training texts have, how long windows are, and how many have more than `most`."""
    kinds = {"entries": counts.entries, "windows": counts.windows, "pairs": counts.pairs}
    told = ", ".join(f"{sum(own):,} in {len(own):,} {what}" for what, own in kinds.items())
    yield f"tokens of {counts.model}: {told}"
    yield from _histogram(counts.windows)
    split = sum(count > most for count in counts.windows)
    if split:
        whole = f"{split:,} of {len(counts.windows):,} windows"
        yield f"{whole} are longer than finetune.max_tokens, {most:,}, and are split"


def _histogram(counts: Sequence[int]) -> Iterator[str]:
    """Yield a bar for each range of tokens up to the longest; a bin's width is a power of 2."""
    width = 2 ** max(4, (max(counts, default=0) // BINS).bit_length())
    bins = Counter(count // width for count in counts)
    for place in range(max(bins, default=-1) + 1):
        span = f"{place * width:,} to {(place + 1) * width - 1:,} tokens"
        bar = "█" * round(LONGEST_BAR * bins[place] / max(bins.values()))
        yield f"{span:>22} {bins[place]:>6,} {bar}".rstrip()


def describe(manifest: Manifest) -> str:
    """Return what a stage counted, in words."""
    return ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in manifest.counts.items())


def summarize(work: Workspace) -> None:
    """Print what was found, the main figures with their intervals, and where the report and the models are."""
    from edullama.evaluation.findings import basis, headline, index, standfirst, telling

    path = work.folder("evaluate") / "estimates.json"
    estimates = TypeAdapter(list[Estimate]).validate_json(path.read_bytes())
    figures = index(telling(estimates))
    sentences = (headline(estimates), standfirst(estimates), basis(estimates))
    print("", *filter(None, sentences), "", sep="\n")
    for name, meaning in MAIN.items():
        if name in figures:
            print(f"  {_format(figures[name]):<28} {meaning}")
    print(f"\nReport: {(work.folder('evaluate') / 'report.html').resolve()}")
    for gguf in sorted(work.folder("export").glob("*.gguf")):
        print(f"Model:  {gguf.resolve()}")
    print(f"Ask it: edullama ask {work.root}")


def _format(figure: Estimate) -> str:
    if figure.mean is None:
        return "not measured"
    interval = "" if figure.low is None else f" [{figure.low:+.3f}, {figure.high:+.3f}]"
    return f"{figure.mean:+.3f}{interval}"
