"""Small models with random weights, one of each family, and what their own libraries make of a few hundred texts.

    python random_models.py JOB

To be run by an interpreter that has `benchmarks/requirements.txt` installed, with vai's sources on its path. JOB names
a folder and holds queries with their passages. Each model is saved twice below the folder: `<name>` with its network
as ONNX beside its weights, and `<name>-torch` without. Prints versions and values as JSON.

What fits is given to sentence-transformers as texts. It would cut a passage that does not fit; vai reads it in windows,
and the best one counts. So those are put together here, from the tokens that transformers gives the whole pair, and
only where windows begin and end is taken from vai. The same goes for queries that are longer than their share.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import LayerNorm, Normalize, Pooling
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from vai.models.local.configs import MOST_QUERY_TOKENS
from vai.models.local.templates import token_windows

LIBRARIES = ("torch", "transformers", "sentence-transformers", "onnx")
WIDTH, LAYERS, HEADS, TOKENS = 48, 3, 4, 128
SPREAD = 0.25
"""Standard deviation of the weights: ten times the usual, so that values lie far apart and a mistake shows."""
SHAPE = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
    "initializer_range": SPREAD,
}


@dataclass(frozen=True, slots=True)
class Family:
    """A model to be made: `build` saves it into a folder."""

    name: str
    kind: str
    build: Callable[[Path, Sequence[str]], None]


def main(job_file: str) -> None:
    """Make every model, and say what they say."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    home, questions = Path(job["folder"]), job["questions"]
    texts = [text for item in questions for text in (item["query"], *item["passages"])]
    answers = []
    for number, family in enumerate(FAMILIES):
        torch.manual_seed(number)
        with_network, without = home / family.name, home / f"{family.name}-torch"
        family.build(without, texts)
        shutil.copytree(without, with_network)
        values = VALUES[family.kind](without, with_network / "onnx", questions)
        answers.append({"name": family.name, "kind": family.kind, "values": values})
    print(json.dumps({"versions": {name: version(name) for name in LIBRARIES}, "models": answers}))


# ── what they say ────────────────────────────────────────────────────────────────────────────────


def reranker_values(folder: Path, network: Path, questions: Sequence[Any]) -> list[list[float]]:
    """Log odds of every pair, question by question."""
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    model.float().eval()
    export(model[0].model, model.tokenizer, network)
    return [_pair_values(model, item["query"], item["passages"]) for item in questions]


def _pair_values(model: Any, query: str, passages: Sequence[str]) -> list[float]:
    rows = [list(_rows(model.tokenizer, query, passage)) for passage in passages]
    whole = {index for index, windows in enumerate(rows) if windows == [None]}
    pairs = [(query, passages[index]) for index in sorted(whole)]
    given = model.predict(pairs, activation_fn=torch.nn.Identity()) if pairs else []
    at_once = iter(_log_odds(np.asarray(logits)) for logits in given)
    return [
        next(at_once) if index in whole else max(_row_value(model, row) for row in windows if row)
        for index, windows in enumerate(rows)
    ]


def _rows(tokenizer: Any, query: str, passage: str) -> Iterator[dict[str, list[int]] | None]:
    """What is read of a pair: None for all of it, or rows with the query cut to its share and one window each."""
    row = tokenizer([query], [passage], truncation=False)  # as lists, because "" alone counts as no passage
    owners = row.sequence_ids(0)
    first, second = ([place for place, owner in enumerate(owners) if owner == text] for text in (0, 1))
    asked = first[: min(MOST_QUERY_TOKENS, TOKENS // 4)]
    around = [place for place, owner in enumerate(owners) if owner is None]
    windows = token_windows(len(second), TOKENS - len(asked) - len(around))
    if len(asked) == len(first) and len(windows) == 1:
        yield None
        return
    for start, stop in windows:
        kept = sorted([*around, *asked, *second[start:stop]])
        yield {
            name: [row[name][0][place] for place in kept]
            for name in tokenizer.model_input_names
            if name in row
        }


def _row_value(model: Any, row: dict[str, list[int]]) -> float:
    with torch.inference_mode():
        given = {name: torch.tensor([numbers]) for name, numbers in row.items()}
        return _log_odds(model(given)["scores"][0].numpy())


def _log_odds(logits: Any) -> float:
    return float(logits[1] - logits[0]) if logits.size == 2 else float(logits.reshape(-1)[0])


def embedder_values(folder: Path, network: Path, questions: Sequence[Any]) -> list[list[list[float]]]:
    """Vectors of every query and its passages, question by question."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.float().eval()
    export(model[0].model, model.tokenizer, network)
    return [
        [
            model.encode_query(item["query"], normalize_embeddings=True).tolist(),
            *model.encode_document(item["passages"], normalize_embeddings=True).tolist(),
        ]
        for item in questions
    ]


VALUES: dict[str, Callable[[Path, Path, Sequence[Any]], Any]] = {
    "reranker": reranker_values,
    "embedder": embedder_values,
}


# ── networks ─────────────────────────────────────────────────────────────────────────────────────


class Exported(torch.nn.Module):  # type: ignore[misc]
    """A network of transformers with its inputs in order and one output."""

    def __init__(self, network: Any, names: Sequence[str], output: str) -> None:
        super().__init__()
        self.network, self.names, self.output = network, names, output

    def forward(self, *inputs: Any) -> Any:
        return getattr(self.network(**dict(zip(self.names, inputs, strict=True))), self.output)


def export(network: Any, tokenizer: Any, folder: Path) -> None:
    """The network as ONNX, for texts of any length: logits if it has them, else the states of all tokens."""
    folder.mkdir()
    network.set_attn_implementation("eager")
    output = "logits" if hasattr(network, "classifier") else "last_hidden_state"
    names = list(tokenizer.model_input_names)
    example = tuple(torch.ones((2, 16), dtype=torch.int64) for _ in names)
    free = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        Exported(network, names, output).eval(),
        example,
        str(folder / "model.onnx"),
        input_names=names,
        output_names=[output],
        dynamic_axes=dict.fromkeys((*names, output), free),
        opset_version=18,
        dynamo=False,
    )


def bert(labels: int) -> Any:
    """BERT, with so many labels; without a head for none."""
    config = transformers.BertConfig(
        vocab_size=400, max_position_embeddings=TOKENS, num_labels=labels or 1, **SHAPE
    )
    kind = transformers.BertForSequenceClassification if labels else transformers.BertModel
    return kind(config)


def distilbert(labels: int) -> Any:
    """DistilBERT, which knows no token types."""
    config = transformers.DistilBertConfig(
        vocab_size=400,
        max_position_embeddings=TOKENS,
        num_labels=labels,
        dim=WIDTH,
        n_layers=LAYERS,
        n_heads=HEADS,
        hidden_dim=2 * WIDTH,
        initializer_range=SPREAD,
    )
    return transformers.DistilBertForSequenceClassification(config)


def roberta(labels: int, *, multilingual: bool = False) -> Any:
    """RoBERTa or XLM-RoBERTa, whose positions begin behind the one for padding."""
    family = "XLMRoberta" if multilingual else "Roberta"
    config = getattr(transformers, f"{family}Config")(
        vocab_size=600, max_position_embeddings=TOKENS + 2, type_vocab_size=1, num_labels=labels or 1, **SHAPE
    )
    kind = f"{family}ForSequenceClassification" if labels else f"{family}Model"
    return getattr(transformers, kind)(config)


def modernbert() -> Any:
    """ModernBERT without a head: rotary positions, local attention in two of three layers."""
    config = transformers.ModernBertConfig(
        vocab_size=600,
        max_position_embeddings=TOKENS,
        local_attention=16,
        pad_token_id=0,
        cls_token_id=1,
        sep_token_id=2,
        bos_token_id=1,
        eos_token_id=2,
        **SHAPE,
    )
    return transformers.ModernBertModel(config)


# ── tokenizers ───────────────────────────────────────────────────────────────────────────────────


def wordpiece(texts: Sequence[str], kind: str = "BertTokenizer") -> Any:
    """BERT's, with words of the texts and all their letters."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return getattr(transformers, kind)(vocab=tokenizer.get_vocab(), model_max_length=TOKENS)


def distilbert_tokenizer(texts: Sequence[str]) -> Any:
    """BERT's, under the name by which transformers knows to give no token types."""
    return wordpiece(texts, "DistilBertTokenizer")


def byte_level(texts: Sequence[str], specials: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding of bytes, trained on the texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=590,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def roberta_tokenizer(texts: Sequence[str]) -> Any:
    """`<s> a </s></s> b </s>`."""
    state = json.loads(byte_level(texts, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]).to_str())["model"]
    return transformers.RobertaTokenizer(
        vocab=state["vocab"], merges=[tuple(pair) for pair in state["merges"]], model_max_length=TOKENS
    )


def xlm_roberta_tokenizer(texts: Sequence[str]) -> Any:
    """Pieces of a unigram model, with `▁` for spaces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=500, unk_token="<unk>", show_progress=False)
    trainer.special_tokens = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(texts, trainer)
    pieces = json.loads(tokenizer.to_str())["model"]["vocab"]
    return transformers.XLMRobertaTokenizer(
        vocab=[(piece, score) for piece, score in pieces], model_max_length=TOKENS
    )


def modernbert_tokenizer(texts: Sequence[str]) -> Any:
    """Bytes, with BERT's special tokens and no token types."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer = byte_level(texts, specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=TOKENS,
        model_input_names=["input_ids", "attention_mask"],
    )


# ── models ───────────────────────────────────────────────────────────────────────────────────────


def plain(network: Callable[[], Any], tokenizer: Callable[[Sequence[str]], Any]) -> Callable[..., None]:
    """A model as transformers saves it."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        network().save_pretrained(folder)
        tokenizer(texts).save_pretrained(folder)

    return build


def chain(
    kind: Any,
    network: Callable[[], Any],
    tokenizer: Callable[[Sequence[str]], Any],
    *steps: Callable[[], Any],
    **settings: Any,
) -> Callable[..., None]:
    """A model of sentence-transformers: a network, and the steps behind it."""

    def build(folder: Path, texts: Sequence[str]) -> None:
        plain(network, tokenizer)(folder / "bare", texts)
        transformer = Transformer(str(folder / "bare"), max_seq_length=TOKENS)
        kind(modules=[transformer, *(step() for step in steps)], device="cpu", **settings).save(str(folder))
        shutil.rmtree(folder / "bare")

    return build


def pooled(mode: str) -> Callable[[], Any]:
    """From token states to a vector."""
    return lambda: Pooling(WIDTH, pooling_mode=mode)


def scoring() -> Any:
    """The last step of a reranker whose head is outside of its network."""
    return Dense(WIDTH, 1, activation_function=torch.nn.Identity(), module_output_name="scores")


FAMILIES = (
    Family("bert", "reranker", plain(lambda: bert(1), wordpiece)),
    Family("bert-of-two", "reranker", plain(lambda: bert(2), wordpiece)),
    Family(
        "distilbert",
        "reranker",
        plain(lambda: distilbert(1), distilbert_tokenizer),
    ),
    Family("roberta-of-two", "reranker", plain(lambda: roberta(2), roberta_tokenizer)),
    Family("xlm-roberta", "reranker", plain(lambda: roberta(1, multilingual=True), xlm_roberta_tokenizer)),
    Family(
        "modernbert-chain",
        "reranker",
        chain(
            CrossEncoder,
            modernbert,
            modernbert_tokenizer,
            pooled("cls"),
            lambda: Dense(WIDTH, WIDTH, bias=False, activation_function=torch.nn.GELU()),
            lambda: LayerNorm(WIDTH),
            scoring,
        ),
    ),
    Family(
        "bert-mean",
        "embedder",
        chain(SentenceTransformer, lambda: bert(0), wordpiece, pooled("mean"), Normalize),
    ),
    Family("bert-cls", "embedder", chain(SentenceTransformer, lambda: bert(0), wordpiece, pooled("cls"))),
    Family(
        "xlm-roberta-prompts",
        "embedder",
        chain(
            SentenceTransformer,
            lambda: roberta(0, multilingual=True),
            xlm_roberta_tokenizer,
            pooled("mean"),
            prompts={"query": "query: ", "document": "passage: "},
        ),
    ),
    Family(
        "roberta-dense",
        "embedder",
        chain(
            SentenceTransformer,
            lambda: roberta(0),
            roberta_tokenizer,
            pooled("max"),
            lambda: Dense(WIDTH, 2 * WIDTH),
        ),
    ),
    Family(
        "modernbert-last",
        "embedder",
        chain(SentenceTransformer, modernbert, modernbert_tokenizer, pooled("lasttoken")),
    ),
)


if __name__ == "__main__":
    main(sys.argv[1])
